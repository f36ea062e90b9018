//! The local service: `serve PORT`. One thread; what a connection gets is decided by its first byte.
//!
//! Owns its listener and connections. Does not copy bulk payload, and ends only by a signal. Always true: a connection
//! is closed once its peer has ended; the count it tells is that of all bytes it took from uploads. Worst case: 64 KiB a
//! connection, of an echo whose user does not read.

use std::net::TcpListener;
use std::os::fd::OwnedFd;

use slab::Slab;

use crate::payload::Payload;
use crate::poller::{Interest, Poller, Ready};
use crate::sock::{self, Moved};
use crate::wait::Outcome;

/// First byte of a connection that gets everything back, this byte included.
pub(crate) const ECHO: u8 = b'e';
/// First byte of a connection that gets payload until it ends its own side.
pub(crate) const SOURCE: u8 = b'd';
/// First byte of a connection that sends payload without end.
pub(crate) const SINK: u8 = b'u';
/// First byte of a connection that gets, for each byte after it, how much has been taken from uploads so far: eight
/// bytes, the low one first.
pub(crate) const COUNT: u8 = b'c';

const LISTENER: usize = usize::MAX;
const CHUNK: usize = 64 * 1024;

struct Connection {
    socket: OwnedFd,
    role: Option<u8>,
    /// Payload sent to it.
    sent: u64,
    /// What is to be echoed and did not fit; nothing is read meanwhile.
    held: Vec<u8>,
}

struct Service {
    poller: Poller,
    listener: TcpListener,
    connections: Slab<Connection>,
    payload: Payload,
    chunk: Vec<u8>,
    /// Bytes taken from uploads.
    taken: u64,
}

/// Serves until it is killed.
pub(crate) fn run(port: u16) -> Outcome {
    let mut service = Service {
        poller: Poller::new()?,
        listener: sock::listen(port)?,
        connections: Slab::new(),
        payload: Payload::new()?,
        chunk: vec![0; CHUNK],
        taken: 0,
    };
    service.poller.add(&service.listener, LISTENER, Interest::Read)?;
    let mut ready = Vec::new();
    loop {
        service.poller.wait(None, &mut ready)?;
        for event in &ready {
            service.handle(*event)?;
        }
    }
}

impl Service {
    fn handle(&mut self, event: Ready) -> Outcome {
        if event.key == LISTENER {
            while let Some(socket) = sock::accept(&self.listener)? {
                let entry = self.connections.vacant_entry();
                self.poller.add(&socket, entry.key(), Interest::Read)?;
                entry.insert(Connection { socket, role: None, sent: 0, held: Vec::new() });
            }
        } else if self.connections.contains(event.key) && !self.step(event)? {
            self.connections.remove(event.key);
        }
        Ok(())
    }

    /// One step of a connection; whether it goes on.
    fn step(&mut self, Ready { key, readable }: Ready) -> Outcome<bool> {
        let connection = &mut self.connections[key];
        let moved = match connection.role {
            None => return self.begin(key),
            // Else a client that waits for the service's end goes on working for nobody, in the windows of others.
            Some(SOURCE) if readable => sock::read(&connection.socket, &mut self.chunk),
            Some(SOURCE) => self.payload.send(&connection.socket, &mut connection.sent),
            Some(SINK) => {
                let moved = self.payload.discard(&connection.socket);
                if let Moved::Bytes(bytes) = moved {
                    self.taken += bytes as u64;
                }
                moved
            }
            Some(COUNT) => match sock::read(&connection.socket, &mut [0]) {
                Moved::Bytes(_) => sock::write(&connection.socket, &self.taken.to_le_bytes()),
                other => other,
            },
            Some(ECHO) => return self.echo(key),
            Some(_) => Moved::Ended,
        };
        Ok(!matches!(moved, Moved::Ended))
    }

    /// Reads the first byte.
    fn begin(&mut self, key: usize) -> Outcome<bool> {
        let connection = &mut self.connections[key];
        let mut first = [0];
        match sock::read(&connection.socket, &mut first) {
            Moved::Bytes(_) => connection.role = Some(first[0]),
            Moved::Blocked => return Ok(true),
            Moved::Ended => return Ok(false),
        }
        match first[0] {
            SOURCE => self.poller.change(&connection.socket, key, Interest::Both).map(|()| true),
            ECHO => Ok(matches!(sock::write(&connection.socket, &first), Moved::Bytes(_))),
            _ => Ok(true),
        }
    }

    fn echo(&mut self, key: usize) -> Outcome<bool> {
        let connection = &mut self.connections[key];
        let bytes = if connection.held.is_empty() {
            match sock::read(&connection.socket, &mut self.chunk) {
                Moved::Bytes(bytes) => &self.chunk[..bytes],
                Moved::Blocked => return Ok(true),
                Moved::Ended => return Ok(false),
            }
        } else {
            connection.held.as_slice()
        };
        let written = match sock::write(&connection.socket, bytes) {
            Moved::Bytes(written) => written,
            Moved::Blocked => 0,
            Moved::Ended => return Ok(false),
        };
        let (before, left) = (!connection.held.is_empty(), bytes[written..].to_vec());
        connection.held = left;
        match (before, !connection.held.is_empty()) {
            (false, true) => self.poller.change(&connection.socket, key, Interest::Write)?,
            (true, false) => self.poller.change(&connection.socket, key, Interest::Read)?,
            _ => {}
        }
        Ok(true)
    }
}
