//! One direction of a relay whose bytes nobody changes: the kernel moves them.
//!
//! Owns the pipe while it holds bytes, and whether the flow is worth one. Does not know which direction it is. Always
//! true: an idle direction holds no pipe. Worst case: one kernel pipe (256 KiB there, nothing here).
//!
//! Why is it so?
//! * *Why are small flows copied?* A copy of a few KiB costs less than a pipe and the call that finds it empty again.

use crate::net::{Net, Pipe, Sock};
use std::io::ErrorKind;

/// Bytes moved into the pipe at once.
const CHUNK: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Splice {
    pipe: Option<Pipe>,
    held: usize,
    bulk: bool,
    /// There was no pipe to be had: do without.
    hopeless: bool,
}

/// Bytes at once that are worth a pipe.
const BULK: usize = 16 * 1024;

/// Why moving stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The turn's share is used up; there may be more.
    Share,
    /// One of the sockets has to become ready.
    Blocked,
    /// The source has ended, and everything is out.
    Eof,
    /// The source failed.
    Source,
    /// The destination failed.
    Sink,
    /// There is no pipe to be had.
    NoPipe,
}

impl Splice {
    /// Bytes in the pipe.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Whether to move by [`Splice::run`]: bytes are in the pipe, or the flow is large.
    pub(super) fn wanted(&self) -> bool {
        self.held > 0 || self.bulk
    }

    /// So many bytes came at once.
    pub(super) fn saw(&mut self, bytes: usize) {
        self.bulk = bytes >= BULK && !self.hopeless;
    }

    /// Moves up to about `share` bytes; says how many reached `to`.
    pub(super) fn run(&mut self, from: Sock, to: Sock, share: usize, net: &mut dyn Net) -> (usize, Stop) {
        let (mut taken, mut moved) = (0, 0);
        loop {
            if self.held == 0 {
                if taken >= share {
                    return self.stop(moved, Stop::Share, net);
                }
                let Some(pipe) = self.pipe.or_else(|| net.open_pipe()) else {
                    (self.bulk, self.hopeless) = (false, true);
                    return (moved, Stop::NoPipe);
                };
                self.pipe = Some(pipe);
                match net.splice_in(from, pipe, CHUNK) {
                    Ok(0) => return self.stop(moved, Stop::Eof, net),
                    Ok(n) => {
                        (self.held, taken) = (n, taken + n);
                        self.saw(n);
                    }
                    Err(e) if e.kind() == ErrorKind::WouldBlock => return self.stop(moved, Stop::Blocked, net),
                    Err(_) => return self.stop(moved, Stop::Source, net),
                }
            }
            let Some(pipe) = self.pipe else { return (moved, Stop::NoPipe) };
            match net.splice_out(pipe, to, self.held) {
                Ok(n) => (self.held, moved) = (self.held.saturating_sub(n), moved + n),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return (moved, Stop::Blocked),
                Err(_) => return (moved, Stop::Sink),
            }
        }
    }

    fn stop(&mut self, moved: usize, why: Stop, net: &mut dyn Net) -> (usize, Stop) {
        self.close(net);
        (moved, why)
    }

    /// Gives the pipe back, with what it holds.
    pub(super) fn close(&mut self, net: &mut dyn Net) {
        self.held = 0;
        if let Some(pipe) = self.pipe.take() {
            net.close_pipe(pipe);
        }
    }
}
