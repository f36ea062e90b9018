//! `verify` beside real frpc's: the same files, the same verdicts.
//!
//! The files are rows kept in `rows/` (their head says how they are written), those in `tests/configs`, and what a seeded
//! mutator makes of both. Where `REDIAL_PEERS` holds `frpc-0.70.1`, each goes through both programs, and a difference in
//! the exit status is explained by an entry of `differences`, or a failure. Elsewhere only the rows are tested, against
//! what frpc was seen to say.
//!
//! `REDIAL_VERIFY_SEED` takes the mutator elsewhere, `REDIAL_VERIFY_FILES` says how many files it makes: for hunting. An
//! entry of `differences` that nothing needs is a failure only with the usual ones.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests drive other processes; the rules of the event loop are not theirs"
)]

mod both;
mod differences;
mod examples;
mod mistakes;
mod mutate;
mod rows;

use both::{Both, Verdict};
use differences::{DIFFERENCES, Side};
use rows::Case;
use std::collections::BTreeSet;
use std::fmt::Write;

const SEED: u64 = 11;
const MUTANTS: usize = 500;

fn number(variable: &str) -> Option<u64> {
    Some(std::env::var(variable).ok()?.parse().unwrap())
}

/// What is wrong with the verdicts about a file, if anything; says which entry it used.
fn judge(case: &Case, ours: &Verdict, theirs: Option<&Verdict>, used: &mut BTreeSet<&str>) -> Result<(), String> {
    if !matches!(ours.code, Some(0 | 1)) {
        return Err(format!("redial ended with {:?}", ours.code));
    }
    let accepted = match (theirs, case.accepted) {
        (Some(theirs), Some(noted)) if theirs.accepted() != noted => {
            return Err("frpc itself does not say what the row says it does".to_owned());
        }
        (Some(theirs), _) => theirs.accepted(),
        (None, noted) => noted.unwrap(),
    };
    if ours.accepted() != accepted {
        let side = if accepted { Side::Frpc } else { Side::Redial };
        let says = if accepted { Some(ours) } else { theirs };
        let known = DIFFERENCES.iter().find(|d| {
            let named = case.difference.as_deref() == Some(d.id);
            // Without frpc only a row's own word says which one it is.
            let said = says.map_or(named, |v| d.says.iter().any(|text| v.out.contains(text)));
            d.takes == side && said && (named || case.difference.is_none())
        });
        let known = known
            .ok_or_else(|| format!("only {side:?} accepts it, and no difference of {:?} says so", case.difference))?;
        used.insert(known.id);
        return Ok(());
    }
    if let Some(id) = &case.difference {
        return Err(format!("the verdicts agree, and the row says {id}"));
    }
    let subjects = case.subject.iter().filter(|_| !accepted);
    for subject in subjects {
        let named = |v: &Verdict| v.out.lines().any(|l| !l.starts_with("WARNING") && l.contains(subject.as_str()));
        if !named(ours) {
            return Err(format!("redial does not name {subject:?}"));
        }
        if theirs.is_some_and(|theirs| !theirs.out.contains(subject.as_str())) {
            return Err(format!("frpc does not name {subject:?}"));
        }
    }
    Ok(())
}

#[test]
fn verdicts_are_frpcs() {
    let mut cases = rows::all();
    let rows = cases.len();
    let both = Both::new();
    let (seed, files) = (number("REDIAL_VERIFY_SEED"), number("REDIAL_VERIFY_FILES"));
    if both.has_frpc() {
        let files = files.map_or(MUTANTS, |n| usize::try_from(n).unwrap());
        cases.extend(rows::variants(&cases));
        cases.extend(mutate::mutants(&cases, seed.unwrap_or(SEED), files));
    } else {
        println!("REDIAL_PEERS does not hold frpc-0.70.1: the rows are compared with what it was seen to say");
    }
    let verdicts = both.ask(&cases);
    let (mut used, mut wrong, mut failures) = (BTreeSet::new(), String::new(), 0);
    for (case, (ours, theirs)) in cases.iter().zip(&verdicts) {
        let Err(why) = judge(case, ours, theirs.as_ref(), &mut used) else { continue };
        failures += 1;
        let text = String::from_utf8_lossy(&case.text);
        let theirs = theirs.as_ref().map_or("not at hand", |v| v.out.trim_end());
        let short: Vec<&str> = ours.out.lines().filter(|l| !l.starts_with("WARNING")).take(4).collect();
        write!(
            wrong,
            "\n=== {} ({}{}): {why}\n{}\n--- frpc: {theirs}\n--- redial: {}\n",
            case.origin,
            case.file_name(),
            if case.lax { ", lax" } else { "" },
            text.trim_end(),
            short.join("\n")
        )
        .unwrap();
    }
    let accepted = verdicts.iter().filter(|(ours, _)| ours.accepted()).count();
    println!("{} files ({rows} rows), {accepted} accepted, {failures} failures", cases.len());
    assert!(failures == 0, "{wrong}");
    if seed.or(files).is_none() {
        let idle: Vec<&str> = DIFFERENCES.iter().map(|d| d.id).filter(|id| !used.contains(id)).collect();
        assert!(idle.is_empty(), "differences that nothing showed: {idle:?}");
    }
}
