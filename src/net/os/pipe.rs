//! Kernel pipes for moving bytes between sockets without copying them to user space.
//!
//! Owns the pipes and how many bytes each holds. Does not decide when to use one. Always true: a pipe in the pool is
//! empty. Worst case: 24 bytes a pipe here, and in the kernel what the pipe holds (at most [`SIZE`]).

use super::super::Pipe;
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use std::io;

/// Bytes a pipe can hold, if the system grants it.
const SIZE: usize = 256 * 1024;
/// Empty pipes kept for the next user.
const POOL: usize = 8;

struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    ends: Option<Ends>,
    held: usize,
}

/// Every pipe.
#[derive(Default)]
pub(super) struct Pipes {
    slots: Vec<Slot>,
    pool: Vec<Ends>,
}

impl Pipes {
    /// An empty pipe; `None` when no descriptor is left.
    pub(super) fn open(&mut self) -> Option<Pipe> {
        let ends = self.pool.pop().or_else(create)?;
        let index = self.slots.iter().position(|s| s.ends.is_none()).unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(Slot::default());
        }
        let slot = self.slots.get_mut(index)?;
        slot.ends = Some(ends);
        Some(Pipe { index: u32::try_from(index).ok()?, generation: slot.generation })
    }

    fn slot(&mut self, pipe: Pipe) -> io::Result<&mut Slot> {
        let slot = self.slots.get_mut(pipe.index as usize).filter(|s| s.generation == pipe.generation);
        slot.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Bytes in the pipe.
    pub(super) fn held(&mut self, pipe: Pipe) -> io::Result<usize> {
        Ok(self.slot(pipe)?.held)
    }

    /// Moves up to `max` bytes from `from` into the pipe.
    pub(super) fn fill(&mut self, pipe: Pipe, from: impl AsFd, max: usize) -> io::Result<usize> {
        let slot = self.slot(pipe)?;
        let ends = slot.ends.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let n = splice(from, None, &ends.write, None, max, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        slot.held += n;
        Ok(n)
    }

    /// Moves up to `max` bytes from the pipe to `to`.
    pub(super) fn drain(&mut self, pipe: Pipe, to: impl AsFd, max: usize) -> io::Result<usize> {
        let slot = self.slot(pipe)?;
        let ends = slot.ends.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let n = splice(&ends.read, None, to, None, max, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        slot.held = slot.held.saturating_sub(n);
        Ok(n)
    }

    /// Gives a pipe back; into the pool if it is empty.
    pub(super) fn close(&mut self, pipe: Pipe) {
        let Ok(slot) = self.slot(pipe) else { return };
        let (ends, held) = (slot.ends.take(), core::mem::take(&mut slot.held));
        slot.generation = slot.generation.wrapping_add(1);
        if held == 0 && self.pool.len() < POOL {
            self.pool.extend(ends);
        }
    }
}

fn create() -> Option<Ends> {
    let (read, write) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
    let _ = fcntl_setpipe_size(&write, SIZE);
    Some(Ends { read, write })
}
