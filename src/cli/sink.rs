//! Where log lines go, without ever holding the loop up.
//!
//! Owns the output and the lines that it did not take. Does not format. Always true: a terminal or pipe is written to
//! through a description of our own that does not block; lines that nobody reads wait, then are dropped and counted,
//! whole ones only. Worst case: [`BACKLOG`].
//!
//! Why is it so?
//! * *Why not set O_NONBLOCK?* It would hold for every process that shares the terminal or pipe. It is opened again
//!   instead; where that is not possible (no /proc, the terminal of another user) the poll has to do. It is right
//!   about pipes but for other writers' bytes; of a terminal it knows only that there is room for one byte.
//! * *Why are other outputs not opened again?* A file would be written from its start, a socket cannot be.

use super::clock::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

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

    /// Appends to a file, which is rotated at local midnight.
    pub(super) fn file(path: &str, max_days: Option<u32>, clock: Clock) -> Result<Self, String> {
        let file = LogFile::open(Path::new(path), max_days, clock);
        file.map(|file| Self::new(Out::File(file))).map_err(|e| format!("log.to: cannot open {path}: {e}"))
    }

    fn new(out: Out) -> Self {
        Self { out, waiting: Vec::new(), lost: 0 }
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
                Out::File(file) => file.write(part),
            };
            match wrote {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // Nobody will ever read it: better no log than no tunnel.
                Err(_) => self.waiting.clear(),
            }
        }
        if self.waiting.is_empty() {
            self.waiting = Vec::new();
        }
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.drain();
        if self.lost > 0 && self.waiting.is_empty() {
            let note = format!("({} log lines were lost: nobody read them)\n", core::mem::take(&mut self.lost));
            self.waiting.extend_from_slice(note.as_bytes());
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

/// A file that starts anew every day.
struct LogFile {
    path: PathBuf,
    file: File,
    max_days: Option<u32>,
    clock: Clock,
    day: (i32, u8, u8),
}

impl LogFile {
    fn open(path: &Path, max_days: Option<u32>, clock: Clock) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
        }
        let day = clock.now().date;
        Ok(Self { path: path.to_owned(), file: append(path)?, max_days, clock, day })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = self.clock.now();
        if now.date != self.day {
            self.day = now.date;
            let ((y, mo, d), (h, mi, s)) = (now.date, now.time);
            self.rotate(&format!("{y:04}{mo:02}{d:02}-{h:02}{mi:02}{s:02}"));
        }
        self.file.write(bytes)
    }

    /// Moves the file aside, opens a new one, and removes those that are too old.
    fn rotate(&mut self, stamp: &str) {
        let extension = self.path.extension().map(|e| format!(".{}", e.display())).unwrap_or_default();
        let stem = self.path.file_stem().map(|s| s.display().to_string()).unwrap_or_default();
        let old = self.path.with_file_name(format!("{stem}.{stamp}{extension}"));
        if fs::rename(&self.path, old).is_ok()
            && let Ok(file) = append(&self.path)
        {
            self.file = file;
        }
        let Some(days) = self.max_days else { return };
        let dir = self.path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let ours = |name: &str| {
            let middle = name.strip_prefix(&format!("{stem}.")).and_then(|rest| rest.strip_suffix(&extension));
            middle.is_some_and(|m| m.len() == 15 && m.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
        };
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            let old = age.is_some_and(|age| age.as_secs() > u64::from(days) * 86_400);
            if old && ours(&entry.file_name().to_string_lossy()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests;
