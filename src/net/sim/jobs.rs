//! Child processes and files of the world in virtual time.
//!
//! Owns the plays that programs follow, the files, and what is under way. Does not move the clock. Always true: a job
//! ends once at the most, and one that was killed never. Worst case: not bounded, it is never in the product.

use super::super::files::FileRead;
use super::super::job::{MAX_JOBS, Output, Status};
use super::super::{Event, FileDone, FileJob, Job, JobError, Token};
use crate::proto::time::{Duration, millis};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;

/// How a run of a program goes.
#[derive(Clone, Debug)]
pub enum Play {
    /// After a time it ends so.
    Ends(Duration, Result<Output, JobError>),
    /// It never does.
    Hangs,
    /// It cannot be started.
    Fails(io::ErrorKind),
}

impl Play {
    /// It writes this and ends well, after a time.
    pub fn says(after: Duration, stdout: &str) -> Self {
        let (status, stdout, stderr) = (Status::Exited(0), stdout.as_bytes().to_vec(), Vec::new());
        Self::Ends(after, Ok(Output { status, stdout, stderr }))
    }

    /// It ends with this code, after a time.
    pub fn exits(after: Duration, code: i32) -> Self {
        let (stdout, stderr) = (Vec::new(), Vec::new());
        Self::Ends(after, Ok(Output { status: Status::Exited(code), stdout, stderr }))
    }
}

/// See the module.
#[derive(Default)]
pub struct Jobs {
    plays: BTreeMap<PathBuf, VecDeque<Play>>,
    running: BTreeMap<u64, (Token, Option<Result<Output, JobError>>)>,
    reading: BTreeMap<u64, (Token, Result<FileDone, String>)>,
    next: u64,
    /// Every job that was started, in order.
    pub started: Vec<Job>,
    /// The files there are.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// How long a file job takes.
    pub slow: Duration,
}

impl Jobs {
    /// How the next runs of a program go; the last of them is repeated.
    pub fn program(&mut self, name: &str, plays: impl IntoIterator<Item = Play>) {
        self.plays.insert(name.into(), plays.into_iter().collect());
    }

    /// Jobs that have neither ended nor been killed.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn start(&mut self, job: Job, token: Token) -> io::Result<(u64, Option<Duration>)> {
        if self.running.len() >= MAX_JOBS {
            return Err(io::Error::other("too many child processes at once"));
        }
        let plays = self.plays.get_mut(&job.program).ok_or(io::ErrorKind::NotFound)?;
        let next = if plays.len() > 1 { plays.pop_front() } else { plays.front().cloned() };
        let most = job.max_output;
        self.started.push(job);
        let (after, result) = match next {
            None => return Err(io::ErrorKind::NotFound.into()),
            Some(Play::Fails(kind)) => return Err(kind.into()),
            Some(Play::Hangs) => (None, None),
            Some(Play::Ends(after, Ok(output))) if output.stdout.len() > most => {
                (Some(after), Some(Err(JobError::TooMuch)))
            }
            Some(Play::Ends(after, result)) => (Some(after), Some(result)),
        };
        let id = self.number();
        self.running.insert(id, (token, result));
        Ok((id, after))
    }

    pub(super) fn kill(&mut self, token: Token) {
        self.running.retain(|_, (other, _)| *other != token);
    }

    pub(super) fn start_files(&mut self, job: &FileJob, token: Token) -> (u64, Duration) {
        let missing = |path: &PathBuf| format!("open {}: no such file or directory", path.display());
        let result = match job {
            FileJob::Write { path, bytes, .. } => {
                self.files.insert(path.clone(), bytes.clone());
                Ok(FileDone::Written)
            }
            FileJob::Read { paths } => {
                let read = |path: &PathBuf| {
                    let bytes = self.files.get(path).cloned().ok_or_else(|| missing(path))?;
                    Ok(FileRead { bytes, mode: 0o600 })
                };
                Ok(FileDone::Read(paths.iter().map(read).collect()))
            }
            FileJob::List { path } => {
                let inside = self.files.keys().filter(|file| file.parent() == Some(path));
                let names: Vec<_> = inside.filter_map(|file| file.file_name()).map(PathBuf::from).collect();
                let missing = || format!("open {}: no such file or directory", path.display());
                if names.is_empty() { Err(missing()) } else { Ok(FileDone::Listed(names)) }
            }
        };
        let id = self.number();
        self.reading.insert(id, (token, result));
        (id, self.slow.max(millis(1)))
    }

    pub(super) fn cancel_files(&mut self, token: Token) {
        self.reading.retain(|_, (other, _)| *other != token);
    }

    /// A job's time has come.
    pub(super) fn end(&mut self, id: u64) -> Option<Event> {
        if let Some((token, result)) = self.reading.remove(&id) {
            return Some(Event::FilesDone { token, result });
        }
        let (token, result) = self.running.remove(&id)?;
        Some(Event::JobDone { token, result: result? })
    }
}
