//! The real server's loop: sockets on one side, the machine on the other.
//!
//! Owns every socket, the clock, and what a cut line does. Does not know the protocol. Always true: what a socket is
//! polled for is computed anew each turn; a socket that nobody wants is not polled. Worst case: what the machine lets
//! wait, and 64 KiB; a dead connection keeps its socket until the client closes it.
//!
//! Why is it so?
//! * *Why poll(2) and not the crate `polling`?* Its `add` is unsafe, and the house has no unsafe code. The client uses
//!   epoll, so they still share nothing.

use super::super::frps::{Conn, Frps, Out, User};
use super::Options;
use super::peer::{Got, Peer};
use redial::proto::time::{Duration, Instant, millis, sooner};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::SockRef;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

/// Bytes read at once.
const SCRATCH: usize = 64 * 1024;
/// Connections accepted at once.
const ACCEPTS: usize = 64;
/// How long nothing is accepted after there was no descriptor left.
const ACCEPT_PAUSE: Duration = millis(100);
/// Bytes for a dead connection that seem to leave: what a kernel would hold.
const SWALLOW: usize = 2 * 1024 * 1024;

/// What the loop has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Turns of the loop.
    pub(crate) turns: u64,
    /// Connections of clients that were accepted.
    pub(crate) accepted: u64,
    /// Connections of users that were accepted.
    pub(crate) users: u64,
    /// Failed accepts, those for want of a descriptor included.
    pub(crate) accept_errors: u64,
    /// Bytes read from clients.
    pub(crate) read: u64,
    /// Bytes written to clients.
    pub(crate) written: u64,
}

/// A connection behind a line that was cut: nothing gets through any more, in either direction.
struct Dead {
    /// Until the client closes it.
    stream: Option<TcpStream>,
    /// Bytes that still seem to leave.
    swallow: usize,
    /// The machine is done with it.
    closed: bool,
}

/// Whom an event of the poll is for.
#[derive(Clone, Copy)]
enum Key {
    Wake,
    Listener,
    Port(u16),
    Conn(Conn),
    Dead(Conn),
    User(User),
}

/// See the module.
pub(crate) struct World {
    options: Options,
    machine: Frps,
    origin: std::time::Instant,
    addr: SocketAddr,
    listener: Option<TcpListener>,
    wake: UnixStream,
    conns: BTreeMap<Conn, Peer>,
    dead: BTreeMap<Conn, Dead>,
    users: BTreeMap<User, Peer>,
    ports: BTreeMap<u16, TcpListener>,
    /// The port each proxy had last, as frps remembers it too.
    remembered: BTreeMap<String, u16>,
    cut: bool,
    accept_again: Option<Instant>,
    next: u32,
    random: u64,
    stats: Stats,
    scratch: Vec<u8>,
    stopped: bool,
}

impl World {
    /// A server on this listener; `wake` becomes readable when a command has come.
    #[expect(clippy::disallowed_methods, reason = "the server has a clock of its own")]
    pub(super) fn new(options: Options, listener: TcpListener, wake: UnixStream) -> io::Result<Self> {
        prepare(&listener, options.buffers)?;
        wake.set_nonblocking(true)?;
        Ok(Self {
            machine: Frps::new(options.settings.clone(), options.seed),
            random: options.seed,
            options,
            origin: std::time::Instant::now(),
            addr: listener.local_addr()?,
            listener: Some(listener),
            wake,
            conns: BTreeMap::new(),
            dead: BTreeMap::new(),
            users: BTreeMap::new(),
            ports: BTreeMap::new(),
            remembered: BTreeMap::new(),
            cut: false,
            accept_again: None,
            next: 0,
            stats: Stats::default(),
            scratch: vec![0; SCRATCH],
            stopped: false,
        })
    }

    fn now(&self) -> Instant {
        Instant::from_micros(u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// The machine, and the time.
    pub(crate) fn machine(&mut self) -> (&mut Frps, Instant) {
        let now = self.now();
        (&mut self.machine, now)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The line to the clients dies without a word. Users still reach us.
    pub(super) fn cut(&mut self) {
        self.cut = true;
        for (conn, peer) in core::mem::take(&mut self.conns) {
            let dead = Dead { stream: Some(peer.stream), swallow: SWALLOW, closed: peer.closing };
            self.dead.insert(conn, dead);
            self.swallow(conn, peer.tx.len());
        }
    }

    /// New connections get through; the old ones stay dead.
    pub(super) fn heal(&mut self) {
        self.cut = false;
    }

    /// As if the process had been killed and started again.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        self.conns.clear();
        self.users.clear();
        self.ports.clear();
        self.dead.values_mut().for_each(|dead| dead.closed = true);
        self.random = self.random.wrapping_add(1);
        self.machine = Frps::new(self.options.settings.clone(), self.random);
        self.listener = None;
        let listener = TcpListener::bind(self.addr)?;
        prepare(&listener, self.options.buffers)?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Sleeps until something happens, and deals with it.
    pub(super) fn turn(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        self.stats.turns += 1;
        let now = self.now();
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
        }
        for (key, flags) in ready {
            self.on_ready(key, flags);
        }
        self.settle();
        Ok(())
    }

    /// Does what is due, and everything the machine wants done.
    pub(super) fn settle(&mut self) {
        let now = self.now();
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.machine.expire(now);
        }
        loop {
            let mut quiet = true;
            while let Some(out) = self.machine.poll() {
                quiet = false;
                self.obey(out);
            }
            self.write();
            if quiet {
                return;
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let drips = self.conns.values().filter(|p| !p.blocked && !p.tx.is_empty()).filter_map(|p| p.not_before).min();
        sooner(sooner(self.machine.deadline(), self.accept_again), drips)
    }

    fn wait(&self) -> io::Result<Vec<(Key, PollFlags)>> {
        let (mut keys, mut fds) = (vec![Key::Wake], vec![PollFd::new(&self.wake, PollFlags::IN)]);
        if self.accept_again.is_none() {
            for listener in self.listener.iter().filter(|_| !self.cut) {
                keys.push(Key::Listener);
                fds.push(PollFd::new(listener, PollFlags::IN));
            }
            for (port, listener) in &self.ports {
                keys.push(Key::Port(*port));
                fds.push(PollFd::new(listener, PollFlags::IN));
            }
        }
        for (conn, dead) in &self.dead {
            if let Some(stream) = &dead.stream {
                keys.push(Key::Dead(*conn));
                fds.push(PollFd::new(stream, PollFlags::RDHUP));
            }
        }
        let conns = self.conns.iter().map(|(c, p)| (Key::Conn(*c), p, self.machine.conn_room(*c)));
        let users = self.users.iter().map(|(u, p)| (Key::User(*u), p, self.machine.user_room(*u)));
        for (key, peer, room) in conns.chain(users) {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, room > 0 && !peer.ended && !peer.closing);
            flags.set(PollFlags::OUT, peer.waits_for_socket());
            if !flags.is_empty() {
                keys.push(key);
                fds.push(PollFd::new(&peer.stream, flags));
            }
        }
        let limit = self.deadline().map(|at| timespec(at.since(self.now())));
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        }
        let ready = keys.into_iter().zip(fds).map(|(key, fd)| (key, fd.revents()));
        Ok(ready.filter(|(_, flags)| !flags.is_empty()).collect())
    }

    fn on_ready(&mut self, key: Key, flags: PollFlags) {
        match key {
            Key::Wake => while matches!(self.wake.read(&mut [0; 64]), Ok(64)) {},
            Key::Listener => self.accept_clients(),
            Key::Port(port) => self.accept_users(port),
            Key::Dead(conn) => self.bury(conn),
            Key::Conn(conn) => {
                if let Some(peer) = self.conns.get_mut(&conn) {
                    peer.blocked &= !flags.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP);
                    self.read_conn(conn);
                }
            }
            Key::User(user) => {
                if let Some(peer) = self.users.get_mut(&user) {
                    peer.blocked &= !flags.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP);
                    self.read_user(user);
                }
            }
        }
    }

    fn accept_clients(&mut self) {
        for _ in 0..ACCEPTS {
            let Some(accepted) = self.listener.as_ref().map(TcpListener::accept) else { return };
            let Some((peer, _)) = self.accepted(accepted) else { return };
            let (conn, now) = (Conn(self.name()), self.now());
            self.conns.insert(conn, peer);
            self.stats.accepted += 1;
            self.machine.connected(conn, now);
        }
    }

    fn accept_users(&mut self, port: u16) {
        for _ in 0..ACCEPTS {
            let Some(accepted) = self.ports.get(&port).map(TcpListener::accept) else { return };
            let Some((peer, from)) = self.accepted(accepted) else { return };
            let (user, now) = (User(self.name()), self.now());
            let to = peer.stream.local_addr().unwrap_or_else(|_| SocketAddr::new(self.addr.ip(), port));
            self.users.insert(user, peer);
            self.stats.users += 1;
            self.machine.user_connected(user, from, to, now);
        }
    }

    /// A socket that was accepted; `None` if there is none, for now or for a while.
    fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(Peer, SocketAddr)> {
        let made = accepted.and_then(|(stream, from)| Ok((Peer::new(stream)?, from)));
        let error = match made {
            Ok(made) => return Some(made),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return None,
            Err(e) => e,
        };
        self.stats.accept_errors += 1;
        // The connection stays in the kernel's queue and the listener readable: without a pause this would spin.
        if error.kind() != ErrorKind::ConnectionAborted {
            self.accept_again = Some(self.now() + ACCEPT_PAUSE);
        }
        None
    }

    fn name(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn read_conn(&mut self, conn: Conn) {
        let (now, room) = (self.now(), self.machine.conn_room(conn).min(SCRATCH));
        let Some(peer) = self.conns.get_mut(&conn).filter(|p| room > 0 && !p.ended && !p.closing) else { return };
        match peer.read(&mut self.scratch[..room]) {
            Got::Nothing => {}
            Got::Bytes(n) => {
                self.stats.read += n as u64;
                self.machine.received(conn, &self.scratch[..n], now);
            }
            Got::Fin => self.machine.ended(conn, now),
            Got::Failed => {
                self.conns.remove(&conn);
                self.machine.failed(conn, now);
            }
        }
    }

    fn read_user(&mut self, user: User) {
        let (now, room) = (self.now(), self.machine.user_room(user).min(SCRATCH));
        let Some(peer) = self.users.get_mut(&user).filter(|p| room > 0 && !p.ended && !p.closing) else { return };
        match peer.read(&mut self.scratch[..room]) {
            Got::Nothing => {}
            Got::Bytes(n) => self.machine.user_received(user, &self.scratch[..n], now),
            Got::Fin => self.machine.user_ended(user, now),
            Got::Failed => {
                self.users.remove(&user);
                self.machine.user_failed(user, now);
            }
        }
    }

    fn obey(&mut self, out: Out) {
        match out {
            Out::Send { conn, bytes } => match self.conns.get_mut(&conn) {
                Some(peer) => peer.tx.push(&bytes),
                None => self.swallow(conn, bytes.len()),
            },
            Out::Close { conn } => {
                self.conns.entry(conn).and_modify(|p| p.closing = true);
                self.dead_done(conn);
            }
            Out::Abort { conn } => {
                self.conns.remove(&conn).into_iter().for_each(Peer::abort);
                self.dead_done(conn);
            }
            Out::Listen { port, proxy } => self.listen(port, &proxy),
            Out::Unlisten { port } => drop(self.ports.remove(&port)),
            Out::UserSend { user, bytes } => {
                self.users.entry(user).and_modify(|p| p.tx.push(&bytes));
            }
            Out::UserClose { user, .. } => {
                self.users.entry(user).and_modify(|p| p.closing = true);
            }
        }
    }

    fn listen(&mut self, port: u16, proxy: &str) {
        let now = self.now();
        let wanted = if port == 0 { self.remembered.get(proxy).copied().unwrap_or(0) } else { port };
        let at = |port| TcpListener::bind(SocketAddr::new(self.addr.ip(), port));
        let listener = at(wanted).or_else(|e| if port == 0 { at(0) } else { Err(e) });
        let bound = listener.and_then(|l| prepare(&l, self.options.buffers).and(Ok((l.local_addr()?.port(), l))));
        let result = match bound {
            Ok((port, listener)) => {
                self.remembered.insert(proxy.to_owned(), port);
                self.ports.insert(port, listener);
                Ok(port)
            }
            Err(_) => Err("port unavailable".to_owned()),
        };
        self.machine.listening(proxy, result, now);
    }

    /// Bytes for a dead connection seem to leave, until a kernel would be full.
    fn swallow(&mut self, conn: Conn, len: usize) {
        let now = self.now();
        if let Some(dead) = self.dead.get_mut(&conn) {
            let n = len.min(dead.swallow);
            dead.swallow -= n;
            self.machine.sent(conn, n, now);
        }
    }

    /// The machine is done with a dead connection.
    fn dead_done(&mut self, conn: Conn) {
        if let Some(dead) = self.dead.get_mut(&conn) {
            dead.closed = true;
            if dead.stream.is_none() {
                self.dead.remove(&conn);
            }
        }
    }

    /// The client has closed its end of a dead connection. The machine does not hear of it.
    fn bury(&mut self, conn: Conn) {
        if let Some(dead) = self.dead.get_mut(&conn) {
            dead.stream = None;
            if dead.closed {
                self.dead.remove(&conn);
            }
        }
    }

    /// Writes what waits, as far as the sockets take it.
    fn write(&mut self) {
        let now = self.now();
        let mut broken = Vec::new();
        for (conn, peer) in self.conns.iter_mut().filter(|(_, p)| !p.blocked && !p.tx.is_empty()) {
            match peer.write(self.options.drip, now, &mut self.random) {
                Ok(n) => {
                    self.stats.written += n as u64;
                    self.machine.sent(*conn, n, now);
                }
                Err(_) => broken.push(*conn),
            }
        }
        for conn in broken {
            self.conns.remove(&conn);
            self.machine.failed(conn, now);
        }
        let mut broken = Vec::new();
        for (user, peer) in self.users.iter_mut().filter(|(_, p)| !p.blocked && !p.tx.is_empty()) {
            match peer.write(None, now, &mut self.random) {
                Ok(n) => self.machine.user_sent(*user, n, now),
                Err(_) => broken.push(*user),
            }
        }
        for user in broken {
            self.users.remove(&user);
            self.machine.user_failed(user, now);
        }
        self.conns.retain(|_, p| !p.done());
        self.users.retain(|_, p| !p.done());
    }
}

/// Makes a listener fit for the loop. Its sockets inherit the sizes of the buffers.
fn prepare(listener: &TcpListener, buffers: Option<usize>) -> io::Result<()> {
    if let Some(size) = buffers {
        let socket = SockRef::from(listener);
        socket.set_recv_buffer_size(size)?;
        socket.set_send_buffer_size(size)?;
    }
    listener.set_nonblocking(true)
}

fn timespec(d: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(d.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(d.subsec_nanos()) }
}
