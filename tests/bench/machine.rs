//! What the figures depend on: the machine, the versions, and what else the machine did meanwhile.
//!
//! Owns the readings of /proc and the clock on the wall. Does not measure a client beyond what /proc says of it. Always
//! true: a share of other work is what the whole machine did less what the benchmark's own processes did. Worst case: a
//! few pages of text.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, fs};

use rustix::system::{sysinfo, uname};

use crate::chain::Chain;
use crate::clock;
use crate::wait::{Context, Outcome};

/// Of the counts in /proc/stat; Linux shows them in this unit whatever its own is.
const TICKS_PER_SECOND: u64 = 100;

fn text_of(path: impl AsRef<Path>) -> Outcome<String> {
    let path = path.as_ref();
    fs::read_to_string(path).context(path.display())
}

pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Time of all cores that was not idle, since the start of the machine; what others took from a virtual one included.
fn busy() -> Outcome<Duration> {
    let text = text_of("/proc/stat")?;
    let counts: Vec<u64> = text.split_whitespace().skip(1).take(8).map_while(|word| word.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, hard, soft, stolen] = counts[..] else {
        return Err("/proc/stat does not begin as expected".into());
    };
    let ticks = user + nice + system + hard + soft + stolen;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// A moment, to be compared with a later one.
pub(crate) struct Moment {
    at: Duration,
    busy: Duration,
    own: Duration,
}

impl Moment {
    pub(crate) fn now(chains: &[Chain]) -> Outcome<Self> {
        let own = chains.iter().map(Chain::cpu).sum::<Outcome<Duration>>()? + clock::cpu_of_self()?;
        Ok(Self { at: clock::now(), busy: busy()?, own })
    }

    /// Share of the machine that other work has taken since then; `load` is what a load took that has ended.
    pub(crate) fn others_since(&self, chains: &[Chain], load: Duration) -> Outcome<f64> {
        let now = Self::now(chains)?;
        let own = now.own.saturating_sub(self.own) + load;
        let others = now.busy.saturating_sub(self.busy).saturating_sub(own);
        Ok(others.as_secs_f64() / (now.at.saturating_sub(self.at).as_secs_f64() * cores() as f64))
    }
}

/// What a process has; sizes in KiB.
pub(crate) struct Holdings {
    pub(crate) resident: u64,
    pub(crate) anonymous: u64,
    pub(crate) peak: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Holdings {
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        let sizes = text_of(format!("/proc/{pid}/smaps_rollup"))?;
        let status = text_of(format!("/proc/{pid}/status"))?;
        let dir = format!("/proc/{pid}/fd");
        Ok(Self {
            resident: field(&sizes, "Rss")?,
            anonymous: field(&sizes, "Anonymous")?,
            peak: field(&status, "VmHWM")?,
            threads: field(&status, "Threads")?,
            descriptors: fs::read_dir(&dir).context(dir)?.count() as u64,
        })
    }
}

/// The number behind `name:`.
fn field(text: &str, name: &str) -> Outcome<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let word = line.and_then(|line| line.split_whitespace().next()).ok_or_else(|| format!("no {name} in /proc"))?;
    word.parse().context(name)
}

/// Counts how often a process went to sleep of its own accord, and so was woken.
pub(crate) struct Wakeups {
    pid: u32,
    /// Of each thread, when last looked at; a thread takes its count along when it ends.
    last: HashMap<String, u64>,
    pub(crate) count: u64,
}

impl Wakeups {
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        let mut wakeups = Self { pid, last: HashMap::new(), count: 0 };
        wakeups.look()?;
        wakeups.count = 0;
        Ok(wakeups)
    }

    /// Adds what has come since the last look.
    pub(crate) fn look(&mut self) -> Outcome {
        let dir = format!("/proc/{}/task", self.pid);
        for entry in fs::read_dir(&dir).context(dir)?.flatten() {
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue }; // it has just ended
            let count = field(&status, "voluntary_ctxt_switches")?;
            let before = self.last.insert(entry.file_name().to_string_lossy().into_owned(), count);
            self.count += count.saturating_sub(before.unwrap_or(0));
        }
        Ok(())
    }
}

/// The lines above the table.
pub(crate) fn head(redial: &Path, frpc: &Path, frps: &Path) -> Outcome<String> {
    let (system, cpu) = (uname(), text_of("/proc/cpuinfo")?);
    let model = cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    Ok(format!(
        "{}: {} beside {}, through {}\n{} {} {}, {} cores ({}), load {:.2}, ports of outgoing connections {}{}",
        date()?,
        version(redial)?,
        named("frpc", &version(frpc)?),
        named("frps", &version(frps)?),
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.machine().to_string_lossy(),
        cores(),
        model.unwrap_or("model unknown"),
        sysinfo().loads[0] as f64 / 65536.0,
        text_of("/proc/sys/net/ipv4/ip_local_port_range")?.split_whitespace().collect::<Vec<_>>().join("-"),
        env::var("REDIAL_BIN").map_or_else(|_| String::new(), |path| format!("\nredial is {path}")),
    ))
}

fn named(name: &str, version: &str) -> String {
    format!("{name} {version}")
}

/// What a program says to `version` (redial), or to `--version` (frpc, which has no such command); first line.
fn version(program: &Path) -> Outcome<String> {
    let ask = |word: &str| Command::new(program).arg(word).output();
    let output = ask("version")
        .and_then(|said| if said.status.success() { Ok(said) } else { ask("--version") })
        .context(program.display())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or("of unknown version").trim().to_owned())
}

fn date() -> Outcome<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("a clock before 1970")?;
    let seconds = i64::try_from(since.as_secs()).context("a clock far ahead")?;
    let date = tz::UtcDateTime::from_timespec(seconds, 0).context("the date")?;
    let (hour, minute) = (date.hour(), date.minute());
    Ok(format!("{:04}-{:02}-{:02} {hour:02}:{minute:02} UTC", date.year(), date.month(), date.month_day()))
}
