//! TCP sockets on loopback that never block and never delay, for the small programs.
//!
//! Owns how they are opened, and what a read or write that would block looks like. Does not wait. Always true: an address
//! is 127.0.0.1 and a port. Worst case: no memory.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, accept_with, connect, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::pattern::read_all;
use crate::wait::{Context, Outcome, ensure};

/// No progress for so long on a blocking connection, and it has failed.
const STUCK: Duration = Duration::from_secs(10);
const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// What came of an attempt to read or write.
pub(crate) enum Moved {
    Bytes(usize),
    /// Nothing can be done now.
    Blocked,
    /// The connection has ended or is broken.
    Ended,
}

impl From<Result<usize, Errno>> for Moved {
    fn from(result: Result<usize, Errno>) -> Self {
        match result {
            Ok(0) => Self::Ended,
            Ok(bytes) => Self::Bytes(bytes),
            Err(Errno::AGAIN | Errno::INTR) => Self::Blocked,
            Err(_) => Self::Ended,
        }
    }
}

pub(crate) fn listen(port: u16) -> Outcome<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context(format_args!("listening on port {port}"))?;
    rustix::net::listen(&listener, 4096).context("a longer backlog")?;
    listener.set_nonblocking(true).context("a listener that does not block")?;
    Ok(listener)
}

/// The next connection that waits, if one does.
pub(crate) fn accept(listener: &TcpListener) -> Outcome<Option<OwnedFd>> {
    match accept_with(listener, FLAGS) {
        Ok(socket) => sockopt::set_tcp_nodelay(&socket, true).context("no delay").map(|()| Some(socket)),
        Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(format!("accepting: {error}")),
    }
}

/// A connection that is made or, rarely on loopback, being made.
pub(crate) fn dial(port: u16) -> Outcome<OwnedFd> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, FLAGS, None).context("a socket")?;
    sockopt::set_tcp_nodelay(&socket, true).context("no delay")?;
    match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(format!("connecting to port {port}: {error}")),
    }
}

/// A connection for whoever may block, with time limits.
pub(crate) fn dial_blocking(port: u16) -> Outcome<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context(format_args!("connecting to port {port}"))?;
    stream.set_nodelay(true).context("no delay")?;
    stream.set_read_timeout(Some(STUCK)).context("a read timeout")?;
    stream.set_write_timeout(Some(STUCK)).context("a write timeout")?;
    Ok(stream)
}

/// Sends one byte that asks the service for something.
pub(crate) fn ask(port: u16, role: u8) -> Outcome<TcpStream> {
    let mut stream = dial_blocking(port)?;
    stream.write_all(&[role]).context("sending the first byte")?;
    Ok(stream)
}

/// A connection that echoes: it has carried one byte there and back.
pub(crate) fn ask_echo(port: u16) -> Outcome<TcpStream> {
    let (stream, mut back) = (ask(port, crate::serve::ECHO)?, [0]);
    read_all(&stream, &mut back).context("waiting for the first byte to come back")?;
    ensure!(back[0] == crate::serve::ECHO, "another byte came back: {:#04x}", back[0]);
    Ok(stream)
}

pub(crate) fn read(socket: impl AsFd, into: &mut [u8]) -> Moved {
    rustix::io::read(socket, into).into()
}

pub(crate) fn write(socket: impl AsFd, bytes: &[u8]) -> Moved {
    rustix::io::write(socket, bytes).into()
}

/// As many descriptors as this process may ever have.
pub(crate) fn raise_descriptor_limit() -> Outcome {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("raising the descriptor limit")
}
