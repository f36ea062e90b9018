//! Who is to blame when something fails, and how it is said.
//!
//! Owns the classes of failure that the retry policy looks at, and frpc's wording of system errors. Does not decide
//! what to do. Always true: a failure has one line of text. Worst case: that line.

use crate::net::ResolveError;
use crate::proto::control::{ControlError, Timer};
use crate::proto::mux::MuxError;
use crate::proto::tls::TlsError;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The way to the server: it may heal by itself.
    Network,
    /// As [`Blame::Network`], and nothing came back: the server may still hold its end of the connection.
    Silence,
    /// As [`Blame::Silence`], with a login under way.
    Unanswered,
    /// The server does not know the connection (RST): it lost it, or our address has changed on the way.
    Reset,
    /// The server ended it, or is not there while its machine is: it restarts, and all its clients come back.
    Server,
    /// The server said no: its owner or ours has to change a setting.
    Refused,
    /// There is no ticket for the login, and the server has no part in it.
    Issuer,
    /// As [`Blame::Issuer`], and there will be none until somebody changes a setting.
    IssuerRefused,
    /// The server does not keep to the protocol, or is no frps.
    Misbehaved,
}

impl Blame {
    /// The server may know nothing of it.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Self::Silence | Self::Unanswered)
    }
}

/// Why an attempt or a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) blame: Blame,
    pub(super) text: String,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    pub(super) fn new(blame: Blame, text: impl Into<String>) -> Self {
        Self { blame, text: text.into() }
    }
}

/// Why a link is of no use any more.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The peer closed it.
    Eof,
    /// The socket failed.
    Io(io::Error),
    /// TLS failed.
    Tls(TlsError),
    /// The mux failed.
    Mux(MuxError),
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Eof => f.write_str("EOF"),
            Self::Io(e) => f.write_str(&reason(e)),
            Self::Tls(e) => write!(f, "{e}"),
            Self::Mux(e) => write!(f, "{e}"),
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<MuxError> for LinkError {
    fn from(e: MuxError) -> Self {
        Self::Mux(e)
    }
}

impl From<LinkError> for Failure {
    fn from(e: LinkError) -> Self {
        let blame = match &e {
            LinkError::Io(e) if e.kind() == ErrorKind::ConnectionReset => Blame::Reset,
            LinkError::Eof => Blame::Server,
            LinkError::Io(e) => blame(e),
            LinkError::Tls(TlsError::Refused(_)) => Blame::Refused,
            LinkError::Tls(_) => Blame::Misbehaved,
            LinkError::Mux(MuxError::Misbehaved(_)) => Blame::Misbehaved,
            LinkError::Mux(MuxError::GoAway(_)) => Blame::Server,
            LinkError::Mux(_) => Blame::Silence,
        };
        Self::new(blame, e.to_string())
    }
}

impl From<ControlError> for Failure {
    fn from(e: ControlError) -> Self {
        let blame = match &e {
            ControlError::Refused(_) | ControlError::PingRefused(_) => Blame::Refused,
            ControlError::Misbehaved(_) => Blame::Misbehaved,
            ControlError::TimedOut(Timer::LoginResp) => Blame::Unanswered,
            ControlError::TimedOut(_) => Blame::Silence,
        };
        Self::new(blame, e.to_string())
    }
}

/// Why a dial failed.
#[derive(Debug)]
pub(super) enum DialError {
    /// The name gave no address.
    Resolve(String, ResolveError),
    /// The connection was refused or broke.
    Connect(SocketAddr, io::Error),
    /// No answer in time.
    TimedOut(String),
}

impl core::fmt::Display for DialError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Resolve(name, e) => write!(f, "lookup {name}: {e}"),
            Self::Connect(addr, e) => write!(f, "dial tcp {addr}: connect: {}", reason(e)),
            Self::TimedOut(target) => write!(f, "dial tcp {target}: i/o timeout"),
        }
    }
}

impl From<DialError> for Failure {
    fn from(e: DialError) -> Self {
        let blame = match &e {
            DialError::Connect(_, e) => blame(e),
            DialError::Resolve(..) | DialError::TimedOut(_) => Blame::Network,
        };
        Self::new(blame, e.to_string())
    }
}

/// Whether an error came from the far end or from the way there.
fn blame(e: &io::Error) -> Blame {
    match e.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Blame::Server,
        _ => Blame::Network,
    }
}

/// A system error in the words frpc's users know.
pub(crate) fn reason(e: &io::Error) -> String {
    let known = match e.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset => "connection reset by peer",
        ErrorKind::BrokenPipe => "broken pipe",
        ErrorKind::TimedOut => "connection timed out",
        ErrorKind::HostUnreachable => "no route to host",
        ErrorKind::NetworkUnreachable => "network is unreachable",
        ErrorKind::AddrInUse => "address already in use",
        ErrorKind::AddrNotAvailable => "cannot assign requested address",
        ErrorKind::PermissionDenied => "permission denied",
        _ => return e.to_string(),
    };
    known.to_owned()
}
