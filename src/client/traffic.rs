//! How a proxy stands and what went through it, for reports.
//!
//! Owns the counters and the server's last word on each proxy. Does not decide anything. Always true: bytes are payload as
//! the local service sees it; counters only grow. Worst case: 80 bytes a proxy, and the server's words (a message long).

use super::proxies::Proxies;
use crate::proto::control::Out;

/// How a proxy stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No session has announced it.
    #[default]
    New,
    /// Announced, and not answered.
    WaitStart,
    /// Users can reach it.
    Running,
    /// The server refused it; it is tried again.
    StartError,
}

impl Standing {
    /// frpc's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::WaitStart => "wait start",
            Self::Running => "running",
            Self::StartError => "start error",
        }
    }
}

/// What went through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from the local service.
    pub up: u64,
    /// Bytes to the local service.
    pub down: u64,
    /// Connections of users, since the start.
    pub connections: u64,
}

/// What is remembered of a proxy for reports.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) standing: Standing,
    /// Why it could not start; empty: it could, or has not tried.
    pub(super) error: String,
    /// Where users reach it, as the server worded it.
    pub(super) remote_addr: String,
    pub(super) traffic: Traffic,
}

/// Takes note of what the server said.
pub(super) fn note(proxies: &mut Proxies, out: &Out) {
    let (id, standing, error, remote_addr) = match out {
        Out::LoggedIn { .. } => return set_all(proxies, Standing::WaitStart),
        Out::ProxyStarted { proxy, remote_addr } => (*proxy, Standing::Running, "", remote_addr.as_str()),
        Out::ProxyRefused { proxy, error } => (*proxy, Standing::StartError, error.as_str(), ""),
        Out::ProxyHeld { .. } | Out::PingSent | Out::PongSeen => return,
    };
    if let Some(ledger) = proxies.get_mut(id).map(|proxy| &mut proxy.ledger) {
        (ledger.standing, ledger.error, ledger.remote_addr) = (standing, error.to_owned(), remote_addr.to_owned());
    }
}

/// The session has ended, or a new one begins.
pub(super) fn set_all(proxies: &mut Proxies, standing: Standing) {
    for ledger in proxies.iter_mut().map(|proxy| &mut proxy.ledger) {
        (ledger.standing, ledger.error, ledger.remote_addr) = (standing, String::new(), String::new());
    }
}

/// So many bytes of a proxy reached the server.
pub(super) fn sent_up(proxies: &mut Proxies, proxy: u32, bytes: usize) {
    if let Some(proxy) = proxies.get_mut(proxy) {
        proxy.ledger.traffic.up += bytes as u64;
    }
}

/// So many bytes reached the local service.
pub(super) fn sent_down(proxies: &mut Proxies, proxy: u32, bytes: usize) {
    if let Some(proxy) = proxies.get_mut(proxy) {
        proxy.ledger.traffic.down += bytes as u64;
    }
}

/// A user has come.
pub(super) fn opened(proxies: &mut Proxies, proxy: u32) {
    if let Some(proxy) = proxies.get_mut(proxy) {
        proxy.ledger.traffic.connections += 1;
    }
}
