//! A configuration that changes while the client runs.
//!
//! Owns the scripts. Does not read files. Always true: whatever was changed, and when, in the end the server has what the
//! last configuration says. Worst case: one world.

use super::frps::faults::{Act, Fault, Stage};
use super::guest::{Verdict, Way};
use super::logs;
use super::plan::{Plan, Trouble};
use super::run::Run;
use redial::net::Net;
use redial::net::sim::Rng;
use redial::proto::time::{millis, secs};

const ALL: [(&str, u16, u16); 6] = [
    ("echo", 9001, 0),
    ("talk", 9002, 0),
    ("stall", 9003, 0),
    ("rude", 9004, 0),
    ("refused", 9005, 0),
    ("unanswered", 9006, 0),
];

fn world(mux: bool) -> Run {
    logs::collect();
    let mut run = Run::new(Plan { mux, ..Plan::quiet(Vec::new()) });
    run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(1));
    logs::take();
    run
}

fn said(text: &str) -> usize {
    logs::take().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn what_is_not_touched_lives_on_and_so_do_connections_of_what_goes() {
    for mux in [true, false] {
        let mut run = world(mux);
        // Both services pause for three seconds: their guests are served across the change.
        let now = run.sim.now();
        let (kept, going) = (run.site.invite(Way::Stalled, 50_000, now), run.site.invite(Way::Echo, 2_000_000, now));
        run.pass(millis(300));
        assert_eq!(run.site.guests[going].verdict, Verdict::Open, "it is under way");
        run.reload(&[("stall", 9003, 0), ("talk", 9002, 7002), ("new", 9001, 7001)]);
        let log = logs::take();
        let line = |text: &str| log.iter().any(|line| line.contains(text));
        assert!(line("proxy removed: [echo refused rude talk unanswered]"), "{log:?}");
        assert!(line("proxy added: [new talk]"), "{log:?}");
        run.pass(secs(1));
        assert_eq!((run.site.frps.port_of("talk"), run.site.frps.port_of("new")), (Some(7002), Some(7001)));
        assert_eq!(run.site.frps.port_of("echo"), None);
        run.until("the guests", secs(30), |run| run.site.is_done());
        assert_eq!([kept, going].map(|g| run.site.guests[g].verdict), [Verdict::Served; 2]);
        assert_eq!(run.site.frps.tally().logins, 1);
        run.reload(&ALL);
        run.pass(secs(1));
        let guest = run.site.invite(Way::Echo, 5000, run.sim.now());
        run.until("a guest of a proxy that is back", secs(10), |run| run.site.is_done());
        assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
        run.pass(secs(100));
        run.check();
    }
}

#[test]
fn nothing_is_said_and_sent_when_nothing_changed() {
    let mut run = world(true);
    let asked = run.site.frps.tally();
    run.reload(&ALL);
    run.pass(secs(3));
    assert_eq!(said("proxy "), 0);
    assert_eq!(run.site.frps.tally().logins, asked.logins);
}

#[test]
fn a_new_local_service_is_used_and_the_server_is_not_asked() {
    let mut run = world(true);
    let port = run.site.frps.port_of("echo");
    run.site.frps.add_fault(Fault::always(Stage::NewProxy, Act::Silence));
    let mut changed = ALL;
    changed[0].1 = 9002;
    run.reload(&changed);
    assert_eq!(said("proxy added: [echo]"), 1);
    run.pass(millis(100));
    assert_eq!(run.site.frps.port_of("echo"), port);
    let guest = run.site.invite(Way::Listen, 3000, run.sim.now());
    run.until("the guest", secs(10), |run| run.site.is_done());
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
}

#[test]
fn a_change_while_the_server_is_away_is_told_at_the_next_login() {
    logs::collect();
    let mut run =
        Run::new(Plan { trouble: Trouble::Restart(secs(20)), trouble_at: secs(5), ..Plan::quiet(Vec::new()) });
    run.until("the loss", secs(60), |_| said("is lost") > 0);
    run.reload(&[("echo", 9001, 0), ("late", 9002, 7500)]);
    run.until("the new proxy", secs(60), |run| run.site.frps.port_of("late").is_some());
    run.pass(secs(2));
    assert!(run.site.frps.port_of("echo").is_some());
    assert_eq!(run.site.frps.port_of("talk"), None);
}

#[test]
fn a_client_that_retires_leaves_nothing_behind() {
    for (mux, wait) in [(true, 0), (true, 150), (true, 2000), (false, 150), (false, 2000)] {
        logs::collect();
        let mut run = Run::new(Plan { mux, ..Plan::quiet(Vec::new()) });
        run.sim.weather.latency = millis(40);
        run.pass(millis(wait));
        let guest = run.site.invite(Way::Echo, 400_000, run.sim.now());
        run.pass(millis(wait / 4));
        run.replace();
        run.pass(secs(5));
        assert!(run.client.is_settled(), "after {wait} ms: {:?}", logs::take());
        assert_eq!(run.site.frps.sessions().len(), 1, "after {wait} ms");
        let verdict = run.site.guests[guest].verdict;
        let late = run.site.invite(Way::Echo, 5000, run.sim.now());
        run.until("the guests", secs(60), |run| run.site.is_done());
        assert_eq!(run.site.guests[late].verdict, Verdict::Served, "after {wait} ms, the first: {verdict:?}");
        run.pass(secs(100));
        run.check_leftovers();
    }
}

/// Changes at any time, in any state, many within one round trip.
#[test]
fn the_last_configuration_wins() {
    for seed in 0..60 {
        logs::collect();
        let mut rng = Rng::new(seed);
        let trouble = match rng.below(4) {
            0 => Trouble::Reset,
            1 => Trouble::Restart(millis(rng.below(4000).into())),
            2 => Trouble::Cut,
            _ => Trouble::None,
        };
        let trouble_at = millis(rng.below(4000).into());
        let mut run = Run::new(Plan { mux: !rng.one_in(3), trouble, trouble_at, ..Plan::quiet(Vec::new()) });
        run.sim.weather.latency = millis(rng.below(120).into());
        let mut last = Vec::new();
        for _ in 0..3 + rng.below(12) {
            run.pass(millis(rng.below(900).into()) / (1 + 9 * rng.below(2)));
            last.clear();
            for (at, (name, local, _)) in (0u16..).zip(ALL) {
                if !rng.one_in(3) {
                    // Two ports each: names change ports, and ports change names.
                    let remote = 7000 + (at + u16::try_from(rng.below(2)).unwrap_or(0)) % 6;
                    last.push((name, local, remote));
                }
            }
            run.reload(&last);
        }
        // Two that ask for one port: the one that is refused is no matter of this test.
        let mut ports = std::collections::BTreeSet::new();
        last.retain(|(_, _, remote)| ports.insert(*remote));
        last.push(("echo2", 9001, 7777));
        run.reload(&last);
        run.pass(secs(200));
        assert!(run.client.is_settled(), "seed {seed}: {last:?}: {:?}", logs::take());
        for (name, _, remote) in &last {
            assert_eq!(run.site.frps.port_of(name), Some(*remote), "seed {seed}: {name} of {last:?}");
        }
        for (name, ..) in ALL {
            let wanted = last.iter().any(|(one, ..)| *one == name);
            assert!(wanted || run.site.frps.port_of(name).is_none(), "seed {seed}: {name} is still there");
        }
    }
}
