//! `verify` beside frpc's: the same files, and every difference in the verdict explained.
//!
//! `rows.txt` has files of one line each; those of keys are tried in three formats. The files of `tests/configs` and what
//! a seeded mutator makes of all of them come on top. `differences.txt` is the table of verdicts that differ on purpose;
//! a row of it that no file needs any more is an error, too. Without `REDIAL_PEERS` (a plain `cargo test`) only the
//! examples are looked at; `tests/run e2e` runs all.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests drive other processes from threads; the rules of the event loop are not theirs"
)]

mod cases;
mod differences;
mod examples;
mod mutate;
mod programs;

use cases::Case;
use differences::Differences;
use programs::{Programs, Verdict};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Programs that run at once.
const AT_ONCE: usize = 4;

#[test]
fn verdicts_are_frpcs_or_explained() {
    let Some(programs) = Programs::find() else {
        println!("verify: left out, REDIAL_PEERS is not set; `tests/run e2e` prepares the peer and runs it");
        return;
    };
    let cases = cases::all();
    assert!(cases.len() > 1500, "{} cases", cases.len());
    let told = ask(&programs, &cases);
    let mut differences = Differences::read();
    let (mut accepted, mut explained, mut wrong) = (0, 0, Vec::new());
    for (case, (ours, frpcs)) in cases.iter().zip(&told) {
        accepted += usize::from(frpcs.good);
        if ours.good == frpcs.good {
            continue;
        }
        match differences.explain(case, ours, frpcs) {
            true => explained += 1,
            false => wrong.push(format!("{case}\n  redial: {ours}\n  frpc:   {frpcs}")),
        }
    }
    println!("verify: {} files, frpc takes {accepted}, {explained} differ for a known reason", cases.len());
    assert!(wrong.is_empty(), "{} differ for no known reason:\n{}", wrong.len(), wrong.join("\n"));
    assert!(accepted > 300 && accepted < cases.len() - 300, "the files are all good or all bad: {accepted}");
    let idle = differences.unused();
    assert!(idle.is_empty(), "reasons that nothing needs:\n{}", idle.join("\n"));
}

/// Both verdicts on each case.
fn ask(programs: &Programs, cases: &[Case]) -> Vec<(Verdict, Verdict)> {
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(at) else { return };
                    let path = programs.write(&format!("{at}{}", case.ext), &case.bytes);
                    let both = (programs.redial(&path, case.strict), programs.frpc(&path, case.strict));
                    told.lock().unwrap().push((at, both));
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, both)| both).collect()
}
