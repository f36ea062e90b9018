//! What the world can do to its connections.
//!
//! Owns nothing: it lends the simulator for one call. Does not decide anything. Always true: what it does takes effect at
//! the client no sooner than the line allows. Worst case: no memory.

use super::{Happening, Link, Rng, Sim};
use crate::proto::time::Instant;
use std::net::SocketAddr;

/// What the world can do.
pub struct Far<'a> {
    pub(super) sim: &'a mut Sim,
}

impl Far<'_> {
    /// The time.
    pub fn now(&self) -> Instant {
        self.sim.now
    }

    /// Randomness.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.sim.rng
    }

    /// Bytes that [`Far::send`] takes now.
    pub fn room(&self, link: Link) -> usize {
        self.sim.conns.get(link as usize).map_or(0, |c| c.weather.buffer.saturating_sub(c.down.queued()))
    }

    /// Connects to one of the client's listeners; `None`: there is none at this address.
    pub fn connect(&mut self, to: SocketAddr) -> Option<Link> {
        self.sim.knock(to)
    }

    /// Sends bytes; all are taken.
    pub fn send(&mut self, link: Link, bytes: &[u8]) {
        if let Some(conn) = self.sim.conns.get_mut(link as usize) {
            conn.down.push(bytes);
            self.sim.start_down(link);
        }
    }

    /// Sends FIN after what was sent.
    pub fn finish(&mut self, link: Link) {
        if let Some(conn) = self.sim.conns.get_mut(link as usize) {
            conn.down.end(true);
            self.sim.start_down(link);
        }
    }

    /// Sends RST; what was sent and has not arrived is lost.
    pub fn reset(&mut self, link: Link) {
        let delay = self.sim.delay(link);
        self.sim.at(self.sim.now + delay, Happening::RstToClient(link));
    }

    /// Stops reading, or goes on.
    pub fn pause(&mut self, link: Link, paused: bool) {
        if let Some(conn) = self.sim.conns.get_mut(link as usize) {
            conn.paused = paused;
            if !paused {
                self.sim.start_up(link);
            }
        }
    }

    /// From now on the bytes of this connection vanish, both ways.
    pub fn cut(&mut self, link: Link) {
        self.sim.cut(link);
    }
}
