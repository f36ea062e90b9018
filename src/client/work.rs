//! A work connection from its opening to its end (protocol §5.1).
//!
//! Owns its way to the server (a stream, or without mux a link of its own) and what it is used for. Does not move
//! payload: that is [`super::tunnel`]. Always true: a connection that waits for use holds no buffer but a message that
//! is not complete (at most 10 KiB). Worst case: 1 KiB, and the tunnel's.

use super::cx::{At, Cx};
use super::dial::{Dial, Progress};
use super::link::{Link, Owner};
use super::setup::local_opts;
use super::shared::COST;
use super::traffic;
use super::tunnel::{Fate, Tunnel};
use super::{LINK, LOCAL};
use crate::net::{Answer, ResolveError, Sock, Token};
use crate::proto::codec::Codec;
use crate::proto::crypto::BLOCK;
use crate::proto::quiet::and_more;
use crate::proto::time::{Duration, Instant, secs};
use crate::proto::tls::Tls;
use crate::wire::frame;
use crate::wire::msg::{self, NewWorkConn, StartWorkConn};

/// How long the local service may take to accept (frpc: 10 s).
const LOCAL_TIMEOUT: Duration = secs(10);
/// How long the TLS handshake of a work connection may take.
const HANDSHAKE_TIMEOUT: Duration = secs(10);

/// How a work connection comes to nothing: before it is one, as frpc says it, or because of what the server sent on it.
const NOT_MADE: &str = "start new connection to server error";
const NO_USE: &str = "the server broke the protocol on a work connection";

enum State {
    /// Without mux: the connection to the server is under way; then this goes out.
    Dialing(Box<Dial>, Vec<u8>),
    /// NewWorkConn is on its way or answered by silence; holds the start of a message.
    Pooled(Vec<u8>),
    /// In use.
    Tunnel(Box<Tunnel>),
}

/// See the module.
pub(super) struct Work {
    at: At,
    /// Without mux: the server's place in the setup.
    server: usize,
    state: State,
    /// In the run queue.
    pub(super) queued: bool,
    /// The soonest timer in the heap.
    armed: Option<Instant>,
    /// Without mux: when the handshake has to be done.
    handshake: Option<Instant>,
    charged: usize,
}

impl Work {
    /// Over a stream that was just opened.
    pub(super) fn on_stream(work: u32, link: u32, stream: u32) -> Self {
        Self::new(At { work, link: Some(link), stream }, State::Pooled(Vec::new()))
    }

    /// Over a connection of its own to the server at that place; `hello` is its first message.
    pub(super) fn on_dial(work: u32, server: usize, dial: Dial, hello: Vec<u8>) -> Self {
        let at = At { work, link: None, stream: 0 };
        Self { server, ..Self::new(at, State::Dialing(Box::new(dial), hello)) }
    }

    fn new(at: At, state: State) -> Self {
        Self { at, server: 0, state, queued: false, armed: None, handshake: None, charged: 0 }
    }

    /// Where it reaches the server.
    pub(super) fn at(&self) -> At {
        self.at
    }

    /// Whether it waits for use.
    pub(super) fn is_pooled(&self) -> bool {
        !matches!(self.state, State::Tunnel(_))
    }

    /// The proxy it is used for, if it is used.
    pub(super) fn proxy(&self) -> Option<u32> {
        match &self.state {
            State::Tunnel(tunnel) => Some(tunnel.proxy()),
            _ => None,
        }
    }

    /// Bytes charged to the budget.
    pub(super) fn charged(&self) -> usize {
        self.charged
    }

    /// Whether the heap's timer at `at` is still ours.
    pub(super) fn armed_at(&self, at: Instant) -> bool {
        self.armed == Some(at)
    }

    /// A timer has passed.
    pub(super) fn on_timer(&mut self) {
        self.armed = None;
    }

    /// A connection of ours was made or failed.
    pub(super) fn on_dialed(&mut self, token: Token, sock: Sock, result: std::io::Result<()>, cx: &mut Cx<'_>) -> Fate {
        match &mut self.state {
            State::Tunnel(tunnel) if token.port == LOCAL => {
                tunnel.on_dialed(sock, result, self.at, cx);
                Fate::Again
            }
            State::Dialing(dial, _) if token.port != LOCAL => {
                let progress = dial.on_dialed(sock, result, cx.net);
                self.dialed(progress, cx)
            }
            _ => Fate::Wait,
        }
    }

    /// A look-up made progress.
    pub(super) fn on_resolved(&mut self, result: Result<Answer, ResolveError>, cx: &mut Cx<'_>) -> Fate {
        match &mut self.state {
            State::Tunnel(tunnel) => {
                tunnel.on_resolved(result, self.at, cx);
                Fate::Again
            }
            State::Dialing(dial, _) => {
                let progress = dial.on_resolved(result, cx.net);
                self.dialed(progress, cx)
            }
            State::Pooled(_) => Fate::Wait,
        }
    }

    fn dialed(&mut self, progress: Progress, cx: &mut Cx<'_>) -> Fate {
        match progress {
            Progress::Pending => Fate::Wait,
            Progress::Failed(e) => refuse(NOT_MADE, &e.to_string(), cx),
            Progress::Up(sock) => self.connected(sock, cx),
        }
    }

    /// Without mux: the server accepted the connection.
    fn connected(&mut self, sock: Sock, cx: &mut Cx<'_>) -> Fate {
        let State::Dialing(_, hello) = &mut self.state else { return Fate::Wait };
        let tls = match cx.setup.server(self.server).tls.as_ref().map(Tls::new).transpose() {
            Ok(tls) => tls,
            Err(e) => {
                cx.net.close(sock);
                return refuse(NOT_MADE, &e.to_string(), cx);
            }
        };
        self.handshake = tls.is_some().then_some(cx.shared.now + HANDSHAKE_TIMEOUT);
        let mut link = Link::new(sock, Owner::Work(self.at.work), tls, cx.setup.first_byte, None);
        link.post(0, hello);
        let key = u32::try_from(cx.links.insert(link)).unwrap_or(u32::MAX);
        cx.net.assign(sock, Token { task: key, port: LINK });
        self.at.link = Some(key);
        self.state = State::Pooled(Vec::new());
        Fate::Again
    }

    /// Payload or a message from the server, in pieces.
    pub(super) fn receive(&mut self, pieces: &mut [&mut [u8]], cx: &mut Cx<'_>) -> Fate {
        if let State::Tunnel(tunnel) = &mut self.state {
            tunnel.receive(pieces, self.at, cx);
            return if tunnel.local_open() { Fate::Wait } else { Fate::Again };
        }
        let mut from = 0;
        for piece in pieces.iter_mut() {
            let State::Pooled(head) = &mut self.state else { break };
            from += 1;
            head.extend_from_slice(piece);
            let (message, used) = match frame::decode_answer(head) {
                Ok(None) => continue,
                Ok(Some(found)) => found,
                Err(e) => return refuse(NO_USE, &e.to_string(), cx),
            };
            let mut rest = head.split_off(used);
            self.credit(used, cx);
            if self.start(message, cx) == Fate::Gone {
                return Fate::Gone;
            }
            if let (State::Tunnel(tunnel), false) = (&mut self.state, rest.is_empty()) {
                tunnel.receive(&mut [&mut rest], self.at, cx);
            }
        }
        match &mut self.state {
            State::Tunnel(tunnel) => {
                let rest = pieces.get_mut(from..).unwrap_or_default();
                if !rest.is_empty() {
                    tunnel.receive(rest, self.at, cx);
                }
                Fate::Again
            }
            _ => Fate::Wait,
        }
    }

    fn credit(&self, bytes: usize, cx: &mut Cx<'_>) {
        let now = cx.shared.now;
        if let Some(mux) = cx.link(self.at).and_then(|link| link.mux.as_mut()) {
            mux.consumed(self.at.stream, bytes, now);
        }
    }

    /// The server starts to use the connection.
    fn start(&mut self, message: msg::Answer, cx: &mut Cx<'_>) -> Fate {
        let msg::Answer::StartWorkConn(StartWorkConn { proxy_name, error, .. }) = message else {
            return refuse(NO_USE, &format!("the server sent {} instead of StartWorkConn", message.name()), cx);
        };
        if !error.is_empty() {
            // frps asks for more connections than its pool takes: nothing is wrong then.
            let level = if error.contains("pool is full") { log::Level::Debug } else { log::Level::Error };
            log::log!(level, "{}StartWorkConn contains error: {error}", cx.prefix);
            return Fate::Gone;
        }
        let Some(proxy) = cx.proxies.find(&proxy_name) else {
            log::debug!("{}the server named a proxy that is not ours: {proxy_name}", cx.prefix);
            return Fate::Gone;
        };
        if log::log_enabled!(log::Level::Debug) {
            let [local, remote] = cx.ends(cx.server_sock(self.at));
            let line = format!("start a new work connection, localAddr: {local} remoteAddr: {remote}");
            log::debug!("{}[{}] {line}", cx.prefix, proxy.config.name);
        }
        let mut iv = [0; BLOCK];
        if proxy.config.use_encryption {
            cx.net.random(&mut iv);
        }
        let key = proxy.config.use_encryption.then_some((&cx.setup.control.key, iv));
        let codec = Codec::new(key, proxy.config.use_compression);
        let token = Token { task: self.at.work, port: LOCAL };
        let dial = Dial::start(&proxy.target, &local_opts(&proxy.target), LOCAL_TIMEOUT, token, cx.net);
        let id = proxy.id;
        traffic::opened(cx.proxies, id);
        self.state = State::Tunnel(Box::new(Tunnel::new(id, codec, dial)));
        Fate::Again
    }

    /// The server's FIN, or the end of the link. An unused connection ends with it.
    pub(super) fn server_eof(&mut self, cx: &mut Cx<'_>) -> Fate {
        match &mut self.state {
            State::Tunnel(tunnel) => {
                tunnel.server_eof(cx.shared.now);
                Fate::Again
            }
            _ => {
                log::trace!("{}work connection closed before response StartWorkConn message: EOF", cx.prefix);
                Fate::Gone
            }
        }
    }

    /// The server takes no more; what it has sent may still be on its way. An unused connection ends with it.
    pub(super) fn server_deaf(&mut self, cx: &mut Cx<'_>) -> Fate {
        match &mut self.state {
            State::Tunnel(tunnel) => {
                tunnel.server_deaf(cx.shared.now);
                Fate::Again
            }
            _ => Fate::Gone,
        }
    }

    /// The link is gone; its key may mean another one soon.
    pub(super) fn unlink(&mut self) {
        self.at.link = None;
    }

    /// Whether this event's socket is ours.
    pub(super) fn is_local(&self, sock: Sock) -> bool {
        matches!(&self.state, State::Tunnel(tunnel) if tunnel.is_local(sock))
    }

    /// Does everything that can be done now.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_>) -> Fate {
        let own_link = self.owns_link(cx);
        if own_link && self.flush(cx) == Fate::Gone {
            return Fate::Gone;
        }
        match &mut self.state {
            State::Tunnel(tunnel) => tunnel.pump(self.at, cx),
            State::Dialing(dial, _) => {
                let progress = dial.go(cx.net);
                self.dialed(progress, cx)
            }
            State::Pooled(_) if own_link => self.read_message(cx),
            State::Pooled(_) => Fate::Wait,
        }
    }

    /// Brings the budget and the timers up to date after something was done.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_>) {
        let own = cx.link(self.at).filter(|link| link.mux.is_none()).map_or(0, |link| link.holds());
        let shared = &mut *cx.shared;
        let holds = own
            + match &self.state {
                State::Tunnel(tunnel) => tunnel.holds(),
                State::Pooled(head) | State::Dialing(_, head) => head.len(),
            };
        shared.budget.charge(&mut self.charged, holds + COST);
        let next = match &self.state {
            State::Tunnel(tunnel) => tunnel.deadline(),
            State::Dialing(dial, _) => Some(dial.deadline()),
            State::Pooled(_) => self.handshake,
        };
        if let Some(at) = next
            && self.armed.is_none_or(|armed| at < armed)
        {
            self.armed = Some(at);
            shared.arm(self.at.work, at);
        }
    }

    fn owns_link(&self, cx: &mut Cx<'_>) -> bool {
        cx.link(self.at).is_some_and(|link| link.mux.is_none())
    }

    fn flush(&mut self, cx: &mut Cx<'_>) -> Fate {
        let Some(link) = self.at.link.and_then(|key| cx.links.get_mut(key as usize)) else { return Fate::Wait };
        match link.flush(cx.net, cx.shared) {
            Ok(()) => Fate::Wait,
            Err(e) => {
                log::debug!("{}work connection: {e}", cx.prefix);
                self.server_deaf(cx)
            }
        }
    }

    /// Without mux: reads the server's message.
    fn read_message(&mut self, cx: &mut Cx<'_>) -> Fate {
        let mut scratch = cx.shared.take_scratch();
        let mut fate = Fate::Wait;
        while let (State::Pooled(_), Some(link)) =
            (&self.state, self.at.link.and_then(|key| cx.links.get_mut(key as usize)))
        {
            match link.read(&mut scratch, cx.net) {
                Ok(None) => break,
                Ok(Some(got)) => {
                    fate = self.receive(&mut [scratch.get_mut(got.from..got.to).unwrap_or_default()], cx);
                    if got.full {
                        scratch = cx.shared.exchange(scratch);
                    }
                }
                Err(e) => {
                    log::trace!("{}work connection closed before response StartWorkConn message: {e}", cx.prefix);
                    fate = Fate::Gone;
                }
            }
            if fate == Fate::Gone {
                break;
            }
        }
        cx.shared.put_scratch(scratch);
        let late = self.handshake.is_some_and(|at| at <= cx.shared.now);
        let ready = cx.link(self.at).is_some_and(|link| link.ready());
        if ready {
            self.handshake = None;
            if cx.link(self.at).is_some_and(|link| link.pending()) {
                cx.touch(self.at);
            }
        } else if late && fate != Fate::Gone {
            return refuse(NOT_MADE, "TLS handshake: i/o timeout", cx);
        }
        fate
    }

    /// Closes everything. The server learns it by FIN.
    pub(super) fn close(mut self, cx: &mut Cx<'_>) {
        cx.shared.budget.charge(&mut self.charged, 0);
        match self.state {
            State::Tunnel(tunnel) => tunnel.close(cx),
            State::Dialing(mut dial, _) => dial.abandon(cx.net),
            State::Pooled(_) => {}
        }
        let Some(key) = self.at.link else { return };
        let Some(link) = cx.links.get_mut(key as usize) else { return };
        if let Some(mux) = &mut link.mux {
            mux.detach(self.at.stream, cx.shared.now);
            link.touch(key, cx.shared);
        } else {
            cx.net.close(link.sock);
            cx.links.remove(key as usize);
        }
    }

    /// Cuts a connection that costs too much off, on both sides.
    pub(super) fn abort(mut self, cx: &mut Cx<'_>) {
        if let State::Tunnel(tunnel) = &mut self.state {
            tunnel.abort(cx);
        }
        if let Some(link) = self.at.link.and_then(|key| cx.links.get_mut(key as usize)) {
            match &mut link.mux {
                Some(mux) => mux.reset(self.at.stream),
                None => cx.net.abort(link.sock),
            }
        }
        self.close(cx);
    }
}

/// A work connection that came to nothing.
fn refuse(what: &str, why: &str, cx: &mut Cx<'_>) -> Fate {
    if let Some(more) = cx.shared.quiet.allow(cx.shared.now) {
        log::warn!("{}{what}: {why}{}", cx.prefix, and_more(more));
    }
    Fate::Gone
}

/// The bytes of a work connection's first message.
pub(super) fn hello(message: &NewWorkConn) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(e) = frame::encode_one(message, &mut bytes) {
        log::error!("{e}");
    }
    bytes
}
