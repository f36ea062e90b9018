//! The program ends and starts again with what it remembers, in virtual time; and two programs with one memory.
//!
//! Owns the scenes. Does not know a file. Always true: a time in a scene is virtual and exact. Worst case: one world.

use super::frps::Conn;
use super::frps::faults::{Act, Fault, Stage};
use super::frps::settings::Takeover;
use super::guest::{Verdict, Way};
use super::logs;
use super::plan::{Naming, Plan};
use super::run::Run;
use super::site::server;
use redial::client::Memory;
use redial::net::sim::Weather;
use redial::net::{Net, ResolveError, Signal};
use redial::proto::time::{Duration, millis, secs};

/// A client at rest, of a server of this release.
fn at_rest(mux: bool, version: &str, takeover: Takeover) -> Run {
    logs::collect();
    let weather = Weather { latency: millis(15), ..Weather::default() };
    let mut run = Run::with(Plan { mux, weather, ..Plan::quiet(Vec::new()) }, "", |s| {
        s.version = version.to_owned();
        s.takeover = takeover;
    });
    run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(5));
    logs::take();
    run
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// SIGTERM.
    Told,
    /// SIGKILL: the kernel closes its connections.
    Killed,
    /// The machine: nobody says goodbye.
    Unplugged,
}

fn tell(run: &mut Run) {
    run.sim.signal(Signal::Terminate);
    run.pass(millis(1));
    assert!(run.client.exit().is_some());
}

fn end(run: &mut Run, how: End) {
    match how {
        End::Told => tell(run),
        End::Killed => {}
        End::Unplugged => run.sim.cut_all(server()),
    }
    run.sim.close_all();
    run.start_again();
}

/// How long until a user is served; users come every 100 ms.
fn until_served(run: &mut Run, limit: Duration) -> Duration {
    let (start, first) = (run.sim.now(), run.site.guests.len());
    while !run.site.guests.iter().skip(first).any(|g| g.verdict == Verdict::Served) {
        assert!(run.sim.now().since(start) < limit, "no user is served: {:#?}", logs::take());
        run.site.invite(Way::Echo, 100, run.sim.now());
        run.pass(millis(100));
    }
    run.sim.now().since(start)
}

#[test]
fn a_restart_is_back_under_its_name_at_once() {
    for (mux, version, takeover) in
        [(true, "0.70.1", Takeover::AtOnce), (true, "0.61.2", Takeover::AtOnce), (false, "0.70.0", Takeover::AtOnce)]
    {
        for how in [End::Told, End::Killed, End::Unplugged] {
            let mut run = at_rest(mux, version, takeover);
            let before = run.memory.clone();
            assert!(!before.run_id.is_empty() && !before.ended);
            assert_eq!((before.server.as_str(), before.version.as_str()), ("10.0.0.2:7000", version));
            end(&mut run, how);
            assert_eq!(run.memory.ended, how == End::Told, "{how:?}");
            let took = until_served(&mut run, secs(30));
            assert!(took < millis(700), "frps {version}, mux {mux}, {how:?}: {took:?}");
            assert!(run.memory.run_id == before.run_id && !run.memory.ended, "{how:?}");
            let lines = logs::take();
            assert!(!lines.iter().any(|l| l.starts_with("WARN")), "{how:?}: {lines:?}");
        }
    }
}

#[test]
fn servers_that_hold_a_session_are_gone_around_after_a_restart_too() {
    for (version, takeover) in
        [("0.68.1", Takeover::WhenReaped), ("0.70.0", Takeover::Stuck), ("a fork", Takeover::WhenReaped)]
    {
        // An end in the open: the name is good, and nobody waits.
        let mut run = at_rest(true, version, takeover);
        let before = run.memory.clone();
        end(&mut run, End::Told);
        let took = until_served(&mut run, secs(30));
        assert!(took < millis(700) && run.memory.run_id == before.run_id, "frps {version}: {took:?}");
        // Not known: a name of its own, and soon the proxies.
        end(&mut run, End::Killed);
        let took = until_served(&mut run, secs(30));
        assert!(took < secs(3) && run.memory.run_id != before.run_id, "frps {version}: {took:?}");
        assert!(logs::take().iter().any(|l| l.contains("may hold the old session")), "frps {version}");
        // When the server has found the old session dead.
        for death in 0..5 {
            run.pass(secs(40));
            end(&mut run, End::Unplugged);
            let took = until_served(&mut run, secs(65));
            assert!(took < secs(65), "frps {version}, death {death}: {took:?}");
        }
    }
}

#[test]
fn only_an_end_that_the_server_knows_of_is_in_the_open() {
    // It ended the session itself.
    let mut run = at_rest(true, "0.70.1", Takeover::AtOnce);
    run.site.replace_all(run.sim.now());
    run.until("the loss", secs(1), |_| logs::take().iter().any(|l| l.contains("is lost: EOF")));
    tell(&mut run);
    assert!(run.memory.ended);
    // A login under the name was sent, and nobody knows what became of it.
    run.sim.close_all();
    run.start_again();
    run.site.frps.add_fault(Fault::always(Stage::Login, Act::Silence));
    run.pass(secs(1));
    assert!(!run.memory.ended, "in case of a kill");
    tell(&mut run);
    assert!(!run.memory.ended && !run.memory.run_id.is_empty());
    // As before, and this time there was no login.
    run.sim.close_all();
    run.start_again();
    tell(&mut run);
    assert!(!run.memory.ended && !run.memory.run_id.is_empty());
    // The way to the server was lost, not the server.
    let mut run = at_rest(true, "0.70.1", Takeover::AtOnce);
    run.sim.cut_all(server());
    run.sim.address = None;
    run.sim.ring();
    run.until("the loss", secs(1), |_| logs::take().iter().any(|l| l.contains("no route to the server")));
    tell(&mut run);
    assert!(!run.memory.ended);
}

#[test]
fn a_restart_while_the_line_is_in_doubt_is_no_end_in_the_open() {
    let mut run = at_rest(true, "0.70.0", Takeover::Stuck);
    run.sim.cut_all(server());
    run.until("a doubt", secs(20), |_| logs::take().iter().any(|l| l.contains("preparing another")));
    end(&mut run, End::Told);
    assert!(!run.memory.ended);
    until_served(&mut run, secs(65));
}

#[test]
fn a_name_that_is_not_answered_after_a_restart_is_given_up() {
    // Whatever it is that a server hangs on: a restart cures it.
    for (version, takeover) in [("0.61.2", Takeover::AtOnce), ("0.68.1", Takeover::WhenReaped)] {
        let mut run = at_rest(true, version, takeover);
        let before = run.memory.clone();
        run.site.frps.add_fault(Fault::once(Stage::Login, Act::Silence));
        end(&mut run, End::Told);
        let took = until_served(&mut run, secs(30));
        assert!(took > secs(10) && took < secs(15), "frps {version}: {took:?}");
        assert_ne!(run.memory.run_id, before.run_id, "frps {version}");
        // What the old session still has is asked for until the server has found it dead.
        run.site.frps.add_fault(Fault::once(Stage::Login, Act::Silence));
        end(&mut run, End::Unplugged);
        let took = until_served(&mut run, secs(65));
        let refused = logs::take().iter().filter(|l| l.contains("start error")).count();
        assert!(took < secs(65) && refused == 0, "frps {version}: {took:?}");
        // It is not remembered either, should that be all there was.
        run.site.frps.add_fault(Fault::always(Stage::Login, Act::Silence));
        end(&mut run, End::Killed);
        run.pass(secs(12));
        assert_eq!(run.memory, Memory { server: before.server, version: version.to_owned(), ..Memory::default() });
    }
}

#[test]
fn a_name_that_the_server_has_answered_to_is_kept() {
    let mut run = at_rest(true, "0.70.1", Takeover::AtOnce);
    let before = run.memory.run_id.clone();
    end(&mut run, End::Killed);
    until_served(&mut run, secs(30));
    run.site.frps.add_fault(Fault::once(Stage::Login, Act::Silence));
    run.sim.cut_all(server());
    run.pass(secs(30));
    until_served(&mut run, secs(5));
    assert_eq!(run.memory.run_id, before);
}

#[test]
fn a_name_is_for_its_server_only() {
    let mut run = at_rest(true, "0.70.1", Takeover::AtOnce);
    let before = run.memory.clone();
    run.memory.server = "10.0.0.3:7000".to_owned();
    end(&mut run, End::Killed);
    until_served(&mut run, secs(30));
    assert_ne!(run.memory.run_id, before.run_id);
    assert_eq!(run.memory.server, before.server);
    // The second one has its name back when it is its turn, and until then nothing is forgotten.
    let plan = Plan { naming: Naming::Slow, ..Plan::quiet(Vec::new()) };
    let mut run = Run::with(plan, "redial.servers = [{ addr = \"10.0.0.2\" }]", |_| {});
    run.sim.name("frps.test", vec![(millis(5), Err(ResolveError::NoSuchHost))]);
    run.until("the second server", secs(10), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(5));
    let before = run.memory.clone();
    assert_eq!(before.server, "10.0.0.2:7000");
    end(&mut run, End::Told);
    let ended = run.memory.clone();
    run.sim.signal(Signal::Terminate);
    run.pass(millis(1));
    assert!(run.memory == ended && ended.ended, "nothing was tried");
    run.start_again();
    until_served(&mut run, secs(30));
    assert_eq!(run.memory.run_id, before.run_id);
}

#[test]
fn what_stays_the_same_is_not_written_again() {
    let mut run = at_rest(true, "0.70.1", Takeover::AtOnce);
    for _ in 0..5 {
        run.memory = Memory::default();
        run.sim.cut_all(server());
        run.pass(secs(30));
    }
    assert!(run.site.frps.tally().logins > 4);
    assert_eq!(run.memory, Memory::default());
}

#[test]
fn somebody_else_with_our_name_is_left_to_it() {
    let said =
        |lines: &[String]| lines.iter().filter(|l| l.contains("another process may be using our run id")).count();
    for mux in [true, false] {
        let mut run = at_rest(mux, "0.70.1", Takeover::AtOnce);
        let before = run.memory.run_id.clone();
        // Ended by the server as a login elsewhere does it: soon, after a while, and then twice soon.
        for (rest, id_stays) in [(secs(3), true), (secs(11), true), (secs(5), true), (secs(5), false)] {
            run.pass(rest);
            let logins = run.site.frps.tally().logins;
            run.site.replace_all(run.sim.now());
            run.until("the next login", secs(20), |run| run.site.frps.tally().logins > logins);
            run.pass(millis(100));
            assert_eq!(run.memory.run_id == before, id_stays, "mux {mux}");
            assert_eq!(said(&logs::take()), usize::from(!id_stays), "mux {mux}");
        }
        until_served(&mut run, secs(5));
        // A line that dies is not somebody else, nor is one that resets.
        let before = run.memory.run_id.clone();
        for _ in 0..3 {
            run.sim.cut_all(server());
            run.pass(secs(12));
        }
        for _ in 0..3 {
            for link in run.site.conns.keys().copied().collect::<Vec<_>>() {
                run.site.conns.remove(&link);
                run.site.frps.failed(Conn(link), run.sim.now());
                run.sim.reset(link);
            }
            run.pass(secs(7));
        }
        assert!(run.memory.run_id == before && said(&logs::take()) == 0, "mux {mux}");
    }
}
