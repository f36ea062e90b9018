//! Set-up: `load setup … AT_ONCE`. Connect, one byte there and back, close; again and again, that many at a time.
//!
//! Owns the users' ends. Does not try a failed connection again: it ends the load. Always true: a time runs from the
//! connect to the byte's return. Worst case: 8 bytes a connection.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Edge, Target, Window, median, nanos, tell};
use crate::clock;
use crate::poller::{Interest, Poller};
use crate::serve::ECHO;
use crate::sock::{self, Moved};
use crate::wait::{Outcome, ensure};

/// A connection that has not answered for so long has failed.
const LIMIT: Duration = Duration::from_secs(10);

struct User {
    socket: OwnedFd,
    since: Duration,
    asked: bool,
}

impl User {
    fn start(port: u16, key: usize, poller: &Poller) -> Outcome<Self> {
        let since = clock::now();
        let mut user = Self { socket: sock::dial(port)?, since, asked: false };
        user.ask()?;
        poller.add(&user.socket, key, if user.asked { Interest::Read } else { Interest::Write })?;
        Ok(user)
    }

    /// Sends the byte, unless the connection is still being made.
    fn ask(&mut self) -> Outcome {
        match sock::write(&self.socket, &[ECHO]) {
            Moved::Bytes(_) => self.asked = true,
            Moved::Blocked => {}
            Moved::Ended => return Err("a connection was refused".into()),
        }
        Ok(())
    }

    /// How long it took, once the byte is back.
    fn advance(&mut self, key: usize, poller: &Poller) -> Outcome<Option<Duration>> {
        if !self.asked {
            self.ask()?;
            poller.change(&self.socket, key, Interest::Read)?;
            return Ok(None);
        }
        let mut back = [0];
        match sock::read(&self.socket, &mut back) {
            Moved::Bytes(_) => ensure!(back[0] == ECHO, "another byte came back: {:#04x}", back[0]),
            Moved::Blocked => return Ok(None),
            Moved::Ended => return Err("a connection was closed before its byte was back".into()),
        }
        Ok(Some(clock::now().saturating_sub(self.since)))
    }
}

pub(super) fn run(target: &Target, at_once: usize) -> Outcome {
    let (mut poller, mut ready) = (Poller::new()?, Vec::new());
    let mut users = (0..at_once).map(|key| User::start(target.port, key, &poller)).collect::<Outcome<Vec<_>>>()?;
    let (mut window, mut times) = (Window::new(target), Vec::new());
    loop {
        poller.wait(Some(window.glance()), &mut ready)?;
        for event in &ready {
            if let Some(time) = users[event.key].advance(event.key, &poller)? {
                if window.is_open() {
                    times.push(nanos(time));
                }
                users[event.key] = User::start(target.port, event.key, &poller)?;
            }
        }
        let now = clock::now();
        ensure!(users.iter().all(|user| now < user.since + LIMIT), "a connection got no answer within {LIMIT:?}");
        if let Some(Edge::Closed { length, cpu }) = window.look(|| Ok(()))? {
            let count = times.len() as u64;
            ensure!(count > 0, "not one connection was made in {length:?}");
            return tell(&[("count", count), ("time", nanos(length)), ("cpu", nanos(cpu)), ("p50", median(times))]);
        }
    }
}
