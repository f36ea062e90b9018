//! yamux, the server's side (protocol §1.9), as frps uses it.
//!
//! Owns the stream table, both windows of every stream, pings both ways, and the bytes for the connection. Does not hold
//! received payload: it is lent. Always true: whatever the client does against the rules ends the session with words
//! for it. Stricter than frps on purpose, which lets data after FIN and overflowing windows pass. Worst case: 60 bytes a
//! stream and the output, which the owner bounds by not feeding while much of it waits.

use super::faults::MuxFault;
use redial::proto::time::{Duration, Instant, secs, sooner};
use redial::wire::yamux::{Flags, HEADER, Header, Kind};
use std::collections::BTreeMap;

pub(crate) use redial::wire::yamux::INITIAL_WINDOW;

/// The window of frps ≥ 0.50.
pub(crate) const MAX_WINDOW: u32 = 6 * 1024 * 1024;
/// How long a ping may stay unanswered (frps: ConnectionWriteTimeout).
const REPLY_TIMEOUT: Duration = secs(10);
/// How long a stream may stay half-closed by us (frps: StreamCloseTimeout).
const CLOSE_TIMEOUT: Duration = secs(300);
/// The largest data frame that is sent.
const FRAME: usize = 32 * 1024;

/// What both ends have to agree on, more or less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Receive window of a stream; at least [`INITIAL_WINDOW`].
    pub(crate) window: u32,
    /// `transport.tcpMuxKeepaliveInterval`: pause before each ping.
    pub(crate) keepalive: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: MAX_WINDOW, keepalive: secs(30) }
    }
}

/// Why a session is over. If the client is to hear of it, the go away is in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client broke the rules; says how.
    Misbehaved(&'static str),
    /// A ping was not answered for 10 s.
    PingTimeout,
    /// The client said go away, with this code.
    GoAway(u32),
}

/// Something the client did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// It opened a stream: answer with [`Mux::accept`] or [`Mux::reset`].
    Opened(u32),
    /// It sent payload. Give it back with [`Mux::consumed`].
    Data(u32, &'a [u8]),
    /// It will send no more on this stream.
    Fin(u32),
    /// It aborted the stream, which is gone from the table.
    Reset(u32),
    /// It takes more bytes on this stream.
    Window(u32),
    /// It sent a ping: answer with [`Mux::pong`].
    Ping(u32),
}

#[derive(Debug)]
struct Stream {
    /// Bytes we may still send.
    send: u32,
    /// Bytes the client may still send.
    recv: u32,
    /// Bytes lent to the owner and not given back.
    held: u32,
    /// When we sent FIN.
    fin_sent: Option<Instant>,
    fin_seen: bool,
}

#[derive(Debug)]
enum Rx {
    Header { bytes: [u8; HEADER], have: usize },
    Data { id: u32, left: usize, flags: Flags },
}

const NEXT_HEADER: Rx = Rx::Header { bytes: [0; HEADER], have: 0 };

/// One session.
#[derive(Debug)]
pub(crate) struct Mux {
    settings: Settings,
    streams: BTreeMap<u32, Stream>,
    rx: Rx,
    /// A stream that was just opened by a frame with more to say.
    after_open: Option<Header>,
    out: Vec<u8>,
    ping_id: u32,
    ping_sent: Option<Instant>,
    ping_due: Instant,
    /// We said go away (code 0): new streams are reset.
    gone_away: bool,
}

impl Mux {
    /// A session over a connection that was just accepted.
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            streams: BTreeMap::new(),
            rx: NEXT_HEADER,
            after_open: None,
            out: Vec::new(),
            ping_id: 0,
            ping_sent: None,
            ping_due: now + settings.keepalive,
            gone_away: false,
        }
    }

    /// Bytes for the connection. The caller takes them.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Streams in the table.
    pub(crate) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Acknowledges a stream, with the rest of its receive window.
    pub(crate) fn accept(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let credit = self.settings.window - stream.recv - stream.held;
        stream.recv += credit;
        self.frame(Kind::Window, Flags::ACK, id, credit);
    }

    /// Bytes the client takes on this stream now.
    pub(crate) fn room(&self, id: u32) -> usize {
        self.streams.get(&id).filter(|s| s.fin_sent.is_none()).map_or(0, |s| s.send as usize)
    }

    /// Sends bytes, at most [`Mux::room`].
    pub(crate) fn send(&mut self, id: u32, bytes: &[u8]) {
        assert!(bytes.len() <= self.room(id), "more than the window of stream {id}");
        for part in bytes.chunks(FRAME) {
            let length = u32::try_from(part.len()).expect("a part of a window");
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.send -= length;
            }
            self.frame(Kind::Data, Flags::NONE, id, length);
            self.out.extend_from_slice(part);
        }
    }

    /// `len` bytes of payload have been used: credits the client once half the window is free.
    pub(crate) fn consumed(&mut self, id: u32, len: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.held =
            stream.held.checked_sub(u32::try_from(len).expect("a window")).expect("given back more than lent");
        let credit = self.settings.window.saturating_sub(stream.held + stream.recv);
        if credit < self.settings.window / 2 || stream.fin_seen {
            return;
        }
        stream.recv += credit;
        self.frame(Kind::Window, Flags::NONE, id, credit);
    }

    /// Sends FIN.
    pub(crate) fn finish(&mut self, id: u32, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id).filter(|s| s.fin_sent.is_none()) else { return };
        stream.fin_sent = Some(now);
        let done = stream.fin_seen;
        self.frame(Kind::Window, Flags::FIN, id, 0);
        if done {
            self.streams.remove(&id);
        }
    }

    /// Sends RST.
    pub(crate) fn reset(&mut self, id: u32) {
        if self.streams.remove(&id).is_some() {
            self.frame(Kind::Window, Flags::RST, id, 0);
        }
    }

    /// Answers a ping.
    pub(crate) fn pong(&mut self, ping: u32) {
        self.frame(Kind::Ping, Flags::ACK, 0, ping);
    }

    fn frame(&mut self, kind: Kind, flags: Flags, stream: u32, length: u32) {
        self.out.extend_from_slice(&Header { kind, flags, stream, length }.encode());
    }

    fn wrong(&mut self, what: &'static str) -> End {
        self.frame(Kind::GoAway, Flags::NONE, 0, 1);
        End::Misbehaved(what)
    }

    /// Takes received bytes from the front of `input` and says what they mean; `None` when `input` is used up.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) fn feed<'a>(&mut self, input: &mut &'a [u8], now: Instant) -> Result<Option<Event<'a>>, End> {
        loop {
            if let Some(header) = self.after_open.take()
                && let Some(event) = self.on_stream(header)?
            {
                return Ok(Some(event));
            }
            match &mut self.rx {
                Rx::Data { left: 0, id, flags } => {
                    let (id, flags) = (*id, *flags);
                    self.rx = NEXT_HEADER;
                    if let Some(event) = self.on_flags(id, flags)? {
                        return Ok(Some(event));
                    }
                }
                _ if input.is_empty() => return Ok(None),
                Rx::Data { left, id, .. } => {
                    let bytes = split(input, *left);
                    *left -= bytes.len();
                    let id = *id;
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.held += u32::try_from(bytes.len()).expect("within the window");
                        return Ok(Some(Event::Data(id, bytes)));
                    }
                }
                Rx::Header { bytes, have } => {
                    let part = split(input, HEADER - *have);
                    bytes[*have..*have + part.len()].copy_from_slice(part);
                    *have += part.len();
                    if *have == HEADER {
                        let header = Header::decode(bytes).map_err(|_| End::Misbehaved("not a frame of yamux 0"))?;
                        self.rx = NEXT_HEADER;
                        if let Some(event) = self.on_header(header, now)? {
                            return Ok(Some(event));
                        }
                    }
                }
            }
        }
    }

    fn on_header<'a>(&mut self, header: Header, now: Instant) -> Result<Option<Event<'a>>, End> {
        match header.kind {
            Kind::Ping if header.flags.has(Flags::SYN) => Ok(Some(Event::Ping(header.length))),
            Kind::Ping => {
                if self.ping_sent.is_some() && header.length == self.ping_id {
                    self.ping_sent = None;
                    self.ping_id = self.ping_id.wrapping_add(1);
                    self.ping_due = now + self.settings.keepalive;
                }
                Ok(None)
            }
            // As frps: it would open no stream any more, which it never does.
            Kind::GoAway if header.length == 0 => Ok(None),
            Kind::GoAway => Err(End::GoAway(header.length)),
            Kind::Data | Kind::Window if header.flags.has(Flags::SYN) => self.on_syn(header),
            Kind::Data | Kind::Window => self.on_stream(header),
        }
    }

    fn on_syn<'a>(&mut self, mut header: Header) -> Result<Option<Event<'a>>, End> {
        let id = header.stream;
        if self.streams.contains_key(&id) {
            return Err(self.wrong("it opened a stream twice"));
        }
        header.flags = Flags(header.flags.0 & !Flags::SYN.0);
        if self.gone_away {
            self.frame(Kind::Window, Flags::RST, id, 0);
            return self.on_stream(header);
        }
        if id.is_multiple_of(2) {
            return Err(self.wrong("it opened a stream with an even id"));
        }
        let (send, recv) = (INITIAL_WINDOW, INITIAL_WINDOW);
        self.streams.insert(id, Stream { send, recv, held: 0, fin_sent: None, fin_seen: false });
        self.after_open = Some(header);
        Ok(Some(Event::Opened(id)))
    }

    /// A frame of a stream, SYN already dealt with.
    fn on_stream<'a>(&mut self, header: Header) -> Result<Option<Event<'a>>, End> {
        let Header { kind, flags, stream: id, length } = header;
        if kind == Kind::Data {
            self.on_data(header)?;
            return Ok(None);
        }
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
        let Some(send) = stream.send.checked_add(length) else {
            return Err(self.wrong("it overflowed a window"));
        };
        stream.send = send;
        if let Some(event) = self.on_flags(id, flags)? {
            return Ok(Some(event));
        }
        Ok((length > 0).then_some(Event::Window(id)))
    }

    fn on_data(&mut self, header: Header) -> Result<(), End> {
        let Header { flags, stream: id, length, .. } = header;
        if let Some(stream) = self.streams.get_mut(&id) {
            if stream.fin_seen && length > 0 {
                return Err(self.wrong("it sent data after FIN"));
            }
            let Some(recv) = stream.recv.checked_sub(length) else {
                return Err(self.wrong("it sent more than the window"));
            };
            stream.recv = recv;
        }
        self.rx = Rx::Data { id, left: length as usize, flags };
        Ok(())
    }

    fn on_flags<'a>(&mut self, id: u32, flags: Flags) -> Result<Option<Event<'a>>, End> {
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
        if flags.has(Flags::RST) {
            self.streams.remove(&id);
            return Ok(Some(Event::Reset(id)));
        }
        if !flags.has(Flags::FIN) {
            return Ok(None);
        }
        if core::mem::replace(&mut stream.fin_seen, true) {
            return Err(self.wrong("it sent FIN twice"));
        }
        if stream.fin_sent.is_some() {
            self.streams.remove(&id);
        }
        Ok(Some(Event::Fin(id)))
    }

    /// When [`Mux::expire`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let ping = self.ping_sent.map_or(self.ping_due, |sent| sent + REPLY_TIMEOUT);
        let close = self.streams.values().filter_map(|s| s.fin_sent).min().map(|at| at + CLOSE_TIMEOUT);
        sooner(Some(ping), close)
    }

    /// Sends the ping that is due, and resets streams that the client does not finish.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) fn expire(&mut self, now: Instant) -> Result<(), End> {
        let stale = |s: &Stream| s.fin_sent.is_some_and(|at| at + CLOSE_TIMEOUT <= now);
        let stale: Vec<u32> = self.streams.iter().filter(|(_, s)| stale(s)).map(|(id, _)| *id).collect();
        stale.into_iter().for_each(|id| self.reset(id));
        match self.ping_sent {
            Some(sent) if sent + REPLY_TIMEOUT <= now => Err(End::PingTimeout),
            None if self.ping_due <= now => {
                self.ping_sent = Some(now);
                self.frame(Kind::Ping, Flags::SYN, 0, self.ping_id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Breaks the rules on this stream. What we know of it stays as it is.
    pub(crate) fn misbehave(&mut self, id: u32, fault: MuxFault) {
        const STRAY: u32 = 0x7fff_fff1;
        match fault {
            MuxFault::OpenStream => self.frame(Kind::Window, Flags::SYN, 2, 0),
            MuxFault::TooMuchData => {
                let window = u32::try_from(self.room(id)).unwrap_or(u32::MAX);
                self.frame(Kind::Data, Flags::NONE, id, window.saturating_add(1));
                self.out.extend([0; 1024]);
            }
            MuxFault::DataAfterFin => {
                self.frame(Kind::Window, Flags::FIN, id, 0);
                self.frame(Kind::Data, Flags::NONE, id, 4);
                self.out.extend(b"late");
            }
            MuxFault::FinTwice => (0..2).for_each(|_| self.frame(Kind::Window, Flags::FIN, id, 0)),
            MuxFault::UnknownStream => {
                self.frame(Kind::Data, Flags::NONE, STRAY, 5);
                self.out.extend(b"stray");
                self.frame(Kind::Window, Flags::NONE, STRAY, 77);
                self.frame(Kind::Window, Flags::FIN, STRAY, 0);
            }
            MuxFault::GoAway(code) => {
                self.frame(Kind::GoAway, Flags::NONE, 0, code);
                self.gone_away |= code == 0;
            }
            MuxFault::WrongVersion => self.out.extend([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            MuxFault::WrongKind => self.out.extend([0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]),
            MuxFault::WindowOverflow => self.frame(Kind::Window, Flags::NONE, id, u32::MAX),
            MuxFault::StrayPong => self.frame(Kind::Ping, Flags::ACK, 0, 0xdead),
        }
    }
}

/// Splits up to `max` bytes off the front.
fn split<'a>(input: &mut &'a [u8], max: usize) -> &'a [u8] {
    let (head, rest) = input.split_at(max.min(input.len()));
    *input = rest;
    head
}
