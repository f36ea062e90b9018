//! The connections of clients, as logical connections ("lines"): mux streams, or whole connections without mux.
//!
//! Owns what goes out, in order, and how much of it has not left yet. Does not know what the bytes mean. Always true:
//! bulk data is taken only while less than [`BULK`] bytes of a connection wait; input is taken only while less than
//! [`FULL`] do. Worst case: [`FULL`] and the answers to one read, a connection.

use super::faults::MuxFault;
use super::mux::{self, Mux};
use super::{Conn, Out};
use redial::proto::time::{Duration, Instant, sooner};
use std::collections::{BTreeMap, VecDeque};

/// Bytes of a connection that may wait before no more payload is taken for it.
pub(crate) const BULK: usize = 256 * 1024;
/// Bytes of a connection that may wait before nothing more is read from it.
pub(crate) const FULL: usize = 512 * 1024;
/// Bytes that are read at once.
pub(crate) const READ: usize = 64 * 1024;

/// A logical connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Line {
    /// The connection.
    pub(crate) conn: Conn,
    /// The stream; 0 without mux.
    pub(crate) stream: u32,
}

struct Wire {
    mux: Option<Mux>,
    /// Made in this call; without mux.
    staged: Vec<u8>,
    /// Bytes made and not reported as sent.
    backlog: usize,
    /// Nothing that comes is looked at.
    mute: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Wires {
    wires: BTreeMap<Conn, Wire>,
    out: VecDeque<Out>,
    /// What leaves later, with the time.
    late: VecDeque<(Instant, Out)>,
    pub(super) delay: Duration,
    pub(super) now: Instant,
}

impl Wires {
    /// A client connected.
    pub(super) fn open(&mut self, conn: Conn, mux: Option<mux::Settings>) {
        let mux = mux.map(|settings| Mux::new(settings, self.now));
        self.wires.insert(conn, Wire { mux, staged: Vec::new(), backlog: 0, mute: false });
    }

    /// Whether the connection is there.
    pub(super) fn has(&self, conn: Conn) -> bool {
        self.wires.contains_key(&conn)
    }

    /// All connections.
    pub(super) fn conns(&self) -> Vec<Conn> {
        self.wires.keys().copied().collect()
    }

    /// Looks at nothing any more that comes from there.
    pub(super) fn mute(&mut self, conn: Conn) {
        self.wires.entry(conn).and_modify(|w| w.mute = true);
    }

    /// Whether what comes from there is to be dropped.
    pub(super) fn is_mute(&self, conn: Conn) -> bool {
        self.wires.get(&conn).is_none_or(|w| w.mute)
    }

    /// The mux of a connection that has one.
    pub(super) fn mux(&mut self, conn: Conn) -> Option<&mut Mux> {
        self.wires.get_mut(&conn)?.mux.as_mut()
    }

    /// Bytes made for a connection that are not reported as sent.
    pub(super) fn backlog(&self, conn: Conn) -> usize {
        self.wires.get(&conn).map_or(0, |w| w.backlog)
    }

    /// Payload that may be sent on a line now.
    pub(super) fn room(&self, line: Line) -> usize {
        let Some(wire) = self.wires.get(&line.conn) else { return 0 };
        let free = BULK.saturating_sub(wire.backlog);
        wire.mux.as_ref().map_or(free, |mux| mux.room(line.stream).min(free))
    }

    /// Sends bytes, at most the window of the stream.
    pub(super) fn send(&mut self, line: Line, bytes: &[u8]) {
        match self.wires.get_mut(&line.conn) {
            Some(Wire { mux: Some(mux), .. }) => mux.send(line.stream, bytes),
            Some(wire) => wire.staged.extend_from_slice(bytes),
            None => {}
        }
        self.flush(line.conn);
    }

    /// Sends bytes below the mux.
    pub(super) fn send_raw(&mut self, conn: Conn, bytes: &[u8]) {
        if let Some(wire) = self.wires.get_mut(&conn) {
            let out = wire.mux.as_mut().map_or(&mut wire.staged, Mux::output);
            out.extend_from_slice(bytes);
        }
        self.flush(conn);
    }

    /// Payload of a line has been used.
    pub(super) fn consumed(&mut self, line: Line, len: usize) {
        if let Some(mux) = self.mux(line.conn) {
            mux.consumed(line.stream, len);
            self.flush(line.conn);
        }
    }

    /// Breaks the rules of the mux on a line, if there is a mux.
    pub(super) fn misbehave(&mut self, line: Line, fault: MuxFault) {
        if let Some(mux) = self.mux(line.conn) {
            mux.misbehave(line.stream, fault);
            self.flush(line.conn);
        }
    }

    /// Ends a line: FIN on its stream; without mux the connection is closed.
    pub(super) fn finish(&mut self, line: Line) {
        let now = self.now;
        match self.mux(line.conn) {
            Some(mux) => {
                mux.finish(line.stream, now);
                self.flush(line.conn);
            }
            None => self.close(line.conn),
        }
    }

    /// Aborts a line: RST on its stream; without mux the connection is reset.
    pub(super) fn reset(&mut self, line: Line) {
        match self.mux(line.conn) {
            Some(mux) => {
                mux.reset(line.stream);
                self.flush(line.conn);
            }
            None => self.abort(line.conn),
        }
    }

    /// A connection is gone by itself: nothing can be sent there any more.
    pub(super) fn forget(&mut self, conn: Conn) {
        self.wires.remove(&conn);
    }

    /// Closes a connection after what was sent.
    pub(super) fn close(&mut self, conn: Conn) {
        self.flush(conn);
        if self.wires.remove(&conn).is_some() {
            self.emit(Out::Close { conn });
        }
    }

    /// Resets a connection.
    pub(super) fn abort(&mut self, conn: Conn) {
        if self.wires.remove(&conn).is_some() {
            self.emit(Out::Abort { conn });
        }
    }

    /// Hands on what was made for a connection.
    pub(super) fn flush(&mut self, conn: Conn) {
        let Some(wire) = self.wires.get_mut(&conn) else { return };
        let out = wire.mux.as_mut().map_or(&mut wire.staged, Mux::output);
        if !out.is_empty() {
            let bytes = core::mem::take(out);
            wire.backlog += bytes.len();
            self.emit(Out::Send { conn, bytes });
        }
    }

    fn emit(&mut self, out: Out) {
        if self.delay.is_zero() && self.late.is_empty() {
            self.out.push_back(out);
        } else {
            self.late.push_back((self.now + self.delay, out));
        }
    }

    /// Something that is not for a client, and never late.
    pub(super) fn tell(&mut self, out: Out) {
        self.out.push_back(out);
    }

    /// Bytes have left. Says whether the connection takes payload again.
    pub(super) fn sent(&mut self, conn: Conn, bytes: usize) -> bool {
        let Some(wire) = self.wires.get_mut(&conn) else { return false };
        let was_full = wire.backlog >= BULK;
        wire.backlog = wire.backlog.checked_sub(bytes).expect("more bytes have left than were made");
        was_full && wire.backlog < BULK
    }

    /// The next thing to do.
    pub(super) fn poll(&mut self) -> Option<Out> {
        let out = self.out.pop_front();
        out.or_else(|| {
            let (at, _) = self.late.front()?;
            (*at <= self.now).then(|| self.late.pop_front())?.map(|(_, out)| out)
        })
    }

    /// When something is to be done though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let late = self.late.front().map(|(at, _)| *at).filter(|at| *at > self.now);
        let mux = self.wires.values().filter_map(|w| w.mux.as_ref()?.deadline()).min();
        sooner(late, mux)
    }
}
