//! One server in one race: what it was asked, over which sockets, and what it said.
//!
//! Owns the ids, the sockets to this server and the pieces of its TCP answers. Does not compare servers or decide for
//! the race. Always true: an answer counts only on the socket its question went out on and while the question is
//! pending; after [`Peer::hang_up`] no socket is open. Worst case: 250 bytes and three sockets (UDP for both families,
//! TCP for each), plus the pieces, of which the machine bounds the sum.

use super::family::{Family, PerFamily};
use super::message::{MAX_MESSAGE, Question, Reply};
use super::{Cx, Link, Via};
use crate::net::ResolveError;
use crate::proto::time::{Duration, Instant, secs};
use std::net::{IpAddr, SocketAddr};

/// From dialling to the whole answer, over TCP.
pub(super) const TCP_LIMIT: Duration = secs(3);

/// Where the question for one family stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not asked.
    Idle,
    Pending,
    /// It gave addresses.
    Answered,
    /// It says that there are none.
    Denied {
        ttl: Option<u32>,
    },
    /// It cannot tell.
    Failed(ResolveError),
    /// Nobody wants to know any more.
    Over,
}

/// What came of something the server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that changes a thing for others.
    Noise,
    Addrs {
        family: Family,
        addrs: Vec<IpAddr>,
        ttl: u32,
    },
    Denied,
    /// At least one question will not be answered by this server.
    Failed,
}

#[derive(Debug)]
struct Stream {
    link: Link,
    until: Instant,
    /// The answer so far, its length in front.
    buf: Vec<u8>,
}

#[derive(Debug)]
struct Ask {
    id: u16,
    state: State,
    /// The server wants it without EDNS.
    plain: bool,
    stream: Option<Stream>,
}

/// How a question is to be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) via: Via,
    pub(super) edns: bool,
}

/// A server and the questions to it.
#[derive(Debug)]
pub(super) struct Peer {
    to: SocketAddr,
    rank: u8,
    asked: u8,
    udp: Option<Link>,
    asks: PerFamily<Ask>,
}

impl Peer {
    /// A server that stands at place `rank` in the list.
    pub(super) fn new(to: SocketAddr, rank: u8, cx: &mut Cx<'_>) -> Self {
        let asks = PerFamily::each(|_| Ask { id: (cx.random)(), state: State::Idle, plain: false, stream: None });
        Self { to, rank, asked: 0, udp: None, asks }
    }

    pub(super) fn rank(&self) -> u8 {
        self.rank
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> u8 {
        self.asked
    }

    pub(super) fn state(&self, family: Family) -> State {
        self.asks.get(family).state
    }

    pub(super) fn owns(&self, link: Link) -> bool {
        self.udp == Some(link) || self.streams().any(|s| s.link == link)
    }

    /// Whether an answer over TCP is awaited.
    pub(super) fn streaming(&self) -> bool {
        self.streams().next().is_some()
    }

    /// When [`Peer::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.streams().map(|s| s.until).min()
    }

    /// Bytes of answers that have come in part.
    pub(super) fn partial(&self) -> usize {
        self.streams().map(|s| s.buf.len()).sum()
    }

    /// Asks, or asks again, whatever this server may still answer. Whether anything was sent.
    pub(super) fn ask(&mut self, name: &str, manner: Manner, cx: &mut Cx<'_>) -> bool {
        let mut sent = false;
        for family in Family::BOTH {
            let ask = self.asks.get(family);
            if matches!(ask.state, State::Idle | State::Pending) && ask.stream.is_none() {
                sent |= self.send(name, family, manner, cx);
            }
        }
        self.asked = self.asked.saturating_add(sent.into());
        sent
    }

    /// Takes what came from one of its sockets: a datagram, or a piece of a stream of which `room` bytes may be kept.
    pub(super) fn feed(&mut self, name: &str, link: Link, bytes: &[u8], room: usize, cx: &mut Cx<'_>) -> Heard {
        if self.udp == Some(link) {
            return self.on_datagram(name, bytes, cx);
        }
        for family in Family::BOTH {
            if let Some(stream) = self.asks.get_mut(family).stream.as_mut().filter(|s| s.link == link) {
                return match stream.feed(bytes, room) {
                    Ok(None) => Heard::Noise,
                    Ok(Some(message)) => self.on_message(name, family, &message, cx),
                    Err(TooLong) => self.fail(family, ResolveError::Failed, cx),
                };
            }
        }
        Heard::Noise
    }

    /// A socket failed or was closed by the server; it is gone already.
    pub(super) fn broken(&mut self, link: Link) -> Heard {
        let udp = self.udp.take_if(|udp| *udp == link).is_some();
        let mut failed = false;
        for ask in self.asks.iter_mut() {
            let stream = ask.stream.take_if(|s| s.link == link).is_some();
            if ask.state == State::Pending && (stream || (udp && ask.stream.is_none())) {
                ask.state = State::Failed(ResolveError::Unreachable);
                failed = true;
            }
        }
        if failed { Heard::Failed } else { Heard::Noise }
    }

    /// Gives up streams that took too long.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) -> Heard {
        let late = |ask: &Ask| ask.stream.as_ref().is_some_and(|s| s.until <= cx.now);
        let late = PerFamily::each(|family| late(self.asks.get(family)));
        let mut heard = Heard::Noise;
        for family in Family::BOTH.into_iter().filter(|family| *late.get(*family)) {
            heard = self.fail(family, ResolveError::TimedOut, cx);
        }
        heard
    }

    /// The race has its answer for this family.
    pub(super) fn drop_family(&mut self, family: Family, cx: &mut Cx<'_>) {
        let ask = self.asks.get_mut(family);
        ask.hang_up(cx);
        if ask.state != State::Answered {
            ask.state = State::Over;
        }
    }

    /// Closes every socket.
    pub(super) fn hang_up(&mut self, cx: &mut Cx<'_>) {
        self.asks.iter_mut().for_each(|ask| ask.hang_up(cx));
        if let Some(udp) = self.udp.take() {
            cx.close(udp);
        }
    }

    fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.asks.iter().filter_map(|ask| ask.stream.as_ref())
    }

    fn send(&mut self, name: &str, family: Family, manner: Manner, cx: &mut Cx<'_>) -> bool {
        let ask = self.asks.get_mut(family);
        let question = Question { id: ask.id, name, family };
        let Some(message) = question.encode(manner.edns && !ask.plain) else {
            ask.state = State::Failed(ResolveError::BadName);
            return false;
        };
        ask.state = State::Pending;
        match manner.via {
            Via::Udp => {
                let link = *self.udp.get_or_insert_with(|| cx.open(self.to, Via::Udp));
                cx.send(link, message);
            }
            Via::Tcp => {
                let link = cx.open(self.to, Via::Tcp);
                ask.stream = Some(Stream { link, until: cx.now + TCP_LIMIT, buf: Vec::new() });
                cx.send(link, framed(&message));
            }
        }
        true
    }

    fn on_datagram(&mut self, name: &str, bytes: &[u8], cx: &mut Cx<'_>) -> Heard {
        for family in Family::BOTH {
            let ask = self.asks.get(family);
            let awaited = ask.state == State::Pending && ask.stream.is_none();
            let question = Question { id: ask.id, name, family };
            if let Some(reply) = question.decode(bytes).filter(|_| awaited) {
                return self.on_reply(name, family, Via::Udp, reply, cx);
            }
        }
        Heard::Noise
    }

    fn on_message(&mut self, name: &str, family: Family, message: &[u8], cx: &mut Cx<'_>) -> Heard {
        let ask = self.asks.get_mut(family);
        ask.hang_up(cx);
        let reply = Question { id: ask.id, name, family }.decode(message);
        self.on_reply(name, family, Via::Tcp, reply.unwrap_or(Reply::Failed), cx)
    }

    fn on_reply(&mut self, name: &str, family: Family, via: Via, reply: Reply, cx: &mut Cx<'_>) -> Heard {
        let ask = self.asks.get_mut(family);
        match reply {
            Reply::Addrs { addrs, ttl } => {
                ask.state = State::Answered;
                Heard::Addrs { family, addrs, ttl }
            }
            Reply::Nothing { ttl } => {
                ask.state = State::Denied { ttl };
                Heard::Denied
            }
            Reply::Truncated if via == Via::Udp => self.again(name, family, Manner { via: Via::Tcp, edns: true }, cx),
            Reply::Plainer if !ask.plain => {
                ask.plain = true;
                self.again(name, family, Manner { via, edns: false }, cx)
            }
            Reply::Truncated | Reply::Plainer | Reply::Failed => self.fail(family, ResolveError::Failed, cx),
        }
    }

    fn again(&mut self, name: &str, family: Family, manner: Manner, cx: &mut Cx<'_>) -> Heard {
        if self.send(name, family, manner, cx) { Heard::Noise } else { Heard::Failed }
    }

    fn fail(&mut self, family: Family, why: ResolveError, cx: &mut Cx<'_>) -> Heard {
        let ask = self.asks.get_mut(family);
        ask.hang_up(cx);
        ask.state = State::Failed(why);
        Heard::Failed
    }
}

impl Ask {
    fn hang_up(&mut self, cx: &mut Cx<'_>) {
        if let Some(stream) = self.stream.take() {
            cx.close(stream.link);
        }
    }
}

/// A TCP answer that we do not want to hold.
struct TooLong;

impl Stream {
    /// Adds a piece; the message once it is whole.
    fn feed(&mut self, bytes: &[u8], room: usize) -> Result<Option<Vec<u8>>, TooLong> {
        if bytes.len() > room {
            return Err(TooLong);
        }
        self.buf.extend_from_slice(bytes);
        let Some((length, rest)) = self.buf.split_first_chunk() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        match rest.get(..length) {
            _ if length > MAX_MESSAGE => Err(TooLong),
            None => Ok(None),
            Some(message) => Ok(Some(message.to_vec())),
        }
    }
}

/// A message as it goes over TCP.
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&length, message].concat()
}
