//! Lines that die and machines that move, in virtual time: how soon the tunnel is back, and what must not happen.
//!
//! Owns the scenes. Does not draw by chance but for the seed. Always true: a time in a scene is virtual and exact. Worst
//! case: one world.

use super::frps::settings::Takeover;
use super::guest::{Guest, Verdict, Way};
use super::logs;
use super::plan::{Naming, Plan, Trouble};
use super::run::Run;
use super::site::server;
use redial::net::sim::Weather;
use redial::net::{Answer, Net, ResolveError, Signal};
use redial::proto::time::{Duration, millis, secs};
use std::net::IpAddr;

/// A logged in client at rest.
pub(crate) fn at_rest(plan: Plan) -> Run {
    logs::collect();
    let mut run = Run::new(plan);
    run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(20));
    logs::take();
    run
}

pub(crate) fn plan(mux: bool) -> Plan {
    let weather = Weather { latency: millis(15), ..Weather::default() };
    Plan { mux, weather, ..Plan::quiet(Vec::new()) }
}

/// How long until the server has the client back.
pub(crate) fn until_back(run: &mut Run, limit: Duration) -> Duration {
    let (start, logins) = (run.sim.now(), run.site.frps.tally().logins);
    run.until("the server to have the client back", limit, |run| run.site.frps.tally().logins > logins);
    run.sim.now().since(start)
}

pub(crate) fn serves(run: &mut Run) {
    let guest = run.site.invite(Way::Echo, 1000, run.sim.now());
    run.until("a guest", secs(15), |run| run.site.guests[guest].verdict != Verdict::Open);
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
}

#[test]
fn an_idle_line_that_dies_is_noticed_within_a_probe_and_a_second() {
    for mux in [true, false] {
        let mut all = Vec::new();
        for phase in 0..40 {
            let mut run = at_rest(plan(mux));
            run.pass(millis(phase * 130));
            run.sim.cut_all(server());
            let took = until_back(&mut run, secs(30));
            assert!(took < millis(6500), "{took:?} with mux {mux}");
            all.push(took);
            run.pass(secs(5));
            serves(&mut run);
        }
        all.sort();
        assert!(all[20] < millis(4000), "median {:?} with mux {mux}", all[20]);
    }
}

#[test]
fn a_line_that_dies_under_traffic_is_noticed_within_two_seconds() {
    // A service that talks for ever would be an answer; one that sends into the dead line is not.
    for seed in 0..20 {
        let mut run = at_rest(Plan { seed, ..plan(true) });
        run.site.invite(Way::Listen, 40_000_000, run.sim.now());
        run.pass(millis(800));
        run.sim.cut_all(server());
        let took = until_back(&mut run, secs(30));
        assert!(took < millis(2200), "{took:?}");
    }
}

#[test]
fn an_address_that_is_gone_is_proof_and_a_new_one_is_used_at_once() {
    for away in [0, 10, 60] {
        let mut run = at_rest(plan(true));
        run.sim.cut_all(server());
        run.sim.address = None;
        run.sim.ring();
        run.pass(secs(away) + millis(1));
        let lines = logs::take();
        assert!(lines.iter().any(|l| l.contains("our address 10.0.0.1 is gone")), "{lines:?}");
        assert!(lines.iter().any(|l| l.contains("no route to the server")), "{lines:?}");
        let tries = lines.iter().filter(|l| l.contains("try to connect")).count();
        assert_eq!(tries, 0, "nothing is dialled without a route: {lines:?}");
        run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
        run.sim.ring();
        let took = until_back(&mut run, secs(30));
        assert!(took < millis(700), "{took:?} after {away} s");
        run.pass(secs(3));
        let lines = logs::take();
        assert!(lines.iter().any(|l| l.contains("the tunnel is back after")), "{lines:?}");
        serves(&mut run);
    }
}

#[test]
fn a_route_that_moves_makes_the_link_prove_itself() {
    // The old path still works: nothing is switched.
    let mut run = at_rest(plan(true));
    for _ in 0..50 {
        run.sim.ring();
        run.pass(millis(100));
    }
    run.pass(secs(60));
    assert_eq!(run.site.frps.tally().logins, 1);
    assert!(logs::take().is_empty(), "and nothing is said");
    // It does not: the question comes with the change, not with the next probe.
    run.sim.cut_all(server());
    run.sim.ring();
    let took = until_back(&mut run, secs(30));
    assert!(took < millis(1500), "{took:?}");
}

#[test]
fn a_signal_makes_the_link_prove_itself() {
    let mut run = at_rest(plan(true));
    for _ in 0..5 {
        run.sim.signal(Signal::Poke);
        run.pass(millis(3700));
    }
    assert!(logs::take().is_empty(), "a link that answers is asked, and that is all");
    run.sim.cut_all(server());
    run.sim.signal(Signal::Poke);
    let took = until_back(&mut run, secs(30));
    assert!(took < millis(1500), "{took:?}");
}

#[test]
fn a_path_that_stands_still_for_three_seconds_is_not_left() {
    for mux in [true, false] {
        let guests = (0..3).map(|_| Guest::new(Way::Stalled, 20_000, secs(21))).collect();
        let mut run = at_rest(Plan { guests, ..plan(mux) });
        for _ in 0..20 {
            run.sim.stall = Some((server(), run.sim.now() + secs(3)));
            run.pass(secs(30));
        }
        assert_eq!(run.site.frps.tally().logins, 1, "mux {mux}");
        run.until("the guests to go", secs(60), |run| run.site.is_done());
        assert!(run.site.guests.iter().all(|g| g.verdict == Verdict::Served));
    }
}

#[test]
fn a_full_uplink_with_two_seconds_of_queue_is_not_left() {
    // 30 kB/s up, and 64 KB wait in the path before the first byte of a ping.
    let weather = Weather { latency: millis(50), up_piece: 3000, buffer: 64_000, ..Weather::default() };
    let mut run = at_rest(Plan { weather, ..plan(true) });
    for _ in 0..3 {
        run.site.invite(Way::Listen, 2_000_000, run.sim.now());
    }
    run.pass(secs(120));
    assert_eq!(run.site.frps.tally().logins, 1);
    assert_eq!(run.site.frps.tally().silent, 0);
}

#[test]
fn users_on_an_old_link_that_lives_on_are_served_to_the_end() {
    // The flow of the first link stands still for long enough to be left, and then goes on: nothing of it was lost.
    let mut run = at_rest(plan(true));
    let guest = run.site.invite(Way::Listen, 3_000_000, run.sim.now());
    run.pass(millis(300));
    assert_eq!(run.site.guests[guest].verdict, Verdict::Open);
    run.sim.delay_all(server(), run.sim.now() + secs(4));
    let took = until_back(&mut run, secs(30));
    assert!(took < millis(2500), "{took:?}");
    run.pass(millis(500));
    serves(&mut run);
    run.until("the old user", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
    let lines = logs::take();
    assert!(lines.iter().any(|l| l.contains("1 user connections were kept")), "{lines:?}");
    run.pass(secs(60));
    run.check_leftovers();
}

#[test]
fn a_race_that_was_called_off_leaves_nothing() {
    // Longer than the wait, shorter than the verdict; the second connection answers first.
    let mut run = at_rest(plan(true));
    for _ in 0..10 {
        run.sim.signal(Signal::Poke);
        run.sim.delay_all(server(), run.sim.now() + millis(800));
        run.pass(secs(20));
    }
    assert_eq!(run.site.frps.tally().logins, 1);
    run.check_leftovers();
    let lines = logs::take();
    let (races, ends) = (
        lines.iter().filter(|l| l.contains("preparing another")).count(),
        lines.iter().filter(|l| l.contains("answers again")).count(),
    );
    assert!(races >= 2 && races == ends, "{lines:?}");
}

#[test]
fn a_restarting_server_is_not_met_by_all_at_once() {
    let mut first: Vec<Duration> = (0..60)
        .map(|seed| {
            let trouble = Trouble::Restart(millis(1));
            let mut run = Run::new(Plan { seed, trouble, trouble_at: secs(40), ..plan(true) });
            run.until("the restart", secs(60), |run| run.site.struck.is_some());
            until_back(&mut run, secs(30))
        })
        .collect();
    first.sort();
    assert!(first[0] < millis(400) && first[59] > millis(1600) && first[59] < millis(2500), "{first:?}");
    assert!((millis(600)..millis(1500)).contains(&first[30]), "median {:?}", first[30]);
}

#[test]
fn a_server_that_is_gone_is_tried_ever_less_often() {
    let trouble = Trouble::Restart(secs(3600));
    let mut run = Run::new(Plan { trouble, trouble_at: secs(40), ..plan(true) });
    run.until("the trouble", secs(60), |run| run.site.struck.is_some());
    let mut tries = Vec::new();
    logs::take();
    let end = run.sim.now() + secs(600);
    while run.sim.now() < end && run.turn() {
        let now = run.sim.now();
        tries.extend(logs::take().iter().filter(|l| l.contains("try to connect")).map(|_| now));
    }
    assert!((40..100).contains(&tries.len()), "{} tries in ten minutes", tries.len());
    let longest = tries.windows(2).map(|w| w[1].since(w[0])).max();
    assert!(longest <= Some(secs(20)), "{longest:?}");
}

#[test]
fn a_server_that_moved_is_looked_up_afresh() {
    // Nobody answers at the address of yesterday, and the name would be cached for long.
    let mut run = Run::with(Plan { naming: Naming::Slow, ..plan(true) }, "", |_| {});
    let dead: IpAddr = "2001:db8::9".parse().expect("an address");
    run.sim.name("frps.test", vec![(millis(5), Ok(Answer { addrs: vec![dead], done: true }))]);
    run.pass(millis(900));
    assert!(run.sim.forgotten.is_empty());
    run.sim.name("frps.test", vec![(millis(5), Ok(Answer { addrs: vec![server().ip()], done: true }))]);
    let took = until_back(&mut run, secs(5));
    assert!(took < millis(700), "a second of silence makes it ask afresh: {took:?}");
    assert_eq!(run.sim.forgotten, ["frps.test"]);
}

/// A name that leads nowhere first, and a second server.
const TWO: &str = "redial.servers = [{ addr = \"10.0.0.2\" }]\nredial.failback = 30";

fn with_two(mux: bool) -> Run {
    let mut run = Run::with(Plan { naming: Naming::Slow, ..plan(mux) }, TWO, |_| {});
    run.sim.name("frps.test", vec![(millis(5), Err(ResolveError::NoSuchHost))]);
    run
}

#[test]
fn a_server_that_is_gone_is_replaced_by_the_next_and_gets_its_place_back() {
    for mux in [true, false] {
        logs::collect();
        let mut run = with_two(mux);
        run.until("the second server", secs(10), |run| run.site.frps.tally().logins > 0);
        run.pass(secs(2));
        serves(&mut run);
        // It stays away: it is looked for, and nothing else happens.
        run.pass(secs(120));
        assert_eq!(run.site.frps.tally().logins, 1, "mux {mux}");
        let guest = run.site.invite(Way::Stalled, 50_000, run.sim.now());
        run.sim.name("frps.test", vec![(millis(5), Ok(Answer { addrs: vec![server().ip()], done: true }))]);
        run.until("the first server", secs(100), |run| run.site.frps.tally().logins > 1);
        run.pass(secs(5));
        serves(&mut run);
        run.until("the user of before", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
        assert_eq!(run.site.guests[guest].verdict, Verdict::Served, "mux {mux}");
        run.pass(secs(120));
        assert_eq!(run.site.frps.tally().logins, 2, "it stays there");
        run.check_leftovers();
    }
}

#[test]
fn while_all_servers_are_gone_the_pauses_grow() {
    let trouble = Trouble::Restart(secs(3600));
    let mut run = Run::with(Plan { naming: Naming::Slow, trouble, trouble_at: secs(40), ..plan(true) }, TWO, |_| {});
    run.sim.name("frps.test", vec![(millis(5), Err(ResolveError::NoSuchHost))]);
    logs::collect();
    run.until("the trouble", secs(60), |run| run.site.struck.is_some());
    logs::take();
    run.pass(secs(600));
    let tries = logs::take().iter().filter(|l| l.contains("try to connect")).count();
    assert!((40..250).contains(&tries), "{tries} tries in ten minutes");
}

#[test]
fn only_addresses_of_the_family_are_tried() {
    let plan = Plan { naming: Naming::DeadV6First, ..plan(true) };
    let mut run = Run::with(plan, "redial.family = \"ipv4\"", |_| {});
    let start = run.sim.now();
    run.until("a login", secs(5), |run| run.site.frps.tally().logins > 0);
    assert!(run.sim.now().since(start) < millis(200), "IPv6 is not waited for");
}

/// How long until a user is served, with one coming every half second.
pub(crate) fn until_served(run: &mut Run, limit: Duration) -> Duration {
    let (start, first) = (run.sim.now(), run.site.guests.len());
    loop {
        run.site.invite(Way::Echo, 100, run.sim.now());
        run.pass(millis(500));
        if run.site.guests.iter().skip(first).any(|g| g.verdict == Verdict::Served) {
            return run.sim.now().since(start);
        }
        assert!(run.sim.now().since(start) < limit, "no user is served: {:#?}", logs::take());
    }
}

#[test]
fn servers_that_hold_a_session_that_died_silently_are_gone_around() {
    for (version, takeover, limit) in [
        ("0.64.0", Takeover::AtOnce, 20),
        ("0.68.1", Takeover::WhenReaped, 65),
        ("0.70.0", Takeover::Stuck, 65),
        ("0.70.1", Takeover::AtOnce, 20),
        ("a fork", Takeover::WhenReaped, 65),
        ("another", Takeover::AtOnce, 65),
    ] {
        logs::collect();
        let mut run = Run::with(plan(true), "", |s| {
            s.version = version.to_owned();
            s.takeover = takeover;
        });
        run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
        run.pass(secs(12));
        for death in 0..20 {
            if death % 4 == 3 {
                run.sim.disown_all(server());
            } else {
                run.sim.cut_all(server());
            }
            let took = until_served(&mut run, secs(limit));
            assert!(took < secs(limit), "frps {version}, death {death}: {took:?}");
            run.pass(secs(40) + millis(death * 370));
        }
        let lines = logs::take();
        let said = lines.iter().any(|l| l.contains("may hold the old session"));
        assert_eq!(said, limit > 20, "frps {version}: why it takes long");
        let tally = run.site.frps.tally();
        assert_eq!(tally.takeovers > 0, limit == 20, "frps {version}: {tally:?}");
    }
}

#[test]
fn without_mux_connections_from_an_address_that_is_gone_are_cut_off() {
    let mut run = at_rest(plan(false));
    let guest = run.site.invite(Way::Stalled, 50_000, run.sim.now());
    run.pass(secs(1));
    assert_eq!(run.site.guests[guest].verdict, Verdict::Open);
    run.sim.cut_all(server());
    run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
    run.sim.ring();
    let took = until_back(&mut run, secs(30));
    assert!(took < millis(700), "{took:?}");
    run.pass(secs(2));
    run.check_leftovers();
    serves(&mut run);
}

#[test]
fn a_reset_is_followed_by_a_short_pause() {
    let mut all: Vec<Duration> = (0..40)
        .map(|seed| {
            let mut run = at_rest(Plan { seed, ..plan(true) });
            run.sim.disown_all(server());
            until_back(&mut run, secs(30))
        })
        .collect();
    all.sort();
    assert!(all[39] - all[0] > millis(50) && all[39] < millis(350), "{all:?}");
}

#[test]
fn what_was_acknowledged_before_the_question_is_no_answer() {
    let mut run = at_rest(plan(true));
    serves(&mut run);
    run.pass(secs(1));
    run.sim.cut_all(server());
    run.sim.signal(Signal::Poke);
    let took = until_back(&mut run, secs(30));
    assert!(took < millis(1300), "{took:?}");
}

#[test]
fn a_path_that_was_late_is_given_more_time_on_the_next_link_as_well() {
    let mut run = at_rest(plan(true));
    run.sim.signal(Signal::Poke);
    run.sim.delay_all(server(), run.sim.now() + millis(800));
    run.pass(secs(2));
    assert_eq!(run.site.frps.tally().logins, 1);
    for link in ["the late one", "the next"] {
        run.sim.cut_all(server());
        run.sim.signal(Signal::Poke);
        let took = until_back(&mut run, secs(30));
        assert!((millis(2500)..millis(3500)).contains(&took), "{link}: {took:?}");
        run.pass(secs(1));
    }
}

#[test]
fn an_old_link_has_a_second_more_when_the_path_opens() {
    // The second connection is through at once when the path opens, the old one with its next retransmission.
    let mut run = at_rest(plan(true));
    run.sim.signal(Signal::Poke);
    run.sim.stall = Some((server(), run.sim.now() + secs(3)));
    run.sim.delay_all(server(), run.sim.now() + millis(3900));
    run.pass(secs(60));
    assert_eq!(run.site.frps.tally().logins, 1, "{:?}", logs::take());
}

#[test]
fn a_try_from_the_wrong_address_is_made_again_when_the_right_one_comes() {
    // A route before its address: the system takes another one, and nothing ever comes back to that.
    for doubt in [false, true] {
        let mut run = at_rest(plan(true));
        run.sim.cut_all(server());
        if doubt {
            run.sim.signal(Signal::Poke);
            run.pass(secs(2) / 7);
            assert!(logs::take().iter().any(|l| l.contains("preparing another")));
        } else {
            run.sim.address = None;
            run.sim.ring();
            run.pass(secs(10));
            run.sim.address = Some(IpAddr::from([169, 254, 0, 1]));
            run.sim.ring();
            run.sim.stall = Some((server(), run.sim.now() + millis(70)));
            run.pass(millis(60));
            assert!(logs::take().iter().any(|l| l.contains("try to connect")));
        }
        run.sim.cut_all(server());
        run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
        run.sim.ring();
        let took = until_back(&mut run, secs(30));
        assert!(took < millis(180), "{took:?}, with a link in doubt: {doubt}");
    }
}
