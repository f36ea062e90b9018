//! One socket of the real server, and the bytes that wait for it.
//!
//! Owns the socket and the queue. Does not know who is at the other end. Always true: a write is tried only when the
//! socket may take it. Worst case: what the machine lets wait ([`super::super::frps`]).

use super::super::frps::chunks::Chunks;
use redial::proto::time::Instant;
use socket2::SockRef;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends in small pieces, with pauses: a slow link with many small packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drip {
    /// The largest piece; each has 1 to `max` bytes.
    pub(crate) max: usize,
    /// The pause after each.
    pub(crate) pause: Duration,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Nothing,
    Bytes(usize),
    Fin,
    Failed,
}

/// See the module.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    pub(super) tx: Chunks,
    /// The machine has closed it: only what waits still goes out.
    pub(super) closing: bool,
    /// The peer's FIN was read.
    pub(super) ended: bool,
    /// The socket was full.
    pub(super) blocked: bool,
    /// Not before then ([`Drip`]).
    pub(super) not_before: Option<Instant>,
}

impl Peer {
    /// An accepted socket.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let (closing, ended, blocked) = (false, false, false);
        Ok(Self { stream, tx: Chunks::default(), closing, ended, blocked, not_before: None })
    }

    /// Whether there is something to write, and only the socket holds it up.
    pub(super) fn waits_for_socket(&self) -> bool {
        self.blocked && !self.tx.is_empty()
    }

    /// Whether nothing is left to do.
    pub(super) fn done(&self) -> bool {
        self.closing && self.tx.is_empty()
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> Got {
        match self.stream.read(buf) {
            Ok(0) => {
                self.ended = true;
                Got::Fin
            }
            Ok(n) => Got::Bytes(n),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Got::Nothing,
            Err(_) => Got::Failed,
        }
    }

    /// Writes what the socket takes; says how much that was.
    pub(super) fn write(&mut self, drip: Option<Drip>, now: Instant, random: &mut u64) -> io::Result<usize> {
        let mut total = 0;
        while !self.tx.is_empty() && !self.blocked && self.not_before.is_none_or(|at| at <= now) {
            let front = self.tx.front();
            let size = drip.map_or(front.len(), |drip| piece(drip.max, random).min(front.len()));
            match self.stream.write(&front[..size]) {
                Ok(n) => {
                    self.tx.pop(n);
                    total += n;
                    self.not_before = drip.map(|drip| now + drip.pause);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.blocked = true,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(total)
    }

    /// Closes with RST.
    pub(super) fn abort(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// 1 to `max`.
fn piece(max: usize, random: &mut u64) -> usize {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    1 + usize::try_from(*random >> 33).unwrap_or(0) % max.max(1)
}
