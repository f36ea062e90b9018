//! One connection to the server, with its layers: `[byte 0x17] → [TLS] → [mux]` (protocol §1.1).
//!
//! Owns the socket's handle, the TLS and mux machines, and the bytes that did not fit into the socket. Does not know
//! what the bytes above the layers mean. Always true: bytes leave in the order in which they were handed in; while some
//! wait for the socket no bulk data is taken from anybody, so a ping never has more than one chunk before it. Worst
//! case: one chunk (at most the scratch buffer) and [`STAGE`] on the way out, one TLS record (18 KiB; 96 KiB during the
//! handshake) and 20 KiB of TLS, and 32 bytes a work connection that waits.
//!
//! Why is it so?
//! * *Why are small pieces staged?* Fifty answers of 64 bytes then leave in one system call and one TLS record at the
//!   end of the turn. Large ones are written from where they lie.
//! * *Why does the appetite adapt?* What waits unsent stands before the next ping. The appetite bounds both the chunk taken
//!   at once and what the kernel may hold unsent (TCP_NOTSENT_LOWAT). It doubles while a full socket drains within
//!   [`QUICK`] and halves when that takes longer than [`SLOW`]: about a tenth of a second of data on any link, and large
//!   pieces on a fast one, where every wake-up costs.

use super::failure::LinkError;
use super::shared::{STAGE, Shared, TaskKey};
use crate::net::{Net, Sock};
use crate::proto::mux::Mux;
use crate::proto::queue::Queue;
use crate::proto::time::{Duration, Instant, millis};
use crate::proto::tls::{MAX_RECORD, Tls, sealed_len};
use crate::wire::yamux::HEADER;
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Unsent bytes the kernel may hold on a fresh link.
pub(super) const FIRST_UNSENT: u32 = FIRST_APPETITE as u32;
/// Room kept before payload in a buffer: a mux header and the codec's prefix.
pub(super) const HEADROOM: usize = 32;
/// Payload up to this size is staged.
const SMALL: usize = 4 * 1024;
/// Bounds of the appetite, and where it starts.
const MIN_APPETITE: usize = 16 * 1024;
const MAX_APPETITE: usize = 1024 * 1024;
const FIRST_APPETITE: usize = 64 * 1024;
/// A full socket that takes bytes again after less than this is fast, after more than [`SLOW`] slow.
const QUICK: Duration = millis(10);
const SLOW: Duration = millis(100);
/// What TLS takes on a link, beside a record that is not complete.
pub(super) const TLS_COST: usize = 20 * 1024;
/// More than a TLS handshake message and a record take.
const MAX_HANDSHAKE: usize = 96 * 1024;
/// The first byte that announces TLS (`transport.tls.disableCustomTLSFirstByte = false`).
const TLS_BYTE: u8 = 0x17;

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The session: control, and with tcpMux everything.
    Session,
    /// One work connection (tcpMux off).
    Work(u32),
}

/// Plain bytes that one read gave: `buf[from..to]`. If that is `full`, the next read wants a larger buffer
/// ([`Shared::exchange`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Got {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The buffer was too small for what was there, most likely.
    pub(super) full: bool,
}

/// A connection to the server.
pub(super) struct Link {
    pub(super) sock: Sock,
    pub(super) owner: Owner,
    pub(super) mux: Option<Mux>,
    /// In the run queue.
    pub(super) queued: bool,
    /// Not read because too much waits to go out: to be read again once that has left.
    pub(super) held_back: bool,
    /// In the list of links to flush.
    dirty: bool,
    tls: Option<Box<Tls>>,
    /// Bytes for the socket, all layers applied.
    tx: Queue,
    /// Without mux: plain bytes for the end of the turn. With mux they lie among its frames.
    staged: Vec<u8>,
    /// The beginning of a TLS record.
    rx: Vec<u8>,
    /// Work connections that want to send and found the link full.
    waiting: VecDeque<u32>,
    /// The same, to find one.
    in_line: Vec<u32>,
    /// Who filled the link: the last in line.
    filler: Option<u32>,
    /// Bytes taken at once and held unsent by the kernel.
    appetite: usize,
    /// FIN follows what waits.
    ending: bool,
    /// Since when the socket has been full.
    full_since: Option<Instant>,
    /// Bytes the kernel has taken, wrapping.
    pub(super) wrote: u32,
    /// A write failed; told by the next [`Link::flush`].
    failed: Option<io::Error>,
}

impl Link {
    pub(super) fn new(sock: Sock, owner: Owner, tls: Option<Tls>, first_byte: bool, mux: Option<Mux>) -> Self {
        let mut tx = Queue::default();
        if first_byte && tls.is_some() {
            tx.push(&[TLS_BYTE]);
        }
        Self {
            sock,
            owner,
            mux,
            queued: false,
            held_back: false,
            dirty: false,
            tls: tls.map(Box::new),
            tx,
            staged: Vec::new(),
            rx: Vec::new(),
            waiting: VecDeque::new(),
            in_line: Vec::new(),
            filler: None,
            appetite: FIRST_APPETITE,
            ending: false,
            full_since: None,
            wrote: 0,
            failed: None,
        }
    }

    /// No layer changes the bytes: the kernel may move them.
    pub(super) fn is_bare(&self) -> bool {
        self.tls.is_none() && self.mux.is_none()
    }

    /// Whether the layers below the mux are up.
    pub(super) fn ready(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.ready())
    }

    /// Whether bulk data has to wait for the socket.
    pub(super) fn blocked(&self) -> bool {
        !self.tx.is_empty() || !self.ready()
    }

    /// Bytes a stream (0: the whole link) takes now.
    pub(super) fn room(&self, stream: u32) -> usize {
        match &self.mux {
            _ if self.blocked() => 0,
            Some(mux) => mux.room(stream).min(self.appetite),
            None => self.appetite,
        }
    }

    /// Puts a work connection in line, once, for when the socket takes bytes again. First come, first served, and whoever
    /// filled the link comes last.
    pub(super) fn wait(&mut self, work: u32) {
        let Err(at) = self.in_line.binary_search(&work) else { return };
        self.in_line.insert(at, work);
        if self.filler != Some(work) {
            self.waiting.push_back(work);
        }
    }

    /// A work connection has sent payload.
    pub(super) fn sent_by(&mut self, work: u32) {
        if self.blocked() && self.filler.is_none() {
            self.filler = Some(work);
        }
    }

    fn staging(&mut self) -> &mut Vec<u8> {
        match &mut self.mux {
            Some(mux) => mux.output(),
            None => &mut self.staged,
        }
    }

    /// Asks to be flushed at the end of the turn.
    pub(super) fn touch(&mut self, key: u32, shared: &mut Shared) {
        if !core::mem::replace(&mut self.dirty, true) {
            shared.dirty.push(key);
        }
    }

    /// Takes a message (control, first message of a work connection), also while the link is blocked. The caller has
    /// checked the stream's window, and calls [`Link::touch`].
    pub(super) fn post(&mut self, stream: u32, bytes: &[u8]) {
        let header = self.mux.as_mut().map(|mux| mux.data_header(stream, bytes.len()));
        let staging = self.staging();
        staging.extend(header.iter().flatten());
        staging.extend_from_slice(bytes);
    }

    /// Takes payload, `buf[from..]`, with room for a mux header before it. The caller has checked [`Link::room`], and
    /// calls [`Link::touch`].
    pub(super) fn send(
        &mut self,
        stream: u32,
        buf: &mut [u8],
        mut from: usize,
        net: &mut dyn Net,
        shared: &mut Shared,
    ) {
        let len = buf.len() - from;
        if let Some(mux) = &mut self.mux {
            let header = mux.data_header(stream, len);
            from -= HEADER;
            buf.iter_mut().skip(from).zip(header).for_each(|(to, byte)| *to = byte);
        }
        let bytes = buf.get(from..).unwrap_or_default();
        let staging = self.staging();
        if len <= SMALL && staging.len() + bytes.len() <= STAGE {
            staging.extend_from_slice(bytes);
            return;
        }
        let head = core::mem::take(staging);
        if let Err(e) = self.transmit(&head, bytes, net, shared) {
            self.failed = Some(e);
        }
        self.restage(head);
    }

    /// Gives the staging buffer its memory back, unless something was staged meanwhile or it is not worth keeping.
    fn restage(&mut self, mut head: Vec<u8>) {
        head.clear();
        let staging = self.staging();
        if staging.is_empty() && head.capacity() <= 2 * SMALL {
            *staging = head;
        }
    }

    /// Applies TLS to staged bytes and a chunk, and writes them; keeps the rest.
    fn transmit(&mut self, head: &[u8], body: &[u8], net: &mut dyn Net, shared: &mut Shared) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return self.write(head, body, net);
        };
        let (early, head) = head.split_at(head.len() - head.len() % STAGE);
        let need = sealed_len(head.len().min(STAGE)) + sealed_len(body.len());
        let mut sealed = shared.take_sealed(need);
        for pieces in early.chunks(STAGE).map(|part| [part, &[]]).chain([[head, body]]) {
            let used = tls.seal(&pieces, &mut sealed).map_err(|e| io::Error::other(e.to_string()))?;
            let n = write(self.sock, &mut self.tx, &[], sealed.get(..used).unwrap_or_default(), net)?;
            self.wrote = self.wrote.wrapping_add(count(n));
        }
        shared.put_sealed(sealed);
        Ok(())
    }

    fn write(&mut self, head: &[u8], body: &[u8], net: &mut dyn Net) -> io::Result<()> {
        let n = write(self.sock, &mut self.tx, head, body, net)?;
        self.wrote = self.wrote.wrapping_add(count(n));
        Ok(())
    }

    /// Writes what waits and what is staged. Work connections that waited run again once everything is out.
    ///
    /// # Errors
    /// The link takes nothing any more, and what waited is dropped. What has come may still be read.
    pub(super) fn flush(&mut self, net: &mut dyn Net, shared: &mut Shared) -> Result<(), LinkError> {
        let result = self.try_flush(net, shared);
        if result.is_err() {
            self.tx = Queue::default();
            self.staged = Vec::new();
        }
        result
    }

    fn try_flush(&mut self, net: &mut dyn Net, shared: &mut Shared) -> Result<(), LinkError> {
        self.dirty = false;
        if let Some(e) = self.failed.take() {
            return Err(e.into());
        }
        self.drain(net)?;
        if !self.blocked() && !self.staging().is_empty() {
            let staged = core::mem::take(self.staging());
            self.transmit(&staged, &[], net, shared)?;
            self.restage(staged);
            // A write that took less is no promise of an event: only one that would block is.
            self.drain(net)?;
        }
        self.adapt(net, shared.now);
        self.end(net);
        if !self.blocked() {
            let last = self.filler.take().filter(|work| self.in_line.binary_search(work).is_ok());
            self.in_line.clear();
            shared.run.extend(self.waiting.drain(..).chain(last).map(TaskKey::Work));
        }
        Ok(())
    }

    /// Notes when the socket becomes full, and judges it when it takes bytes again.
    fn adapt(&mut self, net: &mut dyn Net, now: Instant) {
        if !self.tx.is_empty() {
            self.full_since.get_or_insert(now);
            return;
        }
        let Some(since) = self.full_since.take() else { return };
        let appetite = match now.since(since) {
            waited if waited < QUICK => (self.appetite * 2).min(MAX_APPETITE),
            waited if waited > SLOW => (self.appetite / 2).max(MIN_APPETITE),
            _ => return,
        };
        if appetite != self.appetite {
            self.appetite = appetite;
            net.limit_unsent(self.sock, u32::try_from(appetite).unwrap_or(u32::MAX));
        }
    }

    /// Writes what waits, the handshake's bytes included.
    fn drain(&mut self, net: &mut dyn Net) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            let out = tls.output();
            self.tx.push(out);
            out.clear();
        }
        let (sock, before) = (self.sock, self.tx.len());
        let result = self.tx.drain(|slices| net.write_vectored(sock, slices));
        self.wrote = self.wrote.wrapping_add(count(before - self.tx.len()));
        match result {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }

    /// Reads once into `buf` and opens the TLS records in it. `None` if nothing was there.
    ///
    /// # Errors
    /// The link is of no use any more; an alert for the peer has been sent.
    pub(super) fn read(&mut self, buf: &mut [u8], net: &mut dyn Net) -> Result<Option<Got>, LinkError> {
        if self.tls.as_ref().is_some_and(|tls| tls.closed()) {
            return Err(LinkError::Eof);
        }
        let start = if self.tls.is_some() { MAX_RECORD } else { 0 };
        let fill = start + self.rx.len();
        if let Some(kept) = buf.get_mut(start..fill) {
            kept.copy_from_slice(&self.rx);
        }
        let room = buf.get_mut(fill..).unwrap_or_default();
        let size = room.len();
        if size == 0 {
            return self.outgrown();
        }
        let n = match net.read(self.sock, room) {
            Ok(0) => return Err(LinkError::Eof),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let (end, full) = (fill + n, n == size);
        let Some(tls) = &mut self.tls else {
            return Ok(Some(Got { from: start, to: end, full }));
        };
        let opened = match tls.open(buf, start, end) {
            Ok(opened) => opened,
            Err(e) => {
                let _ = self.drain(net);
                return Err(LinkError::Tls(e));
            }
        };
        let rest = buf.get(opened.rest..end).unwrap_or_default();
        self.rx.clear();
        self.rx.extend_from_slice(rest);
        if rest.is_empty() {
            self.rx = Vec::new();
        }
        Ok(Some(Got { from: 0, to: opened.plain, full }))
    }

    /// A handshake message in many records fills the buffer: a larger one is wanted, which holds any that TLS allows.
    fn outgrown(&self) -> Result<Option<Got>, LinkError> {
        if self.rx.len() > MAX_HANDSHAKE {
            return Err(LinkError::Io(io::Error::other("a TLS message is too long")));
        }
        Ok(Some(Got { from: 0, to: 0, full: true }))
    }

    /// Bytes it holds: what waits to go out, the start of a record, and what TLS needs.
    pub(super) fn holds(&self) -> usize {
        let tls = if self.tls.is_some() { TLS_COST } else { 0 };
        self.tx.len() + self.staged.capacity() + self.rx.capacity() + tls
    }

    /// Whether bytes of the link as a whole wait to go out.
    pub(super) fn pending(&self) -> bool {
        !self.tx.is_empty() || !self.staged.is_empty()
    }

    /// Sends FIN for a stream, or (0) for the link, on which nothing may be [`Link::pending`].
    pub(super) fn finish(&mut self, stream: u32, net: &mut dyn Net) {
        match &mut self.mux {
            Some(mux) => mux.finish(stream),
            None => {
                if let Some(tls) = &mut self.tls {
                    tls.close();
                }
                self.ending = true;
                // A failure is told by the next flush, which also sends what is left, and then FIN.
                if let Err(e) = self.drain(net) {
                    self.failed = Some(e);
                } else {
                    self.end(net);
                }
            }
        }
    }

    /// Sends the link's FIN, once, when everything before it is out. A second one would wake us for nothing.
    fn end(&mut self, net: &mut dyn Net) {
        if self.ending && self.tx.is_empty() {
            self.ending = false;
            net.shutdown(self.sock);
        }
    }

    /// When the mux wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.mux.as_ref().and_then(Mux::deadline)
    }
}

fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Writes to the socket unless bytes wait for it already; keeps the rest in `tx`. How many the kernel took.
fn write(sock: Sock, tx: &mut Queue, head: &[u8], body: &[u8], net: &mut dyn Net) -> io::Result<usize> {
    let wrote = match (head.is_empty(), body.is_empty()) {
        _ if !tx.is_empty() => Ok(0),
        (true, _) => net.write(sock, body),
        (_, true) => net.write(sock, head),
        _ => net.write_vectored(sock, &[IoSlice::new(head), IoSlice::new(body)]),
    };
    let n = match wrote {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
        other => other?,
    };
    tx.push(head.get(n..).unwrap_or_default());
    tx.push(body.get(n.saturating_sub(head.len())..).unwrap_or_default());
    Ok(n)
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
