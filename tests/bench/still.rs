//! What is measured of the client alone: memory, cold start, the idle client, the size of the program.
//!
//! Owns the order of the steps. Does not measure while a load runs. Always true: redial and frpc go through the same
//! steps, one right after the other or, idle, at the same time. Worst case: a chain with a thousand connections for each
//! client and mode.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::chain::{self, Chain};
use crate::check::check;
use crate::child::Load;
use crate::clock;
use crate::kinds::{Group, Kind, Who};
use crate::machine::{Holdings, Wakeups};
use crate::options::Options;
use crate::report::{Figure, Report};
use crate::wait::{Context, Outcome, ensure};

/// Connections that are held open.
const HELD: u64 = 1000;
/// Before the memory is looked at.
const REST: Duration = Duration::from_secs(2);
/// More rounds say nothing new of memory.
const MEMORY_ROUNDS: usize = 3;
/// A start is short and varies much.
const COLD_ROUNDS: usize = 7;
const LIMIT: Duration = Duration::from_secs(60);
const KIB: f64 = 1024.0;

pub(crate) fn memory(options: &Options, report: &mut Report) -> Outcome {
    for round in 0..options.rounds.min(MEMORY_ROUNDS) {
        let mut chains = start_all(options, Group::Memory)?;
        let mut look = |case, chains: &[Chain]| -> Outcome {
            thread::sleep(REST);
            chains.iter().try_for_each(|chain| {
                let holdings = Holdings::of(chain.client.pid()).map_err(|error| failure(chain, &error))?;
                report_holdings(case, chain.kind, round, &holdings, report);
                Ok(())
            })
        };
        look("idle", &chains)?;
        chains.iter().try_for_each(|chain| transfer(chain).map_err(|error| failure(chain, &error)))?;
        look("after bulk", &chains)?;
        let hold_for = |chain| hold(chain).map_err(|error| failure(chain, &error));
        let held = chains.iter().map(hold_for).collect::<Outcome<Vec<Load>>>()?;
        look("1000 open", &chains)?;
        drop(held);
        look("after 1000", &chains)?;
        chains.iter_mut().try_for_each(check)?;
    }
    Ok(())
}

fn failure(chain: &Chain, error: &str) -> String {
    format!("{}: {error}\n{}", chain.kind, chain.logs())
}

fn start_all(options: &Options, group: Group) -> Outcome<Vec<Chain>> {
    Kind::all(&options.modes(group), false).into_iter().map(Chain::start).collect()
}

/// A second of bulk each way.
fn transfer(chain: &Chain) -> Outcome {
    for direction in ["down", "up"] {
        let (port, local, pid) = (chain.port.to_string(), chain.local.to_string(), chain.client.pid().to_string());
        let words = ["bulk", &port, &local, &pid, "0", "1000", direction, "8"].map(str::to_owned);
        Load::start(&words, LIMIT)?.figures().context(format_args!("bulk {direction}"))?;
    }
    Ok(())
}

/// Opens the connections, and keeps them open until it is dropped.
fn hold(chain: &Chain) -> Outcome<Load> {
    let mut load = Load::start(&["hold".into(), chain.port.to_string(), HELD.to_string()], LIMIT)?;
    ensure!(load.figures()?.get("held")? == HELD, "not all of {HELD} connections are held");
    Ok(load)
}

fn report_holdings(case: &'static str, kind: Kind, round: usize, holdings: &Holdings, report: &mut Report) {
    let mut add =
        |what, value| report.add(Figure { group: Group::Memory, case, what, kind, round, value, others: None });
    add("RSS MiB", holdings.resident as f64 / KIB);
    add("anonymous MiB", holdings.anonymous as f64 / KIB);
    add("descriptors", holdings.descriptors as f64);
    add("threads", holdings.threads as f64);
    if case == "after 1000" {
        add("highest RSS MiB", holdings.peak as f64 / KIB);
    }
}

/// From the moment a client is its program to the first byte that has come back; the server is there already.
pub(crate) fn cold(options: &Options, report: &mut Report) -> Outcome {
    let mut chains = start_all(options, Group::Cold)?;
    for round in 0..options.rounds.max(COLD_ROUNDS) {
        for chain in &mut chains {
            chain.stop_client()?;
            let words = ["first".to_owned(), chain.port.to_string(), LIMIT.as_millis().to_string()];
            let mut first = Load::start(&words, LIMIT + REST)?;
            chain.start_client()?;
            let figures = first.figures().map_err(|error| failure(chain, &error))?;
            let took = Duration::from_nanos(figures.get("at")?).saturating_sub(chain.client.started()?);
            let value = took.as_secs_f64() * 1e3;
            let (group, kind) = (Group::Cold, chain.kind);
            report.add(Figure { group, case: "start", what: "first echo ms", kind, round, value, others: None });
        }
    }
    chains.iter_mut().try_for_each(check)
}

/// Both clients at once, with nothing to do.
pub(crate) fn idle(options: &Options, report: &mut Report) -> Outcome {
    let mut chains = start_all(options, Group::Idle)?;
    thread::sleep(options.settle);
    let pids: Vec<u32> = chains.iter().map(|chain| chain.client.pid()).collect();
    let before = pids.iter().map(|pid| clock::cpu_of(*pid)).collect::<Outcome<Vec<_>>>()?;
    let mut wakeups = pids.iter().map(|pid| Wakeups::of(*pid)).collect::<Outcome<Vec<_>>>()?;
    let start = clock::now();
    while clock::now() < start + options.idle {
        thread::sleep(Duration::from_secs(1)); // what a thread that ends takes along is little then
        wakeups.iter_mut().try_for_each(Wakeups::look)?;
    }
    let a_minute = 60.0 / (clock::now().saturating_sub(start)).as_secs_f64();
    for ((chain, before), wakeups) in chains.iter().zip(before).zip(wakeups) {
        let cpu = clock::cpu_of(chain.client.pid())?.saturating_sub(before);
        let values = [("wakeups", wakeups.count as f64), ("CPU ms", cpu.as_secs_f64() * 1e3)];
        for (what, value) in values {
            let (group, kind, value) = (Group::Idle, chain.kind, value * a_minute);
            report.add(Figure { group, case: "a minute", what, kind, round: 0, value, others: None });
        }
    }
    chains.iter_mut().try_for_each(check)
}

pub(crate) fn sizes(report: &mut Report) -> Outcome {
    for who in Who::CLIENTS {
        let program = chain::program(who)?;
        let value = fs::metadata(&program).context(program.display())?.len() as f64;
        let (group, kind) = (Group::Sizes, Kind { who, mode: None });
        report.add(Figure { group, case: "program", what: "bytes", kind, round: 0, value, others: None });
    }
    Ok(())
}
