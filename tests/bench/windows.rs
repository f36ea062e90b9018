//! What is measured while a load runs, interleaved: bulk, set-up, ping-pong.
//!
//! Owns the cases and the order of the windows. Does not generate load: that is [`crate::load`]. Always true: within a
//! round every chain has its window of a case right after one another's, and the order turns with every round. Worst
//! case: all chains at once, of which one works.

use std::time::Duration;

use crate::chain::Chain;
use crate::check::check;
use crate::child::{Figures, Load};
use crate::kinds::{Group, Kind};
use crate::machine::Moment;
use crate::options::Options;
use crate::report::{Figure, Report};
use crate::wait::{Context, Outcome};

/// A case: its name, the load, and the words that follow the window's.
type Case = (&'static str, &'static str, &'static [&'static str]);

const BULK: &[Case] = &[
    ("dl1", "bulk", &["down", "1"]),
    ("dl8", "bulk", &["down", "8"]),
    ("ul1", "bulk", &["up", "1"]),
    ("ul8", "bulk", &["up", "8"]),
];
const SETUP: &[Case] = &[("serial", "setup", &["1"]), ("16 at once", "setup", &["16"])];
const PING: &[Case] = &[("1 connection", "ping", &["1"]), ("50 connections", "ping", &["50"])];

/// Beyond the window and the warm-up: starting the load, opening its connections.
const SLACK: Duration = Duration::from_secs(60);

/// Measures the cases of the group; what went wrong goes into `failures`.
pub(crate) fn measure(group: Group, options: &Options, report: &mut Report, failures: &mut Vec<String>) -> Outcome {
    let cases = match group {
        Group::Bulk => BULK,
        Group::Setup => SETUP,
        _ => PING,
    };
    let kinds = Kind::all(&options.modes(group), true);
    let mut chains = kinds.into_iter().map(Chain::start).collect::<Outcome<Vec<_>>>()?;
    failures.extend(chains.iter_mut().filter_map(|chain| check(chain).err()));
    for round in 0..options.rounds {
        for case in cases {
            let mut order: Vec<Kind> = chains.iter().map(|chain| chain.kind).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for kind in order {
                let Some(index) = chains.iter().position(|chain| chain.kind == kind) else { continue };
                match window(*case, &chains, index, options) {
                    Ok(window) => window.report(group, case.0, kind, round, report)?,
                    Err(error) => {
                        failures.push(format!("{} {} of {kind}: {error}", group.name(), case.0));
                        if let Err(error) = chains[index].expect_alive() {
                            failures.push(error);
                            chains.remove(index); // the others are measured without it
                        }
                    }
                }
            }
        }
    }
    failures.extend(chains.iter_mut().filter_map(|chain| check(chain).err()));
    Ok(())
}

/// What a window gave.
struct Window {
    figures: Figures,
    /// Share of the machine that other work took.
    others: f64,
}

fn window((_, load, words): Case, chains: &[Chain], index: usize, options: &Options) -> Outcome<Window> {
    let chain = &chains[index];
    let (warm, window) = (options.warm.as_millis(), options.window.as_millis());
    let target = [chain.port.to_string(), chain.local.to_string(), chain.client.pid().to_string()];
    let mut all = vec![load.to_owned()];
    all.extend(target.into_iter().chain([warm.to_string(), window.to_string()]));
    all.extend(words.iter().map(|&word| word.to_owned()));

    let before = Moment::now(chains)?;
    let figures = Load::start(&all, options.warm + options.window + SLACK)?.figures()?;
    let others = before.others_since(chains, Duration::from_nanos(figures.get("load_cpu")?))?;
    Ok(Window { figures, others })
}

impl Window {
    fn report(&self, group: Group, case: &'static str, kind: Kind, round: usize, report: &mut Report) -> Outcome {
        let get = |name| self.figures.get(name).map(|value| value as f64).context(case);
        let (time, cpu) = (get("time")?, get("cpu")?);
        let values = match group {
            // Nanoseconds a byte are seconds a gigabyte; bytes a nanosecond are gigabytes a second.
            Group::Bulk => {
                let bytes = get("bytes")?;
                [("client CPU s/GB", cpu / bytes), ("MB/s", bytes / time * 1e3)]
            }
            Group::Setup => [("client CPU us/conn", cpu / get("count")? / 1e3), ("p50 us", get("p50")? / 1e3)],
            _ => [("client CPU us/request", cpu / get("count")? / 1e3), ("p50 us", get("p50")? / 1e3)],
        };
        for (what, value) in values {
            report.add(Figure { group, case, what, kind, round, value, others: Some(self.others) });
        }
        Ok(())
    }
}
