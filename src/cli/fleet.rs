//! `--config-dir`: a client for each file of a directory.
//!
//! Owns the child processes, one a file, which run this program with `--config FILE`; hands the signals it gets on to them,
//! and waits for their end. Does not start one again: that is for who started us. Always true: the exit code is 0, as with
//! frpc; no more than [`MOST`] files, [`DEEP`] directories down; a child ends with its parent. Worst case: one process a
//! file (each with a client's memory).
//!
//! Why is it so?
//! * *Why processes?* A client is one loop with its own memory budget, log and state file; what goes wrong with one file
//!   leaves the others alone.

use super::command::Invocation;
use super::notify::{self, Notify};
use super::print;
use crate::proto::time::{Instant, millis};
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use rustix::time::{ClockId, clock_gettime};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::fs;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
#[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Files that are run.
const MOST: usize = 64;
/// Directories below each other that are looked into.
const DEEP: usize = 16;
/// Tells a child the process that started it.
const PARENT: &str = "REDIAL_PARENT";

const HANDED_ON: [(i32, Signal); 5] = [
    (SIGTERM, Signal::TERM),
    (SIGINT, Signal::INT),
    (SIGHUP, Signal::HUP),
    (SIGUSR1, Signal::USR1),
    (SIGUSR2, Signal::USR2),
];

/// In a child: ends with its parent from now on. Does nothing elsewhere.
pub(super) fn join() {
    let Some(parent) = std::env::var(PARENT).ok().and_then(|pid| pid.parse::<i32>().ok()) else { return };
    let ours = || getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    // The variable may have come down to a process that is no child of the fleet.
    if ours() && set_parent_process_death_signal(Some(Signal::TERM)).is_ok() && !ours() {
        let _ = kill_process(rustix::process::getpid(), Signal::TERM);
    }
}

/// Runs them to their end.
pub(super) fn run(dir: &str, said: &Invocation) -> ExitCode {
    let mut files = Vec::new();
    collect(Path::new(dir), DEEP, &mut files);
    if files.len() > MOST {
        print(&format!("{dir} has more than {MOST} files: no more than {MOST} are run"));
        files.truncate(MOST);
    }
    match Fleet::start(&files, said).and_then(Fleet::wait) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            print(&format!("cannot run the files of {dir}: {e}"));
            ExitCode::FAILURE
        }
    }
}

/// Everything that is no directory, in frpc's order.
fn collect(dir: &Path, deep: usize, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if directory && deep > 1 {
            collect(&entry.path(), deep - 1, out);
        } else if !directory && out.len() <= MOST {
            out.push(entry.path());
        }
    }
}

struct Fleet {
    children: Vec<(PathBuf, Child)>,
    wake: UnixStream,
    #[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
    flags: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Fleet {
    fn start(files: &[PathBuf], said: &Invocation) -> io::Result<Self> {
        // The handlers first: no signal and no end of a child may be missed.
        let (wake, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        let mut flags = Vec::with_capacity(HANDED_ON.len());
        for (number, signal) in HANDED_ON {
            #[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(number, flag.clone())?;
            signal_hook::low_level::pipe::register(number, theirs.try_clone()?)?;
            flags.push((signal, flag));
        }
        signal_hook::low_level::pipe::register(SIGCHLD, theirs)?;
        let mut children = Vec::with_capacity(files.len());
        for file in files {
            match command(file, said).spawn() {
                Ok(child) => children.push((file.clone(), child)),
                Err(e) => {
                    print(&format!("cannot start a process: {e}"));
                    failed(file);
                }
            }
        }
        Ok(Self { children, wake, flags })
    }

    fn wait(mut self) -> io::Result<()> {
        let mut bytes = [0; 64];
        let mut notify = Notify::new();
        notify.ready();
        loop {
            for (signal, _) in self.flags.iter().filter(|(_, flag)| flag.swap(false, Ordering::Relaxed)) {
                for pid in self.children.iter().filter_map(|(_, child)| i32::try_from(child.id()).ok()) {
                    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, *signal));
                }
            }
            self.children.retain_mut(|(file, child)| match child.try_wait() {
                Ok(None) => true,
                Ok(Some(status)) => {
                    if !status.success() {
                        failed(file);
                    }
                    false
                }
                Err(_) => {
                    failed(file);
                    false
                }
            });
            if self.children.is_empty() {
                notify.stopping();
                return Ok(());
            }
            let now = now();
            notify.status(&format!("{} clients", self.children.len()));
            notify.turn(now);
            // Only the watchdog needs us to wake by ourselves.
            let pause = notify.deadline().map(|due| due.since(now).max(millis(1)));
            self.wake.set_read_timeout(pause)?;
            match self.wake.read(&mut bytes) {
                Ok(_) => {}
                Err(e) if [io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock].contains(&e.kind()) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// There is no loop here to take the time from.
fn now() -> Instant {
    let now = clock_gettime(ClockId::Monotonic);
    let (secs, micros) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec / 1000));
    Instant::from_micros(secs.unwrap_or_default().saturating_mul(1_000_000).saturating_add(micros.unwrap_or_default()))
}

/// frpc's words.
fn failed(file: &Path) {
    print(&format!("frpc service error for config file [{}]", file.display()));
}

/// This program with one file.
fn command(file: &Path, said: &Invocation) -> Command {
    // What runs, even if its file was replaced.
    let mut command = Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    command.arg("--config").arg(file).arg(format!("--strict-config={}", said.flag("strict-config")));
    let unsafe_features = said.list("allow-unsafe").join(",");
    if !unsafe_features.is_empty() {
        command.arg(format!("--allow-unsafe={unsafe_features}"));
    }
    // Those are meant for us.
    for name in notify::VARIABLES {
        command.env_remove(name);
    }
    command.env(PARENT, std::process::id().to_string());
    command
}

#[cfg(test)]
mod tests;
