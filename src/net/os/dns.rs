//! The resolver's sockets and files.
//!
//! Owns the sockets under way, and when to read the files again. Does not know DNS: that is [`crate::net::dns`]. Always
//! true: no socket without a look-up; nothing here blocks but the reading of two small regular files, at most once a
//! turn and only when they have changed. Worst case: 64 bytes a socket (and 300 more for a TCP question not sent yet),
//! 4 KiB of stack, and 256 KiB while a file is read.
//!
//! Why is it so?
//! * *Why is a datagram that does not fit the send buffer dropped?* The next try sends it again.
//! * *Why are literals let through without a look at the files?* Nearly every dial to a local service is one.

mod files;
#[cfg(test)]
mod tests;

use super::super::dns::{Conf, Hosts, Link, MAX_MESSAGE, Out, Resolver, Via};
use super::super::{Event, Token};
use super::retry;
use crate::proto::time::Instant;
use core::hash::{BuildHasher, Hasher};
use files::Watched;
use mio::net::{TcpStream, UdpSocket};
use mio::{Interest, Registry};
use rustix::rand::{GetRandomFlags, getrandom};
use slab::Slab;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

const HOSTS: &str = "/etc/hosts";
const CONF: &str = "/etc/resolv.conf";
/// Datagrams or pieces taken from one socket in a turn; a flood waits for the next.
const BUDGET: usize = 16;

enum Socket {
    Udp(UdpSocket),
    /// With what waits for the connection.
    Tcp(TcpStream, Vec<u8>),
}

struct Conn {
    link: Link,
    socket: Socket,
}

/// The resolver on the loop.
pub(super) struct DnsIo {
    resolver: Resolver,
    /// The poll's token of slot 0.
    first: usize,
    conns: Slab<Conn>,
    hosts: Watched,
    conf: Watched,
    /// The turn in which the files were looked at last.
    checked: Option<Instant>,
    /// To be handed out at the end of the turn.
    ready: Vec<Event>,
}

impl DnsIo {
    /// A resolver whose sockets use poll tokens from `first_token` on. `server` replaces the system's servers.
    pub(super) fn new(first_token: usize, server: Option<SocketAddr>) -> Self {
        Self::with_files(first_token, server, HOSTS.as_ref(), CONF.as_ref())
    }

    fn with_files(first: usize, server: Option<SocketAddr>, hosts: &Path, conf: &Path) -> Self {
        Self {
            resolver: Resolver::new(server, Box::new(random)),
            first,
            conns: Slab::new(),
            hosts: Watched::new(hosts),
            conf: Watched::new(conf),
            checked: None,
            ready: Vec::new(),
        }
    }

    /// When [`DnsIo::expire`] is due; at once if there is something to [`DnsIo::drain`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.ready.is_empty() { self.resolver.deadline() } else { Some(Instant::ZERO) }
    }

    /// Something happened to a socket.
    pub(super) fn on_event(&mut self, registry: &Registry, event: &mio::event::Event, now: Instant) {
        let Some(key) = event.token().0.checked_sub(self.first) else { return };
        let mut buf = [0; MAX_MESSAGE];
        for _ in 0..BUDGET {
            let Some(conn) = self.conns.get_mut(key) else { return };
            let link = conn.link;
            match conn.receive(&mut buf) {
                Ok(bytes) => self.resolver.feed(link, bytes, now),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.drop_broken(key, now),
            }
            self.run(registry, now);
            if self.conns.get(key).is_none_or(|conn| conn.link != link) {
                return;
            }
        }
        self.rearm(registry, key, now);
    }

    /// Lets time pass.
    pub(super) fn expire(&mut self, registry: &Registry, now: Instant) {
        self.resolver.expire(now);
        self.run(registry, now);
    }

    /// Hands out what was found.
    pub(super) fn drain(&mut self, out: &mut Vec<Event>) {
        out.append(&mut self.ready);
        self.ready = Vec::new();
    }

    /// Starts a look-up; its answer is handed out in a later turn.
    pub(super) fn resolve(&mut self, registry: &Registry, token: Token, name: &str, now: Instant) {
        if name.parse::<IpAddr>().is_err() {
            self.read_files(now);
        }
        self.resolver.resolve(token, name, now);
        self.run(registry, now);
    }

    /// Forgets a look-up.
    pub(super) fn cancel(&mut self, registry: &Registry, token: Token, now: Instant) {
        self.ready.retain(|event| !matches!(event, Event::Resolved { token: t, .. } if *t == token));
        self.resolver.cancel(token, now);
        self.run(registry, now);
    }

    /// What is known of this name was no good.
    pub(super) fn forget(&mut self, name: &str) {
        self.resolver.forget(name);
    }

    fn read_files(&mut self, now: Instant) {
        if self.checked.replace(now) == Some(now) {
            return;
        }
        if let Some(file) = self.hosts.read_if_changed() {
            self.resolver.set_hosts(Hosts::parse(&file));
        }
        if let Some(file) = self.conf.read_if_changed() {
            self.resolver.set_conf(Conf::parse(&file, &zone_index));
        }
    }

    /// Does what the machine wants, until it wants nothing more.
    fn run(&mut self, registry: &Registry, now: Instant) {
        while let Some(out) = self.resolver.poll() {
            match out {
                Out::Open { link, to, via } => {
                    if self.open(registry, link, to, via).is_err() {
                        self.resolver.broken(link, now);
                    }
                }
                Out::Send { link, bytes } => self.send(link, &bytes, now),
                Out::Close(link) => drop(self.key(link).map(|key| self.conns.remove(key))),
                Out::Resolved { token, result } => self.ready.push(Event::Resolved { token, result }),
            }
        }
        if self.conns.is_empty() {
            self.conns = Slab::new();
        }
    }

    fn open(&mut self, registry: &Registry, link: Link, to: SocketAddr, via: Via) -> io::Result<()> {
        let mut socket = Socket::open(to, via)?;
        let slot = self.conns.vacant_entry();
        let token = mio::Token(self.first + slot.key());
        match &mut socket {
            Socket::Udp(udp) => registry.register(udp, token, Interest::READABLE)?,
            Socket::Tcp(tcp, _) => registry.register(tcp, token, Interest::READABLE | Interest::WRITABLE)?,
        }
        slot.insert(Conn { link, socket });
        Ok(())
    }

    fn send(&mut self, link: Link, bytes: &[u8], now: Instant) {
        let Some(key) = self.key(link) else { return };
        let sent = self.conns.get_mut(key).map_or(Ok(()), |conn| conn.socket.send(bytes));
        if sent.is_err() {
            self.drop_broken(key, now);
        }
    }

    fn drop_broken(&mut self, key: usize, now: Instant) {
        if let Some(conn) = self.conns.try_remove(key) {
            self.resolver.broken(conn.link, now);
        }
    }

    /// There is more to read than fits this turn: asks for one more edge.
    fn rearm(&mut self, registry: &Registry, key: usize, now: Instant) {
        let token = mio::Token(self.first + key);
        let again = self.conns.get_mut(key).map(|conn| match &mut conn.socket {
            Socket::Udp(udp) => registry.reregister(udp, token, Interest::READABLE),
            Socket::Tcp(tcp, _) => registry.reregister(tcp, token, Interest::READABLE | Interest::WRITABLE),
        });
        if let Some(Err(_)) = again {
            self.drop_broken(key, now);
            self.run(registry, now);
        }
    }

    fn key(&self, link: Link) -> Option<usize> {
        self.conns.iter().find(|(_, conn)| conn.link == link).map(|(key, _)| key)
    }
}

impl Conn {
    /// The next datagram or piece; the end of a stream is an error.
    fn receive<'a>(&mut self, buf: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let n = match &mut self.socket {
            Socket::Udp(udp) => retry(|| udp.recv(buf))?,
            Socket::Tcp(tcp, unsent) => {
                flush(tcp, unsent)?;
                match retry(|| tcp.read(buf))? {
                    0 => return Err(ErrorKind::UnexpectedEof.into()),
                    n => n,
                }
            }
        };
        Ok(buf.get(..n).unwrap_or_default())
    }
}

impl Socket {
    fn open(to: SocketAddr, via: Via) -> io::Result<Self> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        match via {
            Via::Udp => {
                let udp = UdpSocket::bind(SocketAddr::new(any, 0))?;
                udp.connect(to)?;
                Ok(Self::Udp(udp))
            }
            Via::Tcp => Ok(Self::Tcp(TcpStream::connect(to)?, Vec::new())),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(udp) => match retry(|| udp.send(bytes)) {
                Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
                _ => Ok(()),
            },
            Self::Tcp(_, unsent) => {
                unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// Sends what waits; `WouldBlock` while the stream is not connected or takes no more.
fn flush(tcp: &mut TcpStream, unsent: &mut Vec<u8>) -> io::Result<()> {
    if unsent.is_empty() {
        return Ok(());
    }
    match (tcp.take_error()?, tcp.peer_addr()) {
        (Some(e), _) => return Err(e),
        (None, Err(e)) if e.kind() == ErrorKind::NotConnected => return Err(ErrorKind::WouldBlock.into()),
        _ => {}
    }
    while !unsent.is_empty() {
        match retry(|| tcp.write(unsent))? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => drop(unsent.drain(..n)),
        }
    }
    *unsent = Vec::new();
    Ok(())
}

/// A number nobody can guess. The kernel has them by now ([`super::Os::new`] has waited); if not, this does not wait but
/// takes what std seeds its maps with, which is the best there is.
fn random() -> u16 {
    let mut bytes = [0; 2];
    match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
        Ok(2) => u16::from_ne_bytes(bytes),
        _ => (std::hash::RandomState::new().build_hasher().finish() >> 16) as u16,
    }
}

/// The index of an interface, for link-local servers.
fn zone_index(name: &str) -> Option<u32> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}
