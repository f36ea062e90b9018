//! The floors: `relay copy|splice LISTEN TARGET`. What a client must do at the very least: one thread that moves bytes.
//!
//! Owns the pairs of connections it joins. Does not look at the bytes, and ends only by a signal. Always true: a
//! direction's end is passed on only when all before it has been. Worst case: 256 KiB a direction, while its receiver
//! does not read.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{Shutdown, shutdown};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use slab::Slab;

use crate::poller::{Interest, Poller};
use crate::sock::{self, Moved};
use crate::wait::{Context, Outcome};

const LISTENER: usize = usize::MAX;
/// Of the buffer, and of a pipe.
const SIZE: usize = 256 * 1024;
/// Moves of a direction before others get their turn.
const TURN: usize = 16;

/// How bytes are moved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    Copy,
    Splice,
}

impl Means {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "copy" => Some(Self::Copy),
            "splice" => Some(Self::Splice),
            _ => None,
        }
    }
}

/// Two ends; empty between transfers.
struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

/// One direction of a pair, and what it has read and not yet written.
#[derive(Default)]
struct Flow {
    held: Vec<u8>,
    pipe: Option<Pipe>,
    ended: bool,
}

struct Pair {
    ends: [OwnedFd; 2],
    flows: [Flow; 2],
    queued: bool,
}

/// What a direction's turn came to.
#[derive(PartialEq, Eq)]
enum Turn {
    /// Nothing can be done until something changes.
    Idle,
    /// There may be more to move at once.
    More,
    Broken,
}

struct Relay {
    means: Means,
    target: u16,
    poller: Poller,
    listener: TcpListener,
    pairs: Slab<Pair>,
    /// Pairs to be moved.
    queue: VecDeque<usize>,
    buffer: Vec<u8>,
    /// Empty pipes to be used again.
    pipes: Vec<Pipe>,
}

/// Relays until it is killed.
pub(crate) fn run(means: Means, listen: u16, target: u16) -> Outcome {
    let mut relay = Relay {
        means,
        target,
        poller: Poller::new()?,
        listener: sock::listen(listen)?,
        pairs: Slab::new(),
        queue: VecDeque::new(),
        buffer: vec![0; SIZE],
        pipes: Vec::new(),
    };
    relay.poller.add(&relay.listener, LISTENER, Interest::Read)?;
    let mut ready = Vec::new();
    loop {
        let limit = if relay.queue.is_empty() { None } else { Some(std::time::Duration::ZERO) };
        relay.poller.wait(limit, &mut ready)?;
        for event in &ready {
            if event.key == LISTENER { relay.accept()? } else { relay.enqueue(event.key) }
        }
        for _ in 0..relay.queue.len() {
            relay.turn()?;
        }
    }
}

impl Relay {
    fn accept(&mut self) -> Outcome {
        while let Some(socket) = sock::accept(&self.listener)? {
            let ends = [socket, sock::dial(self.target)?];
            let entry = self.pairs.vacant_entry();
            for end in &ends {
                self.poller.add(end, entry.key(), Interest::Changes)?;
            }
            entry.insert(Pair { ends, flows: Default::default(), queued: false });
        }
        Ok(())
    }

    fn enqueue(&mut self, key: usize) {
        if let Some(pair) = self.pairs.get_mut(key)
            && !pair.queued
        {
            pair.queued = true;
            self.queue.push_back(key);
        }
    }

    /// Moves what can be moved between the next pair of the queue.
    fn turn(&mut self) -> Outcome {
        let Some(key) = self.queue.pop_front() else { return Ok(()) };
        let mut turns = [Turn::Idle, Turn::Idle];
        for (from, turn) in turns.iter_mut().enumerate() {
            *turn = self.pump(key, from)?;
        }
        let pair = &mut self.pairs[key];
        pair.queued = false;
        let over = pair.flows.iter().all(|flow| flow.ended && flow.held.is_empty() && flow.pipe.is_none());
        if over || turns.contains(&Turn::Broken) {
            self.pairs.remove(key);
        } else if turns.contains(&Turn::More) {
            self.enqueue(key);
        }
        Ok(())
    }

    /// Moves what can be moved one way.
    fn pump(&mut self, key: usize, from: usize) -> Outcome<Turn> {
        let Pair { ends, flows, .. } = &mut self.pairs[key];
        let (source, sink, flow) = (&ends[from], &ends[1 - from], &mut flows[from]);
        for _ in 0..TURN {
            if flow.ended {
                return Ok(Turn::Idle);
            }
            let turn = match self.means {
                Means::Copy => copy_once(source, sink, flow, &mut self.buffer),
                Means::Splice => splice_once(source, sink, flow, &mut self.pipes)?,
            };
            if turn != Turn::More {
                return Ok(turn);
            }
        }
        Ok(Turn::More)
    }
}

fn copy_once(source: &OwnedFd, sink: &OwnedFd, flow: &mut Flow, buffer: &mut [u8]) -> Turn {
    if flow.held.is_empty() {
        match rustix::io::read(source, &mut *buffer) {
            Ok(0) => return end(sink, flow),
            Ok(read) => match write(sink, &buffer[..read]) {
                Ok(written) if written == read => return Turn::More,
                Ok(written) => flow.held = buffer[written..read].to_vec(),
                Err(()) => return Turn::Broken,
            },
            Err(Errno::AGAIN | Errno::INTR) => return Turn::Idle,
            Err(_) => return Turn::Broken,
        }
        return Turn::Idle;
    }
    match write(sink, &flow.held) {
        Ok(written) if written == flow.held.len() => {
            flow.held = Vec::new();
            Turn::More
        }
        Ok(written) => {
            flow.held.drain(..written);
            Turn::Idle
        }
        Err(()) => Turn::Broken,
    }
}

/// How much was written; none when it would block.
fn write(sink: &OwnedFd, bytes: &[u8]) -> Result<usize, ()> {
    match sock::write(sink, bytes) {
        Moved::Bytes(written) => Ok(written),
        Moved::Blocked => Ok(0),
        Moved::Ended => Err(()),
    }
}

fn splice_once(source: &OwnedFd, sink: &OwnedFd, flow: &mut Flow, pipes: &mut Vec<Pipe>) -> Outcome<Turn> {
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    let mut pipe = match flow.pipe.take() {
        Some(pipe) => pipe,
        None => pipes.pop().map_or_else(new_pipe, Ok)?,
    };
    if pipe.filled == 0 {
        match splice(source, None, &pipe.write, None, SIZE, flags) {
            Ok(0) => {
                pipes.push(pipe);
                return Ok(end(sink, flow));
            }
            Ok(filled) => pipe.filled = filled,
            Err(error) => {
                pipes.push(pipe);
                return Ok(if matches!(error, Errno::AGAIN | Errno::INTR) { Turn::Idle } else { Turn::Broken });
            }
        }
    }
    match splice(&pipe.read, None, sink, None, pipe.filled, flags) {
        Ok(moved) => pipe.filled -= moved,
        Err(Errno::AGAIN | Errno::INTR) => {}
        Err(_) => return Ok(Turn::Broken), // and the pipe goes with what is in it
    }
    if pipe.filled == 0 {
        pipes.push(pipe);
        return Ok(Turn::More);
    }
    flow.pipe = Some(pipe);
    Ok(Turn::Idle)
}

fn new_pipe() -> Outcome<Pipe> {
    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).context("a pipe")?;
    fcntl_setpipe_size(&write, SIZE).context("the size of a pipe")?;
    Ok(Pipe { read, write, filled: 0 })
}

fn end(sink: &OwnedFd, flow: &mut Flow) -> Turn {
    flow.ended = true;
    let _ = shutdown(sink, Shutdown::Write); // the other side may have gone already
    Turn::Idle
}
