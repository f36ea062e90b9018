//! Child processes: the peers, the program under test and the benchmark's own small programs.
//!
//! Owns each child and its log file. Does not read its output while it runs, so that nothing but the measured programs
//! works. Always true: a child is killed when its owner is dropped and, by the kernel, when the benchmark ends in any
//! other way, an interrupt or a kill included. Worst case: the log files, a few lines each.
//!
//! * *How does the kernel know?* A child is this program again (`run PARENT PROGRAM …`), which asks to be killed with its
//!   parent and then becomes PROGRAM. It also notes the time of that moment: the cold start is measured from it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::time::Duration;
use std::{env, str};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::clock;
use crate::site::Scratch;
use crate::wait::{Context, Outcome, ensure};

/// Last bytes of a log that a failure shows.
const TAIL: usize = 2000;

/// This program, to be started as one of the small ones.
pub(crate) fn this_program() -> Outcome<PathBuf> {
    env::current_exe().context("the path of this program")
}

/// A program that runs until it is dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    pub(crate) fn start<S: AsRef<OsStr>>(
        name: &str,
        scratch: &Scratch,
        program: &Path,
        arguments: &[S],
    ) -> Outcome<Self> {
        let log = scratch.path().join(format!("{name}.log"));
        let file = File::create(&log).context(log.display())?;
        let child = tethered(program)?
            .args(arguments)
            // What redial keeps from one run to the next goes with the scratch directory.
            .env("RUNTIME_DIRECTORY", scratch.path())
            .stdin(Stdio::null())
            .stderr(file.try_clone().context("a second handle of a log")?)
            .stdout(file)
            .spawn()
            .context(format_args!("starting {}", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        stop(&mut self.child);
    }

    /// Fails if it has ended.
    pub(crate) fn expect_alive(&mut self) -> Outcome {
        let ended = self.child.try_wait().context(format_args!("looking after {}", self.name))?;
        ensure!(ended.is_none(), "{} has ended: {ended:?}", self.name);
        Ok(())
    }

    /// The time at which it became the program that was to be started.
    pub(crate) fn started(&self) -> Outcome<Duration> {
        let text = fs::read_to_string(&self.log).context(self.log.display())?;
        let nanos = text.lines().next().and_then(|line| line.strip_prefix(STARTED)).ok_or("a log without a start")?;
        nanos.parse().map(Duration::from_nanos).context("the time of a start")
    }

    /// The end of its log, under its name.
    pub(crate) fn tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(TAIL)..]).into_owned();
        format!("--- {}\n{tail}", self.name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

fn stop(child: &mut Child) {
    let _ = child.kill(); // it may have ended by itself
    let _ = child.wait();
}

/// The figures that a load printed.
pub(crate) struct Figures(String);

impl Figures {
    pub(crate) fn get(&self, name: &str) -> Outcome<u64> {
        let words = self.0.split_whitespace().filter_map(|word| word.split_once('='));
        let found = words.filter(|(key, _)| *key == name).map(|(_, value)| value).next();
        let value = found.ok_or_else(|| format!("the load told no '{name}': {}", self.0))?;
        value.parse().context(name)
    }
}

/// A load that runs.
pub(crate) struct Load {
    child: Child,
    deadline: Duration,
    told: String,
}

impl Load {
    /// Starts `load` with the words; `limit` is for all it does.
    pub(crate) fn start(words: &[String], limit: Duration) -> Outcome<Self> {
        let child = tethered(&this_program()?)?
            .arg("load")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a load")?;
        let mut load = Self { child, deadline: clock::now() + limit, told: String::new() };
        let started = load.line()?;
        ensure!(started.starts_with(STARTED), "a load began with '{started}'");
        Ok(load)
    }

    /// The next line it prints, within its time limit.
    fn line(&mut self) -> Outcome<String> {
        let stdout = self.child.stdout.as_mut().ok_or("a load without an output")?;
        loop {
            if let Some((line, rest)) = self.told.split_once('\n') {
                let line = line.to_owned();
                self.told = rest.to_owned();
                return Ok(line);
            }
            let left = self.deadline.saturating_sub(clock::now());
            let limit = Timespec::try_from(left).context("a time limit")?;
            let ready = poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)], Some(&limit));
            ensure!(ready.context("waiting for a load")? > 0, "a load did not end in time");
            let mut chunk = [0; 512];
            let read = stdout.read(&mut chunk).context("reading what a load tells")?;
            ensure!(read > 0, "a load ended without a word");
            self.told += str::from_utf8(&chunk[..read]).context("what a load tells")?;
        }
    }

    /// What it has measured; for loads that go on, that they are where they are to be.
    pub(crate) fn figures(&mut self) -> Outcome<Figures> {
        let line = self.line()?;
        match line.strip_prefix(FAILED) {
            Some(failure) => Err(failure.to_owned()),
            None => Ok(Figures(line)),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Before the time at which a child became its program.
const STARTED: &str = "started=";
/// Before the text of a failure.
const FAILED: &str = "failed: ";

/// Tells the benchmark of a failure of a small program.
pub(crate) fn tell_failure(failure: &str) {
    println!("{FAILED}{failure}");
}

/// `run PARENT PROGRAM …`, but for the words after PROGRAM.
fn tethered(program: &Path) -> Outcome<Command> {
    let mut command = Command::new(this_program()?);
    // An empty environment, as in the end-to-end tests: nobody's settings reach the programs.
    command.env_clear().arg("run").arg(process::id().to_string()).arg(program);
    Ok(command)
}

/// Becomes the program that the words name, which will not outlive the benchmark.
pub(crate) fn become_program(words: &[OsString]) -> Outcome {
    let [parent, program, arguments @ ..] = words else { return Err("run: words are missing".into()) };
    set_parent_process_death_signal(Some(Signal::KILL)).context("asking to end with the benchmark")?;
    let of_benchmark = getppid().is_some_and(|pid| OsStr::new(&pid.as_raw_nonzero().to_string()) == parent);
    ensure!(of_benchmark, "the benchmark has ended already");
    println!("{STARTED}{}", clock::now().as_nanos());
    let error: io::Error = Command::new(program).args(arguments).exec();
    Err(format!("becoming {}: {error}", Path::new(program).display()))
}
