//! End-to-end tests: the program under test against real frps of many releases.
//!
//! Run by `tests/run`, which prepares what they need; `site` lists the environment they read. Without `REDIAL_PEERS`
//! (a plain `cargo test`) nothing runs. Names are `GROUP::TEST::RELEASE-MUX-TLS[::CODEC]`, and any part of a name filters:
//! `bulk`, `0.70.1`, `0.64.0-nomux-tls`.
//!
//! The files: `site`, `wait`, `process` are the ground; `peer` is frps, `service` and `user` the ends of a tunnel, `pattern`
//! what goes through it; `stage` puts them together; the others are the tests.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "the tests drive other processes from threads that block; the rules of the event loop are not theirs"
)]

mod auth;
mod liveness;
mod oidc;
mod pattern;
mod payload;
mod peer;
mod process;
mod reload;
mod service;
mod sessions;
mod site;
mod stage;
mod state;
mod tls;
mod trouble;
mod user;
mod wait;

use std::process::ExitCode;
use std::thread;

use libtest_mimic::{Arguments, Failed, Trial};
use stage::{ALL_MODES, Codec, Link, LinkTest};
use wait::Outcome;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    if site::peers().is_none() {
        println!("e2e: left out all of it, REDIAL_PEERS is not set; `tests/run e2e` prepares the peers and runs it");
        return ExitCode::SUCCESS;
    }
    match trials() {
        Ok(trials) => {
            let rival = if site::rival() { ", of which less is asked as it is frpc" } else { "" };
            // One more than cores: some tests only wait for a retry.
            arguments.test_threads.get_or_insert_with(|| thread::available_parallelism().map_or(1, usize::from) + 1);
            println!("e2e: the program under test is {}{rival}", site::program().display());
            let conclusion = libtest_mimic::run(&arguments, trials);
            site::sweep();
            conclusion.exit_code()
        }
        Err(error) => {
            println!("e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every test; an error when a peer is missing.
fn trials() -> Outcome<Vec<Trial>> {
    let mut trials = Vec::new();
    for version in site::versions() {
        site::frps(version)?;
        for link in Link::in_modes(version, ALL_MODES) {
            for (name, test) in payload::TESTS {
                let named = |codec| trial(format!("payload::{name}::{link}::{codec}"), move || test(link, codec));
                // How payload is coded has not changed: all ways at both ends of the gate, the two extremes between.
                let all = site::is_end(version);
                trials.extend(Codec::ALL.into_iter().filter(|codec| all || codec.extreme()).map(named));
            }
        }
        add(&mut trials, "sessions", sessions::TESTS, version);
        if !site::rival() {
            add(&mut trials, "state", state::TESTS, version); // frpc has none
            add(&mut trials, "reload", reload::TESTS, version); // and ends on SIGHUP
        }
    }
    let newest = site::newest();
    if site::versions().contains(&newest) {
        add(&mut trials, "auth", auth::TESTS, newest);
        add(&mut trials, "liveness", liveness::TESTS, newest);
        add(&mut trials, "oidc", oidc::TESTS, newest);
        add(&mut trials, "tls", tls::TESTS, newest);
        add(&mut trials, "trouble", trouble::TESTS, newest);
    }
    Ok(trials)
}

fn add(trials: &mut Vec<Trial>, group: &str, tests: &[LinkTest], version: &'static str) {
    for &(name, modes, test) in tests {
        let named = |link| trial(format!("{group}::{name}::{link}"), move || test(link));
        trials.extend(Link::in_modes(version, modes).map(named));
    }
}

fn trial(name: String, test: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(Failed::from))
}
