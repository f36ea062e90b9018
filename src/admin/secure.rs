//! HTTPS: the layer between a connection's socket and its machine.
//!
//! Owns the choice between plain and TLS. Does not touch sockets. Always true: plain bytes go through unchanged and
//! uncopied. Worst case: what TLS holds.

use crate::config::WebTls;
use crate::proto::tls::{ServerSettings, TlsServer};

/// For all connections.
pub(super) struct Secure(Option<ServerSettings>);

impl Secure {
    /// Reads the files; before the loop starts.
    pub(super) fn open(tls: Option<&WebTls>) -> Result<Self, String> {
        let Some(tls) = tls else { return Ok(Self(None)) };
        let read = |key, path: &str| std::fs::read(path).map_err(|e| format!("webServer.tls.{key}: open {path}: {e}"));
        let (cert, key) = (read("certFile", &tls.cert_file)?, read("keyFile", &tls.key_file)?);
        ServerSettings::new(&cert, &key).map(|settings| Self(Some(settings))).map_err(|e| format!("webServer.tls.{e}"))
    }

    /// For a new connection.
    pub(super) fn layer(&self) -> Layer {
        // Settings that were taken make sessions; one that fails would answer nothing.
        Layer(self.0.as_ref().and_then(|settings| TlsServer::new(settings).ok()).map(Box::new))
    }
}

/// For one connection.
pub(super) struct Layer(Option<Box<TlsServer>>);

impl Layer {
    pub(super) fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// What received bytes say; false once no more will come. `out` takes what is to be sent for them.
    pub(super) fn open(&mut self, bytes: &[u8], plain: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<bool, String> {
        match &mut self.0 {
            Some(tls) => tls.feed(bytes, plain, out).map_err(|e| e.to_string()),
            None => Ok(true),
        }
    }

    /// Seals bytes; says how many it took.
    pub(super) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) -> usize {
        self.0.as_mut().map_or(0, |tls| tls.seal(plain, out))
    }

    /// Adds the notice of the end.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.0.iter_mut().for_each(|tls| tls.close(out));
    }
}
