//! The seam between policy and the operating system.
//!
//! Owns the [`Net`] trait, the handles ([`Sock`], [`Pipe`], [`Token`]) and the [`Event`]s that cross it. Does not
//! know what a proxy, a message or a relay is. Always true: readiness is kept behind the seam, per socket and
//! direction, set by the poll and cleared only when a read or write would block; callers never touch interest, they
//! just try. Worst case: 100 bytes a socket, plus what the kernel holds.

pub mod dns;
pub mod files;
pub mod job;
pub mod opts;
pub mod os;
pub mod sim;

use crate::proto::time::{Duration, Instant};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};

pub use files::{FileDone, FileJob, FileRead};
pub use job::{Job, JobError};
pub use opts::SockOpts;

/// Says which task an event is for: a slab key and a port that tells the task's own sockets apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Key of the task, unique among tasks that use the same `port`.
    pub task: u32,
    /// Which of the task's sockets or requests.
    pub port: u8,
}

/// Handle of a socket. Never refers to a later socket in the same slot: a stale handle earns `NotConnected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sock {
    /// Slot in the adapter's table.
    pub index: u32,
    /// Distinguishes the tenants of one slot.
    pub generation: u32,
}

/// Handle of a kernel pipe used to move bytes between two sockets without copying them to user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pipe {
    /// Slot in the adapter's table.
    pub index: u32,
    /// Distinguishes the tenants of one slot.
    pub generation: u32,
}

/// What a look-up has found so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// New addresses, IPv6 first, else as the server ordered them; those told before are not repeated. None only if
    /// this is the last word after others.
    pub addrs: Vec<IpAddr>,
    /// No more will come.
    pub done: bool,
}

/// Why a name gave no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// A server answered that the name does not exist, or has no address.
    NoSuchHost,
    /// No server gave a usable answer in time.
    TimedOut,
    /// There is no server to ask, or none could be reached.
    Unreachable,
    /// Every server that could be reached said that it cannot answer (SERVFAIL, REFUSED), or answered nonsense.
    Failed,
    /// The name is not a valid host name.
    BadName,
    /// Too many look-ups are under way already.
    Busy,
}

impl core::fmt::Display for ResolveError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoSuchHost => "no such host",
            Self::TimedOut => "i/o timeout",
            Self::Unreachable => "no name server reachable",
            Self::Failed => "server misbehaving",
            Self::BadName => "invalid host name",
            Self::Busy => "too many look-ups at once",
        })
    }
}

/// What a process signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT or SIGTERM: end cleanly.
    Terminate,
    /// SIGUSR2: write the state to the log.
    Report,
    /// SIGHUP: read the configuration again (or the terminal is gone).
    Reload,
    /// SIGUSR1: the link to the server may be dead: ask it.
    Poke,
}

/// One thing that happened, handed to the client in the turn in which it was seen.
#[derive(Debug)]
pub enum Event {
    /// A [`Net::dial`] ended. On error the socket is already closed; on success it may be ready already: try it.
    Dialed {
        /// As given to [`Net::dial`].
        token: Token,
        /// As returned by [`Net::dial`].
        sock: Sock,
        /// `TimedOut` only by the kernel: the caller keeps its own deadline.
        result: io::Result<()>,
    },
    /// A connected socket became readable or writable (or failed), or somebody waits at a listener: try it.
    Ready {
        /// As given to [`Net::dial`], [`Net::listen`] or [`Net::accept`].
        token: Token,
        /// The socket; compare it with the one held, the event may be older than a reuse of the token.
        sock: Sock,
    },
    /// A [`Net::resolve`] made progress or ended.
    Resolved {
        /// As given to [`Net::resolve`].
        token: Token,
        /// An error ends the look-up, and none comes after addresses; so does an answer that is `done`.
        result: Result<Answer, ResolveError>,
    },
    /// A [`Net::spawn`] ended.
    JobDone {
        /// As given to [`Net::spawn`].
        token: Token,
        /// An error: it ended, but there is nothing to be had from it.
        result: Result<job::Output, JobError>,
    },
    /// A [`Net::files`] ended.
    FilesDone {
        /// As given to [`Net::files`].
        token: Token,
        /// An error is a text for the user.
        result: Result<FileDone, String>,
    },
    /// The process was signalled.
    Signal(Signal),
    /// The program did not run for so long: stopped, starved, or the machine slept.
    Stalled(Duration),
    /// Links, addresses, routes or rules of this machine changed: ask how things are. Rings once for many changes; never
    /// rings where the system does not tell.
    NetworkChanged,
}

/// Everything the client may ask of the world. Nothing here ever blocks: what may have to wait (for random numbers, right
/// after boot) waits when the implementation is made.
///
/// Implemented by [`os::Os`] (mio) and [`sim::Sim`] (virtual time).
pub trait Net {
    /// The time of this turn: fixed until the next wait.
    fn now(&self) -> Instant;

    /// Seconds since 1970 by the wall clock, for values on the wire only; may jump.
    fn unix_time(&self) -> u64;

    /// Fills `out` with random bytes fit for keys and initialisation vectors.
    fn random(&mut self, out: &mut [u8]);

    /// Starts a TCP connection. The outcome arrives as [`Event::Dialed`], never in the same call; the socket counts as
    /// open (and must be closed) until then, except after an error.
    ///
    /// # Errors
    /// What the kernel refuses at once: no descriptor left, no route, address in use.
    fn dial(&mut self, to: SocketAddr, opts: &SockOpts, token: Token) -> io::Result<Sock>;

    /// Waits for connections at this address from now on; an [`Event::Ready`] says that somebody came. Port 0 takes a free
    /// one: [`Net::local_addr`] tells.
    ///
    /// # Errors
    /// What the kernel refuses: the address is in use or not ours, no descriptor left.
    fn listen(&mut self, addr: SocketAddr, token: Token) -> io::Result<Sock>;

    /// Takes the next one who waits at a listener; it may be ready already: try it. Whoever is left waits on, and will be
    /// found by a later call without another event.
    ///
    /// # Errors
    /// `WouldBlock`: nobody waits, an [`Event::Ready`] will follow. Anything else (no descriptor left) goes on until
    /// something is done about it: pause before the next call.
    fn accept(&mut self, listener: Sock, token: Token) -> io::Result<Sock>;

    /// Starts a look-up; [`Event::Resolved`] follows, also for literals and cached names, never in the same call.
    fn resolve(&mut self, name: &str, token: Token);

    /// The addresses of this name were of no use: the next look-up asks afresh.
    fn forget_name(&mut self, name: &str);

    /// Forgets a look-up; its answer will not arrive. Does nothing if there is none.
    fn cancel_resolve(&mut self, token: Token);

    /// Starts a child process. The outcome arrives as [`Event::JobDone`], never in the same call; how long that may take is
    /// the caller's to say.
    ///
    /// # Errors
    /// There is no such program or it may not be run, no descriptor is left, or [`job::MAX_JOBS`] are running.
    fn spawn(&mut self, job: Job, token: Token) -> io::Result<()>;

    /// Kills a child process and what it has started; its outcome will not arrive. (One of this turn may be on its way
    /// already: compare the token.) Does nothing if there is none.
    fn kill_job(&mut self, token: Token);

    /// Reads or writes files beside the loop. The outcome arrives as [`Event::FilesDone`], never in the same call; on a
    /// lost file server it may never arrive.
    fn files(&mut self, job: FileJob, token: Token);

    /// Gives up a file job; its outcome will not arrive, and a file is written as a whole or not at all.
    fn cancel_files(&mut self, token: Token);

    /// Events of a socket go to another task from now on.
    fn assign(&mut self, sock: Sock, token: Token);

    /// Bounds the unsent bytes the kernel takes, from now on (TCP_NOTSENT_LOWAT, where the system has it).
    fn limit_unsent(&mut self, sock: Sock, bytes: u32);

    /// Reads what is there. `Ok(0)` is the peer's FIN.
    ///
    /// # Errors
    /// `WouldBlock`: an [`Event::Ready`] will follow. Anything else ends the socket's use.
    fn read(&mut self, sock: Sock, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes what fits.
    ///
    /// # Errors
    /// `WouldBlock`: an [`Event::Ready`] will follow. Anything else ends the socket's use.
    fn write(&mut self, sock: Sock, buf: &[u8]) -> io::Result<usize>;

    /// As [`Net::write`], from several buffers.
    ///
    /// # Errors
    /// As [`Net::write`].
    fn write_vectored(&mut self, sock: Sock, bufs: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Takes an empty pipe, or `None` where bytes cannot be moved inside the kernel (or no descriptor is left).
    fn open_pipe(&mut self) -> Option<Pipe>;

    /// Moves up to `max` bytes from a socket into a pipe.
    ///
    /// # Errors
    /// As [`Net::read`]; `WouldBlock` also when the pipe is full.
    fn splice_in(&mut self, from: Sock, pipe: Pipe, max: usize) -> io::Result<usize>;

    /// Moves up to `max` bytes from a pipe to a socket.
    ///
    /// # Errors
    /// As [`Net::write`].
    fn splice_out(&mut self, pipe: Pipe, to: Sock, max: usize) -> io::Result<usize>;

    /// Gives a pipe back. One that still holds bytes loses them.
    fn close_pipe(&mut self, pipe: Pipe);

    /// Sends FIN after what was written.
    fn shutdown(&mut self, sock: Sock);

    /// Closes a connection (what was written is still delivered by the kernel) or a listener.
    fn close(&mut self, sock: Sock);

    /// Closes with RST: the peer learns at once, undelivered bytes are dropped.
    fn abort(&mut self, sock: Sock);

    /// Our own address on this socket, once connected, or that of a listener.
    fn local_addr(&self, sock: Sock) -> Option<SocketAddr>;

    /// The peer's address, once connected.
    fn peer_addr(&self, sock: Sock) -> Option<SocketAddr>;

    /// Bytes written and not acknowledged by the far end's kernel; `None` where the system does not tell.
    fn unacknowledged(&self, sock: Sock) -> Option<u32>;

    /// The address that a connection to `to` would come from, with these options' interface, mark and source. Sends
    /// nothing.
    ///
    /// # Errors
    /// There is no route or no such interface, the source is no address of ours, or a mark may not be set.
    fn source_for(&self, to: SocketAddr, opts: &SockOpts) -> io::Result<IpAddr>;

    /// Whether `ip` is an address of this machine, where these options' interface leads. True where that cannot be known
    /// (`net.ipv4.ip_nonlocal_bind`).
    fn has_address(&self, ip: IpAddr, opts: &SockOpts) -> bool;
}
