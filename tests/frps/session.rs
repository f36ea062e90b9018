//! Login, control connection, proxies, pool, takeover.

use crate::frps::faults::message;
use crate::frps::settings::{Settings, Takeover};
use crate::frps::{Why, faults};
use crate::script::{Control, Script, TOKEN, login, mux_frame, mux_open, mux_read, proxy, work};
use redial::proto::crypto::auth_key;
use redial::proto::time::{Duration, Instant, millis, secs};
use redial::wire::msg::{CloseProxy, Login, LoginResp, Message, NewWorkConn, Ping, Pong, StartWorkConn};
use redial::wire::yamux::{Flags, Kind};

fn plain() -> Script {
    Script::new(Settings::without_mux())
}

/// The error of the StartWorkConn a client has received.
fn refusal(script: &mut Script, conn: crate::frps::Conn) -> String {
    match script.message(conn) {
        Some(Message::StartWorkConn(StartWorkConn { error, .. })) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_id_is_given_or_taken() {
    let mut script = plain();
    assert_eq!(script.log_in("mine", 1).run_id, "mine");
    let given = script.log_in("", 1).run_id;
    assert!(given.len() == 16 && given.bytes().all(|b| b.is_ascii_hexdigit()), "{given}");
    assert_eq!(script.frps.sessions().len(), 2);
}

#[test]
fn a_wrong_token_is_refused_in_frps_words() {
    for split in [1, 50, 10_000] {
        let mut script = plain();
        let conn = script.connect();
        let login = Login { privilege_key: auth_key("other", 77), ..login("", 1) };
        message(login).chunks(split).for_each(|piece| script.send(conn, piece));
        let Some(Message::LoginResp(LoginResp { run_id, error, version })) = script.message(conn) else { panic!() };
        assert_eq!(error, "token in login doesn't match token from configuration");
        assert_eq!((run_id.as_str(), version.as_str()), ("", "0.70.1"));
        assert!(script.closed.contains(&conn) && script.frps.sessions().is_empty());
    }
}

#[test]
fn work_connections_are_asked_for_in_advance() {
    for (pool, wanted) in [(0, 0), (1, 1), (5, 5), (9, 5), (-3, 0)] {
        let mut script = plain();
        let mut control = script.log_in("r", pool);
        assert_eq!(control.wanted(&mut script), wanted, "pool_count {pool}");
    }
}

#[test]
fn a_line_has_ten_seconds_for_its_first_message() {
    let mut script = plain();
    let conn = script.connect();
    script.send(conn, &message(login("r", 1))[..20]);
    script.pass(millis(9_999));
    assert!(script.closed.is_empty());
    script.pass(millis(1));
    assert!(script.closed.contains(&conn));
    let conn = script.connect();
    script.send(conn, b"GET / HTTP/1.1\r\n\r\n");
    assert!(script.closed.contains(&conn), "no frp at all");
    let conn = script.connect();
    script.send(conn, &message(Pong::default()));
    assert!(script.closed.contains(&conn), "no first message");
}

#[test]
fn proxies_are_refused_in_frps_words() {
    let mut script = plain();
    let mut control = script.log_in("r", 0);
    assert_eq!(control.register(&mut script, proxy("a", 6000)), "");
    assert_eq!(control.register(&mut script, proxy("a", 6001)), "proxy [a] already exists");
    assert_eq!(control.register(&mut script, proxy("b", 6000)), "port already used");
    assert_eq!(control.register(&mut script, proxy("b", 1)), "port unavailable");
    assert_eq!(control.register(&mut script, proxy("b", 70_000)), "port not allowed");
    let udp = redial::wire::msg::NewProxy { proxy_type: "udp".to_owned(), ..proxy("b", 0) };
    assert_eq!(control.register(&mut script, udp), "unknown proxy type: udp");
    assert_eq!(control.register(&mut script, proxy("b", 0)), "");
    assert_eq!(script.ports.iter().copied().collect::<Vec<_>>(), [6000, 40_000]);
    assert_eq!((script.frps.port_of("b"), script.frps.port_of("c")), (Some(40_000), None));
    control.tell(&mut script, CloseProxy { proxy_name: "a".to_owned() });
    assert_eq!(script.ports.iter().copied().collect::<Vec<_>>(), [40_000]);
    script.frps.ended(control.conn, script.now);
    script.settle();
    assert!(script.ports.is_empty() && script.frps.sessions().is_empty());
    assert!(script.closed.contains(&control.conn));
}

#[test]
fn pings_are_answered_and_awaited() {
    let mut script = plain();
    let mut control = script.log_in("r", 0);
    script.pass(secs(89));
    control.tell(&mut script, Ping::default());
    assert_eq!(control.hear(&mut script), [Pong::default().into()]);
    script.pass(millis(89_999));
    assert!(script.closed.is_empty());
    script.pass(millis(1));
    assert!(script.closed.contains(&control.conn), "90 s of silence");
}

#[test]
fn proofs_are_looked_at_if_the_server_says_so() {
    let checks = Settings { check_pings: true, check_work_conns: true, ..Settings::without_mux() };
    let mut script = Script::new(checks);
    let mut control = script.log_in("r", 0);
    let (privilege_key, timestamp) = (auth_key(TOKEN, 5), 5);
    control.tell(&mut script, Ping { privilege_key: privilege_key.clone(), timestamp });
    assert_eq!(control.hear(&mut script), [Pong::default().into()]);
    control.tell(&mut script, Ping::default());
    let error = "token in heartbeat doesn't match token from configuration".to_owned();
    assert_eq!(control.hear(&mut script), [Pong { error }.into()]);
    let conn = script.work("r");
    assert_eq!(refusal(&mut script, conn), "token in NewWorkConn doesn't match token from configuration");
    let conn = script.connect();
    let run_id = "r".to_owned();
    script.send(conn, &message(NewWorkConn { run_id, privilege_key, timestamp }));
    assert_eq!(script.frps.pooled(), 1);
}

#[test]
fn the_pool_has_an_end() {
    for explain_refusals in [true, false] {
        let mut script = Script::new(Settings { explain_refusals, ..Settings::without_mux() });
        script.log_in("r", 1);
        let works: Vec<_> = (0..12).map(|_| script.work("r")).collect();
        assert_eq!(script.frps.pooled(), 11);
        let (last, rest) = works.split_last().unwrap();
        assert!(rest.iter().all(|conn| !script.closed.contains(conn)) && script.closed.contains(last));
        let stranger = script.work("nobody");
        assert!(script.closed.contains(&stranger));
        if explain_refusals {
            assert_eq!(refusal(&mut script, *last), "work connection pool is full, discarding");
            assert_eq!(refusal(&mut script, stranger), "no client control found for run id [nobody]");
        } else {
            assert_eq!((script.received(*last).len(), script.received(stranger).len()), (0, 0));
        }
    }
}

#[test]
fn what_comes_before_the_answer_is_not_lost() {
    let mut script = plain();
    let conn = script.connect();
    let mut early = Script::new(Settings::without_mux()).log_in("r", 0);
    let first = message(login("r", 0));
    let second = early.sealed(&message(proxy("a", 6000)));
    script.send(conn, &[first, second].concat());
    assert!(script.ports.contains(&6000));
}

#[test]
fn garbage_on_the_control_connection_ends_the_session() {
    let mut script = plain();
    let mut control = script.log_in("r", 0);
    control.register(&mut script, proxy("a", 6000));
    let bytes = control.sealed(&faults::frame_of(b'p', 10_241));
    script.send(control.conn, &bytes);
    assert!(script.closed.contains(&control.conn) && script.ports.is_empty());
    assert_eq!(script.frps.tally().garbage, 1);
}

#[test]
fn a_demand_is_sent_as_the_client_reads() {
    let mut script = plain();
    let mut control = script.log_in("r", 0);
    control.hear(&mut script);
    script.clients_read = false;
    script.frps.demand(100_000, script.now);
    script.settle();
    let held = script.sent[&control.conn].len();
    assert!((200_000..=262_144).contains(&held), "{held} bytes wait");
    let mut asked = 0;
    while let Some(bytes) = script.sent.get(&control.conn).map(Vec::len) {
        asked += control.wanted(&mut script);
        script.leave(control.conn, bytes);
        script.settle();
    }
    assert_eq!(asked, 100_000);
}

#[test]
fn the_same_run_id_takes_over() {
    let mut script = plain();
    let mut old = script.log_in("r", 1);
    old.register(&mut script, proxy("a", 6000));
    let pooled = script.work("r");
    let mut new = script.log_in("r", 1);
    assert!(script.closed.contains(&old.conn) && script.closed.contains(&pooled));
    assert!(script.ports.is_empty(), "the proxies of the old session are gone");
    assert_eq!(new.register(&mut script, proxy("a", 6000)), "");
    assert_eq!((script.frps.tally().logins, script.frps.tally().takeovers), (2, 1));
}

/// Logs in with mux on stream 1 of a new connection; says whether it was answered.
fn muxed_login(script: &mut Script) -> (crate::frps::Conn, bool) {
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("r", 0))));
    let answer = mux_read(&script.received(conn));
    (conn, answer.iter().any(|(_, _, body)| !body.is_empty()))
}

#[test]
fn slow_servers_wait_for_the_old_connection() {
    let mut script = Script::new(Settings { takeover: Takeover::WhenReaped, ..Settings::default() });
    let (old, answered) = muxed_login(&mut script);
    assert!(answered);
    let (first, answered) = muxed_login(&mut script);
    assert!(!answered);
    assert_eq!(mux_read(&script.received(old)), [(1, Flags::FIN, vec![])], "the old control stream is closed");
    let (second, answered) = muxed_login(&mut script);
    assert!(!answered);
    assert_eq!(mux_read(&script.received(first)), [(1, Flags::FIN, vec![])], "the first one is given up");
    script.pass(secs(39));
    assert_eq!(script.frps.tally().logins, 1);
    script.pass(secs(1));
    assert!(script.closed.contains(&old), "30 s and 10 s after the last ping");
    let answer = mux_read(&script.received(second));
    assert!(answer.iter().any(|(_, _, body)| !body.is_empty()));
    assert_eq!(script.frps.tally().logins, 2);
}

#[test]
fn the_clients_fin_on_the_old_stream_is_enough() {
    let mut script = Script::new(Settings { takeover: Takeover::WhenReaped, ..Settings::default() });
    let (old, _) = muxed_login(&mut script);
    let (new, _) = muxed_login(&mut script);
    script.send(old, &mux_frame(Kind::Window, Flags::FIN, 1, &[]));
    assert!(!script.closed.contains(&old), "the mux session stays");
    assert!(!script.received(new).is_empty());
}

#[test]
fn servers_0_69_to_0_70_0_never_recover() {
    let mut script = Script::new(Settings { takeover: Takeover::Stuck, ..Settings::default() });
    let (old, _) = muxed_login(&mut script);
    let (new, _) = muxed_login(&mut script);
    script.frps.ended(new, script.now);
    script.settle();
    script.frps.ended(old, script.now);
    script.settle();
    for _ in 0..5 {
        let (conn, answered) = muxed_login(&mut script);
        assert!(!answered);
        script.pass(secs(10));
        assert_eq!(mux_read(&script.received(conn)), []);
    }
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("another", 0))));
    assert!(!script.received(conn).is_empty(), "another run id is welcome");
}

#[test]
fn a_silent_mux_connection_ends_with_all_it_carries() {
    let mut script = Script::new(Settings::default());
    let (conn, _) = muxed_login(&mut script);
    script.send(conn, &mux_open(3, &message(work("r"))));
    assert_eq!(script.frps.pooled(), 1);
    script.pass(secs(40) - Duration::from_micros(1));
    assert_eq!((script.frps.sessions().len(), script.closed.len()), (1, 0));
    script.pass(Duration::from_micros(1));
    assert_eq!((script.frps.sessions().len(), script.frps.pooled()), (0, 0));
    assert!(script.closed.contains(&conn));
    assert_eq!(script.frps.tally().silent, 1);
}

#[test]
fn everything_for_clients_leaves_late() {
    let mut script = Script::new(Settings { delay: millis(250), ..Settings::without_mux() });
    let conn = script.connect();
    script.send(conn, &message(login("r", 2)));
    script.pass(millis(249));
    assert!(script.received(conn).is_empty());
    script.pass(millis(1));
    assert_eq!(script.now, Instant::ZERO + millis(250));
    let mut control: Control = script.control(conn);
    assert_eq!(control.wanted(&mut script), 2);
    script.frps.ended(conn, script.now);
    script.settle();
    assert!(script.closed.is_empty());
    script.pass(millis(250));
    assert!(script.closed.contains(&conn));
}

#[test]
fn waiting_users_leave_with_the_session() {
    let mut script = plain();
    let mut control = script.log_in("r", 0);
    control.register(&mut script, proxy("a", 6000));
    let user = script.visit(6000);
    script.fail(control.conn);
    assert_eq!(script.left[&user], Why::NoSession);
    let late = script.visit(6000);
    assert_eq!(script.left[&late], Why::NoProxy);
}
