//! What all tasks of the client share for the length of a turn.
//!
//! Owns the scratch buffers, the run queue, the timers of work connections, and the memory budget. Does not own a
//! socket. Always true: scratch buffers hold nothing between turns. Worst case: an eighth of the budget (at most 512 KiB), as much
//! again for TLS, 140 KiB for compression, and 16 bytes a runnable task and an armed timer.

use crate::proto::quiet::Quiet;
use crate::proto::snappy::Workspace;
use crate::proto::time::Instant;
use crate::proto::tls::sealed_len;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Bounds of the bytes read from a socket at once while there is much to read: an eighth of the budget within these.
const MIN_LARGE: usize = 128 * 1024;
const MAX_LARGE: usize = 512 * 1024;
/// The same while there is not: one TLS record and what is kept before it.
const SMALL: usize = 36 * 1024;
/// Staged bytes that a link writes without waiting for the end of the turn.
pub(super) const STAGE: usize = 64 * 1024;
/// What a work connection costs beside the bytes that wait.
pub(super) const COST: usize = 1024;
/// Timers beyond this and twice the number of connections are swept.
const SLACK: usize = 64;

/// A task that can go on without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskKey {
    /// A link of the session: read it.
    Link(u32),
    /// A work connection: pump it.
    Work(u32),
}

/// Memory that the server's behaviour decides about: bytes that wait for full sockets, and the connections themselves.
#[derive(Debug)]
pub(super) struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    /// Replaces what a holder was charged by what it holds now.
    pub(super) fn charge(&mut self, charged: &mut usize, holds: usize) {
        self.used = self.used.saturating_sub(*charged) + holds;
        *charged = holds;
    }

    /// Whether somebody has to give up.
    pub(super) fn exceeded(&self) -> bool {
        self.used > self.limit
    }

    /// Whether there is no room for one connection more that takes `more` beside [`COST`].
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.used + COST + more > self.limit
    }

    /// Bytes accounted for.
    pub(super) fn used(&self) -> usize {
        self.used
    }
}

/// See the module.
pub(super) struct Shared {
    /// Bytes a task may move in one turn, in each direction: the size of a large buffer.
    pub(super) large: usize,
    scratch: Vec<u8>,
    sealed: Vec<u8>,
    pub(super) workspace: Workspace,
    /// A decompressed piece of payload.
    pub(super) piece: Vec<u8>,
    pub(super) run: VecDeque<TaskKey>,
    /// Links with something to send at the end of the turn.
    pub(super) dirty: Vec<u32>,
    pub(super) budget: Budget,
    /// The line about work connections that come to nothing.
    pub(super) quiet: Quiet,
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    pub(super) now: Instant,
    /// Bytes that links brought in this turn.
    pub(super) brought: usize,
    /// When bulk data last moved; `None`: the buffers are small.
    bulk: Option<Instant>,
}

impl Shared {
    pub(super) fn new(budget: usize, now: Instant) -> Self {
        Self {
            large: (budget / 8).clamp(MIN_LARGE, MAX_LARGE),
            scratch: Vec::new(),
            sealed: Vec::new(),
            workspace: Workspace::default(),
            piece: Vec::new(),
            run: VecDeque::new(),
            dirty: Vec::new(),
            budget: Budget { used: 0, limit: budget },
            quiet: Quiet::default(),
            timers: BinaryHeap::new(),
            now,
            brought: 0,
            bulk: None,
        }
    }

    /// Lends the scratch buffer; give it back with [`Shared::put_scratch`].
    pub(super) fn take_scratch(&mut self) -> Vec<u8> {
        let size = if self.bulk.is_some() { self.large } else { SMALL };
        match self.scratch.len() >= size {
            true => core::mem::take(&mut self.scratch),
            false => vec![0; size],
        }
    }

    pub(super) fn put_scratch(&mut self, scratch: Vec<u8>) {
        self.scratch = scratch;
    }

    /// A read has filled the scratch buffer: from now on a large one is lent, in exchange for this one.
    pub(super) fn exchange(&mut self, scratch: Vec<u8>) -> Vec<u8> {
        self.bulk = Some(self.now);
        if scratch.len() >= self.large {
            return scratch;
        }
        self.take_scratch()
    }

    /// Lends a buffer of at least `size` bytes for sealed records; give it back with [`Shared::put_sealed`].
    pub(super) fn take_sealed(&mut self, size: usize) -> Vec<u8> {
        match self.sealed.len() >= size {
            true => core::mem::take(&mut self.sealed),
            false if size <= SMALL => vec![0; SMALL],
            false => {
                self.bulk = Some(self.now);
                vec![0; size.max(sealed_len(self.large) + sealed_len(STAGE))]
            }
        }
    }

    pub(super) fn put_sealed(&mut self, sealed: Vec<u8>) {
        self.sealed = sealed;
    }

    /// When the buffers may be freed.
    fn release_at(&self) -> Option<Instant> {
        self.bulk.map(|at| at + RELEASE_AFTER)
    }

    /// Frees the buffers if nothing has moved for a while.
    pub(super) fn release(&mut self) {
        if self.release_at().is_some_and(|at| at <= self.now) {
            self.bulk = None;
            self.scratch = Vec::new();
            self.sealed = Vec::new();
            self.piece = Vec::new();
            self.workspace = Workspace::default();
            self.run.shrink_to_fit();
            self.timers.shrink_to_fit();
        }
    }

    /// Asks for a look at a work connection no later than `at`; it may come early or find it gone.
    pub(super) fn arm(&mut self, work: u32, at: Instant) {
        self.timers.push(Reverse((at, work)));
    }

    /// The next deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        crate::proto::time::sooner(self.timers.peek().map(|Reverse((at, _))| *at), self.release_at())
    }

    /// A work connection whose timer has passed.
    pub(super) fn due(&mut self) -> Option<u32> {
        self.timers.peek().filter(|Reverse((at, _))| *at <= self.now)?;
        self.timers.pop().map(|Reverse((_, work))| work)
    }

    /// Drops timers that nobody waits for, if there are many.
    pub(super) fn sweep(&mut self, works: usize, wanted: impl Fn(u32, Instant) -> bool) {
        if self.timers.len() > SLACK + 2 * works {
            self.timers.retain(|Reverse((at, work))| wanted(*work, *at));
            self.timers.shrink_to(SLACK + 2 * works);
            self.run.shrink_to(SLACK + works);
        }
    }
}

/// How long the buffers outlive the last bulk data.
const RELEASE_AFTER: crate::proto::time::Duration = crate::proto::time::secs(1);
