//! A world in virtual time behind the [`Net`] seam, for tests.
//!
//! Owns the clock, the sockets, what is on its way between them and a [`World`], and the randomness, all from one seed.
//! Does not know what the bytes mean: the far ends are the world's. Always true: the same seed gives the same run; time
//! moves only in [`Sim::advance`]; bytes of a direction keep their order; readiness is as stingy as edge-triggered epoll
//! allows. Worst case: not bounded, it is never in the product.
//!
//! What it does to the client: short reads and writes, latency and jitter, full buffers, a peer that drips, is silent,
//! sends FIN or RST, refuses, or never answers; names that are slow, wrong or answered in parts; events that come
//! without cause.

mod conn;
mod far;
mod jobs;
mod listen;
mod rng;

pub use far::Far;
pub use jobs::{Jobs, Play};
pub use rng::Rng;

use super::{Answer, Event, FileJob, Job, Net, Pipe, ResolveError, Sock, SockOpts, Token};
use crate::proto::time::{Duration, Instant, micros, millis, secs};
use conn::{Conn, Phase};
use listen::Listener;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

/// A connection as the world sees it.
pub type Link = u32;

/// What becomes of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// It is accepted.
    Accept,
    /// The port answers with RST.
    Refuse,
    /// Nothing ever comes back.
    Ignore,
}

/// The far ends of all connections. Each call may use [`Far`] to act.
pub trait World {
    /// Somebody connects to `to`.
    fn connect(&mut self, link: Link, to: SocketAddr, far: &mut Far<'_>) -> Welcome;
    /// Bytes came.
    fn received(&mut self, link: Link, bytes: &[u8], far: &mut Far<'_>);
    /// The client sent FIN (`true`) or RST, or closed (`false`).
    fn ended(&mut self, link: Link, cleanly: bool, far: &mut Far<'_>);
    /// What was sent has left for the client: there is room again.
    fn drained(&mut self, link: Link, far: &mut Far<'_>);
    /// The time that [`World::deadline`] named has come.
    fn expire(&mut self, far: &mut Far<'_>);
    /// When to call [`World::expire`].
    fn deadline(&self) -> Option<Instant>;
}

/// How the lines behave. Random within these bounds, for each connection anew.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// One way.
    pub latency: Duration,
    /// Added to it at random.
    pub jitter: Duration,
    /// Largest piece that is delivered at once, towards the client. With the latency it makes the bandwidth.
    pub piece: usize,
    /// The same towards the world.
    pub up_piece: usize,
    /// Bytes a direction holds.
    pub buffer: usize,
    /// One call in so many is cut short (0: none).
    pub short: u32,
    /// One turn in so many brings an event without cause (0: none).
    pub spurious: u32,
    /// Whether bytes can be moved inside the kernel.
    pub pipes: bool,
}

impl Default for Weather {
    fn default() -> Self {
        let (latency, jitter) = (millis(1), Duration::ZERO);
        Self { latency, jitter, piece: 65536, up_piece: 65536, buffer: 262_144, short: 0, spurious: 0, pipes: true }
    }
}

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The SYN arrives at the world.
    Syn(u32),
    /// The answer to it arrives at the client.
    SynAck(u32),
    /// The next bytes of this direction arrive.
    ToWorld(u32),
    ToClient(u32),
    /// The RST arrives at the client.
    RstToClient(u32),
    /// A name is answered; index into the answers under way.
    Name(u64),
    /// A job ends; index into those under way.
    Job(u64),
}

/// A name's answer in steps: after how long, and what.
pub type Script = Vec<(Duration, Result<Answer, ResolveError>)>;

#[derive(Default)]
struct PipeSlot {
    generation: u32,
    open: bool,
    held: VecDeque<u8>,
}

/// See the module.
pub struct Sim {
    now: Instant,
    rng: Rng,
    /// For connections that are made from now on.
    pub weather: Weather,
    heap: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    sequence: u64,
    conns: Vec<Conn>,
    listeners: Vec<Listener>,
    /// What the next calls of [`Net::accept`] fail with, while it is set.
    pub no_accept: Option<io::ErrorKind>,
    pipes: Vec<PipeSlot>,
    names: BTreeMap<String, Script>,
    answers: BTreeMap<u64, (Token, Result<Answer, ResolveError>)>,
    ready: Vec<Event>,
    /// Child processes and files.
    pub jobs: Jobs,
    /// Names asked for, in order.
    pub asked: Vec<String>,
    /// Our own address, and the one that connections come from; `None`: there is no route. Tell the client of changes by
    /// [`Sim::ring`].
    pub address: Option<IpAddr>,
    /// Nothing moves to or from this address until then, and nothing is lost.
    pub stall: Option<(SocketAddr, Instant)>,
    /// Names the client was disappointed in.
    pub forgotten: Vec<String>,
    idle_turns: u32,
}

/// Our address at the start.
pub const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// Turns at one instant that nothing explains any more.
const BUSY: u32 = 20_000;

impl Sim {
    /// A world that starts at a time well after zero.
    pub fn new(seed: u64) -> Self {
        Self {
            now: Instant::ZERO + secs(86_400),
            rng: Rng::new(seed),
            weather: Weather::default(),
            heap: BinaryHeap::new(),
            sequence: 0,
            conns: Vec::new(),
            listeners: Vec::new(),
            no_accept: None,
            pipes: Vec::new(),
            names: BTreeMap::new(),
            answers: BTreeMap::new(),
            ready: Vec::new(),
            jobs: Jobs::default(),
            asked: Vec::new(),
            address: Some(HOME),
            stall: None,
            forgotten: Vec::new(),
            idle_turns: 0,
        }
    }

    /// What a name is answered from now on. Unknown names do not exist.
    pub fn name(&mut self, name: &str, script: Script) {
        self.names.insert(name.to_owned(), script);
    }

    /// Randomness for the test itself.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: super::Signal) {
        self.ready.push(Event::Signal(signal));
    }

    /// Tells the client that the network changed.
    pub fn ring(&mut self) {
        self.ready.push(Event::NetworkChanged);
    }

    /// Sockets the client has not closed, listeners among them.
    pub fn open_sockets(&self) -> usize {
        let listeners = self.listeners.iter().filter(|l| l.is_open()).count();
        listeners + self.conns.iter().filter(|c| !matches!(c.phase, Phase::Closed | Phase::Waiting)).count()
    }

    /// Pipes the client has not given back.
    pub fn open_pipes(&self) -> usize {
        self.pipes.iter().filter(|p| p.open).count()
    }

    /// From now on the bytes of this connection vanish, both ways.
    pub fn cut(&mut self, link: Link) {
        if let Some(conn) = self.conns.get_mut(link as usize) {
            conn.cut = true;
        }
    }

    /// As [`Sim::cut`], for all connections to this address.
    pub fn cut_all(&mut self, to: SocketAddr) {
        self.conns.iter_mut().filter(|c| c.to == to).for_each(|c| c.cut = true);
    }

    /// From now on the connections to this address that exist now are unknown to who is there, who says so and forgets
    /// nothing: as after our address has changed on the way.
    pub fn disown_all(&mut self, to: SocketAddr) {
        for index in 0..self.conns.len() {
            if let Some(conn) = self.conns.get_mut(index).filter(|c| c.to == to && c.phase == Phase::Open) {
                (conn.cut, conn.reset) = (true, true);
                self.tell(u32::try_from(index).unwrap_or(u32::MAX));
            }
        }
    }

    /// The program is gone: its kernel closes what it had open.
    pub fn close_all(&mut self) {
        let open = self.conns.iter().zip(0..).filter(|(c, _)| c.phase != Phase::Closed);
        let open: Vec<Sock> = open.map(|(c, link)| c.sock(link)).collect();
        open.into_iter().for_each(|sock| self.close(sock));
    }

    /// What is on its way on the connections to this address that exist now arrives no sooner than `until`.
    pub fn delay_all(&mut self, to: SocketAddr, until: Instant) {
        self.conns.iter_mut().filter(|c| c.to == to).for_each(|c| c.stalled = until);
    }

    /// Until when a connection stands still.
    fn stalled(&self, link: Link) -> Option<Instant> {
        let conn = self.conns.get(link as usize)?;
        let all = self.stall.filter(|(to, _)| *to == conn.to).map_or(Instant::ZERO, |(_, until)| until);
        Some(all.max(conn.stalled)).filter(|until| *until > self.now)
    }

    /// The far end sends RST.
    pub fn reset(&mut self, link: Link) {
        Far { sim: self }.reset(link);
    }

    fn at(&mut self, when: Instant, what: Happening) {
        self.sequence += 1;
        self.heap.push(Reverse((when, self.sequence, what)));
    }

    /// Moves the clock to the next happening, or `deadline` if that is sooner, and adds what the client sees of it to
    /// `events`. False if nothing will ever happen.
    ///
    /// # Panics
    /// The client runs in circles.
    pub fn advance(&mut self, deadline: Option<Instant>, world: &mut dyn World, events: &mut Vec<Event>) -> bool {
        let next = self.heap.peek().map(|Reverse((at, ..))| *at);
        let soonest = [next, deadline, world.deadline()].into_iter().flatten().min();
        let Some(at) = soonest.or_else(|| (!self.ready.is_empty()).then_some(self.now)) else { return false };
        if at > self.now && self.ready.is_empty() {
            self.now = at;
            self.idle_turns = 0;
            self.spurious();
        } else {
            self.idle_turns += 1;
            assert!(self.idle_turns < BUSY, "the client runs in circles at {:?}", self.now);
        }
        while let Some(Reverse((at, _, what))) = self.heap.peek().copied().filter(|Reverse((at, ..))| *at <= self.now) {
            debug_assert!(at <= self.now);
            self.heap.pop();
            self.happen(what, world);
        }
        if world.deadline().is_some_and(|at| at <= self.now) {
            world.expire(&mut Far { sim: self });
        }
        events.append(&mut self.ready);
        true
    }

    fn spurious(&mut self) {
        let one_in = self.weather.spurious;
        if one_in > 0 && self.rng.below(one_in) == 0 && !self.conns.is_empty() {
            let index = self.rng.below(u32::try_from(self.conns.len()).unwrap_or(u32::MAX));
            if let Some(conn) = self.conns.get(index as usize).filter(|c| c.phase == Phase::Open) {
                self.ready.push(Event::Ready { token: conn.token, sock: conn.sock(index) });
            }
        }
    }

    fn happen(&mut self, what: Happening, world: &mut dyn World) {
        if let Happening::Syn(link)
        | Happening::SynAck(link)
        | Happening::ToWorld(link)
        | Happening::ToClient(link)
        | Happening::RstToClient(link) = what
            && let Some(until) = self.stalled(link)
        {
            return self.at(until, what);
        }
        match what {
            Happening::Syn(link) => self.on_syn(link, world),
            Happening::SynAck(link) => self.on_syn_ack(link),
            Happening::ToWorld(link) => self.move_up(link, world),
            Happening::ToClient(link) => self.move_down(link, world),
            Happening::RstToClient(link) => {
                if let Some(conn) = self.conns.get_mut(link as usize).filter(|c| !c.cut) {
                    conn.reset = true;
                    self.tell(link);
                }
            }
            Happening::Name(id) => {
                if let Some((token, result)) = self.answers.remove(&id) {
                    self.ready.push(Event::Resolved { token, result });
                }
            }
            Happening::Job(id) => self.ready.extend(self.jobs.end(id)),
        }
    }

    fn on_syn(&mut self, link: Link, world: &mut dyn World) {
        let Some(conn) = self.conns.get(link as usize).filter(|c| !c.cut && c.phase == Phase::Dialing) else { return };
        let (to, delay) = (conn.to, conn.delay);
        let welcome = world.connect(link, to, &mut Far { sim: self });
        let Some(conn) = self.conns.get_mut(link as usize) else { return };
        conn.welcome = Some(welcome);
        if welcome != Welcome::Ignore {
            self.at(self.now + delay, Happening::SynAck(link));
        }
    }

    fn on_syn_ack(&mut self, link: Link) {
        let Some(conn) = self.conns.get_mut(link as usize).filter(|c| !c.cut && c.phase == Phase::Dialing) else {
            return;
        };
        let (token, sock) = (conn.token, conn.sock(link));
        let result = if conn.welcome == Some(Welcome::Accept) {
            conn.phase = Phase::Open;
            Ok(())
        } else {
            conn.phase = Phase::Closed;
            Err(io::ErrorKind::ConnectionRefused.into())
        };
        self.ready.push(Event::Dialed { token, sock, result });
        self.start_down(link);
    }

    /// An edge for the client.
    fn tell(&mut self, link: Link) {
        if let Some(conn) = self.conns.get(link as usize).filter(|c| c.phase == Phase::Open) {
            self.ready.push(Event::Ready { token: conn.token, sock: conn.sock(link) });
        }
    }

    fn delay(&mut self, link: Link) -> Duration {
        let jitter = self.conns.get(link as usize).map_or(Duration::ZERO, |c| c.weather.jitter);
        let jitter = u32::try_from(jitter.as_micros()).unwrap_or(u32::MAX);
        let base = self.conns.get(link as usize).map_or(Duration::ZERO, |c| c.delay);
        base + if jitter == 0 { Duration::ZERO } else { micros(self.rng.below(jitter).into()) }
    }

    fn start_up(&mut self, link: Link) {
        let delay = self.delay(link);
        let Some(conn) = self.conns.get_mut(link as usize) else { return };
        if !core::mem::replace(&mut conn.up_moving, true) {
            self.at(self.now + delay, Happening::ToWorld(link));
        }
    }

    fn start_down(&mut self, link: Link) {
        let delay = self.delay(link);
        let Some(conn) = self.conns.get_mut(link as usize) else { return };
        let can = conn.phase == Phase::Open && conn.down.has_more();
        if can && !core::mem::replace(&mut conn.down_moving, true) {
            self.at(self.now + delay, Happening::ToClient(link));
        }
    }

    /// A piece of what the client wrote arrives.
    fn move_up(&mut self, link: Link, world: &mut dyn World) {
        let Some(conn) = self.conns.get_mut(link as usize) else { return };
        conn.up_moving = false;
        if conn.cut || conn.paused {
            return;
        }
        let most = 1 + self.rng.below(u32::try_from(conn.weather.up_piece).unwrap_or(u32::MAX)) as usize;
        let bytes = conn.up.arrive(most);
        let was_full = conn.up.told_full;
        conn.up.told_full = false;
        let ended = conn.up.take_end();
        let more = conn.up.has_more();
        if was_full {
            self.tell(link);
        }
        if !bytes.is_empty() {
            world.received(link, &bytes, &mut Far { sim: self });
        }
        if let Some(cleanly) = ended {
            world.ended(link, cleanly, &mut Far { sim: self });
        }
        if more {
            self.start_up(link);
        }
    }

    /// A piece of what the world sent arrives in the client's receive buffer.
    fn move_down(&mut self, link: Link, world: &mut dyn World) {
        let Some(conn) = self.conns.get_mut(link as usize) else { return };
        conn.down_moving = false;
        if conn.cut || conn.phase != Phase::Open {
            return;
        }
        let most = 1 + self.rng.below(u32::try_from(conn.weather.piece).unwrap_or(u32::MAX)) as usize;
        let moved = conn.down.land(most, conn.weather.buffer);
        let edge = moved && (core::mem::take(&mut conn.drained) || self.rng.below(2) == 0);
        let room = conn.down.queued() < conn.weather.buffer / 2;
        if edge {
            self.tell(link);
        }
        if room && moved {
            world.drained(link, &mut Far { sim: self });
        }
        self.start_down(link);
    }

    fn open(&mut self, sock: Sock) -> io::Result<&mut Conn> {
        let conn = self.conns.get_mut(sock.index as usize).filter(|c| c.phase == Phase::Open);
        let conn = conn.ok_or(io::ErrorKind::NotConnected)?;
        if conn.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(conn)
    }

    fn is_short(&mut self) -> bool {
        let one_in = self.weather.short;
        one_in > 0 && self.rng.below(one_in) == 0
    }
}

impl Net for Sim {
    fn now(&self) -> Instant {
        self.now
    }

    fn unix_time(&self) -> u64 {
        1_700_000_000 + self.now.as_micros() / 1_000_000
    }

    fn random(&mut self, out: &mut [u8]) {
        out.iter_mut().for_each(|byte| *byte = self.rng.byte());
    }

    fn dial(&mut self, to: SocketAddr, opts: &SockOpts, token: Token) -> io::Result<Sock> {
        let address = self.address.ok_or(io::ErrorKind::NetworkUnreachable)?;
        let link = u32::try_from(self.conns.len()).unwrap_or(u32::MAX);
        let mut conn = Conn::new(to, token, self.weather);
        conn.from = address;
        conn.unsent = opts.notsent_lowat.map_or(usize::MAX, |bytes| bytes as usize);
        let (sock, delay) = (conn.sock(link), conn.delay);
        self.conns.push(conn);
        self.at(self.now + delay, Happening::Syn(link));
        Ok(sock)
    }

    fn listen(&mut self, addr: SocketAddr, token: Token) -> io::Result<Sock> {
        self.open_listener(addr, token)
    }

    fn accept(&mut self, listener: Sock, token: Token) -> io::Result<Sock> {
        self.take_waiting(listener, token)
    }

    fn resolve(&mut self, name: &str, token: Token) {
        self.asked.push(name.to_owned());
        let unknown = vec![(millis(1), Err(ResolveError::NoSuchHost))];
        for (after, result) in self.names.get(name).cloned().unwrap_or(unknown) {
            let id = self.sequence;
            self.answers.insert(id, (token, result));
            self.at(self.now + after, Happening::Name(id));
        }
    }

    fn cancel_resolve(&mut self, token: Token) {
        self.answers.retain(|_, (t, _)| *t != token);
    }

    fn forget_name(&mut self, name: &str) {
        self.forgotten.push(name.to_owned());
    }

    fn spawn(&mut self, job: Job, token: Token) -> io::Result<()> {
        let (id, after) = self.jobs.start(job, token)?;
        if let Some(after) = after {
            self.at(self.now + after, Happening::Job(id));
        }
        Ok(())
    }

    fn kill_job(&mut self, token: Token) {
        self.jobs.kill(token);
    }

    fn files(&mut self, job: FileJob, token: Token) {
        let (id, after) = self.jobs.start_files(&job, token);
        self.at(self.now + after, Happening::Job(id));
    }

    fn cancel_files(&mut self, token: Token) {
        self.jobs.cancel_files(token);
    }

    fn assign(&mut self, sock: Sock, token: Token) {
        if let Ok(conn) = self.open(sock) {
            conn.token = token;
        }
    }

    fn limit_unsent(&mut self, sock: Sock, bytes: u32) {
        if let Ok(conn) = self.open(sock) {
            conn.unsent = bytes as usize;
        }
    }

    fn read(&mut self, sock: Sock, buf: &mut [u8]) -> io::Result<usize> {
        let short = self.is_short();
        let conn = self.open(sock)?;
        let most = if short { 1 + buf.len() / 7 } else { buf.len() };
        let n = conn.read(buf.get_mut(..most.min(buf.len())).unwrap_or_default())?;
        self.start_down(sock.index);
        Ok(n)
    }

    fn write(&mut self, sock: Sock, buf: &[u8]) -> io::Result<usize> {
        let short = self.is_short();
        let conn = self.open(sock)?;
        let most = if short { 1 + buf.len() / 7 } else { buf.len() };
        let n = conn.write(buf.get(..most.min(buf.len())).unwrap_or_default())?;
        self.start_up(sock.index);
        Ok(n)
    }

    fn write_vectored(&mut self, sock: Sock, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut all = Vec::new();
        bufs.iter().for_each(|buf| all.extend_from_slice(buf));
        self.write(sock, &all)
    }

    fn open_pipe(&mut self) -> Option<Pipe> {
        if !self.weather.pipes {
            return None;
        }
        let free = self.pipes.iter().position(|p| !p.open).unwrap_or(self.pipes.len());
        if free == self.pipes.len() {
            self.pipes.push(PipeSlot::default());
        }
        let slot = self.pipes.get_mut(free)?;
        (slot.open, slot.held) = (true, VecDeque::new());
        Some(Pipe { index: u32::try_from(free).ok()?, generation: slot.generation })
    }

    fn splice_in(&mut self, from: Sock, pipe: Pipe, max: usize) -> io::Result<usize> {
        let mut buf = vec![0; max.min(65536)];
        let n = self.read(from, &mut buf)?;
        let slot = self.pipes.get_mut(pipe.index as usize).ok_or(io::ErrorKind::NotConnected)?;
        slot.held.extend(buf.get(..n).unwrap_or_default());
        Ok(n)
    }

    fn splice_out(&mut self, pipe: Pipe, to: Sock, max: usize) -> io::Result<usize> {
        let slot = self.pipes.get_mut(pipe.index as usize).ok_or(io::ErrorKind::NotConnected)?;
        let bytes: Vec<u8> = slot.held.iter().copied().take(max).collect();
        let n = self.write(to, &bytes)?;
        if let Some(slot) = self.pipes.get_mut(pipe.index as usize) {
            slot.held.drain(..n);
        }
        Ok(n)
    }

    fn close_pipe(&mut self, pipe: Pipe) {
        if let Some(slot) = self.pipes.get_mut(pipe.index as usize) {
            (slot.open, slot.generation) = (false, slot.generation + 1);
        }
    }

    fn shutdown(&mut self, sock: Sock) {
        if let Ok(conn) = self.open(sock) {
            conn.up.end(true);
            self.start_up(sock.index);
        }
    }

    fn close(&mut self, sock: Sock) {
        self.close_listener(sock);
        if let Some(conn) = self.conns.get_mut(sock.index as usize).filter(|c| c.phase != Phase::Closed) {
            // Unread bytes turn the FIN into a RST, as in Linux; what was written still goes out before either here.
            let cleanly = !conn.down.has_landed();
            conn.phase = Phase::Closed;
            conn.up.end(cleanly);
            self.start_up(sock.index);
        }
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(conn) = self.conns.get_mut(sock.index as usize).filter(|c| c.phase != Phase::Closed) {
            conn.phase = Phase::Closed;
            conn.up.lose();
            conn.up.end(false);
            self.start_up(sock.index);
        }
    }

    fn local_addr(&self, sock: Sock) -> Option<SocketAddr> {
        let listens = self.listener(sock).map(|l| l.addr);
        listens.or_else(|| self.conns.get(sock.index as usize).map(|c| SocketAddr::new(c.from, 40_000)))
    }

    fn peer_addr(&self, sock: Sock) -> Option<SocketAddr> {
        self.conns.get(sock.index as usize).map(|c| c.to)
    }

    fn unacknowledged(&self, sock: Sock) -> Option<u32> {
        self.conns.get(sock.index as usize).and_then(|c| u32::try_from(c.up.queued()).ok())
    }

    fn source_for(&self, _to: SocketAddr, _opts: &SockOpts) -> io::Result<IpAddr> {
        self.address.ok_or_else(|| io::ErrorKind::NetworkUnreachable.into())
    }

    fn has_address(&self, ip: IpAddr, _opts: &SockOpts) -> bool {
        self.address == Some(ip)
    }
}

#[cfg(test)]
mod tests;
