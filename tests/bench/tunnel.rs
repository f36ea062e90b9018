//! The repository's own benchmark: redial beside frpc, through the same frps, in one interleaved run.
//!
//! Owns the order of the groups and the exit status. Does not judge figures: it fails when something did not work, never
//! because of time. Always true: what it starts ends with it. Worst case: ten chains of three processes each.
//!
//! Run by `tests/run bench`, or by `cargo bench --bench tunnel` with `REDIAL_PEERS` set; `options` says how. The files:
//! `kinds` and `options` say what is compared; `windows` and `still` measure; `chain` and `check` put together what is
//! measured; `child` is the processes; `machine` reads /proc; `report` is the table. The small programs are this one
//! again: `serve`, `relay` and `load`, on `poller`, `sock`, `payload` and `clock`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "the benchmark drives other processes and may block; the rules of the event loop are not its own"
)]

mod chain;
mod check;
mod child;
mod clock;
mod kinds;
mod load;
mod machine;
mod options;
mod payload;
mod poller;
mod relay;
mod report;
mod serve;
mod sock;
mod still;
mod windows;

// What the end-to-end tests have already. They use all of it.
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/pattern.rs"]
mod pattern;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/site.rs"]
mod site;
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
#[path = "../e2e/wait.rs"]
mod wait;

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use kinds::{Group, Who};
use options::{Command, Options};
use relay::Means;
use report::Report;
use wait::{Context, Outcome};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let words: Vec<String> = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let small = match words.first().map(String::as_str) {
        Some("run") => child::become_program(&arguments[1..]),
        Some("serve" | "relay" | "load") => small_program(&words),
        _ => return benchmark(arguments),
    };
    match small {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            child::tell_failure(&failure);
            ExitCode::FAILURE
        }
    }
}

fn small_program(words: &[String]) -> Outcome {
    sock::raise_descriptor_limit()?;
    let port = |word: &String| word.parse().context(format_args!("port '{word}'"));
    match words {
        [name, listen] if name == "serve" => serve::run(port(listen)?),
        [name, means, listen, target] if name == "relay" => {
            let means = Means::named(means).ok_or_else(|| format!("no relay is called '{means}'"))?;
            relay::run(means, port(listen)?, port(target)?)
        }
        [name, load @ ..] if name == "load" => load::run(load),
        _ => Err(format!("wrong words: {}", words.join(" "))),
    }
}

fn benchmark(arguments: Vec<OsString>) -> ExitCode {
    let options = match options::parse(arguments) {
        Ok(Command::Help) => {
            print!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Measure(options)) => options,
        Err(error) => {
            println!("bench: {error}\n\n{}", options::USAGE);
            return ExitCode::FAILURE;
        }
    };
    if site::peers().is_none() {
        println!(
            "bench: left out all of it, REDIAL_PEERS is not set; `tests/run bench` prepares the peers and runs it"
        );
        return ExitCode::SUCCESS;
    }
    let (mut report, mut failures) = (Report::default(), Vec::new());
    if let Err(error) = measure(&options, &mut report, &mut failures) {
        failures.push(error);
    }
    site::sweep();
    for failure in &failures {
        println!("bench: failed: {failure}");
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Measures group by group and prints the table.
fn measure(options: &Options, report: &mut Report, failures: &mut Vec<String>) -> Outcome {
    let (redial, frpc) = (chain::program(Who::Redial)?, chain::program(Who::Frpc)?);
    let create = |path: &PathBuf| File::create(path).context(path.display());
    let json = options.json.as_ref().map(create).transpose()?; // rather now than after minutes
    println!("{}", machine::head(&redial, &frpc, &site::frps(site::newest())?)?);
    for &group in &options.only {
        println!("bench: {}", group.name());
        let measured = match group {
            Group::Bulk | Group::Setup | Group::Ping => windows::measure(group, options, report, failures),
            Group::Memory => still::memory(options, report),
            Group::Cold => still::cold(options, report),
            Group::Idle => still::idle(options, report),
            Group::Sizes => still::sizes(report),
        };
        if let Err(error) = measured {
            failures.push(format!("{}: {error}", group.name()));
        }
    }
    println!("\n{}", report.table());
    println!("{}", explanation(options, report));
    json.map_or(Ok(()), |file| report.write_json(&file))
}

/// The lines below the table.
fn explanation(options: &Options, report: &Report) -> String {
    let others = report.others().map_or_else(String::new, |(usual, most)| {
        let (usual, most) = (usual * 100.0, most * 100.0);
        format!(" Other work took {usual:.0} % of the machine at the median, {most:.0} % at most.")
    });
    format!(
        "ratio: redial / frpc, median of the rounds' ratios; /copy2: redial / copy2 likewise; {} round(s) of {:?}.\n\
         copy2, splice2: a relay in the client's place that reads and writes, or splices, behind one in the server's place.\n\
         idle: watched for {:?}, scaled to a minute.{others}",
        options.rounds, options.window, options.idle,
    )
}
