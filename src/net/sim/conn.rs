//! One simulated connection: two directions of bytes on their way.
//!
//! Owns what was written and has not been read. Does not move it: [`super::Sim`] does, in time. Always true: bytes keep
//! their order, an end comes after the last byte. Worst case: the weather's buffer, twice.

use super::{Link, Sock, Token, Weather, Welcome};
use crate::proto::time::{Duration, Instant};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Dialing,
    /// In the backlog of one of the client's listeners.
    Waiting,
    Open,
    /// By the client.
    Closed,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Sent, not arrived.
    flying: VecDeque<u8>,
    /// Arrived, not read (towards the client only).
    landed: VecDeque<u8>,
    /// The sender is done; whether cleanly.
    ending: Option<bool>,
    /// The end has arrived.
    ended: bool,
    /// The writer was told that there is no room.
    pub(super) told_full: bool,
}

impl Stream {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.ending.is_none() {
            self.flying.extend(bytes);
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.flying.len()
    }

    pub(super) fn end(&mut self, cleanly: bool) {
        match &mut self.ending {
            None => self.ending = Some(cleanly),
            Some(clean) if !cleanly && !self.ended => *clean = false,
            Some(_) => {}
        }
    }

    /// Drops what has not arrived.
    pub(super) fn lose(&mut self) {
        self.flying.clear();
    }

    pub(super) fn has_more(&self) -> bool {
        !self.flying.is_empty() || (self.ending.is_some() && !self.ended)
    }

    pub(super) fn has_landed(&self) -> bool {
        !self.landed.is_empty()
    }

    /// Takes up to `most` bytes out of the air.
    pub(super) fn arrive(&mut self, most: usize) -> Vec<u8> {
        self.flying.drain(..most.min(self.flying.len())).collect()
    }

    /// The end, if everything before it has arrived; once.
    pub(super) fn take_end(&mut self) -> Option<bool> {
        let now = self.flying.is_empty() && !self.ended;
        let end = self.ending.filter(|_| now);
        self.ended |= end.is_some();
        end
    }

    /// Moves up to `most` bytes, or the end, into the receive buffer; whether anything moved.
    pub(super) fn land(&mut self, most: usize, buffer: usize) -> bool {
        let most = most.min(buffer.saturating_sub(self.landed.len()));
        let bytes = self.arrive(most);
        let moved = !bytes.is_empty();
        self.landed.extend(bytes);
        moved | self.take_end().is_some()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) to: SocketAddr,
    pub(super) from: IpAddr,
    pub(super) token: Token,
    pub(super) weather: Weather,
    pub(super) delay: Duration,
    /// Bytes the client's side may hold unsent.
    pub(super) unsent: usize,
    pub(super) phase: Phase,
    pub(super) welcome: Option<Welcome>,
    /// Towards the world.
    pub(super) up: Stream,
    /// Towards the client.
    pub(super) down: Stream,
    pub(super) up_moving: bool,
    pub(super) down_moving: bool,
    /// The client has found the receive buffer empty: the next bytes are an edge.
    pub(super) drained: bool,
    /// The world does not read.
    pub(super) paused: bool,
    pub(super) cut: bool,
    /// Nothing arrives sooner.
    pub(super) stalled: Instant,
    pub(super) reset: bool,
}

impl Conn {
    pub(super) fn new(to: SocketAddr, token: Token, weather: Weather) -> Self {
        Self {
            to,
            from: super::HOME,
            token,
            weather,
            delay: weather.latency,
            unsent: usize::MAX,
            phase: Phase::Dialing,
            welcome: None,
            up: Stream::default(),
            down: Stream::default(),
            up_moving: false,
            down_moving: false,
            drained: true,
            paused: false,
            cut: false,
            stalled: Instant::ZERO,
            reset: false,
        }
    }

    pub(super) fn sock(&self, link: Link) -> Sock {
        Sock { index: link, generation: 0 }
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let landed = &mut self.down.landed;
        if landed.is_empty() && !buf.is_empty() {
            if self.down.ended {
                return Ok(0);
            }
            self.drained = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        io::Read::read(landed, buf)
    }

    pub(super) fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.up.ending.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = self.weather.buffer.min(self.unsent).saturating_sub(self.up.queued());
        if room == 0 && !buf.is_empty() {
            self.up.told_full = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = buf.len().min(room);
        self.up.push(buf.get(..n).unwrap_or_default());
        Ok(n)
    }
}
