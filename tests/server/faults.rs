//! Whatever the server does wrong, redial says so, comes back, and spends little on it.

use super::config::{QUICK, TOKEN, Way, settings, toml};
use crate::support::client::Redial;
use crate::support::frps::faults::{
    Act, Fault, MuxFault, Stage, frame_of, http_response, message, refusal, start, tls_alert,
};
use crate::support::frps::settings::Settings;
use crate::support::local::{answers, echo, serve, until};
use crate::support::server::Server;
use log::Level;
use redial::wire::msg::{LoginResp, NewProxyResp, Pong, ReqWorkConn};
use std::thread::spawn;

/// Finds a silent mux link soon, and sends no heartbeats.
const MUX_PINGS: &str = "transport.tcpMuxKeepaliveInterval = 1";

/// What redial says about a link that has ended.
const LOST: &str = "the connection to the server is lost";

/// A fault, and what redial says about it at warn or error; empty if it is to say nothing at all.
struct Case {
    mux: bool,
    fault: Fault,
    says: &'static str,
}

/// A fault that strikes once, with mux.
fn muxed(stage: Stage, act: Act, says: &'static str) -> Case {
    Case { mux: true, fault: Fault::once(stage, act), says }
}

/// A fault that strikes once, without mux.
fn plain(stage: Stage, act: Act, says: &'static str) -> Case {
    Case { mux: false, fault: Fault::once(stage, act), says }
}

/// Rows of act and words, each with mux and without.
fn both(stage: Stage, rows: Vec<(Act, &'static str)>) -> Vec<Case> {
    let pair = |(act, says): (Act, _)| [muxed(stage, act.clone(), says), plain(stage, act, says)];
    rows.into_iter().flat_map(pair).collect()
}

/// Runs all cases at the same time, each with a server and a client of its own.
fn run(cases: Vec<Case>, extra: &'static str) {
    let threads: Vec<_> = cases.into_iter().map(|case| spawn(move || run_one(case, extra))).collect();
    let failed = threads.into_iter().filter_map(|thread| thread.join().err()).count();
    assert_eq!(failed, 0, "cases failed");
}

fn run_one(Case { mux, fault, says }: Case, extra: &str) {
    let name = format!("{fault:.100?} {}", if mux { "with mux" } else { "without" });
    let server = Server::start(Settings { faults: vec![fault], ..settings(mux) }).expect("a server");
    let way = if mux { Way::MUX } else { Way::PLAIN };
    let mut redial = Redial::start(&toml(&server, &[("echo", serve(echo), way)], extra));
    let works = || server.port_of("echo").is_some_and(answers);
    until(&name, works);
    until(&name, || {
        redial.vitals();
        says.is_empty() || redial.lines.iter().any(|l| l.level <= Level::Warn && l.text.contains(says))
    });
    until(&name, works);
    let vitals = redial.vitals();
    assert!(vitals.turns < 300, "{name}: {} turns", vitals.turns);
    assert!(vitals.peak_bytes < 64 << 10, "{name}: {} bytes", vitals.peak_bytes);
    assert_eq!(server.tally().violation, None, "{name}");
    let warned = redial.lines.iter().find(|l| l.level <= Level::Warn);
    assert!(!says.is_empty() || warned.is_none(), "{name}: {warned:?}");
    redial.stop();
}

#[test]
fn before_the_login() {
    use Stage::{Accept, Stream};
    let mut cases = both(
        Accept,
        vec![
            (Act::Silence, "no answer to the login"),
            (Act::Close, "connect to server error"),
            (Act::Reset, "connection reset by peer"),
        ],
    );
    cases.extend([
        muxed(Accept, Act::Raw(http_response()), "no mux frame"),
        plain(Accept, Act::Raw(http_response()), "web server"),
        muxed(Accept, Act::Raw(tls_alert()), "no answer to the login"),
        plain(Accept, Act::Raw(tls_alert()), "TLS alert"),
        muxed(Stream, Act::Silence, "no answer to the login"),
        muxed(Stream, Act::Close, "EOF"),
        muxed(Stream, Act::CloseStream, "EOF"),
        muxed(Stream, Act::ResetStream, "connect to server error"),
    ]);
    run(cases, "");
}

#[test]
fn instead_of_the_answer_to_the_login() {
    let rows = vec![
        (Act::Silence, "no answer to the login"),
        (Act::Close, "EOF"),
        (Act::Reset, "connection reset by peer"),
        (Act::CloseStream, "EOF"),
        (Act::ResetStream, "connect to server error"),
        (Act::Send(refusal("token in login doesn't match")), "error: token in login doesn't match"),
        (Act::Send(http_response()), "web server"),
        (Act::Send(tls_alert()), "TLS alert"),
        (Act::Send(frame_of(b'1', 10_241)), "message of 10241 bytes"),
        (Act::Send(frame_of(b'1', -1)), "message of -1 bytes"),
        (Act::Send(frame_of(b'1', i64::MAX)), "message of 9223372036854775807 bytes"),
        (Act::Send(frame_of(b'?', 2)), "unknown message type"),
        (Act::Send(frame_of(b'1', 16)), "message body"),
        (Act::Send(message(Pong::default())), "did not answer the login first"),
        (Act::Send(message(LoginResp::default())), "no run id"),
        (Act::SendThenClose(frame_of(b'1', 100)), "EOF"),
    ];
    run(both(Stage::Login, rows), "");
}

#[test]
fn a_wrong_token_is_told_as_the_server_tells_it() {
    let server = Server::start(Settings { token: "another".to_owned(), ..settings(true) }).expect("a server");
    let mut redial = Redial::start(&toml(&server, &[("echo", serve(echo), Way::MUX)], ""));
    let first = redial.line("token in login doesn't match token from configuration", 0);
    redial.line("token in login doesn't match token from configuration", first + 1);
    assert_eq!((server.tally().logins, server.tally().violation), (0, None), "{TOKEN} is not the server's");
    redial.stop();
}

#[test]
fn on_the_control_connection() {
    for stage in [Stage::NewProxy, Stage::Ping] {
        let rows = vec![
            (Act::Close, LOST),
            (Act::Reset, LOST),
            (Act::CloseStream, LOST),
            (Act::ResetStream, LOST),
            (Act::Send(frame_of(b'4', 10_241)), "message of 10241 bytes, at most 10240 are allowed on the control"),
            (Act::Send(frame_of(b'?', 2)), "unknown message type"),
            (Act::Send(frame_of(b'4', 16)), "message body"),
            (Act::Send(message(Pong { error: "no".to_owned() })), "pong message contains error: no"),
            (Act::Raw(vec![7; 40]), LOST),
        ];
        run(both(stage, rows), QUICK);
    }
}

#[test]
fn answers_that_do_not_come() {
    let mut cases = both(Stage::Ping, vec![(Act::Silence, ""), (Act::Send(message(ReqWorkConn {})), "")]);
    for mux in [true, false] {
        let fault = Fault { stage: Stage::Ping, act: Act::Silence, times: 5 };
        cases.push(Case { mux, fault, says: "heartbeat timeout" });
    }
    let quick = spawn(move || run(cases, QUICK));
    // Registered again after 20 s.
    let slow = spawn(|| run(both(Stage::NewProxy, vec![(Act::Silence, "")]), QUICK));
    let fault = Fault { stage: Stage::MuxPing, act: Act::Silence, times: 11 };
    run(vec![Case { mux: true, fault, says: "keepalive timeout" }], MUX_PINGS);
    quick.join().expect("those are content");
    slow.join().expect("those are content");
}

#[test]
fn a_refused_proxy_is_said() {
    let (proxy_name, error) = ("echo".to_owned(), "port already used".to_owned());
    let refused = NewProxyResp { proxy_name, error, ..NewProxyResp::default() };
    let fault = Fault::once(Stage::NewProxy, Act::Send(message(refused)));
    let server = Server::start(Settings { faults: vec![fault], ..settings(true) }).expect("a server");
    let mut redial = Redial::start(&toml(&server, &[("echo", serve(echo), Way::MUX)], ""));
    redial.line("[echo] start error: port already used", 0);
    redial.stop();
}

#[test]
fn on_work_connections() {
    let rows = |pooled: bool| {
        let warned = |says| if pooled { says } else { "" };
        vec![
            (Act::Silence, ""),
            (Act::CloseStream, ""),
            (Act::ResetStream, ""),
            (Act::Send(start("nobody", "")), ""),
            (Act::Send(start("", "go home")), warned("StartWorkConn contains error: go home")),
            (Act::Send([start("echo", ""), vec![7; 100]].concat()), ""),
            (Act::Send(frame_of(b's', 10_241)), warned("message of 10241 bytes")),
            (Act::Send(frame_of(b'?', 2)), warned("unknown message type")),
            (Act::Send(message(Pong::default())), warned("Pong instead of StartWorkConn")),
        ]
    };
    let mut cases = Vec::new();
    for (stage, pooled) in [(Stage::WorkConn, true), (Stage::Start, true), (Stage::Payload, false)] {
        cases.extend(both(stage, rows(pooled)));
        for act in [Act::Close, Act::Reset, Act::SendThenClose(start("echo", ""))] {
            cases.extend([muxed(stage, act.clone(), LOST), plain(stage, act, "")]);
        }
    }
    run(cases, QUICK);
}

#[test]
fn against_the_rules_of_the_mux() {
    use MuxFault::{
        DataAfterFin, FinTwice, GoAway, OpenStream, StrayPong, TooMuchData, UnknownStream, WindowOverflow, WrongKind,
        WrongVersion,
    };
    let rows = [
        (OpenStream, "it opened a stream"),
        (TooMuchData, "it sent more than the receive window"),
        (GoAway(0), "the server sent go away (code 0)"),
        (GoAway(1), "the server sent go away (code 1)"),
        (GoAway(2), "the server sent go away (code 2)"),
        (WrongVersion, "no mux frame"),
        (WrongKind, "no mux frame"),
        (WindowOverflow, "it overflowed a send window"),
        (UnknownStream, ""),
        (StrayPong, ""),
    ];
    let mut cases = Vec::new();
    for stage in [Stage::Stream, Stage::Login, Stage::NewProxy, Stage::WorkConn, Stage::Start, Stage::Payload] {
        cases.extend(rows.iter().map(|(fault, says)| muxed(stage, Act::Mux(*fault), says)));
    }
    for fault in [DataAfterFin, FinTwice] {
        cases.push(muxed(Stage::Login, Act::Mux(fault), "EOF"));
        cases.push(muxed(Stage::Payload, Act::Mux(fault), "it sent data after the end of a stream"));
    }
    run(cases, QUICK);
}

#[test]
fn a_hundred_thousand_work_connections() {
    let demand = Fault::once(Stage::NewProxy, Act::Demand(100_000));
    for way in [Way::MUX, Way::PLAIN] {
        let server = Server::start(Settings { faults: vec![demand.clone()], ..settings(way.mux) }).expect("a server");
        let mut redial = Redial::start_on(&toml(&server, &[("echo", serve(echo), way)], ""), 32 << 20);
        // Without mux what exceeds the budget is not opened.
        let enough = if way.mux { 100_000 } else { 1000 };
        until("they come", || server.tally().works >= enough);
        until("users are served", || server.port_of("echo").is_some_and(answers));
        let vitals = redial.vitals();
        assert!(vitals.peak_bytes <= (2 << 20) + 2048, "the budget is 2 MiB: {vitals:?}");
        let tally = server.tally();
        assert_eq!((tally.logins, tally.violation), (1, None), "the session outlives it");
        redial.stop();
    }
}
