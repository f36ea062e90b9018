//! The whole client in virtual time: seeded worlds full of faults, and scripts for single scenes.
//!
//! Owns the checks. Does not own the world: that is [`site`]. Always true: a failure names its seed, and
//! `REDIAL_SEED=N cargo test --test sim` runs that seed alone; `REDIAL_SEEDS=N` runs so many. Worst case: some 20 MB a
//! world.

mod corners;
#[path = "../support/frps/mod.rs"]
mod frps;
mod guest;
#[cfg_attr(not(feature = "oidc"), expect(dead_code, reason = "nobody asks it"))]
mod issuer;
mod logs;
#[cfg(feature = "oidc")]
mod oidc;
mod plan;
mod recovery;
mod reload;
mod restart;
mod run;
mod scenes;
mod service;
mod site;
mod tokens;

use plan::Plan;
use run::Run;

/// Worlds that every test run lives through.
const SEEDS: u64 = 256;

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    match number("REDIAL_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("REDIAL_SEEDS").unwrap_or(SEEDS)).collect(),
    }
}

/// Lives through a world; says which, if something is wrong with it.
fn live(seed: u64) -> u64 {
    let result = std::panic::catch_unwind(|| {
        let mut run = Run::new(Plan::random(seed));
        run.live();
        run.check();
        run.trace()
    });
    result.unwrap_or_else(|_| panic!("this was REDIAL_SEED={seed}: {:?}", Plan::random(seed)))
}

#[test]
fn worlds_end_well() {
    let seeds = seeds();
    let traces: Vec<u64> = seeds.iter().map(|seed| live(*seed)).collect();
    let distinct: std::collections::BTreeSet<u64> = traces.iter().copied().collect();
    assert!(distinct.len() > traces.len() * 9 / 10, "the worlds are all alike");
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in [1, 2, 3, 50, 99] {
        assert_eq!(live(seed), live(seed), "seed {seed}");
    }
}
