//! Ping-pong: `load ping … CONNECTIONS`. On each connection 64 bytes go there and back, again and again.
//!
//! Owns the users' ends. Does not pace: the next request leaves when the answer is in. Always true: an answer is what was
//! sent. Worst case: 8 bytes a request.

use std::net::TcpStream;
use std::time::Duration;

use super::{Edge, Target, Window, median, nanos, tell};
use crate::clock;
use crate::pattern::Pattern;
use crate::poller::{Interest, Poller};
use crate::sock::{self, Moved};
use crate::wait::{Context, Outcome, ensure};

const SIZE: usize = 64;

struct User {
    stream: TcpStream,
    sent: Duration,
    answer: Vec<u8>,
}

impl User {
    fn send(&mut self, request: &[u8]) -> Outcome {
        self.answer.clear();
        self.sent = clock::now();
        let sent = sock::write(&self.stream, request);
        ensure!(matches!(sent, Moved::Bytes(SIZE)), "a request could not be sent");
        Ok(())
    }

    /// How long the request took, if the answer is complete.
    fn receive(&mut self, request: &[u8]) -> Outcome<Option<Duration>> {
        let mut space = [0; SIZE];
        match sock::read(&self.stream, &mut space) {
            Moved::Bytes(bytes) => self.answer.extend(&space[..bytes]),
            Moved::Blocked => {}
            Moved::Ended => return Err("a connection ended early".into()),
        }
        if self.answer.len() < SIZE {
            return Ok(None);
        }
        ensure!(self.answer == request, "the answer is not what was sent");
        Ok(Some(clock::now().saturating_sub(self.sent)))
    }
}

pub(super) fn run(target: &Target, connections: usize) -> Outcome {
    let (mut poller, mut ready) = (Poller::new()?, Vec::new());
    let request = Pattern::Random(64).bytes(SIZE);
    let mut users = Vec::new();
    for key in 0..connections {
        let stream = sock::ask_echo(target.port)?;
        stream.set_nonblocking(true).context("a socket that does not block")?;
        poller.add(&stream, key, Interest::Read)?;
        users.push(User { stream, sent: Duration::ZERO, answer: Vec::with_capacity(SIZE) });
    }
    for user in &mut users {
        user.send(&request)?;
    }
    let (mut window, mut times) = (Window::new(target), Vec::new());
    loop {
        poller.wait(Some(window.glance()), &mut ready)?;
        for event in &ready {
            let user = &mut users[event.key];
            if let Some(time) = user.receive(&request)? {
                if window.is_open() {
                    times.push(nanos(time));
                }
                user.send(&request)?;
            }
        }
        if let Some(Edge::Closed { length, cpu }) = window.look(|| Ok(()))? {
            let count = times.len() as u64;
            ensure!(count > 0, "not one answer came in {length:?}");
            return tell(&[("count", count), ("time", nanos(length)), ("cpu", nanos(cpu)), ("p50", median(times))]);
        }
    }
}
