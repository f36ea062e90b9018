//! TLS to the server (protocol §1.3), by rustls without its buffers.
//!
//! Owns one TLS session: handshake, records, alerts. Does not touch a socket or know what the bytes mean. Always true:
//! the library is never asked without the bytes it has read and not given back, or it would panic; after an error it
//! is not asked at all. Worst case: the handshake's output and 20 KiB of session state; for the time of a call one
//! record (16 KiB); once data may flow, [`MAX_HELD`] of a message that comes in pieces.
//!
//! Why is it so?
//! * *Where are the plain bytes?* The library decrypts a record where it lies and copies it into a `Vec` of its own; from
//!   there it goes to the front of the buffer, before the next one is opened.
//! * *Why are held bytes counted by record headers?* The library remembers how much of its input it has read but does
//!   not say so. It reads whole records and no others, so the headers tell.

#[cfg(feature = "admin-tls")]
mod server;
mod settings;
mod verify;

#[cfg(feature = "admin-tls")]
pub use server::{ServerSettings, TlsServer};
pub use settings::{Settings, SettingsError};

use crate::wire::frame;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Plain bytes of the largest record. [`Tls::open`] needs as much room before the bytes it is given.
pub const MAX_RECORD: usize = 16 * 1024;
/// Bytes of the largest record on the wire: header, the protocol's allowance for expansion, payload.
const MAX_WIRE: usize = 5 + 2048 + MAX_RECORD;
/// What sealing adds to a record, at most: 29 bytes, and the first one may follow two key updates of 27.
const OVERHEAD: usize = 96;
/// Bytes of an unfinished message that the library may hold once data may flow. Tickets take a few hundred.
const MAX_HELD: usize = 2 * MAX_WIRE;

/// Room that [`Tls::seal`] needs for so many plain bytes.
pub const fn sealed_len(plain: usize) -> usize {
    plain + (plain / MAX_RECORD + 1) * OVERHEAD
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    /// The peer does not speak TLS; says what it seems to be, if that can be told.
    NotTls(Option<&'static str>),
    /// The server's certificate was refused; says why, and which key of frps's has a say in it.
    BadCertificate(String, &'static str),
    /// The server refused us with this alert.
    Refused(String),
    /// The protocol was broken or has no common ground; says how.
    Failed(String),
}

impl core::fmt::Display for TlsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotTls(None) => f.write_str("the peer does not speak TLS; is serverPort right?"),
            Self::NotTls(Some(what)) => write!(f, "the peer does not speak TLS: {what}"),
            Self::BadCertificate(why, hint) => write!(f, "tls: failed to verify certificate: {why}{hint}"),
            Self::Refused(alert) => write!(f, "remote error: tls: {alert}"),
            Self::Failed(how) => write!(f, "tls: {how}"),
        }
    }
}

/// What [`Tls::open`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Plain bytes, now at the front of the buffer.
    pub plain: usize,
    /// Where the bytes start that have to be there again in front of new ones: an incomplete record, and before it what
    /// the library holds of a message in several records.
    pub rest: usize,
}

/// One session.
pub struct Tls {
    conn: UnbufferedClientConnection,
    out: Vec<u8>,
    ready: bool,
    closed: bool,
    /// How many of the caller's bytes the library has read but not given back.
    held: usize,
    /// Those bytes, once data may flow: it has to see them when it is asked to send.
    copy: Vec<u8>,
    /// The session has failed: the library must not be asked again.
    failed: Option<TlsError>,
}

impl Tls {
    /// Starts a handshake.
    ///
    /// # Errors
    /// The library refuses the settings.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        let conn = settings.connect().map_err(|e| TlsError::Failed(e.to_string()))?;
        let (out, copy) = (Vec::new(), Vec::new());
        let mut tls = Self { conn, out, ready: false, closed: false, held: 0, copy, failed: None };
        tls.open(&mut [], 0, 0)?;
        Ok(tls)
    }

    /// Whether data may be sent.
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// Whether the peer has said that it will send no more.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Handshake bytes for the peer. The caller clears what it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Opens the records in `buf[from..to]` and puts their plain bytes at the front of `buf`. With bytes to open, `from`
    /// must be at least [`MAX_RECORD`], and the first of them are those that the last call left ([`Opened::rest`]).
    ///
    /// # Errors
    /// The session is over. [`Tls::output`] may hold an alert that tells the peer.
    pub fn open(&mut self, buf: &mut [u8], from: usize, to: usize) -> Result<Opened, TlsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.open_records(buf, from, to);
        result.map_err(|error| self.fail(error))
    }

    fn open_records(&mut self, buf: &mut [u8], from: usize, to: usize) -> Result<Opened, TlsError> {
        let input = buf.get(from..to).unwrap_or_default();
        let records = input.get(self.held..).map(complete);
        let Some(edge) = records.map(|len| from + self.held + len) else {
            return Err(TlsError::Failed("bytes that were left are missing".to_owned()));
        };
        let (mut plain, mut at) = (0, from);
        loop {
            let (front, rest) = buf.split_at_mut(at.min(buf.len()));
            let input = rest.get_mut(..to.saturating_sub(at)).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.conn.process_tls_records(input);
            let state = match state {
                Ok(state) => state,
                Err(e) => return Err(explain(&e, buf.get(from..to).unwrap_or_default(), self.ready)),
            };
            let front = front.get_mut(plain..).unwrap_or_default();
            let done = step(state, front, &mut plain, &mut self.out, &mut self.ready, &mut self.closed)?;
            at += discard;
            if done {
                self.hold(buf.get(at..edge).unwrap_or_default())?;
                return Ok(Opened { plain, rest: at });
            }
        }
    }

    /// Remembers what the library holds. After the peer's end it reads no more.
    fn hold(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        self.held = if self.closed { 0 } else { bytes.len() };
        self.copy = Vec::new();
        if self.ready && self.held > 0 {
            if self.held > MAX_HELD {
                return Err(TlsError::Failed("a message is too long".to_owned()));
            }
            self.copy.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Ends the session; the library may have an alert for the peer.
    fn fail(&mut self, error: TlsError) -> TlsError {
        // While it wants to write it does not look at input: it may lack the bytes it holds.
        while self.conn.wants_write() {
            match self.conn.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut self.out, |room| data.encode(room)),
                Ok(ConnectionState::ReadTraffic(mut records)) => while records.next_record().is_some() {},
                _ => break,
            }
        }
        self.copy = Vec::new();
        self.failed = Some(error.clone());
        error
    }

    /// Lets the library say what it has to say without new bytes. Afterwards it is ready to send, or never will be.
    fn settle(&mut self) -> Result<(), TlsError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if !self.ready {
            return Err(TlsError::Failed("not ready to send".to_owned()));
        }
        loop {
            let UnbufferedStatus { discard, state } = self.conn.process_tls_records(&mut self.copy);
            let done = match state {
                _ if discard > 0 => Err(TlsError::Failed("held bytes are gone".to_owned())),
                Ok(state) => step(state, &mut [], &mut 0, &mut self.out, &mut self.ready, &mut self.closed),
                Err(e) => Err(explain(&e, &[], true)),
            };
            match done {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// Seals the pieces one after the other, each in records of its own; returns how many bytes of `out` are used. `out`
    /// must have room for [`sealed_len`] of each.
    ///
    /// # Errors
    /// The handshake is not done, the session is over, or the keys are used up.
    pub fn seal(&mut self, pieces: &[&[u8]], out: &mut [u8]) -> Result<usize, TlsError> {
        self.settle()?;
        let UnbufferedStatus { state: Ok(ConnectionState::WriteTraffic(mut traffic)), .. } =
            self.conn.process_tls_records(&mut self.copy)
        else {
            return Err(TlsError::Failed("not ready to send".to_owned()));
        };
        let mut used = 0;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let room = out.get_mut(used..).unwrap_or_default();
            used += traffic.encrypt(piece, room).map_err(|e| match e {
                EncryptError::InsufficientSize(_) => TlsError::Failed("there is no room to seal".to_owned()),
                EncryptError::EncryptExhausted => TlsError::Failed("the keys are used up".to_owned()),
            })?;
        }
        Ok(used)
    }

    /// Adds the notice that we will send no more to [`Tls::output`], once data may flow.
    pub fn close(&mut self) {
        if self.settle().is_err() {
            return;
        }
        if let UnbufferedStatus { state: Ok(ConnectionState::WriteTraffic(mut traffic)), .. } =
            self.conn.process_tls_records(&mut self.copy)
        {
            let mut room = [0; OVERHEAD];
            let used = traffic.queue_close_notify(&mut room).unwrap_or(0);
            self.out.extend_from_slice(room.get(..used).unwrap_or_default());
        }
    }
}

/// Bytes of the complete records at the front. Only what the library accepts is asked for: it refuses the rest.
fn complete(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let [_, _, _, high, low, body @ ..] = rest {
        let Some(next) = body.get(usize::from(u16::from_be_bytes([*high, *low]))..) else { break };
        rest = next;
    }
    bytes.len() - rest.len()
}

/// Handles one state of the library; true when it wants more bytes.
fn step<D>(
    state: ConnectionState<'_, '_, D>,
    front: &mut [u8],
    plain: &mut usize,
    out: &mut Vec<u8>,
    ready: &mut bool,
    closed: &mut bool,
) -> Result<bool, TlsError> {
    match state {
        ConnectionState::ReadTraffic(mut records) => {
            let mut at = 0;
            while let Some(record) = records.next_record() {
                let payload = record.map_err(|e| TlsError::Failed(e.to_string()))?.payload;
                let room = front.get_mut(at..at + payload.len());
                room.ok_or_else(|| TlsError::Failed("a record is too long".to_owned()))?.copy_from_slice(payload);
                at += payload.len();
            }
            *plain += at;
        }
        ConnectionState::EncodeTlsData(mut data) => encode(out, |room| data.encode(room)),
        ConnectionState::TransmitTlsData(data) => data.done(),
        ConnectionState::BlockedHandshake => return Ok(true),
        ConnectionState::WriteTraffic(_) => {
            *ready = true;
            return Ok(true);
        }
        ConnectionState::PeerClosed => *closed = true,
        ConnectionState::Closed => {
            *closed = true;
            return Ok(true);
        }
        _ => return Err(TlsError::Failed("the library is in an unknown state".to_owned())),
    }
    Ok(false)
}

/// Appends what `data` encodes.
fn encode(out: &mut Vec<u8>, mut data: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>) {
    let start = out.len();
    let mut size = 0;
    loop {
        out.resize(start + size, 0);
        match data(out.get_mut(start..).unwrap_or_default()) {
            Ok(used) => return out.truncate(start + used),
            Err(EncodeError::InsufficientSize(need)) if need.required_size > size => size = need.required_size,
            Err(_) => return out.truncate(start),
        }
    }
}

/// Puts the library's error into terms of what the user can change. `input` is what came last.
fn explain(error: &rustls::Error, input: &[u8], ready: bool) -> TlsError {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion)
            if !ready =>
        {
            TlsError::NotTls(frame::guess(input))
        }
        rustls::Error::InvalidCertificate(e) => {
            let (why, hint) = certificate(e);
            TlsError::BadCertificate(why, hint)
        }
        rustls::Error::AlertReceived(alert) => TlsError::Refused(alert_name(*alert)),
        other => TlsError::Failed(other.to_string()),
    }
}

fn certificate(error: &CertificateError) -> (String, &'static str) {
    let clock = "; is this device's clock right?";
    match error {
        CertificateError::UnknownIssuer => {
            ("certificate signed by unknown authority".to_owned(), " (not by one in transport.tls.trustedCaFile)")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (format!("certificate is not yet valid{clock}"), "")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (format!("certificate has expired{clock}"), "")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (error.to_string(), "; the name is transport.tls.serverName, or serverAddr without it")
        }
        other => (other.to_string(), ""),
    }
}

fn alert_name(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
            format!("{alert:?}: the server wants a client certificate (transport.tls.certFile and keyFile)")
        }
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests;
