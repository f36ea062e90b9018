//! A child process and the lines it writes: frps and the program under test alike.
//!
//! Two threads read its standard output and error into one list; waits sleep on a condition variable until a line comes
//! or both ends are closed. The process is killed when dropped.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{Context, Outcome, ensure};

/// Lines of a log that a failure shows.
const TAIL: usize = 40;

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    open_ends: usize,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    news: Condvar,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a log: only what comes after it counts.
#[derive(Clone, Copy)]
pub(crate) struct Mark(usize);

impl Mark {
    pub(crate) const START: Self = Self(0);
}

pub(crate) struct Process {
    name: String,
    child: Child,
    shared: Arc<Shared>,
}

impl Process {
    /// Starts `program -c config` with an empty environment, as frp's own tests do in part; but what redial keeps from
    /// one run to the next is beside the configuration, and goes with it.
    pub(crate) fn start(name: &str, program: &Path, config: &Path) -> Outcome<Self> {
        let mut child = Command::new(program)
            .arg("-c")
            .arg(config)
            .env_clear()
            .envs(config.parent().map(|dir| ("RUNTIME_DIRECTORY", dir)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context(format_args!("starting {}", program.display()))?;
        let shared = Arc::new(Shared::default());
        shared.log().open_ends = 2;
        follow(child.stdout.take(), &shared);
        follow(child.stderr.take(), &shared);
        Ok(Self { name: name.to_owned(), child, shared })
    }

    /// The end of its log so far.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.shared.log().lines.len())
    }

    /// How many lines after `from` hold `text`.
    pub(crate) fn count(&self, from: Mark, text: &str) -> usize {
        self.shared.log().lines[from.0..].iter().filter(|line| line.contains(text)).count()
    }

    /// The first line after `from` that holds `text`, if it is there.
    pub(crate) fn line(&self, from: Mark, text: &str) -> Option<String> {
        self.shared.log().lines[from.0..].iter().find(|line| line.contains(text)).cloned()
    }

    /// All lines that begin with `start`.
    pub(crate) fn lines(&self, start: &str) -> Vec<String> {
        self.shared.log().lines.iter().filter(|line| line.starts_with(start)).cloned().collect()
    }

    /// Waits for a line after `from` that holds `text`; the place behind it.
    pub(crate) fn expect(&self, from: Mark, text: &str, limit: Duration) -> Outcome<Mark> {
        self.expect_times(1, from, text, limit)
    }

    /// Waits until `times` lines after `from` hold `text`; the place behind the last of them.
    pub(crate) fn expect_times(&self, times: usize, from: Mark, text: &str, limit: Duration) -> Outcome<Mark> {
        let (mut at, mut found) = (from.0, 0);
        self.wait(limit, &format!("{times} x \"{text}\""), |log| {
            while at < log.lines.len() && found < times {
                found += usize::from(log.lines[at].contains(text));
                at += 1;
            }
            found == times
        })?;
        Ok(Mark(at))
    }

    /// Waits for a line that holds one of the texts.
    pub(crate) fn expect_any(&self, texts: &[&str], limit: Duration) -> Outcome {
        let what = texts.join("\" or \"");
        self.wait(limit, &format!("\"{what}\""), |log| {
            log.lines.iter().any(|line| texts.iter().any(|text| line.contains(text)))
        })
    }

    /// Waits until every text has come in a line after `from`, in any order.
    pub(crate) fn expect_all(&self, mut texts: Vec<String>, from: Mark, limit: Duration) -> Outcome {
        let mut at = from.0;
        let what = texts.join("\", \"");
        self.wait(limit, &format!("all of \"{what}\""), |log| {
            for line in &log.lines[at..] {
                texts.retain(|text| !line.contains(text.as_str()));
            }
            at = log.lines.len();
            texts.is_empty()
        })
    }

    /// Waits for the process to end by itself.
    pub(crate) fn expect_exit(&mut self, limit: Duration) -> Outcome<ExitStatus> {
        let deadline = Instant::now() + limit;
        let mut log = self.shared.log();
        while log.open_ends > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "{} did not end within {limit:?}", self.name);
            log = self.shared.news.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(log);
        self.child.wait().context(format_args!("waiting for {}", self.name))
    }

    /// Fails if the process has ended.
    pub(crate) fn expect_alive(&mut self) -> Outcome {
        let ended = self.child.try_wait().context(format_args!("looking after {}", self.name))?;
        ensure!(ended.is_none(), "{} has ended: {ended:?}", self.name);
        Ok(())
    }

    fn wait(&self, limit: Duration, what: &str, mut met: impl FnMut(&Log) -> bool) -> Outcome {
        let deadline = Instant::now() + limit;
        let mut log = self.shared.log();
        while !met(&log) {
            ensure!(log.open_ends > 0, "{} ended; awaited from it: {what}", self.name);
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "not within {limit:?} from {}: {what}", self.name);
            log = self.shared.news.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome {
        kill_process(Pid::from_child(&self.child), signal).context(format_args!("signal to {}", self.name))
    }

    /// Open file descriptors.
    pub(crate) fn descriptors(&self) -> Outcome<usize> {
        let dir = format!("/proc/{}/fd", self.child.id());
        Ok(fs::read_dir(&dir).context(dir)?.count())
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> Outcome<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&file).context(&file)?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB"));
        size.ok_or_else(|| format!("{file} has no VmRSS"))?.trim().parse().context(file)
    }

    /// The last lines it wrote, under its name.
    pub(crate) fn tail(&self) -> String {
        let log = self.shared.log();
        let from = log.lines.len().saturating_sub(TAIL);
        let left_out = if from > 0 { format!(" ({from} lines before these)") } else { String::new() };
        format!("--- {}{left_out}\n{}\n", self.name, log.lines[from..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// Appends every line of `end` to the log, on a thread that ends with it.
fn follow(end: Option<impl Read + Send + 'static>, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut reader = end.map(BufReader::new);
        let mut line = Vec::new();
        while reader.as_mut().is_some_and(|reader| matches!(reader.read_until(b'\n', &mut line), Ok(1..))) {
            shared.log().lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            shared.news.notify_all();
            line.clear();
        }
        shared.log().open_ends -= 1;
        shared.news.notify_all();
    });
}
