//! Where log lines go, without ever holding the loop up.
//!
//! Owns the output and the lines that it did not take. Does not format. Always true: a terminal or pipe is written to
//! through a description of our own that does not block; lines that nobody reads wait, then are dropped and counted,
//! whole ones only; so are lines for a full disk, until there is room again. Worst case: [`BACKLOG`].
//!
//! Why is it so?
//! * *Why not set O_NONBLOCK?* It would hold for every process that shares the terminal or pipe. It is opened again
//!   instead; where that is not possible (no /proc, the terminal of another user) the poll has to do. It is right
//!   about pipes but for other writers' bytes; of a terminal it knows only that there is room for one byte.
//! * *Why are other outputs not opened again?* A file would be written from its start, a socket cannot be.

mod file;

use super::clock::Clock;
use file::LogFile;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

/// Bytes of lines that may wait for a reader.
const BACKLOG: usize = 16 * 1024;
/// What a pipe that is ready takes without blocking (PIPE_BUF), also where it could not be opened again.
const ATOMIC: usize = 4096;

enum Out {
    /// Standard output, or what stands for it in a test.
    Pipe(File),
    File(LogFile),
}

/// See the module.
pub(super) struct Sink {
    out: Out,
    waiting: Vec<u8>,
    lost: u32,
    /// Why; empty if nobody read them.
    why: String,
    /// What was written ends within a line.
    torn: bool,
}

impl Sink {
    /// Standard output, past the buffer of `std`.
    pub(super) fn stdout() -> Result<Self, String> {
        Self::shared(io::stdout().as_fd()).map_err(|e| format!("standard output: {e}"))
    }

    /// A terminal, pipe or whatever other processes may use as well.
    fn shared(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file = reopen(fd).map_or_else(|| fd.try_clone_to_owned().map(File::from), Ok)?;
        Ok(Self::new(Out::Pipe(file)))
    }

    /// Appends to a file, which is rotated at local midnight, and at `cap` bytes.
    pub(super) fn file(path: &str, max_days: Option<u32>, cap: Option<u64>, clock: Clock) -> Result<Self, String> {
        let file = LogFile::open(Path::new(path), max_days, cap, clock);
        file.map(|file| Self::new(Out::File(file))).map_err(|e| format!("log.to: cannot open {path}: {e}"))
    }

    fn new(out: Out) -> Self {
        Self { out, waiting: Vec::new(), lost: 0, why: String::new(), torn: false }
    }

    /// A file that has lost its name is opened anew.
    pub(super) fn reopen(&mut self) {
        if let Out::File(file) = &mut self.out {
            file.find_again();
        }
    }

    fn ready(&self) -> bool {
        let Out::Pipe(out) = &self.out else { return true };
        let mut fds = [PollFd::new(out, PollFlags::OUT)];
        matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(n) if n > 0)
    }

    /// Writes what waits, as far as the output takes it.
    fn drain(&mut self) {
        while !self.waiting.is_empty() && self.ready() {
            let part = self.waiting.get(..ATOMIC.min(self.waiting.len())).unwrap_or_default();
            let wrote = match &mut self.out {
                Out::Pipe(out) => out.write(part),
                Out::File(file) => file.write(part, !self.torn),
            };
            match wrote {
                // A disk that takes nothing is as good as full.
                Ok(0) => self.drop_waiting("nothing was taken"),
                Ok(n) => {
                    self.torn = part.get(n - 1) != Some(&b'\n');
                    self.waiting.drain(..n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nobody will ever read it, or the disk is full: better no log than no tunnel.
                Err(e) => self.drop_waiting(&e.to_string()),
            }
        }
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
    }

    /// Gives up the lines that wait.
    fn drop_waiting(&mut self, why: &str) {
        let lines = self.waiting.iter().filter(|byte| **byte == b'\n').count();
        self.lost = self.lost.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        why.clone_into(&mut self.why);
        self.waiting.clear();
    }

    /// Says how many lines were lost, if that can be said.
    fn own_up(&mut self) {
        let lost = core::mem::take(&mut self.lost);
        let why = if self.why.is_empty() { "nobody read them" } else { &self.why };
        let begin = if self.torn { "\n" } else { "" };
        self.waiting.extend_from_slice(format!("{begin}({lost} log lines were lost: {why})\n").as_bytes());
        self.drain();
        if self.lost > 0 {
            // The note is lost, too; what it was about is said later.
            self.lost = lost;
        } else {
            self.why.clear();
        }
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.drain();
        if self.lost > 0 && self.waiting.is_empty() {
            self.own_up();
        }
        if self.waiting.len() + line.len() > BACKLOG {
            self.lost = self.lost.saturating_add(1);
        } else {
            self.waiting.extend_from_slice(line);
        }
        self.drain();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain();
        Ok(())
    }
}

/// The same terminal or pipe with a file description of our own, on which a write does not block.
fn reopen(fd: BorrowedFd<'_>) -> Option<File> {
    let pipe = fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    if !pipe && !fd.is_terminal() {
        return None;
    }
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty()).map(File::from).ok()
}

#[cfg(test)]
mod tests;
