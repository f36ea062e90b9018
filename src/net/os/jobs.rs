//! Child processes as tasks of the loop.
//!
//! Owns the children, their pipes, and the bell that rings when one ends. Does not know what they are for, and sets no
//! deadline. Always true: each child leads a process group of its own, so that a kill reaches what it has started; each
//! is waited for, also when it was killed; no descriptor of ours reaches it but its three pipes. Worst case: [`MAX_JOBS`]
//! children, 3 descriptors each and 2 for the bell, and their output as bounded by [`Job`].
//!
//! Why is it so?
//! * *Why SIGCHLD and not a pidfd?* Routers run kernels older than 5.3. The bell says only that some child has ended; each
//!   of ours is asked, and nobody else's is waited for.
//! * *Why is a job over when its process is, though others may hold its output?* What it wrote is in the pipe by then. A
//!   helper that it left in the background (an agent) would hold us up for ever.
//! * *Why does starting one not block?* The child shares our memory until it runs its program (vfork, by `posix_spawn`):
//!   a millisecond on a router, and no copy of page tables.

use super::super::job::{Job, JobError, MAX_JOBS, MAX_STDERR, Output, Status};
use super::super::{Event, FileDone, FileJob, Token};
use super::files;
use super::signal::Bell;
use crate::proto::time::Instant;
use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Poll tokens from the first one on: 4 a job, and the bell's.
pub(super) const TOKENS: usize = 4 * MAX_JOBS + 1;
const BELL: usize = 4 * MAX_JOBS;
const STDIN: usize = 0;
const STDOUT: usize = 1;
const STDERR: usize = 2;

/// What is done with the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// It is an [`Event::JobDone`].
    Caller,
    /// It is an [`Event::FilesDone`].
    Files,
}

struct Running {
    child: Child,
    token: Token,
    purpose: For,
    stdin: Option<Sender>,
    input: Vec<u8>,
    written: usize,
    stdout: Option<Receiver>,
    output: Vec<u8>,
    max_output: usize,
    stderr: Option<Receiver>,
    errors: Vec<u8>,
    /// All that came on standard error.
    grumbled: usize,
    /// It was killed: nobody waits for its outcome.
    killed: bool,
    /// Why it was killed, if that is still to be told.
    error: Option<JobError>,
}

/// See the module.
pub(super) struct Jobs {
    first_token: usize,
    slots: [Option<Box<Running>>; MAX_JOBS],
    bell: Option<Bell>,
    /// What does file jobs; `None`: they are done on the spot.
    helper: Option<PathBuf>,
    done: Vec<Event>,
}

impl Jobs {
    pub(super) fn new(first_token: usize) -> Self {
        Self { first_token, slots: Default::default(), bell: None, helper: None, done: Vec::new() }
    }

    pub(super) fn use_helper(&mut self, program: PathBuf) {
        self.helper = Some(program);
    }

    /// As [`super::Net::spawn`].
    pub(super) fn spawn(&mut self, registry: &Registry, job: Job, token: Token) -> io::Result<()> {
        self.start(registry, job, token, For::Caller)
    }

    /// As [`super::Net::files`].
    pub(super) fn files(&mut self, registry: &Registry, job: &FileJob, token: Token) {
        if let Some(program) = &self.helper {
            let process = files::process(program, job);
            match self.start(registry, process, token, For::Files) {
                Ok(()) => return,
                // Too many: they hang, it seems, and so might we.
                Err(e) if e.kind() == io::ErrorKind::Other => return self.files_done(token, Err(e.to_string())),
                Err(e) => {
                    log::debug!("no process for files: {e}; they are read and written on the spot");
                    self.helper = None;
                }
            }
        }
        self.files_done(token, files::perform(job));
    }

    fn files_done(&mut self, token: Token, result: Result<FileDone, String>) {
        self.done.push(Event::FilesDone { token, result });
    }

    /// When [`Jobs::drain`] is to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.done.is_empty()).then_some(Instant::ZERO)
    }

    fn start(&mut self, registry: &Registry, job: Job, token: Token, purpose: For) -> io::Result<()> {
        let Some(index) = self.slots.iter().position(Option::is_none) else {
            return Err(io::Error::other("too many child processes at once"));
        };
        // Before the child: its end must not be missed.
        if self.bell.is_none() {
            let mut bell = Bell::for_children()?;
            registry.register(bell.source(), mio::Token(self.first_token + BELL), Interest::READABLE)?;
            self.bell = Some(bell);
        }
        let mut command = Command::new(&job.program);
        // What systemd has said to us is not for them.
        for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        command.args(&job.args).envs(job.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut running = Box::new(Running {
            child,
            token,
            purpose,
            stdin: stdin.map(Sender::from),
            input: job.stdin,
            written: 0,
            stdout: stdout.map(Receiver::from),
            output: Vec::new(),
            max_output: job.max_output,
            stderr: stderr.map(Receiver::from),
            errors: Vec::new(),
            grumbled: 0,
            killed: false,
            error: None,
        });
        let watched = running.watch(registry, self.first_token + 4 * index);
        if watched.is_err() {
            running.kill();
        } else {
            running.write();
        }
        // Also one that is of no use: it has to be waited for.
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some(running);
        }
        watched
    }

    /// As [`super::Net::kill_job`].
    pub(super) fn kill(&mut self, token: Token) {
        self.done.retain(|done| !matches!(done, Event::JobDone { token: other, .. } if *other == token));
        self.end(token, For::Caller);
    }

    /// As [`super::Net::cancel_files`].
    pub(super) fn cancel_files(&mut self, token: Token) {
        self.done.retain(|done| !matches!(done, Event::FilesDone { token: other, .. } if *other == token));
        self.end(token, For::Files);
    }

    fn end(&mut self, token: Token, purpose: For) {
        for running in self.slots.iter_mut().flatten().filter(|r| r.token == token && r.purpose == purpose) {
            running.kill();
            running.error = None;
        }
    }

    /// A pipe can be used, or the bell rang. `token` counts from the first one.
    pub(super) fn on_event(&mut self, token: usize) {
        if token == BELL {
            self.bell.iter_mut().for_each(Bell::silence);
            self.reap();
            return;
        }
        let Some(running) = self.slots.get_mut(token / 4).and_then(Option::as_mut) else { return };
        match token % 4 {
            STDIN => running.write(),
            STDOUT => running.read(),
            _ => running.read_errors(),
        }
    }

    /// Adds what has ended since the last call.
    pub(super) fn drain(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.done);
    }

    /// Asks each child whether it has ended.
    fn reap(&mut self) {
        for slot in &mut self.slots {
            let Some(running) = slot else { continue };
            let ended = match running.child.try_wait() {
                Ok(None) => continue,
                Ok(Some(status)) => Ok(status),
                Err(e) => Err(JobError::Lost(e.to_string())),
            };
            if let Some(mut running) = slot.take() {
                // What it wrote last is still in the pipes.
                running.read();
                running.read_errors();
                let (killed, token, purpose) = (running.killed, running.token, running.purpose);
                let result = match running.error.take() {
                    Some(error) => Err(error),
                    None if killed => continue,
                    None => ended.map(|status| running.output(status)),
                };
                self.done.push(match purpose {
                    For::Caller => Event::JobDone { token, result },
                    For::Files => Event::FilesDone { token, result: files::outcome(result) },
                });
            }
        }
    }
}

/// Nobody will be there to read what they say.
impl Drop for Jobs {
    fn drop(&mut self) {
        self.slots.iter_mut().flatten().for_each(|running| running.kill());
    }
}

impl Running {
    fn watch(&mut self, registry: &Registry, first: usize) -> io::Result<()> {
        if let Some(pipe) = &mut self.stdin {
            pipe.set_nonblocking(true)?;
            registry.register(pipe, mio::Token(first + STDIN), Interest::WRITABLE)?;
        }
        for (pipe, which) in [(&mut self.stdout, STDOUT), (&mut self.stderr, STDERR)] {
            if let Some(pipe) = pipe {
                pipe.set_nonblocking(true)?;
                registry.register(pipe, mio::Token(first + which), Interest::READABLE)?;
            }
        }
        Ok(())
    }

    /// Writes what fits, and ends the input after the last byte.
    fn write(&mut self) {
        while let Some(pipe) = &mut self.stdin {
            let rest = self.input.get(self.written..).unwrap_or_default();
            match pipe.write(rest) {
                _ if rest.is_empty() => self.end_input(),
                Ok(n) if n > 0 => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // It reads no more: that is its own affair.
                Ok(_) | Err(_) => self.end_input(),
            }
        }
    }

    fn end_input(&mut self) {
        (self.stdin, self.input) = (None, Vec::new());
    }

    fn read(&mut self) {
        if drain(&mut self.stdout, &mut self.output, self.max_output.saturating_add(1)) {
            self.kill();
            self.error = Some(JobError::TooMuch);
        }
    }

    /// The first ones are kept, the others must not hold it up.
    fn read_errors(&mut self) {
        loop {
            let more = drain(&mut self.stderr, &mut self.errors, MAX_STDERR + READ);
            self.grumbled += self.errors.len().saturating_sub(MAX_STDERR);
            self.errors.truncate(MAX_STDERR);
            if self.grumbled > MAX_GRUMBLE {
                self.kill();
                self.error = Some(JobError::TooMuch);
            }
            if !more {
                return;
            }
        }
    }

    /// Ends the process and those of its group. It has not been waited for, so the group is still its own.
    fn kill(&mut self) {
        self.end_input();
        (self.stdout, self.stderr, self.output, self.errors) = (None, None, Vec::new(), Vec::new());
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && !core::mem::replace(&mut self.killed, true)
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    fn output(&mut self, status: ExitStatus) -> Output {
        let (stdout, stderr) = (core::mem::take(&mut self.output), core::mem::take(&mut self.errors));
        let status =
            status.code().map_or_else(|| Status::Signalled(status.signal().unwrap_or_default()), Status::Exited);
        Output { status, stdout, stderr }
    }
}

/// Bytes that are read of standard error in all: beyond, something is wrong with it.
const MAX_GRUMBLE: usize = 1024 * 1024;
/// Bytes taken in one call.
const READ: usize = 4096;

/// Reads what is there, until `into` holds `limit` bytes; true once that is reached: there may be more.
fn drain(pipe: &mut Option<Receiver>, into: &mut Vec<u8>, limit: usize) -> bool {
    let mut chunk = [0; READ];
    while let Some(open) = pipe {
        let room = limit.saturating_sub(into.len()).min(READ);
        if room == 0 {
            return true;
        }
        match open.read(chunk.get_mut(..room).unwrap_or_default()) {
            Ok(n) if n > 0 => into.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
            Ok(_) | Err(_) => *pipe = None,
        }
    }
    false
}

#[cfg(test)]
mod tests;
