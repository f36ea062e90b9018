//! The payload of bulk transfers: one megabyte from a seed, over and over, sent and taken without a copy in user space.
//!
//! Owns the memory file it is sent from. Does not look at what it takes: what is checked goes through
//! [`crate::check`]. Always true: byte N of a stream is byte N modulo [`SIZE`] of [`bytes`]. Worst case: [`SIZE`] in the
//! memory file, and as much address space, never touched, to read into.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;

use rustix::fs::{MemfdFlags, memfd_create, sendfile};
use rustix::net::{RecvFlags, recv};

use crate::pattern::Pattern;
use crate::sock::Moved;
use crate::wait::{Context, Outcome};

pub(crate) const SIZE: usize = 1 << 20;
/// At most so much in one call, so that many streams take turns.
const PIECE: usize = 256 * 1024;

/// One period of the payload.
pub(crate) fn bytes() -> Vec<u8> {
    Pattern::Random(0x7265_6469_616c).bytes(SIZE)
}

pub(crate) struct Payload {
    file: File,
    space: Vec<u8>,
}

impl Payload {
    pub(crate) fn new() -> Outcome<Self> {
        let mut file = File::from(memfd_create("payload", MemfdFlags::CLOEXEC).context("a memory file")?);
        file.write_all(&bytes()).context("filling the memory file")?;
        Ok(Self { file, space: vec![0; SIZE] })
    }

    /// Sends what comes at `position` of the stream, and moves it on.
    pub(crate) fn send(&self, to: impl AsFd, position: &mut u64) -> Moved {
        let at = *position % SIZE as u64;
        let piece = PIECE.min(SIZE - usize::try_from(at).unwrap_or_default());
        let moved = Moved::from(sendfile(to, &self.file, Some(&mut { at }), piece));
        if let Moved::Bytes(sent) = moved {
            *position += sent as u64;
        }
        moved
    }

    /// Takes what has come and throws it away inside the kernel.
    pub(crate) fn discard(&mut self, from: impl AsFd) -> Moved {
        recv(from, self.space.as_mut_slice(), RecvFlags::TRUNC).map(|(_, taken)| taken).into()
    }
}
