//! A work connection in use: bytes between the server and one local service.
//!
//! Owns the local socket, the codec, the state of both halves, and bytes that wait for a full local socket. Does not own
//! the link. Always true: bytes keep their order; what the server sent is credited only when it has left our memory; an
//! idle tunnel holds no buffer. Worst case: the stream's receive window (256 KiB and what the mux added from the shared
//! pool), 64 KiB more with compression, all charged to the budget; 500 bytes idle.

use super::cx::{At, Cx};
use super::dial::{Dial, Progress};
use super::failure::{DialError, reason};
use super::link::HEADROOM;
use super::splice::{Splice, Stop};
use super::traffic::{sent_down, sent_up};
use crate::net::{Answer, ResolveError, Sock};
use crate::proto::codec::{Codec, PREFIX};
use crate::proto::queue::Queue;
use crate::proto::quiet::and_more;
use crate::proto::relay::{Relay, Step};
use crate::proto::snappy::MAX_PLAIN;
use crate::proto::time::{Instant, sooner};
use std::io::{ErrorKind, IoSlice};

/// What packing may add to a piece of payload, the cipher's vector included.
const PACKING: usize = 64;
/// Pieces written in one call.
const PIECES: usize = 64;

/// frpc's last line about a tunnel.
const CLOSED: &str = "join connections closed";

/// The local end.
enum Local {
    Dialing(Box<Dial>),
    Up(Sock),
    Gone,
}

/// What becomes of a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits for something.
    Wait,
    /// It can go on in the next turn.
    Again,
    /// It has ended; the owner cleans up.
    Gone,
}

/// See the module.
pub(super) struct Tunnel {
    proxy: u32,
    local: Local,
    codec: Codec,
    relay: Relay,
    down: Queue,
    /// Bytes the server sent that are not credited yet.
    owed: usize,
    up_splice: Splice,
    down_splice: Splice,
}

impl Tunnel {
    /// For `proxy`, with the local connection under way.
    pub(super) fn new(proxy: u32, codec: Codec, dial: Dial) -> Self {
        Self {
            proxy,
            local: Local::Dialing(Box::new(dial)),
            codec,
            relay: Relay::default(),
            down: Queue::default(),
            owed: 0,
            up_splice: Splice::default(),
            down_splice: Splice::default(),
        }
    }

    /// The proxy it is for.
    pub(super) fn proxy(&self) -> u32 {
        self.proxy
    }

    /// Bytes in memory that wait for the local socket.
    pub(super) fn holds(&self) -> usize {
        self.down.len() + self.codec.held()
    }

    /// Whether this is the tunnel's local socket.
    pub(super) fn is_local(&self, sock: Sock) -> bool {
        matches!(self.local, Local::Up(own) if own == sock)
    }

    /// A try to reach the local service ended.
    pub(super) fn on_dialed(&mut self, sock: Sock, result: std::io::Result<()>, at: At, cx: &mut Cx<'_>) {
        if let Local::Dialing(dial) = &mut self.local {
            let progress = dial.on_dialed(sock, result, cx.net);
            self.dialed(progress, at, cx);
        }
    }

    /// The look-up of the local service's name made progress.
    pub(super) fn on_resolved(&mut self, result: Result<Answer, ResolveError>, at: At, cx: &mut Cx<'_>) {
        if let Local::Dialing(dial) = &mut self.local {
            let progress = dial.on_resolved(result, cx.net);
            self.dialed(progress, at, cx);
        }
    }

    fn dialed(&mut self, progress: Progress, at: At, cx: &mut Cx<'_>) {
        match progress {
            Progress::Pending => {}
            Progress::Up(sock) => {
                self.local = Local::Up(sock);
                if log::log_enabled!(log::Level::Debug) {
                    let ([l, r], [wl, wr]) = (cx.ends(Some(sock)), cx.ends(cx.server_sock(at)));
                    self.say(&format!("join connections, localConn(l[{l}] r[{r}]) workConn(l[{wl}] r[{wr}])"), cx);
                }
            }
            Progress::Failed(e) => self.unreachable(&e, cx),
        }
    }

    fn say(&self, line: &str, cx: &Cx<'_>) {
        log::debug!("{}[{}] {line}", cx.prefix, cx.proxies.name(self.proxy));
    }

    fn unreachable(&mut self, error: &DialError, cx: &mut Cx<'_>) {
        self.local = Local::Gone;
        self.fail_local(cx.shared.now);
        if let Some(proxy) = cx.proxies.get_mut(self.proxy)
            && let Some(more) = proxy.quiet.allow(cx.shared.now)
        {
            let more = and_more(more);
            log::error!(
                "{}[{}] connect to local service [{}] error: {error}{more}",
                cx.prefix,
                proxy.config.name,
                proxy.target
            );
        }
    }

    /// The local service is gone, and what waits for it with it.
    fn fail_local(&mut self, now: Instant) {
        self.relay.local_failed(now);
        self.down = Queue::default();
        self.codec = Codec::default();
    }

    /// The server will send no more.
    pub(super) fn server_eof(&mut self, now: Instant) {
        self.relay.server_eof(now);
    }

    /// The server takes no more.
    pub(super) fn server_deaf(&mut self, now: Instant) {
        self.relay.up_failed(now);
    }

    /// Whether the local service may still send.
    pub(super) fn local_open(&self) -> bool {
        self.relay.local_open()
    }

    /// Bytes from the server, changed in place.
    pub(super) fn receive(&mut self, pieces: &mut [&mut [u8]], at: At, cx: &mut Cx<'_>) {
        self.owed += pieces.iter().map(|p| p.len()).sum::<usize>();
        if !self.relay.down_open() {
            return self.settle(at, cx);
        }
        let mut slices = [IoSlice::new(&[]); PIECES];
        for batch in pieces.chunks_mut(PIECES) {
            if !self.relay.down_open() {
                break;
            }
            let (mut total, count) = (0, batch.len());
            for (piece, slice) in batch.iter_mut().zip(&mut slices) {
                let plain = self.codec.decrypt(piece);
                total += plain.len();
                *slice = IoSlice::new(plain);
            }
            let slices = slices.get(..count).unwrap_or_default();
            if self.codec.packs() {
                slices.iter().for_each(|s| self.codec.hold(s));
                continue;
            }
            let mut skip = self.write(slices, total, cx);
            for slice in slices {
                self.down.push(slice.get(skip..).unwrap_or_default());
                skip = skip.saturating_sub(slice.len());
            }
        }
        self.deliver(cx);
        self.settle(at, cx);
    }

    /// Writes to the local service if nothing waits before; returns how many bytes are dealt with.
    fn write(&mut self, slices: &[IoSlice<'_>], total: usize, cx: &mut Cx<'_>) -> usize {
        let sock = match self.local {
            Local::Up(sock) if self.down.is_empty() => sock,
            Local::Gone => return total,
            _ => return 0,
        };
        let wrote = match slices {
            [one] => cx.net.write(sock, one),
            many => cx.net.write_vectored(sock, many),
        };
        match wrote {
            Ok(n) => {
                self.relay.progress(cx.shared.now);
                sent_down(cx.proxies, self.proxy, n);
                n
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            Err(e) => {
                log::debug!("{}local service: {}", cx.prefix, reason(&e));
                self.fail_local(cx.shared.now);
                total
            }
        }
    }

    /// Moves what waits to the local service; unpacks more when nothing waits.
    fn deliver(&mut self, cx: &mut Cx<'_>) {
        loop {
            let Local::Up(sock) = self.local else { return };
            let (relay, now, proxy) = (&mut self.relay, cx.shared.now, self.proxy);
            let drained = self.down.drain(|slices| {
                let n = cx.net.write_vectored(sock, slices)?;
                relay.progress(now);
                sent_down(cx.proxies, proxy, n);
                Ok(n)
            });
            match drained {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.fail_local(now),
            }
            let mut piece = core::mem::take(&mut cx.shared.piece);
            let more = self.codec.unpack(&mut cx.shared.workspace, &mut piece);
            match more {
                Ok(true) => {
                    let n = self.write(&[IoSlice::new(&piece)], piece.len(), cx);
                    self.down.push(piece.get(n..).unwrap_or_default());
                }
                Ok(false) => {}
                Err(e) => {
                    log::warn!("{}{e}: the connection is closed", cx.prefix);
                    self.fail_local(cx.shared.now);
                }
            }
            cx.shared.piece = piece;
            if more != Ok(true) {
                return;
            }
        }
    }

    /// Credits the server for what has left our memory.
    fn settle(&mut self, at: At, cx: &mut Cx<'_>) {
        let credit = self.owed.saturating_sub(self.holds());
        self.owed -= credit;
        let now = cx.shared.now;
        let Some(mux) = cx.link(at).filter(|_| credit > 0).and_then(|link| link.mux.as_mut()) else { return };
        mux.consumed(at.stream, credit, now);
        if !mux.output().is_empty() {
            cx.touch(at);
        }
    }

    /// Does everything that can be done now.
    pub(super) fn pump(&mut self, at: At, cx: &mut Cx<'_>) -> Fate {
        if let Local::Dialing(dial) = &mut self.local {
            if dial.deadline() > cx.shared.now {
                return self.steps(at, cx, false);
            }
            let progress = dial.go(cx.net);
            self.dialed(progress, at, cx);
        }
        self.deliver(cx);
        self.settle(at, cx);
        let up = match self.up_by_pipe(at, cx) {
            Some(server) => self.splice_up(server, cx),
            None => self.up(at, cx),
        };
        let down = match self.down_by_pipe(at, cx) {
            Some(server) => self.splice_down(server, cx),
            None => self.down(at, cx),
        };
        self.steps(at, cx, up || down)
    }

    fn steps(&mut self, at: At, cx: &mut Cx<'_>, again: bool) -> Fate {
        loop {
            // With mux the FIN waits its turn behind the bytes; without it, it must not overtake them.
            let unsent = cx.link(at).is_some_and(|link| link.mux.is_none() && link.pending());
            let up_held = self.up_splice.held() > 0 || unsent;
            let down_held = self.holds() > 0 || self.down_splice.held() > 0;
            match self.relay.step(up_held, down_held, cx.shared.now) {
                Some(Step::FinishServer) => {
                    if let Some(link) = at.link.and_then(|key| cx.links.get_mut(key as usize)) {
                        link.finish(at.stream, cx.net);
                        cx.touch(at);
                    }
                }
                Some(Step::FinishLocal) => match &mut self.local {
                    Local::Up(sock) => cx.net.shutdown(*sock),
                    Local::Dialing(dial) => {
                        dial.abandon(cx.net);
                        self.local = Local::Gone;
                        self.relay.local_failed(cx.shared.now);
                    }
                    Local::Gone => {}
                },
                Some(Step::Done) => return Fate::Gone,
                None => break,
            }
        }
        if self.relay.deadline().is_some_and(|at| at <= cx.shared.now) {
            return Fate::Gone;
        }
        if again { Fate::Again } else { Fate::Wait }
    }

    /// From the local service to the server. True if there may be more to do at once.
    fn up(&mut self, at: At, cx: &mut Cx<'_>) -> bool {
        let Local::Up(sock) = self.local else { return false };
        let (mut left, mut scratch) = (cx.shared.large, cx.shared.take_scratch());
        let again = loop {
            if !self.relay.local_open() {
                break false;
            }
            if left == 0 {
                break true;
            }
            let Some(cap) = self.room(at, cx) else { break false };
            let end = (HEADROOM + cap).min(scratch.len());
            match cx.net.read(sock, scratch.get_mut(HEADROOM..end).unwrap_or_default()) {
                Ok(0) => self.relay.local_eof(cx.shared.now),
                Ok(n) => {
                    left = left.saturating_sub(n);
                    self.up_splice.saw(n);
                    let payload = scratch.get_mut(..HEADROOM + n).unwrap_or_default();
                    if self.relay.up_open() {
                        sent_up(cx.proxies, self.proxy, n);
                        self.send(payload, at, cx);
                    } else {
                        self.relay.dropped(n, cx.shared.now);
                    }
                    if HEADROOM + n == scratch.len() {
                        scratch = cx.shared.exchange(scratch);
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => break false,
                Err(e) => {
                    log::debug!("{}local service: {}", cx.prefix, reason(&e));
                    self.fail_local(cx.shared.now);
                }
            }
        };
        cx.shared.put_scratch(scratch);
        again
    }

    /// Payload the server takes now; `None` if it takes none, and then somebody will run us again.
    fn room(&self, at: At, cx: &mut Cx<'_>) -> Option<usize> {
        let large = cx.shared.large;
        let Some(link) = cx.link(at).filter(|_| self.relay.up_open()) else { return Some(large) };
        let slack = if self.codec.packs() { PACKING } else { PREFIX };
        let room = link.room(at.stream).saturating_sub(slack);
        if room > 0 {
            return Some(if self.codec.packs() { room.min(MAX_PLAIN) } else { room });
        }
        if link.blocked() {
            link.wait(at.work);
        }
        None
    }

    /// Hands payload, `buf[HEADROOM..]`, to the link.
    fn send(&mut self, buf: &mut [u8], at: At, cx: &mut Cx<'_>) {
        let Some(link) = at.link.and_then(|key| cx.links.get_mut(key as usize)) else { return };
        if self.codec.packs() {
            let mut piece = core::mem::take(&mut cx.shared.piece);
            piece.clear();
            piece.resize(HEADROOM, 0);
            self.codec.pack(buf.get(HEADROOM..).unwrap_or_default(), &mut cx.shared.workspace, &mut piece);
            let from = self.codec.encrypt(&mut piece, HEADROOM);
            link.send(at.stream, &mut piece, from, cx.net, cx.shared);
            cx.shared.piece = piece;
        } else {
            let from = self.codec.encrypt(buf, HEADROOM);
            link.send(at.stream, buf, from, cx.net, cx.shared);
        }
        link.sent_by(at.work);
        cx.touch(at);
    }

    /// Without mux: from the server to the local service. True if there may be more to do at once.
    fn down(&mut self, at: At, cx: &mut Cx<'_>) -> bool {
        let mut left = cx.shared.large;
        let mut scratch = cx.shared.take_scratch();
        let again = loop {
            let link = at.link.and_then(|key| cx.links.get_mut(key as usize)).filter(|link| link.mux.is_none());
            let full = !self.down.is_empty() || matches!(self.local, Local::Dialing(_)) || !self.relay.server_open();
            let Some(link) = link.filter(|_| !full) else { break false };
            if left == 0 {
                break true;
            }
            match link.read(&mut scratch, cx.net) {
                Ok(None) => break false,
                Ok(Some(got)) => {
                    cx.shared.brought += got.to - got.from;
                    left = left.saturating_sub(got.to - got.from);
                    self.down_splice.saw(got.to - got.from);
                    let bytes = scratch.get_mut(got.from..got.to).unwrap_or_default();
                    self.receive(&mut [bytes], at, cx);
                    if got.full {
                        scratch = cx.shared.exchange(scratch);
                    }
                }
                Err(e) => {
                    log::debug!("{}work connection: {e}", cx.prefix);
                    self.relay.server_eof(cx.shared.now);
                }
            }
        };
        cx.shared.put_scratch(scratch);
        again
    }

    /// The server's socket, if the kernel moves the bytes up. Those in the pipe come first; a pipe is not begun while
    /// copied bytes wait.
    fn up_by_pipe(&self, at: At, cx: &Cx<'_>) -> Option<Sock> {
        let link = cx.links.get(at.link? as usize).filter(|link| link.is_bare() && self.codec.is_plain())?;
        let begin = self.up_splice.wanted() && self.relay.up_open() && !link.pending();
        (self.up_splice.held() > 0 || begin).then_some(link.sock)
    }

    /// As [`Tunnel::up_by_pipe`], down.
    fn down_by_pipe(&self, at: At, cx: &Cx<'_>) -> Option<Sock> {
        let link = cx.links.get(at.link? as usize).filter(|link| link.is_bare() && self.codec.is_plain())?;
        let begin = self.down_splice.wanted() && self.holds() == 0;
        (self.relay.down_open() && (self.down_splice.held() > 0 || begin)).then_some(link.sock)
    }

    /// As [`Tunnel::up`], through the kernel.
    fn splice_up(&mut self, server: Sock, cx: &mut Cx<'_>) -> bool {
        let (Local::Up(local), now) = (&self.local, cx.shared.now) else { return false };
        let share = if self.relay.local_open() && self.relay.up_open() { cx.shared.large } else { 0 };
        let (moved, stop) = self.up_splice.run(*local, server, share, cx.net);
        sent_up(cx.proxies, self.proxy, moved);
        match stop {
            Stop::Share => return share > 0,
            Stop::NoPipe => return true,
            Stop::Blocked => {}
            Stop::Eof => self.relay.local_eof(now),
            Stop::Source => self.fail_local(now),
            Stop::Sink => {
                self.up_splice.close(cx.net);
                self.relay.up_failed(now);
            }
        }
        false
    }

    /// As [`Tunnel::down`], through the kernel.
    fn splice_down(&mut self, server: Sock, cx: &mut Cx<'_>) -> bool {
        let (Local::Up(local), now) = (&self.local, cx.shared.now) else { return false };
        let share = if self.relay.server_open() { cx.shared.large } else { 0 };
        let (moved, stop) = self.down_splice.run(server, *local, share, cx.net);
        if moved > 0 {
            self.relay.progress(now);
            cx.shared.brought += moved;
            sent_down(cx.proxies, self.proxy, moved);
        }
        match stop {
            Stop::Share => return share > 0,
            Stop::NoPipe => return true,
            Stop::Blocked => {}
            Stop::Eof | Stop::Source => self.relay.server_eof(now),
            Stop::Sink => {
                self.down_splice.close(cx.net);
                self.fail_local(now);
            }
        }
        false
    }

    /// When [`Tunnel::pump`] wants to be called at the latest.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let dial = match &self.local {
            Local::Dialing(dial) => Some(dial.deadline()),
            _ => None,
        };
        sooner(dial, self.relay.deadline())
    }

    /// Closes the local side.
    pub(super) fn close(mut self, cx: &mut Cx<'_>) {
        self.up_splice.close(cx.net);
        self.down_splice.close(cx.net);
        match &mut self.local {
            Local::Up(sock) => {
                cx.net.close(*sock);
                self.say(CLOSED, cx);
            }
            Local::Dialing(dial) => dial.abandon(cx.net),
            Local::Gone => {}
        }
    }

    /// Cuts both sides off at once.
    pub(super) fn abort(&mut self, cx: &mut Cx<'_>) {
        if let Local::Up(sock) = self.local {
            cx.net.abort(sock);
            self.local = Local::Gone;
            self.say(CLOSED, cx);
        }
    }
}
