//! Two things at once: what goes wrong while something else is going wrong already, in virtual time.
//!
//! Owns the scenes. Does not draw by chance but for the seed. Always true: a time in a scene is virtual and exact. Worst
//! case: one world.

use super::frps::faults::{Act, Fault, Stage, refusal};
use super::frps::settings::Takeover;
use super::guest::Way;
use super::logs;
use super::plan::{Naming, Plan, Trouble};
use super::recovery::{at_rest, plan, serves, until_back};
use super::run::Run;
use super::site::{door, server};
use redial::net::sim::Weather;
use redial::net::{Answer, Event, Net, ResolveError, Signal};
use redial::proto::time::{Duration, millis, secs};
use std::net::IpAddr;

/// The first server's name leads nowhere, and the second one is in use.
fn on_the_second(failback: u32) -> Run {
    logs::collect();
    let lines = format!("redial.servers = [{{ addr = \"10.0.0.2\" }}]\nredial.failback = {failback}");
    let mut run = Run::with(Plan { naming: Naming::Slow, ..plan(true) }, &lines, |_| {});
    run.sim.name("frps.test", vec![(millis(5), Err(ResolveError::NoSuchHost))]);
    run.until("the second server", secs(10), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(10));
    run
}

fn resolves(run: &mut Run, ip: &str) {
    let ip: IpAddr = ip.parse().expect("an address");
    run.sim.name("frps.test", vec![(millis(5), Ok(Answer { addrs: vec![ip], done: true }))]);
}

/// The line dies now, and a signal makes the client ask.
fn death(run: &mut Run) -> Duration {
    run.sim.cut_all(server());
    run.sim.signal(Signal::Poke);
    until_back(run, secs(60))
}

/// The program stands still; what comes meanwhile is there when it goes on. It is told of long times only.
fn stand_still(run: &mut Run, long: Duration) {
    let (end, mut events) = (run.sim.now() + long, Vec::new());
    while run.sim.now() < end && run.sim.advance(Some(end), &mut run.site, &mut events) {}
    if long >= secs(2) {
        events.push(Event::Stalled(long));
    }
    for event in events {
        run.client.handle(event, &mut run.sim);
    }
}

fn lines_with(text: &str) -> usize {
    logs::take().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_first_server_with_nothing_behind_its_door_is_tried_again() {
    for failback in [30, 33] {
        let mut run = on_the_second(failback);
        resolves(&mut run, &door().ip().to_string());
        run.pass(secs(50));
        assert_eq!(run.sim.open_sockets(), 1, "nothing is left of the try");
        resolves(&mut run, "10.0.0.2");
        run.pass(secs(400));
        assert_eq!((run.site.frps.tally().logins, run.sim.open_sockets()), (2, 1), "it got its place back");
        let took = death(&mut run);
        assert!(took < millis(1300), "{took:?}");
    }
}

#[test]
fn a_death_does_not_wait_for_a_try_to_go_back() {
    for phase in 0..12 {
        let mut run = on_the_second(30);
        resolves(&mut run, "2001:db8::9");
        run.pass(secs(40) + millis(phase * 2500));
        let took = death(&mut run);
        assert!(took < millis(1300), "phase {phase}: {took:?}");
    }
}

#[test]
fn a_second_connection_ends_with_the_doubt_that_a_stall_ends() {
    let mut run = at_rest(plan(true));
    run.sim.signal(Signal::Poke);
    run.sim.delay_all(server(), run.sim.now() + millis(700));
    run.pass(millis(500));
    assert_eq!((lines_with("preparing another"), run.sim.open_sockets()), (1, 2));
    run.client.handle(Event::Stalled(secs(3)), &mut run.sim);
    run.pass(secs(60));
    assert_eq!((run.site.frps.tally().logins, run.sim.open_sockets()), (1, 1));
    let took = death(&mut run);
    assert!(took < millis(3500), "{took:?}");
}

#[test]
fn a_program_that_stood_still_does_not_blame_the_link() {
    for mux in [true, false] {
        let mut run = at_rest(plan(mux));
        run.sim.signal(Signal::Poke);
        run.pass(millis(1));
        stand_still(&mut run, secs(15));
        run.pass(secs(60));
        assert_eq!(run.site.frps.tally().logins, 1, "mux {mux}: {:?}", logs::take());
    }
}

#[test]
fn a_starved_program_takes_no_answer_for_late() {
    for mux in [true, false] {
        let mut run = at_rest(plan(mux));
        for _ in 0..3 {
            run.sim.signal(Signal::Poke);
            run.pass(millis(1));
            stand_still(&mut run, millis(900));
            run.pass(secs(3));
        }
        assert_eq!(lines_with("may be dead"), 0, "mux {mux}");
        let took = death(&mut run);
        assert!(took < millis(1500), "mux {mux}: {took:?}");
    }
}

#[test]
fn a_login_is_waited_for_in_time_that_passes() {
    logs::collect();
    let weather = Weather { latency: millis(150), ..Weather::default() };
    let mut run = Run::new(Plan { weather, ..plan(true) });
    run.pass(millis(400));
    stand_still(&mut run, secs(12));
    run.pass(secs(5));
    assert_eq!((run.site.frps.tally().logins, lines_with("error")), (1, 0));
}

#[test]
fn a_question_during_the_login_is_not_answered_by_the_past() {
    for ring in [5, 100, 250, 280] {
        logs::collect();
        let weather = Weather { latency: millis(150), ..Weather::default() };
        let mut run = Run::new(Plan { weather, ..plan(true) });
        run.pass(millis(302 + ring));
        run.sim.ring();
        run.pass(secs(30));
        let took = death(&mut run);
        assert!(took < millis(2400), "rung after {ring} ms: {took:?}");
    }
}

#[test]
fn a_dead_family_makes_nothing_late() {
    let mut run = at_rest(Plan { naming: Naming::DeadV6First, ..plan(true) });
    for _ in 0..4 {
        let took = death(&mut run);
        assert!(took < millis(1300), "{took:?}");
        run.pass(secs(200));
    }
}

#[test]
fn whatever_the_way_an_address_that_comes_back_is_used_at_once() {
    for lines in ["", "redial.interface = \"wan\"", "redial.mark = 7"] {
        for seed in 0..8 {
            logs::collect();
            let mut run = Run::with(Plan { seed, ..plan(true) }, lines, |_| {});
            run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
            run.pass(secs(40));
            run.sim.cut_all(server());
            run.sim.address = None;
            run.sim.ring();
            run.pass(secs(60));
            run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
            run.sim.ring();
            let took = until_back(&mut run, secs(60));
            assert!(took < millis(300), "{lines}, seed {seed}: {took:?}");
        }
    }
}

#[test]
fn a_name_that_could_not_be_looked_up_is_when_the_network_comes() {
    for naming in [Naming::Address, Naming::DeadV6First] {
        for seed in 0..8 {
            logs::collect();
            let mut run = Run::with(Plan { seed, naming, ..plan(true) }, "", |_| {});
            run.sim.address = None;
            run.pass(secs(60));
            run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
            run.sim.ring();
            let took = until_back(&mut run, secs(60));
            assert!(took < millis(1000), "{naming:?}, seed {seed}: {took:?}");
        }
    }
}

/// Tries in ten minutes in which the network changes all the time, and our address with it if `moving`.
fn tries_in_noise(run: &mut Run, moving: bool) -> usize {
    logs::take();
    for host in 0..1200_u32 {
        if moving {
            run.sim.address = Some(IpAddr::from([10, 0, 1, u8::try_from(host % 200).expect("a byte")]));
        }
        run.sim.ring();
        run.pass(millis(500));
    }
    lines_with("try to connect")
}

#[test]
fn noise_in_the_network_does_not_change_the_pace() {
    let trouble = Trouble::Restart(secs(3600));
    let mut run = Run::new(Plan { trouble, trouble_at: secs(40), ..plan(true) });
    logs::collect();
    run.until("the trouble", secs(60), |run| run.site.struck.is_some());
    let tries = tries_in_noise(&mut run, false);
    assert!((40..100).contains(&tries), "{tries} tries of a server that is gone");
    logs::collect();
    let mut run = Run::with(plan(true), "", |s| s.token = "other".to_owned());
    let tries = tries_in_noise(&mut run, true);
    assert!((3..8).contains(&tries), "{tries} tries of one that refuses us");
}

#[test]
fn a_login_that_was_given_up_does_not_come_late() {
    for phase in [1, 5, 10, 14, 16, 20, 25, 29] {
        let mut run = at_rest(plan(true));
        run.sim.disown_all(server());
        run.until("a try", secs(5), |_| lines_with("try to connect") > 0);
        run.pass(millis(phase));
        run.sim.delay_all(server(), run.sim.now() + secs(11));
        run.pass(secs(40));
        let lines = logs::take();
        assert!(!lines.iter().any(|l| l.contains("is lost")), "{phase} ms after the try: {lines:?}");
        serves(&mut run);
    }
}

#[test]
fn the_same_server_by_another_way_knows_us() {
    let lines = "redial.interface = \"wan1\"\nredial.servers = [{ addr = \"10.0.0.2\", interface = \"wan2\" }]";
    let mut run = Run::with(plan(true), lines, |_| {});
    logs::collect();
    run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(40));
    run.sim.cut_all(server());
    run.sim.address = None;
    run.sim.signal(Signal::Poke);
    run.pass(secs(3));
    run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
    until_back(&mut run, secs(60));
    run.pass(secs(1));
    serves(&mut run);
    assert_eq!(lines_with("already exists"), 0);
}

#[test]
fn without_mux_and_word_of_the_network_the_stranded_are_found() {
    for ring in [true, false] {
        let mut run = at_rest(plan(false));
        run.site.invite(Way::Stalled, 50_000, run.sim.now());
        run.pass(secs(1));
        run.sim.cut_all(server());
        run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
        if ring {
            run.sim.ring();
        } else {
            run.sim.signal(Signal::Poke);
        }
        until_back(&mut run, secs(30));
        run.pass(secs(5));
        run.check_leftovers();
    }
}

#[test]
fn a_name_is_not_used_again_where_its_login_may_have_arrived() {
    logs::collect();
    let trouble = Trouble::Restart(millis(1));
    let mut run = Run::with(Plan { trouble, trouble_at: secs(40), ..plan(true) }, "", |s| {
        s.version = "0.70.0".to_owned();
        s.takeover = Takeover::Stuck;
    });
    run.until("the restart", secs(60), |run| run.site.struck.is_some());
    run.until("a login there", secs(60), |run| run.site.frps.tally().logins > 0);
    // Its answer does not come through any more.
    run.sim.cut_all(server());
    run.sim.address = Some(IpAddr::from([10, 0, 0, 77]));
    run.sim.ring();
    let took = until_back(&mut run, secs(30));
    assert!(took < secs(2), "{took:?}: {:?}", logs::take());
    run.pass(secs(3));
    serves(&mut run);
}

#[test]
fn a_server_that_ends_its_sessions_at_once_is_left_for_the_next() {
    let mut run = Run::with(plan(true), "redial.servers = [{ addr = \"10.0.0.9\" }]", |_| {});
    logs::collect();
    for logins in 1..=2 {
        run.until("a login", secs(60), |run| run.site.frps.tally().logins == logins);
        run.pass(secs(1));
        run.site.replace_all(run.sim.now());
    }
    run.pass(secs(3));
    assert_eq!(lines_with("the next server is 10.0.0.9"), 1);
}

#[test]
fn a_first_server_that_takes_no_login_is_tried_ever_less_often() {
    let mut run = on_the_second(30);
    resolves(&mut run, "10.0.0.2");
    for _ in 0..2 {
        run.site.frps.add_fault(Fault::once(Stage::Login, Act::Send(refusal("full"))));
    }
    run.pass(secs(25));
    assert_eq!(lines_with("going back to the first server"), 1);
    run.until("the second server again", secs(120), |run| run.site.frps.tally().logins == 2);
    run.pass(secs(55));
    assert_eq!(lines_with("going back"), 0);
    run.pass(secs(10));
    assert_eq!(lines_with("going back"), 1);
    serves(&mut run);
}
