//! Connections that the world makes to the client.
//!
//! Owns the listeners and who waits at them. Does not move bytes. Always true: who connects is heard of once, and waits
//! until taken. Worst case: not bounded, it is never in the product.

use super::conn::{Conn, Phase};
use super::{Event, Link, Sim, Sock, Token};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// Handles of listeners are at and above this.
const FIRST: u32 = 1 << 30;

pub(super) struct Listener {
    pub(super) addr: SocketAddr,
    token: Token,
    waiting: VecDeque<Link>,
    open: bool,
}

impl Listener {
    pub(super) fn is_open(&self) -> bool {
        self.open
    }
}

impl Sim {
    pub(super) fn listener(&self, sock: Sock) -> Option<&Listener> {
        self.listeners.get(sock.index.checked_sub(FIRST)? as usize).filter(|l| l.open)
    }

    fn listener_mut(&mut self, sock: Sock) -> Option<&mut Listener> {
        self.listeners.get_mut(sock.index.checked_sub(FIRST)? as usize).filter(|l| l.open)
    }

    pub(super) fn open_listener(&mut self, addr: SocketAddr, token: Token) -> io::Result<Sock> {
        if self.listeners.iter().any(|l| l.open && l.addr == addr) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let index = FIRST + u32::try_from(self.listeners.len()).unwrap_or(u32::MAX);
        self.listeners.push(Listener { addr, token, waiting: VecDeque::new(), open: true });
        Ok(Sock { index, generation: 0 })
    }

    /// Somebody connects.
    pub(super) fn knock(&mut self, to: SocketAddr) -> Option<Link> {
        let place = self.listeners.iter().position(|l| l.open && l.addr == to)?;
        let link = u32::try_from(self.conns.len()).unwrap_or(u32::MAX);
        let mut conn = Conn::new(to, Token { task: 0, port: 0 }, self.weather);
        conn.phase = Phase::Waiting;
        self.conns.push(conn);
        let index = FIRST + u32::try_from(place).ok()?;
        let listener = self.listeners.get_mut(place)?;
        listener.waiting.push_back(link);
        self.ready.push(Event::Ready { token: listener.token, sock: Sock { index, generation: 0 } });
        Some(link)
    }

    pub(super) fn take_waiting(&mut self, listener: Sock, token: Token) -> io::Result<Sock> {
        let failure = self.no_accept;
        let listener = self.listener_mut(listener).ok_or(io::ErrorKind::NotConnected)?;
        if let Some(kind) = failure.filter(|_| !listener.waiting.is_empty()) {
            return Err(kind.into());
        }
        let link = listener.waiting.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let conn = self.conns.get_mut(link as usize).ok_or(io::ErrorKind::NotConnected)?;
        (conn.phase, conn.token) = (Phase::Open, token);
        let sock = conn.sock(link);
        self.start_down(link);
        Ok(sock)
    }

    pub(super) fn close_listener(&mut self, sock: Sock) {
        if let Some(listener) = self.listener_mut(sock) {
            listener.open = false;
            for link in core::mem::take(&mut listener.waiting) {
                self.reset(link);
            }
        }
    }
}
