//! TLS to those who ask us, for the admin server.
//!
//! Owns one session at the server's end. Does not touch a socket. Always true: what was taken is sealed at once, so only
//! the caller holds bytes; there is no resumption, so nothing outlives a session. Worst case: one record (18 KiB), and the
//! handshake's output.

use super::settings::{certificates, private_key, provider};
use super::{TlsError, explain};
use rustls::server::NoServerSessionStorage;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
#[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
use std::sync::Arc;

/// Everything that is the same for all sessions.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    #[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
    config: Arc<ServerConfig>,
}

impl ServerSettings {
    /// Checks the settings: PEM texts.
    ///
    /// # Errors
    /// Says what is of no use.
    #[expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = certificates(certificate).map_err(|e| format!("certFile: {e}"))?;
        let key = private_key(key).map_err(|_| "keyFile: there is no usable PEM key in it".to_owned())?;
        let builder = ServerConfig::builder_with_provider(Arc::new(provider())).with_safe_default_protocol_versions();
        let builder = builder.map_err(|e| e.to_string())?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, key).map_err(|e| format!("certFile and keyFile: {e}"))?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config) })
    }
}

/// One session.
pub struct TlsServer {
    conn: ServerConnection,
}

impl TlsServer {
    /// Waits for a handshake.
    ///
    /// # Errors
    /// The library refuses the settings.
    pub fn new(settings: &ServerSettings) -> Result<Self, TlsError> {
        let conn = ServerConnection::new(settings.config.clone()).map_err(|e| TlsError::Failed(e.to_string()))?;
        Ok(Self { conn })
    }

    /// Bytes from the peer; adds what they say to `plain`, and what is to be sent for it to `out`. False once the peer has
    /// said that it will send no more.
    ///
    /// # Errors
    /// The session is over; `out` may hold an alert that tells the peer.
    pub fn feed(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, TlsError> {
        let (mut rest, mut open) = (bytes, true);
        while !rest.is_empty() {
            let failed = |e: std::io::Error| TlsError::Failed(e.to_string());
            self.conn.read_tls(&mut rest).map_err(failed)?;
            let state = self.conn.process_new_packets();
            while self.conn.wants_write() {
                self.conn.write_tls(out).map_err(failed)?;
            }
            let state = state.map_err(|e| explain(&e, bytes, !self.conn.is_handshaking()))?;
            let from = plain.len();
            plain.resize(from + state.plaintext_bytes_to_read(), 0);
            self.conn.reader().read_exact(plain.get_mut(from..).unwrap_or_default()).map_err(failed)?;
            open &= !state.peer_has_closed();
        }
        Ok(open)
    }

    /// Seals bytes and adds them to `out`; says how many it took.
    pub fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> usize {
        let taken = self.conn.writer().write(plain).unwrap_or(0);
        self.drain(out);
        taken
    }

    /// Adds the notice that we will send no more.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        self.conn.send_close_notify();
        self.drain(out);
    }

    fn drain(&mut self, out: &mut Vec<u8>) {
        while self.conn.wants_write() && self.conn.write_tls(out).is_ok_and(|n| n > 0) {}
    }
}
