//! The load: `load WHAT PORT …`, in a process of its own so that its CPU time is nobody else's.
//!
//! Owns the command line of the loads and the window in which they measure; what they do is in the files below this one.
//! Does not judge what it measures. Always true: the CPU clock of the client is read at the very ends of the window, by
//! who measures. Worst case: 8 bytes a measured request.

mod bulk;
mod first;
mod hold;
mod ping;
mod setup;

use std::time::Duration;

use crate::clock;
use crate::wait::{Context, Outcome};

/// At most so long between two looks at the clock.
const GLANCE: Duration = Duration::from_millis(20);

/// Where a load goes, whose CPU time it reads and when.
pub(crate) struct Target {
    /// The public port.
    port: u16,
    /// The port of the service itself.
    service: u16,
    /// Process id of the client.
    client: u32,
    /// Time before the window.
    warm: Duration,
    /// Length of the window.
    window: Duration,
}

impl Target {
    fn parse(arguments: &Arguments<'_>) -> Outcome<Self> {
        Ok(Self {
            port: arguments.number(1)?,
            service: arguments.number(2)?,
            client: arguments.number(3)?,
            warm: Duration::from_millis(arguments.number(4)?),
            window: Duration::from_millis(arguments.number(5)?),
        })
    }
}

/// The words after `load`.
struct Arguments<'a>(&'a [String]);

impl Arguments<'_> {
    fn word(&self, index: usize) -> Outcome<&str> {
        self.0.get(index).map(String::as_str).ok_or_else(|| format!("load {}: a word is missing", self.0.join(" ")))
    }

    fn number<T: TryFrom<u64>>(&self, index: usize) -> Outcome<T>
    where
        T::Error: std::fmt::Display,
    {
        let word = self.word(index)?;
        let number: u64 = word.parse().context(format_args!("'{word}'"))?;
        T::try_from(number).context(format_args!("'{word}'"))
    }
}

/// Runs the load that the words name; its figures are printed as `NAME=NUMBER`.
pub(crate) fn run(words: &[String]) -> Outcome {
    let arguments = Arguments(words);
    match arguments.word(0)? {
        "bulk" => bulk::run(&Target::parse(&arguments)?, arguments.word(6)? == "down", arguments.number(7)?),
        "ping" => ping::run(&Target::parse(&arguments)?, arguments.number(6)?),
        "setup" => setup::run(&Target::parse(&arguments)?, arguments.number(6)?),
        "hold" => hold::run(arguments.number(1)?, arguments.number(2)?),
        "first" => first::run(arguments.number(1)?, Duration::from_millis(arguments.number(2)?)),
        other => Err(format!("no load is called '{other}'")),
    }
}

/// The time in which a load is measured.
struct Window {
    opens: Duration,
    length: Duration,
    client: u32,
    /// Clock and CPU clock when it opened.
    opened: Option<(Duration, Duration)>,
}

/// What a look at the clock may say.
enum Edge {
    Opened,
    Closed { length: Duration, cpu: Duration },
}

impl Window {
    /// The warm-up begins now.
    fn new(target: &Target) -> Self {
        Self { opens: clock::now() + target.warm, length: target.window, client: target.client, opened: None }
    }

    fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// How long to wait for events at most.
    fn glance(&self) -> Duration {
        GLANCE.min(self.next().saturating_sub(clock::now()))
    }

    fn next(&self) -> Duration {
        self.opened.map_or(self.opens, |(opened, _)| opened + self.length)
    }

    /// Says so once when it opens and once when it closes; `settle` is done right before the clocks are read.
    fn look(&mut self, settle: impl FnOnce() -> Outcome) -> Outcome<Option<Edge>> {
        if clock::now() < self.next() {
            return Ok(None);
        }
        settle()?;
        let (now, cpu) = (clock::now(), clock::cpu_of(self.client)?);
        let Some((opened, before)) = self.opened else {
            self.opened = Some((now, cpu));
            return Ok(Some(Edge::Opened));
        };
        Ok(Some(Edge::Closed { length: now.saturating_sub(opened), cpu: cpu.saturating_sub(before) }))
    }
}

/// Prints the figures, and what the load itself took.
fn tell(figures: &[(&str, u64)]) -> Outcome {
    let own = ("load_cpu", nanos(clock::cpu_of_self()?));
    let words: Vec<_> = figures.iter().chain([&own]).map(|(name, value)| format!("{name}={value}")).collect();
    println!("{}", words.join(" "));
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The middle one of the times, in nanoseconds; 0 if there is none.
fn median(mut times: Vec<u64>) -> u64 {
    if times.is_empty() {
        return 0;
    }
    let middle = times.len() / 2;
    *times.select_nth_unstable(middle).1
}
