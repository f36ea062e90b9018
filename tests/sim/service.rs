//! Local services.
//!
//! Owns what a service has seen of each connection. Does not own the sockets. Always true: what a service receives is
//! checked byte by byte against what its guest sends. Worst case: what an echo has not sent back yet.

use super::guest::{NAME, byte};
use redial::net::sim::{Far, Link};
use redial::proto::time::{Instant, secs};
use std::net::SocketAddr;

/// Ports of the services; those not listed refuse.
pub(crate) const PORTS: [(&str, u16); 6] =
    [("echo", 9001), ("talk", 9002), ("stall", 9003), ("rude", 9004), ("refused", 9005), ("unanswered", 9006)];

/// One connection to a service.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) port: u16,
    name: Vec<u8>,
    /// Bytes received in all.
    pub(crate) got: usize,
    /// Not sent back yet.
    owed: Vec<u8>,
    /// The client has ended.
    ended: bool,
    finished: bool,
    /// When it starts to read.
    pub(crate) wakes: Option<Instant>,
}

impl Visit {
    pub(crate) fn new(to: SocketAddr, far: &mut Far<'_>, link: Link) -> Self {
        let stalls = to.port() == 9003;
        if stalls {
            far.pause(link, true);
        }
        let wakes = stalls.then(|| far.now() + secs(3));
        Self { port: to.port(), name: Vec::new(), got: 0, owed: Vec::new(), ended: false, finished: false, wakes }
    }

    /// The guest, once it has said who it is.
    pub(crate) fn guest(&self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.name.first_chunk()?))
    }

    /// Bytes came. `size` says how much the guest is to be sent.
    pub(crate) fn received(&mut self, link: Link, bytes: &[u8], size: impl Fn(u32) -> usize, far: &mut Far<'_>) {
        let known = self.guest().is_some();
        let missing = NAME.saturating_sub(self.name.len()).min(bytes.len());
        self.name.extend_from_slice(&bytes[..missing]);
        if let Some(guest) = self.guest() {
            let from = self.got;
            for (i, got) in bytes.iter().enumerate().filter(|(i, _)| from + i >= NAME) {
                assert_eq!(
                    *got,
                    byte(guest, from + i),
                    "the service got a wrong byte of guest {guest} at {}",
                    from + i
                );
            }
        }
        self.got += bytes.len();
        match (self.port, self.guest()) {
            (9002, Some(guest)) if !known => {
                self.owed.extend((0..NAME + size(guest)).map(|at| byte(guest, at)));
            }
            (9002, _) => {}
            _ => self.owed.extend_from_slice(bytes),
        }
        self.answer(link, far);
    }

    /// The client sent FIN.
    pub(crate) fn ended(&mut self, link: Link, far: &mut Far<'_>) {
        self.ended = true;
        self.answer(link, far);
    }

    /// Sends what fits.
    pub(crate) fn answer(&mut self, link: Link, far: &mut Far<'_>) {
        let n = far.room(link).min(self.owed.len());
        far.send(link, &self.owed[..n]);
        self.owed.drain(..n);
        let done = self.ended || (self.port == 9002 && self.guest().is_some());
        if done && self.port != 9004 && self.owed.is_empty() && !core::mem::replace(&mut self.finished, true) {
            far.finish(link);
        }
    }
}
