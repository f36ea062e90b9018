//! Bulk: `load bulk … down|up STREAMS`. As much as goes through, one way, over that many connections at once.
//!
//! Owns the users' ends. Does not copy payload in user space. Always true: what counts is what has arrived, at this end
//! or, by its own word, at the service. Worst case: see [`crate::payload`].

use std::io::Write;
use std::net::TcpStream;

use super::{Edge, Target, Window, nanos, tell};
use crate::pattern::read_all;
use crate::payload::Payload;
use crate::poller::{Interest, Poller};
use crate::serve::{COUNT, SINK, SOURCE};
use crate::sock::{self, Moved};
use crate::wait::{Context, Outcome, ensure};

/// What has arrived.
enum Arrived {
    Here(u64),
    /// At the service, which is asked over a connection that does not go through the tunnel.
    There(TcpStream, u64),
}

impl Arrived {
    fn total(&self) -> u64 {
        match self {
            Self::Here(total) | Self::There(_, total) => *total,
        }
    }

    fn refresh(&mut self) -> Outcome {
        if let Self::There(service, total) = self {
            let mut answer = [0; 8];
            service.write_all(&[COUNT]).context("asking the service what has arrived")?;
            read_all(service, &mut answer).context("what has arrived at the service")?;
            *total = u64::from_le_bytes(answer);
        }
        Ok(())
    }
}

pub(super) fn run(target: &Target, down: bool, streams: usize) -> Outcome {
    let (mut poller, mut payload, mut ready) = (Poller::new()?, Payload::new()?, Vec::new());
    let (role, interest) = if down { (SOURCE, Interest::Read) } else { (SINK, Interest::Both) };
    let mut users = Vec::new();
    for key in 0..streams {
        let user = sock::ask(target.port, role)?;
        user.set_nonblocking(true).context("a socket that does not block")?;
        poller.add(&user, key, interest)?;
        users.push((user, 0));
    }
    let mut arrived = if down { Arrived::Here(0) } else { Arrived::There(sock::ask(target.service, COUNT)?, 0) };
    let (mut window, mut base) = (Window::new(target), 0);
    loop {
        poller.wait(Some(window.glance()), &mut ready)?;
        for event in &ready {
            let (user, position) = &mut users[event.key];
            let moved = if event.readable { payload.discard(&*user) } else { payload.send(&*user, position) };
            match (moved, &mut arrived) {
                (Moved::Ended, _) => return Err("a stream ended early".into()),
                (Moved::Bytes(bytes), Arrived::Here(total)) => *total += bytes as u64,
                _ => {}
            }
        }
        match window.look(|| arrived.refresh())? {
            Some(Edge::Opened) => base = arrived.total(),
            Some(Edge::Closed { length, cpu }) => {
                let bytes = arrived.total() - base;
                ensure!(bytes > 0, "not one byte came through in {length:?}");
                return tell(&[("bytes", bytes), ("time", nanos(length)), ("cpu", nanos(cpu))]);
            }
            None => {}
        }
    }
}
