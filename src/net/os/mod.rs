//! The real world: mio behind the [`Net`] seam.
//!
//! Owns every descriptor, their readiness, the child processes, the clock, and the signals. Does not know what the bytes mean. Always true:
//! a socket is registered once, for both directions, edge-triggered; its `readable` and `writable` are set by the poll
//! and cleared only where a call came up short or would block, so no readiness is ever forgotten and `epoll_ctl` is
//! called once per socket. Worst case: 100 bytes a socket, 24 a pipe, and a batch of 256 events (3 KiB).
//!
//! Why is it so?
//! * *Why is a short read taken as "drained"?* For stream sockets epoll(7) promises a new edge for bytes that come
//!   later; it saves one system call per request. The peer's FIN is an edge of its own and is remembered in
//!   `read_closed`, so it is not missed when it came together with the last bytes.
//! * *Why may a slot be reused at once?* The poll's batch is turned into events before anybody acts on one, and an event
//!   names the generation it was meant for.

mod capabilities;
mod changes;
mod dns;
mod files;
mod jobs;
mod listen;
mod machine;
mod pipe;
mod signal;
mod tcp;

pub use capabilities::{Capability, capabilities};
pub use files::{COMMAND as FILE_JOB, serve as serve_file_job};
pub use machine::{cpu_micros, cpus, hostname, kernel, memory_available, memory_total, raise_descriptor_limit};

use super::{Event, FileJob, Job, Net, Pipe, Sock, SockOpts, Token, opts};
use crate::proto::time::{Instant, sooner};
use changes::Changes;
use jobs::Jobs;
use listen::{LISTEN_TOKENS, Listeners};
use mio::{Interest, Registry};
use pipe::Pipes;
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use signal::Signals;
use slab::Slab;
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Poll tokens: connections use their slot, below [`LISTEN_TOKENS`], listeners what follows, below this.
const DNS_TOKENS: usize = 1 << 24;
const SIGNAL_TOKEN: usize = usize::MAX >> 1;
const CHANGES_TOKEN: usize = SIGNAL_TOKEN - 1;
/// The first of the jobs'; those of look-ups end below.
const JOB_TOKENS: usize = CHANGES_TOKEN - jobs::TOKENS;
/// Empty slots that are kept, at least.
const SPARE: usize = 64;
/// Events taken from the kernel at once.
const BATCH: usize = 256;

struct Conn {
    stream: mio::net::TcpStream,
    /// Distinguishes the tenants of a slot.
    generation: u32,
    token: Token,
    dialing: bool,
    readable: bool,
    writable: bool,
    /// The peer's FIN or an error has been seen by the poll: read to the end, never trust a short read.
    read_closed: bool,
}

/// The operating system.
pub struct Os {
    poll: mio::Poll,
    batch: mio::Events,
    conns: Slab<Conn>,
    /// Of the next connection.
    generation: u32,
    listeners: Listeners,
    pipes: Pipes,
    signals: Option<Signals>,
    changes: Option<Changes>,
    dns: dns::DnsIo,
    jobs: Jobs,
    origin: std::time::Instant,
    /// What the clock that counts sleep is ahead of ours.
    slept: Duration,
    now: Instant,
}

impl Os {
    /// Opens the poll. `dns_server` replaces the system's name servers. Right after boot this waits until the kernel has
    /// random numbers; from then on it always has some.
    ///
    /// # Errors
    /// The kernel has no descriptor left, or lacks epoll or random numbers.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub fn new(dns_server: Option<SocketAddr>) -> io::Result<Self> {
        fill_random(&mut [0])?;
        let poll = mio::Poll::new()?;
        Ok(Self {
            changes: Changes::open(poll.registry(), CHANGES_TOKEN),
            poll,
            batch: mio::Events::with_capacity(BATCH),
            conns: Slab::new(),
            generation: 0,
            listeners: Listeners::default(),
            pipes: Pipes::default(),
            signals: None,
            dns: dns::DnsIo::new(DNS_TOKENS, dns_server),
            jobs: Jobs::new(JOB_TOKENS),
            origin: std::time::Instant::now(),
            slept: clocks_apart(),
            now: Instant::ZERO + ORIGIN,
        })
    }

    /// Turns SIGINT, SIGTERM and SIGUSR2 into [`Event::Signal`] from now on, process-wide.
    ///
    /// # Errors
    /// No descriptor left, or the kernel refuses the handlers.
    pub fn watch_signals(&mut self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        self.poll.registry().register(signals.source(), mio::Token(SIGNAL_TOKEN), Interest::READABLE)?;
        self.signals = Some(signals);
        Ok(())
    }

    /// File jobs are done by this program from now on, told so by the argument [`FILE_JOB`], and no longer on the spot.
    pub fn use_helper(&mut self, program: PathBuf) {
        self.jobs.use_helper(program);
    }

    /// Lets events gather for a fraction of a millisecond: the only thing that holds the loop up, and only while bulk data
    /// keeps it busy, as a network card's interrupt moderation does.
    #[expect(clippy::disallowed_methods, reason = "the one pause, by the caller's measure")]
    pub fn gather(&mut self, pause: Duration) {
        std::thread::sleep(pause);
    }

    /// Sleeps until something happens or `deadline` passes (no limit for `None`), then adds what happened to `events`
    /// and moves the clock.
    ///
    /// # Errors
    /// The poll itself fails: a fault of ours or of the kernel, not to be retried.
    pub fn wait(&mut self, deadline: Option<Instant>, events: &mut Vec<Event>) -> io::Result<()> {
        if self.conns.capacity() > SPARE + 4 * self.conns.len() {
            self.conns.shrink_to_fit();
        }
        let until = sooner(self.jobs.deadline(), sooner(deadline, self.dns.deadline()));
        self.tick();
        let timeout = until.map(|t| t.since(self.now));
        let due = until.map(|t| t.max(self.now));
        match self.poll.poll(&mut self.batch, timeout) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
            _ => {}
        }
        self.tick();
        events.extend(self.stalled(due).map(Event::Stalled));
        for event in &self.batch {
            match event.token().0 {
                CHANGES_TOKEN => {
                    let rang = self.changes.as_ref().is_some_and(|c| c.rang(self.poll.registry(), CHANGES_TOKEN));
                    events.extend(rang.then_some(Event::NetworkChanged));
                }
                SIGNAL_TOKEN => self.signals.iter_mut().for_each(|s| s.drain(events)),
                n if n >= JOB_TOKENS => self.jobs.on_event(n - JOB_TOKENS),
                n if n >= DNS_TOKENS => self.dns.on_event(self.poll.registry(), event, self.now),
                n if n >= LISTEN_TOKENS => events.extend(self.listeners.on_event(n)),
                n => events.extend(self.conns.get_mut(n).and_then(|conn| conn.on_event(n, event))),
            }
        }
        for event in events.iter() {
            if let Event::Dialed { sock, result: Err(_), .. } = event {
                drop(take(&mut self.conns, *sock));
            }
        }
        self.dns.expire(self.poll.registry(), self.now);
        self.dns.drain(events);
        self.jobs.drain(events);
        Ok(())
    }

    fn tick(&mut self) {
        let elapsed = self.origin.elapsed().as_micros();
        self.now = Instant::from_micros(u64::try_from(elapsed).unwrap_or(u64::MAX)) + ORIGIN;
    }

    /// How long the program or the machine stood still during the last poll, if it was long.
    fn stalled(&mut self, due: Option<Instant>) -> Option<Duration> {
        let apart = clocks_apart();
        let slept = apart.saturating_sub(core::mem::replace(&mut self.slept, apart));
        if slept >= SLEPT {
            return Some(slept);
        }
        due.map(|due| self.now.since(due)).filter(|late| *late >= STALLED)
    }

    fn conn(&mut self, sock: Sock) -> io::Result<&mut Conn> {
        let conn = self.conns.get_mut(sock.index as usize).filter(|conn| conn.generation == sock.generation);
        conn.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn stream(&self, sock: Sock) -> Option<&mio::net::TcpStream> {
        let conn = self.conns.get(sock.index as usize).filter(|conn| conn.generation == sock.generation)?;
        Some(&conn.stream)
    }

    fn insert(&mut self, stream: TcpStream, token: Token, dialing: bool) -> io::Result<Sock> {
        let mut stream = mio::net::TcpStream::from_std(stream);
        let entry = self.conns.vacant_entry();
        let index = u32::try_from(entry.key()).map_err(io::Error::other)?;
        register(self.poll.registry(), &mut stream, index)?;
        let generation = self.generation;
        self.generation = generation.wrapping_add(1);
        // An accepted connection may have bytes already: the first call finds out.
        let (readable, writable, read_closed) = (!dialing, !dialing, false);
        entry.insert(Conn { stream, generation, token, dialing, readable, writable, read_closed });
        Ok(Sock { index, generation })
    }
}

/// Takes a connection out, if it is still the one that was meant.
fn take(conns: &mut Slab<Conn>, sock: Sock) -> Option<Conn> {
    let index = sock.index as usize;
    conns.get(index).filter(|conn| conn.generation == sock.generation)?;
    conns.try_remove(index)
}

/// The difference between the clock that counts the machine's sleep and the one that does not.
fn clocks_apart() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    let nanos = |clock| {
        let time = clock_gettime(clock);
        Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
    };
    nanos(ClockId::Boottime).saturating_sub(nanos(ClockId::Monotonic))
}

/// Sleep of the machine that counts as a stall, and lateness of ours.
const SLEPT: Duration = Duration::from_secs(1);
const STALLED: Duration = Duration::from_secs(2);

/// The clock starts a while after [`Instant::ZERO`], so that "an hour ago" can be written down.
const ORIGIN: Duration = Duration::from_secs(86_400);

fn register(registry: &Registry, stream: &mut mio::net::TcpStream, index: u32) -> io::Result<()> {
    registry.register(stream, mio::Token(index as usize), Interest::READABLE | Interest::WRITABLE)
}

fn open(to: SocketAddr, opts: &SockOpts) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    opts.apply(&socket)?;
    if let Some(most) = opts.rto_max {
        let _ = tcp::limit_rto(&socket, most);
    }
    match socket.connect(&to.into()) {
        Err(e) if e.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => Err(e),
        _ => Ok(socket.into()),
    }
}

impl Conn {
    fn on_event(&mut self, index: usize, event: &mio::event::Event) -> Option<Event> {
        let (token, sock) = (self.token, Sock { index: u32::try_from(index).ok()?, generation: self.generation });
        let failed = event.is_error();
        self.readable |= event.is_readable() || event.is_read_closed() || failed;
        self.writable |= event.is_writable() || event.is_write_closed() || failed;
        self.read_closed |= event.is_read_closed() || failed;
        if !self.dialing {
            return Some(Event::Ready { token, sock });
        }
        let result = self.dialed()?;
        Some(Event::Dialed { token, sock, result })
    }

    /// The outcome of the dial, once there is one.
    fn dialed(&mut self) -> Option<io::Result<()>> {
        let result = match (self.stream.take_error(), self.stream.peer_addr()) {
            (Ok(Some(e)) | Err(e), _) => Err(e),
            (Ok(None), Ok(_)) => Ok(()),
            (Ok(None), Err(e)) if e.kind() == io::ErrorKind::NotConnected && !self.read_closed => return None,
            (Ok(None), Err(e)) => Err(e),
        };
        self.dialing = false;
        Some(result)
    }

    /// Runs a reading call of up to `room` bytes and keeps the readiness.
    fn reading(&mut self, room: usize, mut call: impl FnMut(&mut Self) -> io::Result<usize>) -> io::Result<usize> {
        if !self.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = retry(|| call(self));
        match &result {
            Ok(n) if *n < room && *n > 0 && !self.read_closed => self.readable = false,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.readable = false,
            _ => {}
        }
        result
    }

    /// Runs a writing call of `len` bytes and keeps the readiness.
    fn writing(&mut self, len: usize, mut call: impl FnMut(&mut Self) -> io::Result<usize>) -> io::Result<usize> {
        if !self.writable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = retry(|| call(self));
        match &result {
            Ok(n) if *n < len => self.writable = false,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            _ => {}
        }
        result
    }
}

/// Repeats a call that a signal interrupted.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Fills `out` with random bytes; waits only as long as the kernel has never had any.
fn fill_random(out: &mut [u8]) -> io::Result<()> {
    let mut rest = out;
    while !rest.is_empty() {
        let n = retry(|| Ok(getrandom(&mut *rest, GetRandomFlags::empty())?))?;
        rest = rest.get_mut(n..).unwrap_or_default();
    }
    Ok(())
}

impl Net for Os {
    fn now(&self) -> Instant {
        self.now
    }

    #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    fn unix_time(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }

    fn random(&mut self, out: &mut [u8]) {
        if let Err(e) = fill_random(out) {
            unreachable!("the kernel has no random numbers any more: {e}");
        }
    }

    fn dial(&mut self, to: SocketAddr, opts: &SockOpts, token: Token) -> io::Result<Sock> {
        let stream = open(to, opts)?;
        self.insert(stream, token, true)
    }

    fn listen(&mut self, addr: SocketAddr, token: Token) -> io::Result<Sock> {
        self.listeners.open(addr, token, self.poll.registry())
    }

    fn accept(&mut self, listener: Sock, token: Token) -> io::Result<Sock> {
        let stream = self.listeners.accept(listener)?;
        let _ = stream.set_nodelay(true);
        self.insert(stream, token, false)
    }

    fn resolve(&mut self, name: &str, token: Token) {
        self.dns.resolve(self.poll.registry(), token, name, self.now);
    }

    fn cancel_resolve(&mut self, token: Token) {
        self.dns.cancel(self.poll.registry(), token, self.now);
    }

    fn forget_name(&mut self, name: &str) {
        self.dns.forget(name);
    }

    fn spawn(&mut self, job: Job, token: Token) -> io::Result<()> {
        self.jobs.spawn(self.poll.registry(), job, token)
    }

    fn kill_job(&mut self, token: Token) {
        self.jobs.kill(token);
    }

    fn files(&mut self, job: FileJob, token: Token) {
        self.jobs.files(self.poll.registry(), &job, token);
    }

    fn cancel_files(&mut self, token: Token) {
        self.jobs.cancel_files(token);
    }

    fn assign(&mut self, sock: Sock, token: Token) {
        if let Ok(conn) = self.conn(sock) {
            conn.token = token;
        }
    }

    fn limit_unsent(&mut self, sock: Sock, bytes: u32) {
        if let Ok(conn) = self.conn(sock) {
            opts::limit_unsent(SockRef::from(&conn.stream), bytes);
        }
    }

    fn read(&mut self, sock: Sock, buf: &mut [u8]) -> io::Result<usize> {
        self.conn(sock)?.reading(buf.len(), |c| c.stream.read(buf))
    }

    fn write(&mut self, sock: Sock, buf: &[u8]) -> io::Result<usize> {
        self.conn(sock)?.writing(buf.len(), |c| c.stream.write(buf))
    }

    fn write_vectored(&mut self, sock: Sock, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = bufs.iter().map(|b| b.len()).sum();
        self.conn(sock)?.writing(len, |c| c.stream.write_vectored(bufs))
    }

    fn open_pipe(&mut self) -> Option<Pipe> {
        self.pipes.open()
    }

    fn splice_in(&mut self, from: Sock, pipe: Pipe, max: usize) -> io::Result<usize> {
        let held = self.pipes.held(pipe)?;
        let conn = self.conns.get_mut(from.index as usize).filter(|conn| conn.generation == from.generation);
        let conn = conn.ok_or(io::ErrorKind::NotConnected)?;
        if !conn.readable {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = self.pipes.fill(pipe, &conn.stream, max);
        // With bytes in the pipe, "would block" may mean that the pipe is full: then the socket is still readable.
        if held == 0 && matches!(&result, Err(e) if e.kind() == io::ErrorKind::WouldBlock) {
            conn.readable = false;
        }
        result
    }

    fn splice_out(&mut self, pipe: Pipe, to: Sock, max: usize) -> io::Result<usize> {
        let conn = self.conns.get_mut(to.index as usize).filter(|conn| conn.generation == to.generation);
        let conn = conn.ok_or(io::ErrorKind::NotConnected)?;
        let pipes = &mut self.pipes;
        conn.writing(0, |c| pipes.drain(pipe, &c.stream, max))
    }

    fn close_pipe(&mut self, pipe: Pipe) {
        self.pipes.close(pipe);
    }

    fn shutdown(&mut self, sock: Sock) {
        if let Ok(conn) = self.conn(sock) {
            let _ = conn.stream.shutdown(std::net::Shutdown::Write);
        }
    }

    fn close(&mut self, sock: Sock) {
        drop(take(&mut self.conns, sock));
        self.listeners.close(sock);
    }

    fn abort(&mut self, sock: Sock) {
        if let Some(conn) = take(&mut self.conns, sock) {
            let _ = SockRef::from(&conn.stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn local_addr(&self, sock: Sock) -> Option<SocketAddr> {
        match self.stream(sock) {
            Some(stream) => stream.local_addr().ok(),
            None => self.listeners.local_addr(sock),
        }
    }

    fn peer_addr(&self, sock: Sock) -> Option<SocketAddr> {
        self.stream(sock)?.peer_addr().ok()
    }

    fn unacknowledged(&self, sock: Sock) -> Option<u32> {
        tcp::unacknowledged(self.stream(sock)?)
    }

    fn source_for(&self, to: SocketAddr, opts: &SockOpts) -> io::Result<IpAddr> {
        let socket = Socket::new(Domain::for_address(to), Type::DGRAM, None)?;
        opts.apply_way(&socket)?;
        socket.connect(&to.into())?;
        let from = socket.local_addr()?.as_socket();
        from.map(|addr| addr.ip()).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    fn has_address(&self, ip: IpAddr, opts: &SockOpts) -> bool {
        let own = SockOpts { device: opts.device.clone(), bind: Some(ip), ..SockOpts::default() };
        let bound = Socket::new(Domain::for_address(SocketAddr::new(ip, 0)), Type::DGRAM, None)
            .and_then(|socket| own.apply_way(&socket));
        !matches!(bound, Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable)
    }
}
