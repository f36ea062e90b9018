//! Sockets that wait for connections.
//!
//! Owns the listeners and whether somebody may be waiting at one. Does not own what it accepts. Always true: the
//! readiness of a listener is cleared only when nobody waits any more, so connections that are left in the backlog are
//! never forgotten. Worst case: 60 bytes a listener; the backlog is the kernel's.

use crate::net::{Event, Sock, Token};
use mio::{Interest, Registry};
use slab::Slab;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// Handles and poll tokens of listeners are at and above this; those of connections below.
pub(super) const LISTEN_TOKENS: usize = 1 << 23;

/// Connections that the kernel completes for us and holds.
const BACKLOG: i32 = 128;

struct Listener {
    inner: mio::net::TcpListener,
    /// Distinguishes the tenants of a slot.
    generation: u32,
    token: Token,
    ready: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Listeners {
    all: Slab<Listener>,
    generation: u32,
}

/// Slot of a handle, if it is one of a listener.
fn slot(sock: Sock) -> Option<usize> {
    (sock.index as usize).checked_sub(LISTEN_TOKENS)
}

impl Listeners {
    /// As [`crate::net::Net::listen`].
    pub(super) fn open(&mut self, addr: SocketAddr, token: Token, registry: &Registry) -> io::Result<Sock> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // As in Go: connections of an earlier run that linger do not stand in the way.
        socket.set_reuse_address(true)?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let mut inner = mio::net::TcpListener::from_std(TcpListener::from(socket));
        let entry = self.all.vacant_entry();
        let place = LISTEN_TOKENS + entry.key();
        let index = u32::try_from(place).map_err(io::Error::other)?;
        registry.register(&mut inner, mio::Token(place), Interest::READABLE)?;
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        entry.insert(Listener { inner, generation, token, ready: true });
        Ok(Sock { index, generation })
    }

    fn get(&mut self, sock: Sock) -> Option<&mut Listener> {
        self.all.get_mut(slot(sock)?).filter(|l| l.generation == sock.generation)
    }

    /// The poll saw something at this listener.
    pub(super) fn on_event(&mut self, place: usize) -> Option<Event> {
        let listener = self.all.get_mut(place.checked_sub(LISTEN_TOKENS)?)?;
        listener.ready = true;
        let sock = Sock { index: u32::try_from(place).ok()?, generation: listener.generation };
        Some(Event::Ready { token: listener.token, sock })
    }

    /// The next one who waits.
    pub(super) fn accept(&mut self, sock: Sock) -> io::Result<TcpStream> {
        let listener = self.get(sock).ok_or(io::ErrorKind::NotConnected)?;
        while listener.ready {
            match listener.inner.accept() {
                Ok((stream, _)) => return Ok(stream.into()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => listener.ready = false,
                // Whoever it was has left again.
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// The address, as the kernel has it: with the port it chose.
    pub(super) fn local_addr(&self, sock: Sock) -> Option<SocketAddr> {
        self.all.get(slot(sock)?).filter(|l| l.generation == sock.generation)?.inner.local_addr().ok()
    }

    /// Closes it, if it is one.
    pub(super) fn close(&mut self, sock: Sock) {
        if self.get(sock).is_some() {
            drop(slot(sock).and_then(|slot| self.all.try_remove(slot)));
        }
    }
}
