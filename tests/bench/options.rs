//! The command line of the benchmark.
//!
//! Owns the flags and the usage text. Does not act on them. Always true: what is not understood is an error. Worst case:
//! the arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::kinds::{Group, Mode};
use crate::wait::{Context, Outcome, ensure};

pub(crate) const USAGE: &str = "\
Speed and memory of redial beside frpc, through the same frps, interleaved in one run.

Usage: tests/run bench [--short] [-- OPTION...]
       REDIAL_PEERS=DIR cargo bench --bench tunnel -- [OPTION...]

  --short        one round of short windows, fewer modes: under two minutes
  --only LIST    of bulk,setup,ping,memory,cold,idle,sizes
  --mode LIST    of default,mux,nomux,mux-enc, for every group
  --rounds N     rounds of each window (5)
  --secs S       length of a window in seconds (2)
  --idle-secs S  time that the idle clients are watched (60)
  --json FILE    writes every single figure there too, one object a line

REDIAL_PEERS is the directory of frps-V and frpc-V (tests/peers makes it), V being the last release of tests/gate;
REDIAL_BIN is a program to measure in place of this build's redial.
The exit status says whether all went through and unharmed; no figure makes it fail.
";

/// See [`USAGE`].
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) short: bool,
    pub(crate) only: Vec<Group>,
    modes: Option<Vec<Mode>>,
    pub(crate) rounds: usize,
    /// Length of a window, and the time before it.
    pub(crate) window: Duration,
    pub(crate) warm: Duration,
    /// How long the idle clients are watched, and left alone before.
    pub(crate) idle: Duration,
    pub(crate) settle: Duration,
    pub(crate) json: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    Measure(Options),
    Help,
}

impl Options {
    fn new(short: bool) -> Self {
        let (rounds, window, warm, idle, settle) = if short { (1, 500, 200, 10, 3) } else { (5, 2000, 400, 60, 15) };
        Self {
            short,
            only: Group::ALL.to_vec(),
            modes: None,
            rounds,
            window: Duration::from_millis(window),
            warm: Duration::from_millis(warm),
            idle: Duration::from_secs(idle),
            settle: Duration::from_secs(settle),
            json: None,
        }
    }

    pub(crate) fn modes(&self, group: Group) -> Vec<Mode> {
        self.modes.clone().unwrap_or_else(|| group.modes(self.short).to_vec())
    }
}

/// Reads the arguments.
pub(crate) fn parse(arguments: Vec<OsString>) -> Outcome<Command> {
    let short = arguments.iter().any(|argument| argument == "--short");
    let mut options = Options::new(short);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            // The second is what cargo adds.
            Long("short" | "bench") => {}
            Long("only") => options.only = list(&text(&mut parser)?, Group::ALL, Group::name)?,
            Long("mode") => options.modes = Some(list(&text(&mut parser)?, Mode::ALL, Mode::name)?),
            Long("rounds") => options.rounds = text(&mut parser)?.parse().context("--rounds")?,
            Long("secs") => options.window = seconds(&text(&mut parser)?)?,
            Long("idle-secs") => options.idle = seconds(&text(&mut parser)?)?,
            Long("json") => options.json = Some(text(&mut parser)?.into()),
            Value(value) => return Err(format!("what is '{}'?", value.display())),
            other => return Err(other.unexpected().to_string()),
        }
    }
    ensure!(options.rounds > 0, "--rounds: at least one");
    Ok(Command::Measure(options))
}

fn text(parser: &mut lexopt::Parser) -> Outcome<String> {
    parser.value().and_then(|value| value.string()).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Outcome<Duration> {
    let seconds = text.parse::<f64>().context(format_args!("'{text}'"))?;
    ensure!((0.1..=3600.0).contains(&seconds), "'{text}': from 0.1 to 3600 seconds");
    Ok(Duration::from_secs_f64(seconds))
}

/// The values that the text names, separated by commas.
fn list<T: Copy>(text: &str, all: &[T], name: fn(T) -> &'static str) -> Outcome<Vec<T>> {
    let named = |word: &str| {
        let found = all.iter().copied().find(|value| name(*value) == word);
        let names = || all.iter().map(|value| name(*value)).collect::<Vec<_>>().join(",");
        found.ok_or_else(|| format!("what is '{word}'? There are {}", names()))
    };
    text.split(',').map(named).collect()
}
