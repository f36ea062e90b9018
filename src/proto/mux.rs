//! yamux, the client's side (protocol §1.9): many streams over one link.
//!
//! Owns the stream table, both windows of every stream, keepalive pings and the frames that are not data. Does not hold
//! payload: received bytes are lent to the caller, sent bytes go out behind a header made by [`Mux::data_header`].
//! Always true: a peer that sends more than the window it was given is found out before its bytes are accepted. Worst
//! case: 90 bytes a stream ([`DETACHED`] of them beyond those in use), [`OUTPUT_LIMIT`] of frames waiting (the caller stops reading at [`Mux::congested`]); the
//! payload a caller must be ready to hold is the sum of all windows: 256 KiB a stream, which the protocol imposes, and
//! [`Settings::extra_window`] for all streams together.
//!
//! Why is it so?
//! * *Why not grant 6 MiB as frpc does?* A stream's window is memory the peer may fill. It starts at the imposed
//!   256 KiB and doubles only while the reader keeps up and the shared pool lasts.
//! * *Why does a lost ping reply not end the session at once?* Any byte received since the ping proves the link; replies
//!   may sit behind bulk data (protocol §9.4 e).

use super::time::{Duration, Instant, millis, secs, sooner};
use crate::wire::yamux::{Flags, HEADER, Header, INITIAL_WINDOW, Kind};
use std::collections::BTreeMap;

/// The largest receive window a stream grows to: what frpc grants at once (frp ≥ 0.50).
pub const MAX_WINDOW: u32 = 6 * 1024 * 1024;
/// Frames other than data that may wait for the link before the caller must stop reading.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// Streams opened and not yet acknowledged; the server resets further ones (AcceptBacklog).
pub const BACKLOG: usize = 256;
/// How long a ping may stay unanswered on a silent link.
const REPLY_TIMEOUT: Duration = secs(10);
/// How long a ping may stay unanswered on a link over which other bytes come.
const REPLY_LIMIT: Duration = secs(40);
/// Streams that hang are looked for this often, while there may be any.
const SWEEP: Duration = secs(30);
/// Streams whose owner is gone and that the peer has not ended; further ones are reset.
const DETACHED: usize = 1024;
/// How long an opened stream may stay unacknowledged.
const OPEN_TIMEOUT: Duration = secs(75);
/// How long a stream whose owner is gone may stay half-closed without any progress.
const CLOSE_TIMEOUT: Duration = secs(300);
/// A window used up faster than this (or than two round trips) is too small.
const FAST: Duration = millis(10);

/// What a session may spend.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Time between the end of one ping exchange and the next ping; at least 1 s.
    pub keepalive: Duration,
    /// Bytes of receive window beyond 256 KiB that all streams share.
    pub extra_window: u32,
}

/// Why the session has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MuxError {
    /// The peer broke the protocol; says how.
    Misbehaved(&'static str),
    /// A ping was not answered for so long: 10 s after the last byte, or 40 s in all.
    PingTimeout(Duration),
    /// A stream was not acknowledged for 75 s.
    OpenTimeout,
    /// The peer said go away, with this code (0 normal, 1 protocol error, 2 internal error).
    GoAway(u32),
}

impl core::fmt::Display for MuxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Misbehaved(what) => write!(f, "the server broke the mux protocol: {what}"),
            Self::PingTimeout(long) => write!(f, "keepalive timeout: no answer to a mux ping for {} s", long.as_secs()),
            Self::OpenTimeout => f.write_str("the server did not accept a mux stream for 75 s"),
            Self::GoAway(code) => write!(f, "the server sent go away (code {code})"),
        }
    }
}

/// Something the peer did to a stream. `owner` is what [`Mux::open`] was given.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Payload, in order. Give it back with [`Mux::consumed`] when it has left our memory.
    Data {
        /// Owner of the stream.
        owner: u32,
        /// The stream.
        id: u32,
        /// The payload, lent; may be changed in place.
        bytes: &'a mut [u8],
    },
    /// The peer will send no more.
    Fin {
        /// Owner of the stream.
        owner: u32,
        /// The stream.
        id: u32,
    },
    /// The peer aborted the stream; it is gone from the table.
    Reset {
        /// Owner of the stream.
        owner: u32,
        /// The stream.
        id: u32,
    },
    /// The peer takes more bytes.
    Window {
        /// Owner of the stream.
        owner: u32,
        /// The stream.
        id: u32,
    },
}

#[derive(Debug)]
struct Stream {
    /// `None` once the owner is gone: what still comes is dropped and credited.
    owner: Option<u32>,
    /// Bytes we may still send.
    send: u32,
    /// Bytes the peer may still send.
    recv: u32,
    /// Receive window when nothing is outstanding.
    size: u32,
    /// Bytes that left our memory and are not yet credited.
    taken: u32,
    /// Last window update; while unacknowledged or detached: since when.
    since: Instant,
    acked: bool,
    fin_sent: bool,
    fin_seen: bool,
}

#[derive(Debug)]
enum Rx {
    Header { bytes: [u8; HEADER], have: usize },
    Data { id: u32, left: u32, flags: Flags },
}

const NEXT_HEADER: Rx = Rx::Header { bytes: [0; HEADER], have: 0 };

/// One session over one link.
#[derive(Debug)]
pub struct Mux {
    settings: Settings,
    streams: BTreeMap<u32, Stream>,
    next_id: u32,
    unacked: usize,
    extra_left: u32,
    rx: Rx,
    out: Vec<u8>,
    ping_id: u32,
    ping_sent: Option<Instant>,
    ping_due: Instant,
    heard: Instant,
    rtt: Option<Duration>,
    /// The round trip of an answer that nobody has been told of.
    answered: Option<Duration>,
    sweep_at: Option<Instant>,
    detached: usize,
}

impl Mux {
    /// A session over a link that was just connected.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            streams: BTreeMap::new(),
            next_id: 1,
            unacked: 0,
            extra_left: settings.extra_window,
            rx: NEXT_HEADER,
            out: Vec::new(),
            ping_id: 0,
            ping_sent: None,
            ping_due: now,
            heard: now,
            rtt: None,
            answered: None,
            sweep_at: None,
            detached: 0,
        }
    }

    /// Opens a stream for `owner`. Data may follow at once. `None` while [`BACKLOG`] streams wait to be accepted (try
    /// again after the next [`Mux::feed`]), or when all 2³¹ ids of the session are used up.
    pub fn open(&mut self, owner: u32, now: Instant) -> Option<u32> {
        if self.unacked >= BACKLOG {
            return None;
        }
        let id = self.next_id;
        self.next_id = id.checked_add(2)?;
        self.unacked += 1;
        let (send, size) = (INITIAL_WINDOW, INITIAL_WINDOW);
        let (acked, fin_sent, fin_seen) = (false, false, false);
        let stream =
            Stream { owner: Some(owner), send, recv: size, size, taken: 0, since: now, acked, fin_sent, fin_seen };
        self.streams.insert(id, stream);
        self.sweep_at.get_or_insert(now + SWEEP);
        self.frame(Kind::Window, Flags::SYN, id, 0);
        Some(id)
    }

    /// Bytes the peer takes on this stream now; 0 for a stream that is gone or finished.
    pub fn room(&self, id: u32) -> usize {
        self.streams.get(&id).filter(|s| !s.fin_sent).map_or(0, |s| s.send as usize)
    }

    /// The header for `len` bytes of data, which must be at most [`Mux::room`] and follow it on the link at once.
    pub fn data_header(&mut self, id: u32, len: usize) -> [u8; HEADER] {
        let length = u32::try_from(len).unwrap_or(u32::MAX);
        if let Some(stream) = self.streams.get_mut(&id) {
            debug_assert!(length <= stream.send, "more than the window");
            stream.send = stream.send.saturating_sub(length);
        }
        Header { kind: Kind::Data, flags: Flags::NONE, stream: id, length }.encode()
    }

    /// Sends FIN: no data may follow. The stream lives on until the peer's FIN.
    pub fn finish(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id).filter(|s| !s.fin_sent) else { return };
        stream.fin_sent = true;
        let done = stream.fin_seen;
        self.frame(Kind::Window, Flags::FIN, id, 0);
        if done {
            self.remove(id);
        }
    }

    /// Aborts the stream in both directions.
    pub fn reset(&mut self, id: u32) {
        if self.remove(id).is_some() {
            self.frame(Kind::Window, Flags::RST, id, 0);
        }
    }

    /// The owner leaves: FIN is sent if it was not, and what the peer still sends is dropped.
    pub fn detach(&mut self, id: u32, now: Instant) {
        self.finish(id);
        // A frame is taken off the window by its header: what has not come of it is credited when it does.
        let to_come = match self.rx {
            Rx::Data { id: under_way, left, .. } if under_way == id => left,
            _ => 0,
        };
        if let Some(stream) = self.streams.get_mut(&id) {
            let first = stream.owner.take().is_some();
            stream.since = now;
            let held = stream.size - stream.recv - stream.taken - to_come;
            self.detached += usize::from(first);
            self.consumed(id, held as usize, now);
            self.sweep_at.get_or_insert(now + SWEEP);
            if self.detached > DETACHED {
                self.reset(id);
            }
        }
    }

    /// `len` received bytes have left our memory: credits the peer once half the window is free.
    pub fn consumed(&mut self, id: u32, len: usize, now: Instant) {
        let fast = self.rtt.map_or(FAST, |rtt| FAST.max(rtt * 2));
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.taken += u32::try_from(len).unwrap_or(u32::MAX);
        debug_assert!(stream.taken + stream.recv <= stream.size, "credited more than was received");
        if stream.fin_seen || stream.taken < stream.size / 2 {
            return;
        }
        let kept_up = stream.taken + stream.recv == stream.size;
        let mut credit = stream.taken;
        if kept_up && stream.owner.is_some() && now.since(stream.since) < fast {
            let more = stream.size.min(MAX_WINDOW - stream.size).min(self.extra_left);
            self.extra_left -= more;
            stream.size += more;
            credit += more;
        }
        stream.since = now;
        stream.taken = 0;
        stream.recv += credit;
        self.frame(Kind::Window, Flags::NONE, id, credit);
    }

    /// Takes received bytes from the front of `input` and says what they mean; `None` when `input` is used up.
    ///
    /// # Errors
    /// [`MuxError::Misbehaved`] or [`MuxError::GoAway`]: the session is over.
    pub fn feed<'a>(&mut self, input: &mut &'a mut [u8], now: Instant) -> Result<Option<Event<'a>>, MuxError> {
        if !input.is_empty() {
            self.heard = now;
        }
        loop {
            match &mut self.rx {
                Rx::Data { left: 0, id, flags } => {
                    let (id, flags) = (*id, *flags);
                    self.rx = NEXT_HEADER;
                    if let Some(event) = self.on_flags(id, flags) {
                        return Ok(Some(event));
                    }
                }
                _ if input.is_empty() => return Ok(None),
                Rx::Data { id, left, .. } => {
                    let bytes = take(input, *left as usize);
                    *left -= u32::try_from(bytes.len()).unwrap_or(*left);
                    let id = *id;
                    if let Some(event) = self.on_data(id, bytes, now) {
                        return Ok(Some(event));
                    }
                }
                Rx::Header { bytes, have } => {
                    let part = take(input, HEADER - *have);
                    bytes.iter_mut().skip(*have).zip(part.iter()).for_each(|(to, from)| *to = *from);
                    *have += part.len();
                    if *have == HEADER {
                        let header = Header::decode(bytes).map_err(|_| NOT_YAMUX)?;
                        self.rx = NEXT_HEADER;
                        if let Some(event) = self.on_header(header, now)? {
                            return Ok(Some(event));
                        }
                    }
                }
            }
        }
    }

    fn on_header<'a>(&mut self, header: Header, now: Instant) -> Result<Option<Event<'a>>, MuxError> {
        match header.kind {
            Kind::Ping => self.on_ping(header, now),
            Kind::GoAway => return Err(MuxError::GoAway(header.length)),
            _ if header.flags.has(Flags::SYN) => {
                return Err(MuxError::Misbehaved("it opened a stream, which only the client may"));
            }
            Kind::Data => self.on_data_header(header)?,
            Kind::Window => return self.on_window(header),
        }
        Ok(None)
    }

    fn on_data_header(&mut self, Header { stream: id, length, flags, .. }: Header) -> Result<(), MuxError> {
        if let Some(stream) = self.streams.get_mut(&id) {
            if stream.fin_seen && length > 0 {
                return Err(MuxError::Misbehaved("it sent data after the end of a stream"));
            }
            let rest = stream.recv.checked_sub(length);
            stream.recv = rest.ok_or(MuxError::Misbehaved("it sent more than the receive window"))?;
        }
        self.rx = Rx::Data { id, left: length, flags };
        Ok(())
    }

    fn on_data<'a>(&mut self, id: u32, bytes: &'a mut [u8], now: Instant) -> Option<Event<'a>> {
        match self.streams.get(&id)?.owner {
            Some(owner) => Some(Event::Data { owner, id, bytes }),
            None => {
                self.consumed(id, bytes.len(), now);
                None
            }
        }
    }

    fn on_window<'a>(&mut self, header: Header) -> Result<Option<Event<'a>>, MuxError> {
        let id = header.stream;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
        let more = stream.send.checked_add(header.length);
        stream.send = more.ok_or(MuxError::Misbehaved("it overflowed a send window"))?;
        let owner = stream.owner;
        if let Some(event) = self.on_flags(id, header.flags) {
            return Ok(Some(event));
        }
        Ok(owner.filter(|_| header.length > 0).map(|owner| Event::Window { owner, id }))
    }

    fn on_flags<'a>(&mut self, id: u32, flags: Flags) -> Option<Event<'a>> {
        let stream = self.streams.get_mut(&id)?;
        if flags.has(Flags::ACK) && !stream.acked {
            stream.acked = true;
            self.unacked -= 1;
        }
        let owner = stream.owner;
        if flags.has(Flags::RST) {
            self.remove(id);
            return owner.map(|owner| Event::Reset { owner, id });
        }
        if flags.has(Flags::FIN) && !stream.fin_seen {
            stream.fin_seen = true;
            if stream.fin_sent {
                self.remove(id);
            }
            return owner.map(|owner| Event::Fin { owner, id });
        }
        None
    }

    fn on_ping(&mut self, header: Header, now: Instant) {
        if header.flags.has(Flags::SYN) {
            self.frame(Kind::Ping, Flags::ACK, 0, header.length);
        } else if header.length == self.ping_id
            && let Some(sent) = self.ping_sent.take()
        {
            self.rtt = Some(now.since(sent));
            self.answered = self.rtt;
            self.ping_id = self.ping_id.wrapping_add(1);
            self.ping_due = now + self.settings.keepalive;
        }
    }

    fn remove(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        self.detached -= usize::from(stream.owner.is_none());
        self.extra_left += stream.size - INITIAL_WINDOW;
        self.unacked -= usize::from(!stream.acked);
        Some(stream)
    }

    fn frame(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        self.out.extend_from_slice(&Header { kind, flags, stream, length }.encode());
    }

    /// Frames to go out before any further data. The caller clears what it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Too many frames wait: stop reading the link until they are out.
    pub fn congested(&self) -> bool {
        self.out.len() >= OUTPUT_LIMIT
    }

    /// Asks the peer now, beside the keepalive. Asking again before the answer repeats the question: the first answer
    /// counts.
    pub fn ping(&mut self, now: Instant) {
        self.ping_sent.get_or_insert(now);
        self.frame(Kind::Ping, Flags::SYN, 0, self.ping_id);
    }

    /// The program was kept from running for so long, and what came meanwhile lies unread: that time does not count.
    pub fn on_late(&mut self, late: Duration) {
        self.ping_sent = self.ping_sent.map(|at| at + late);
    }

    /// The program stood still: what was not heard meanwhile says nothing.
    pub fn on_stall(&mut self, now: Instant) {
        self.heard = now;
        self.ping_sent = self.ping_sent.map(|_| now);
    }

    /// The round trip of a ping of ours that was answered since the last call.
    pub fn take_pong(&mut self) -> Option<Duration> {
        self.answered.take()
    }

    /// The last measured round trip of a ping.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Whether the books agree: for tests, after every call.
    pub fn check(&self) {
        assert_eq!(self.unacked, self.streams.values().filter(|s| !s.acked).count(), "unacknowledged streams");
        let granted: u32 = self.streams.values().map(|s| s.size - INITIAL_WINDOW).sum();
        assert_eq!(granted + self.extra_left, self.settings.extra_window, "the shared pool");
        assert!(self.streams.values().all(|s| s.recv + s.taken <= s.size), "more credit than window");
        assert!(self.streams.values().all(|s| !(s.fin_sent && s.fin_seen)), "a stream that both ends have closed");
    }

    /// When [`Mux::expire`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let reply = self.ping_sent.map(|sent| sent.max(self.heard) + REPLY_TIMEOUT);
        let limit = self.ping_sent.map(|sent| sent + REPLY_LIMIT);
        let ping = self.ping_sent.is_none().then_some(self.ping_due);
        [reply, limit, ping, self.sweep_at].into_iter().fold(None, sooner)
    }

    /// Sends the ping that is due and drops what has waited too long.
    ///
    /// # Errors
    /// [`MuxError::PingTimeout`], [`MuxError::OpenTimeout`]: the session is over.
    pub fn expire(&mut self, now: Instant) -> Result<(), MuxError> {
        if let Some(sent) = self.ping_sent
            && (sent.max(self.heard) + REPLY_TIMEOUT).min(sent + REPLY_LIMIT) <= now
        {
            return Err(MuxError::PingTimeout(now.since(sent)));
        }
        if self.ping_sent.is_none() && self.ping_due <= now {
            self.ping(now);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep(now)?;
        }
        Ok(())
    }

    /// Looks for streams that hang.
    fn sweep(&mut self, now: Instant) -> Result<(), MuxError> {
        if self.streams.values().any(|s| !s.acked && s.since + OPEN_TIMEOUT <= now) {
            return Err(MuxError::OpenTimeout);
        }
        let stale = |s: &Stream| s.owner.is_none() && s.since + CLOSE_TIMEOUT <= now;
        let ids: Vec<u32> = self.streams.iter().filter(|(_, s)| stale(s)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.reset(id));
        self.sweep_at = (self.unacked + self.detached > 0).then_some(now + SWEEP);
        Ok(())
    }
}

const NOT_YAMUX: MuxError =
    MuxError::Misbehaved("what it sent is no mux frame (is transport.tcpMux the same on both ends?)");

/// Splits up to `max` bytes off the front.
fn take<'a>(input: &mut &'a mut [u8], max: usize) -> &'a mut [u8] {
    let bytes = core::mem::take(input);
    let (head, rest) = bytes.split_at_mut(max.min(bytes.len()));
    *input = rest;
    head
}

#[cfg(test)]
mod tests;
