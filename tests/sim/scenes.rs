//! Single scenes, each with exact times or exact words.
//!
//! Owns the scripts. Does not draw by chance. Always true: a scene that fails says what was awaited. Worst case: one
//! world.

use super::frps::Conn;
use super::frps::faults::{Act, Fault, MuxFault, Stage, frame_of, http_response, refusal, start, tls_alert};
use super::guest::{Guest, Verdict, Way};
use super::logs;
use super::plan::{Naming, Plan, Trouble};
use super::run::Run;
use redial::client::Exit;
use redial::net::sim::Weather;
use redial::net::{Net, ResolveError, Signal};
use redial::proto::time::{millis, secs};

fn quiet() -> Plan {
    Plan::quiet(Vec::new())
}

fn faulty(faults: Vec<Fault>) -> Run {
    logs::collect();
    Run::with(quiet(), "", |s| s.faults = faults)
}

fn up(run: &mut Run) {
    run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
    run.pass(secs(1));
}

/// Lines of the log that hold `text`.
fn lines(text: &str) -> usize {
    logs::take().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn an_idle_session_costs_few_turns() {
    let mut run = Run::new(quiet());
    up(&mut run);
    run.pass(secs(60));
    let before = run.turns;
    run.pass(secs(600));
    let a_minute = (run.turns - before) / 10;
    assert!(a_minute <= 45, "{a_minute} turns a minute");
}

#[test]
fn every_stage_of_silence_has_its_deadline() {
    for (stage, what, within) in [
        (Stage::Accept, "i/o deadline", secs(11)),
        (Stage::Stream, "i/o deadline", secs(11)),
        (Stage::Login, "i/o deadline", secs(11)),
    ] {
        let mut run = faulty(vec![Fault::once(stage, Act::Silence)]);
        run.pass(within);
        assert!(lines(what) == 1, "{stage:?}: one line that says \"{what}\"");
        run.until("the next login", secs(5), |run| run.site.frps.tally().logins > 0);
        run.pass(secs(20));
        assert!(!run.site.frps.sessions().is_empty(), "{stage:?}");
    }
}

#[test]
fn a_server_that_answers_no_mux_ping_is_left_after_ten_seconds() {
    let mut run = faulty(vec![Fault::always(Stage::MuxPing, Act::Silence)]);
    run.pass(secs(9));
    assert_eq!(lines("is lost"), 0, "another connection would be no better");
    run.pass(secs(2));
    assert_eq!(lines("is lost: keepalive timeout"), 1);
}

#[test]
fn proxies_that_are_not_answered_or_refused_are_asked_for_again() {
    let mut run = faulty(vec![Fault::once(Stage::NewProxy, Act::Silence)]);
    up(&mut run);
    assert_eq!(lines("start proxy success"), 5);
    run.pass(secs(21));
    assert_eq!(lines("[echo] start proxy success"), 1, "after 20 s");
}

#[test]
fn a_session_whose_pings_are_not_answered_ends() {
    logs::collect();
    let lines_of = "transport.heartbeatInterval = 5\ntransport.heartbeatTimeout = 15";
    let mut run = Run::with(quiet(), lines_of, |s| s.faults = vec![Fault::always(Stage::Ping, Act::Silence)]);
    up(&mut run);
    run.pass(secs(13));
    assert_eq!(lines("is lost: heartbeat timeout"), 0);
    run.pass(secs(3));
    assert_eq!(lines("is lost: heartbeat timeout"), 1);
}

#[test]
fn answers_that_are_not_frp_are_named_and_retried() {
    let garbage = |bytes: &[u8]| Act::SendThenClose(bytes.to_vec());
    for (act, words) in [
        (Act::Send(http_response()), "a web server answers there"),
        (Act::Raw(http_response()), "is transport.tcpMux the same on both ends?"),
        (Act::Send(tls_alert()), "TLS alert"),
        (garbage(b"zzz"), "unknown message type 0x7a"),
        (Act::Send(frame_of(b'1', 10_241)), "message of 10241 bytes"),
        (Act::Send(frame_of(b'1', -1)), "message of -1 bytes"),
        (Act::Send(frame_of(b'1', i64::MAX)), "at most 10240"),
        (Act::Send(frame_of(b'4', 16)), "message body"),
        (Act::Send(start("echo", "")), "it did not answer the login first"),
        (garbage(&frame_of(b'1', 500)), "EOF"),
        (Act::Close, "EOF"),
        (Act::CloseStream, "EOF"),
        (Act::ResetStream, "EOF"),
        (Act::Reset, "connection reset by peer"),
    ] {
        let mut run = faulty(vec![Fault::once(Stage::Login, act.clone())]);
        run.pass(secs(1));
        let log = logs::take();
        let told = log.iter().filter(|l| l.contains("connect to server error") && l.contains(words)).count();
        assert_eq!(told, 1, "{act:?}: {log:?}");
        run.until("the next login", secs(12), |run| run.site.frps.tally().logins > 0);
    }
}

#[test]
fn broken_mux_rules_end_the_session_and_nothing_else() {
    for fault in [
        MuxFault::OpenStream,
        MuxFault::TooMuchData,
        MuxFault::DataAfterFin,
        MuxFault::FinTwice,
        MuxFault::UnknownStream,
        MuxFault::GoAway(0),
        MuxFault::GoAway(1),
        MuxFault::GoAway(2),
        MuxFault::WrongVersion,
        MuxFault::WrongKind,
        MuxFault::WindowOverflow,
        MuxFault::StrayPong,
    ] {
        let mut run = faulty(vec![Fault::once(Stage::WorkConn, Act::Mux(fault))]);
        run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
        run.pass(secs(30));
        let log = logs::take();
        // After FIN the unused connection is given up, and with it the stream: what follows is for nobody.
        let late = matches!(fault, MuxFault::FinTwice | MuxFault::DataAfterFin);
        let harmless = late || matches!(fault, MuxFault::UnknownStream | MuxFault::StrayPong);
        let said = log.iter().filter(|l| l.contains("is lost")).count();
        assert_eq!(said, usize::from(!harmless), "{fault:?}: {log:?}");
        // The first may be given the connection that went wrong.
        for _ in 0..2 {
            let guest = run.site.invite(Way::Echo, 1000, run.sim.now());
            run.until("a guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
        }
        let verdicts: Vec<Verdict> = run.site.guests.iter().map(|g| g.verdict).collect();
        assert_eq!(verdicts[1], Verdict::Served, "{fault:?}");
    }
}

#[test]
fn work_connections_that_go_wrong_harm_only_themselves() {
    for act in [
        Act::Silence,
        Act::Close,
        Act::Reset,
        Act::CloseStream,
        Act::ResetStream,
        Act::Send(start("nobody", "")),
        Act::Send(start("echo", "no luck")),
        Act::Send(b"garbage".to_vec()),
        Act::Send(frame_of(b's', 99_999)),
        Act::Send([start("echo", ""), vec![7; 70_000]].concat()),
    ] {
        for mux in [true, false] {
            for stage in [Stage::WorkConn, Stage::Start, Stage::Payload] {
                // The payload would be checked against a guest's.
                if stage != Stage::Payload && matches!(&act, Act::Send(bytes) if bytes.len() > 70_000) {
                    continue;
                }
                if matches!(&act, Act::Send(_)) && stage == Stage::Payload {
                    continue;
                }
                let faults = vec![Fault::once(stage, act.clone())];
                let mut run = Run::with(Plan { mux, ..quiet() }, "", |s| s.faults = faults);
                run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
                run.pass(secs(5));
                for _ in 0..3 {
                    run.site.invite(Way::Echo, 100, run.sim.now());
                    run.pass(secs(15));
                }
                let last = run.site.invite(Way::Echo, 100, run.sim.now());
                run.until("a guest", secs(60), |run| run.site.guests[last].verdict != Verdict::Open);
                assert_eq!(run.site.guests[last].verdict, Verdict::Served, "{act:?} at {stage:?}, mux {mux}");
            }
        }
    }
}

#[test]
fn a_flood_of_requests_keeps_the_budget() {
    for mux in [true, false] {
        let faults = vec![Fault::once(Stage::NewProxy, Act::Demand(100_000))];
        let mut run = Run::with(Plan { mux, ..quiet() }, "", |s| s.faults = faults);
        let mut most = 0;
        let end = run.sim.now() + secs(30);
        while run.sim.now() < end && run.turn() {
            most = most.max(run.client.load().1);
        }
        assert!(most <= (4 << 20) + 4096, "{most} bytes with a budget of 4 MiB");
        let guest = run.site.invite(Way::Echo, 1000, run.sim.now());
        run.until("a guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
    }
}

#[test]
fn services_that_do_not_read_cost_no_more_than_the_budget() {
    // 60 guests send 300 KB each to a service that sleeps: 256 KiB of window each is three times the budget.
    let guests = (0..60).map(|_| Guest::new(Way::Stalled, 300_000, secs(2))).collect();
    let mut run = Run::new(Plan { weather: Weather { buffer: 8192, ..Weather::default() }, ..Plan::quiet(guests) });
    logs::collect();
    let mut most = 0;
    while !run.site.is_done() && run.turn() {
        most = most.max(run.client.load().1);
    }
    assert!(most <= (4 << 20) + 300_000, "{most} bytes with a budget of 4 MiB");
    assert!(most > 3 << 20, "the scene does not press");
    let failed = run.site.guests.iter().filter(|g| g.verdict == Verdict::Failed).count();
    assert!((1..60).contains(&failed), "{failed} were cut off");
    assert!(lines("out of memory budget") >= 1);
    run.pass(secs(80));
    run.check_leftovers();
}

#[test]
fn a_pong_does_not_wait_behind_bulk_data() {
    // 100 kB/s up, four services that talk: 9.4 e of the protocol notes, where frpc is thrown out every 40 s.
    let weather = Weather { latency: millis(10), up_piece: 2000, buffer: 4 << 20, ..Weather::default() };
    let guests = (0..4).map(|_| Guest::new(Way::Listen, 4_000_000, secs(2))).collect();
    let mut run = Run::with(Plan { weather, ..Plan::quiet(guests) }, "", |s| {
        s.mux.as_mut().expect("mux").keepalive = secs(3);
    });
    run.until("the guests to be served", secs(400), |run| run.site.is_done());
    assert_eq!((run.site.frps.tally().silent, run.site.frps.tally().logins), (0, 1));
    assert!(run.site.guests.iter().all(|g| g.verdict == Verdict::Served));
}

#[test]
fn a_full_uplink_is_shared() {
    // Bulk data fills 100 kB/s; those who come later want little, and get it between its pieces.
    for mux in [true, false] {
        let weather = Weather { latency: millis(10), up_piece: 2000, buffer: 40_000, ..Weather::default() };
        let mut run = Run::new(Plan { weather, mux, ..quiet() });
        up(&mut run);
        for _ in 0..3 {
            run.site.invite(Way::Listen, 40_000_000, run.sim.now());
        }
        run.pass(secs(5));
        for _ in 0..5 {
            let guest = run.site.invite(Way::Echo, 300, run.sim.now());
            run.until("a small guest", secs(2), |run| run.site.guests[guest].verdict != Verdict::Open);
            assert_eq!(run.site.guests[guest].verdict, Verdict::Served, "mux {mux}");
        }
    }
}

/// A world in which the server sends a frame so often, and then serves two guests.
fn flood(frame: [u8; 12], times: usize, weather: Weather) -> Run {
    let faults = vec![Fault::once(Stage::WorkConn, Act::Raw(frame.repeat(times)))];
    let mut run = Run::with(Plan { weather, ..quiet() }, "", |s| s.faults = faults);
    run.until("the flood", secs(60), |run| run.site.frps.tally().works > 0);
    // The first may be given the connection that was silenced.
    for _ in 0..2 {
        let guest = run.site.invite(Way::Echo, 1000, run.sim.now());
        run.until("a guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
    }
    run
}

#[test]
fn a_flood_of_mux_pings_is_answered() {
    const PING: [u8; 12] = [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
    for (buffer, up_piece) in [(20_000, 3000), (200_000, 200_000), (200_000, 3000)] {
        let weather = Weather { latency: millis(5), buffer, up_piece, ..Weather::default() };
        let run = flood(PING, 40_000, weather);
        assert_eq!(run.site.guests[1].verdict, Verdict::Served, "{weather:?}");
        assert_eq!(run.site.frps.tally().logins, 1);
    }
    // From a server that does not read before it is rid of its pings: only the keepalive ends that.
    let mut run = flood(PING, 60_000, Weather { buffer: 20_000, ..Weather::default() });
    run.pass(secs(60));
    let guest = run.site.invite(Way::Echo, 1000, run.sim.now());
    run.until("a guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
    assert_eq!(run.site.frps.tally().logins, 2);
}

#[test]
fn a_link_is_read_on_when_a_turns_share_is_used_up() {
    // 3 MB for a stream that is not there: 512 KiB a turn.
    const STRAY: [u8; 12] = [0, 1, 0, 0, 0, 0, 3, 231, 0, 0, 0, 0];
    let weather = Weather { piece: 2 << 20, buffer: 4 << 20, ..Weather::default() };
    let run = flood(STRAY, 250_000, weather);
    assert_eq!(run.site.guests[1].verdict, Verdict::Served);
    assert_eq!(run.site.frps.tally().logins, 1);
}

#[test]
fn a_used_up_window_is_waited_for() {
    // The link takes everything; only the stream's window, of 256 KiB, is in the way.
    let (piece, up_piece, buffer) = (4 << 20, 4 << 20, 4 << 20);
    let weather = Weather { latency: millis(4), piece, up_piece, buffer, ..Weather::default() };
    let guests = vec![Guest::new(Way::Listen, 3_000_000, secs(2))];
    let mut run = Run::new(Plan { weather, old_server: true, ..Plan::quiet(guests) });
    run.until("the guest to be served", secs(10), |run| run.site.is_done());
    assert_eq!(run.site.guests[0].verdict, Verdict::Served);
}

#[test]
fn a_service_that_never_ends_is_left_after_five_seconds() {
    let mut run = Run::new(Plan::quiet(vec![Guest::new(Way::Rude, 1000, secs(2))]));
    run.until("the guest to go", secs(10), |run| run.site.is_done());
    run.pass(secs(4));
    assert_eq!(run.client.load().0, run.site.frps.pooled() + 1);
    run.pass(secs(2));
    run.check_leftovers();
}

#[test]
fn leftovers_of_a_lost_session_do_not_touch_the_next_one() {
    // Services that sleep keep tunnels of the old session alive while the new one uses the same stream numbers.
    let weather = Weather { buffer: 4096, ..Weather::default() };
    let stalled = (0..6).map(|_| Guest::new(Way::Stalled, 50_000, secs(2)));
    let late = (0..6).map(|i| Guest::new(Way::Echo, 20_000, secs(4) + millis(i * 70)));
    let guests = stalled.chain(late).collect();
    let plan = Plan { weather, trouble: Trouble::Reset, trouble_at: secs(3), ..Plan::quiet(guests) };
    let mut run = Run::new(plan);
    run.until("the guests to go", secs(700), |run| run.site.is_done());
    for (number, guest) in run.site.guests.iter().enumerate().skip(6) {
        assert_eq!(guest.verdict, Verdict::Served, "guest {number}");
    }
    run.pass(secs(80));
    run.check_leftovers();
}

#[test]
fn the_first_login_decides_when_the_configuration_says_so() {
    let refused = || vec![Fault::always(Stage::Login, Act::SendThenClose(refusal("token in login doesn't match")))];
    logs::collect();
    let mut run = Run::with(quiet(), "", |s| s.faults = refused());
    run.pass(secs(300));
    assert!(run.client.exit().is_none() && lines("connect to server error: token in login doesn't match") > 3);
    // The last of two lines counts, as keys ignore case.
    let mut run = Run::with(quiet(), "loginfailexit = true", |s| s.faults = refused());
    run.pass(secs(60));
    assert_eq!(run.client.exit(), Some(&Exit::LoginFailed("token in login doesn't match".to_owned())));
    let mut run = Run::with(quiet(), "loginfailexit = true", |_| {});
    up(&mut run);
    run.site.frps.add_fault(Fault::always(Stage::Login, Act::Close));
    let links: Vec<u32> = run.site.conns.keys().copied().collect();
    links.into_iter().for_each(|link| run.sim.cut(link));
    run.pass(secs(200));
    assert!(run.client.exit().is_none(), "after a first success it never ends");
}

#[test]
fn connections_are_told_of_in_frpcs_words() {
    for mux in [true, false] {
        let mut run = Run::new(Plan { mux, ..Plan::quiet(vec![Guest::new(Way::Echo, 10, secs(2))]) });
        logs::collect_debug();
        run.until("the guest to go", secs(10), |run| run.site.is_done());
        run.pass(secs(10));
        let log = logs::take();
        let told = |text: &str| log.iter().filter(|l| l.starts_with("DEBUG [") && l.ends_with(text)).count();
        let (here, server) = ("10.0.0.1:40000", "10.0.0.2:7000");
        let start = format!("[echo] start a new work connection, localAddr: {here} remoteAddr: {server}");
        let join =
            format!("[echo] join connections, localConn(l[{here}] r[127.0.0.1:9001]) workConn(l[{here}] r[{server}])");
        for line in [start.as_str(), &join, "[echo] join connections closed"] {
            assert_eq!(told(line), 1, "{line}: {log:?}");
        }
    }
}

#[test]
fn work_connections_of_no_use_are_not_said_to_be_unmade() {
    for (act, words) in [
        (Act::Send(b"garbage".to_vec()), "a work connection: unknown message type"),
        (Act::Send(refusal("x")), "a work connection: the server sent LoginResp instead of StartWorkConn"),
    ] {
        let mut run = faulty(vec![Fault::once(Stage::WorkConn, act)]);
        run.pass(secs(5));
        let log = logs::take();
        assert_eq!(log.iter().filter(|l| l.starts_with("WARN") && l.contains(words)).count(), 1, "{log:?}");
        assert!(!log.iter().any(|l| l.contains("start new connection to server error")), "{log:?}");
    }
}

#[test]
fn a_wrong_token_is_the_servers_word() {
    logs::collect();
    let mut run = Run::with(quiet(), "", |s| s.token = "other".to_owned());
    run.pass(secs(1));
    assert_eq!(lines("connect to server error: token in login doesn't match token from configuration"), 1);
}

#[test]
fn names_are_raced_and_forgotten_when_they_lead_nowhere() {
    let took = |naming| {
        let mut run = Run::new(Plan { naming, ..quiet() });
        run.until("a login", secs(60), |run| run.site.frps.tally().logins > 0);
        (run.sim.now().since(run.start), run)
    };
    let (dead_first, _) = took(Naming::DeadV6First);
    assert!(dead_first < millis(300), "IPv4 starts 250 ms after IPv6 at the latest: {dead_first:?}");
    let (wrong_first, run) = took(Naming::WrongFirst);
    assert!(wrong_first < millis(100), "a refusal starts the next at once: {wrong_first:?}");
    assert!(run.sim.forgotten.is_empty());
    let mut run = Run::new(Plan { naming: Naming::Slow, ..quiet() });
    run.sim.name("frps.test", vec![(millis(1), Err(ResolveError::NoSuchHost))]);
    logs::collect();
    run.pass(secs(1));
    let failed = lines("connect to server error: lookup frps.test: no such host");
    assert!(failed > 0);
    assert_eq!(run.sim.forgotten.len(), failed);
    run.sim.name("frps.test", vec![]);
    run.pass(secs(14));
    assert_eq!(lines("dial tcp frps.test:7000: i/o timeout"), 1, "a look-up that never ends");
}

#[test]
fn a_service_that_is_down_closes_its_users_at_once_and_says_so_once() {
    let guests = (0..20).map(|i| Guest::new(Way::Refused, 10, secs(2) + millis(i * 50))).collect();
    let mut run = Run::new(Plan::quiet(guests));
    logs::collect();
    run.until("the guests to go", secs(10), |run| run.site.is_done());
    let slowest = run.site.guests.iter().map(|g| g.closed.expect("closed").since(g.started.expect("came"))).max();
    assert!(slowest < Some(millis(100)), "{slowest:?}");
    assert_eq!(
        lines("connect to local service [127.0.0.1:9005] error: dial tcp 127.0.0.1:9005: connect: connection refused"),
        1
    );
}

#[test]
fn a_service_that_never_answers_is_given_ten_seconds() {
    let mut run = Run::new(Plan::quiet(vec![Guest::new(Way::Unanswered, 10, secs(2))]));
    run.until("the guest to go", secs(20), |run| run.site.is_done());
    let guest = &run.site.guests[0];
    let took = guest.closed.expect("closed").since(guest.started.expect("came"));
    assert!((secs(10)..secs(11)).contains(&took), "{took:?}");
}

#[test]
fn signals() {
    let mut run = Run::new(quiet());
    up(&mut run);
    logs::collect();
    run.sim.signal(Signal::Report);
    run.pass(millis(10));
    assert_eq!(lines("running as ["), 1);
    run.sim.signal(Signal::Terminate);
    run.pass(millis(10));
    assert_eq!(run.client.exit(), Some(&Exit::Terminated));
}

#[test]
fn a_session_that_dies_right_after_each_login_is_not_hammered() {
    let mut run = Run::new(quiet());
    let end = run.sim.now() + secs(120);
    while run.sim.now() < end && run.turn() {
        let links: Vec<u32> = run.site.conns.keys().copied().collect();
        if run.site.frps.sessions().is_empty() {
            continue;
        }
        for link in links {
            run.site.conns.remove(&link);
            run.site.frps.failed(Conn(link), run.sim.now());
            run.sim.reset(link);
        }
    }
    let logins = run.site.frps.tally().logins;
    assert!((10..26).contains(&logins), "{logins} logins in two minutes");
}

#[test]
fn old_servers_are_pinged_so_that_they_keep_us() {
    let mut run = Run::with(quiet(), "", |s| s.version = "0.33.0".to_owned());
    up(&mut run);
    run.pass(secs(95));
    assert!(run.site.frps.tally().pings >= 3);
    let mut run = Run::new(quiet());
    up(&mut run);
    run.pass(secs(95));
    assert_eq!(run.site.frps.tally().pings, 0);
}
