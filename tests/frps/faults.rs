//! Every fault does what its description says, once or as often as it says.

use crate::frps::Why;
use crate::frps::faults::{Act, Fault, MuxFault, Stage, frame_of, http_response, message, start};
use crate::frps::settings::Settings;
use crate::script::{Script, login, mux_frame, mux_open, mux_read, proxy};
use redial::proto::time::secs;
use redial::wire::msg::{Message, Ping, Pong};
use redial::wire::yamux::{Flags, Kind};

fn with(fault: Fault) -> Settings {
    Settings { faults: vec![fault], ..Settings::without_mux() }
}

fn with_mux(fault: Fault) -> Settings {
    Settings { faults: vec![fault], ..Settings::default() }
}

#[test]
fn silence_at_accept_drops_everything() {
    for settings in [with(Fault::once(Stage::Accept, Act::Silence)), with_mux(Fault::once(Stage::Accept, Act::Silence))]
    {
        let mut script = Script::new(settings);
        let conn = script.connect();
        script.send(conn, &[0xff; 100_000]);
        script.pass(secs(9));
        assert!(script.sent.is_empty() && script.closed.is_empty());
        script.frps.ended(conn, script.now);
        script.settle();
        assert!(script.closed.contains(&conn));
    }
}

#[test]
fn a_fault_strikes_as_often_as_it_says() {
    let mut script = Script::new(with(Fault { stage: Stage::Login, act: Act::Close, times: 2 }));
    for _ in 0..2 {
        let conn = script.connect();
        script.send(conn, &message(login("r", 1)));
        assert!(script.closed.contains(&conn) && script.received(conn).is_empty());
    }
    script.log_in("r", 1);
    script.frps.add_fault(Fault::always(Stage::Login, Act::Reset));
    for _ in 0..3 {
        let conn = script.connect();
        script.send(conn, &message(login("r", 1)));
        assert!(script.aborted.contains(&conn));
    }
    script.frps.clear_faults();
    script.log_in("r", 1);
}

#[test]
fn bytes_take_the_place_of_an_answer() {
    for (act, closes) in [(Act::Send(http_response()), false), (Act::SendThenClose(http_response()), true)] {
        let mut script = Script::new(with(Fault::once(Stage::Login, act)));
        let conn = script.connect();
        script.send(conn, &message(login("r", 1)));
        assert_eq!(script.received(conn), http_response());
        assert_eq!(script.closed.contains(&conn), closes);
        script.pass(secs(100));
        assert!(script.frps.sessions().is_empty() && script.received(conn).is_empty());
    }
}

#[test]
fn on_the_control_connection_they_are_encrypted_and_it_goes_on() {
    let pong = Pong { error: "no".to_owned() };
    let mut script = Script::new(with(Fault::once(Stage::Ping, Act::Send(message(pong.clone())))));
    let mut control = script.log_in("r", 0);
    control.tell(&mut script, Ping::default());
    assert_eq!(control.hear(&mut script), [pong.into()]);
    control.tell(&mut script, Ping::default());
    assert_eq!(control.hear(&mut script), [Pong::default().into()]);
    script.frps.add_fault(Fault::once(Stage::NewProxy, Act::Silence));
    control.tell(&mut script, proxy("a", 6000));
    assert_eq!(control.hear(&mut script), []);
    assert_eq!(control.register(&mut script, proxy("a", 6000)), "");
    script.frps.add_fault(Fault::once(Stage::Ping, Act::Demand(3)));
    control.tell(&mut script, Ping::default());
    assert_eq!(control.hear(&mut script).len(), 4, "three requests and the answer");
}

#[test]
fn raw_bytes_go_below_the_mux() {
    let mut script = Script::new(with_mux(Fault::once(Stage::Login, Act::Raw(b"raw".to_vec()))));
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("r", 1))));
    let bytes = script.received(conn);
    assert_eq!(bytes[12..], *b"raw", "after the acknowledgement");
}

#[test]
fn streams_end_alone() {
    for (act, flags) in [(Act::CloseStream, Flags::FIN), (Act::ResetStream, Flags::RST)] {
        let mut script = Script::new(with_mux(Fault::once(Stage::Login, act.clone())));
        let conn = script.connect();
        script.send(conn, &mux_open(1, &message(login("r", 1))));
        assert_eq!(mux_read(&script.received(conn)).last(), Some(&(1, flags, vec![])));
        assert!(script.closed.is_empty() && script.aborted.is_empty());
        script.send(conn, &mux_open(3, &message(login("r", 1))));
        assert_eq!(script.frps.sessions(), ["r"], "on another stream of the same connection");
        let mut script = Script::new(with(Fault::once(Stage::Login, act.clone())));
        let conn = script.connect();
        script.send(conn, &message(login("r", 1)));
        assert_eq!(
            (script.closed.contains(&conn), script.aborted.contains(&conn)),
            (act == Act::CloseStream, act != Act::CloseStream)
        );
    }
}

#[test]
fn a_stream_that_is_not_acknowledged() {
    let mut script = Script::new(with_mux(Fault::once(Stage::Stream, Act::Silence)));
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("r", 1))));
    assert!(script.received(conn).is_empty());
    let ping = mux_frame(Kind::Ping, Flags::SYN, 0, &[]);
    script.send(conn, &ping);
    assert_eq!(script.received(conn), mux_frame(Kind::Ping, Flags::ACK, 0, &[]), "pings are answered");
    script.frps.add_fault(Fault::once(Stage::MuxPing, Act::Silence));
    script.send(conn, &ping);
    assert!(script.received(conn).is_empty());
}

#[test]
fn rules_are_broken_and_the_answer_follows() {
    let mut script = Script::new(with_mux(Fault::once(Stage::Login, Act::Mux(MuxFault::GoAway(2)))));
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("r", 1))));
    let bytes = script.received(conn);
    assert_eq!(bytes[12..24], [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(script.frps.sessions(), ["r"]);
}

#[test]
fn work_connections_that_come_to_nothing() {
    for act in
        [Act::Silence, Act::Send(start("nobody", "")), Act::Send(frame_of(b's', -1)), Act::CloseStream, Act::Reset]
    {
        for stage in [Stage::WorkConn, Stage::Start] {
            let mut script = Script::new(with(Fault::once(stage, act.clone())));
            let mut control = script.log_in("r", 0);
            control.register(&mut script, proxy("a", 6000));
            script.work("r");
            let user = script.visit(6000);
            script.pass(secs(5));
            assert!(script.left.is_empty(), "{stage:?} {act:?}");
            if stage == Stage::WorkConn {
                let second = script.work("r");
                assert!(matches!(script.message(second), Some(Message::StartWorkConn(_))));
            } else {
                script.pass(secs(5));
                assert_eq!(script.left[&user], Why::NoWork);
            }
        }
    }
}

#[test]
fn payload_that_meets_a_fault() {
    for (act, left) in [(Act::Silence, false), (Act::Reset, true), (Act::ResetStream, true), (Act::CloseStream, true)] {
        let mut script = Script::new(with(Fault::once(Stage::Payload, act)));
        let mut control = script.log_in("r", 0);
        control.register(&mut script, proxy("a", 6000));
        let work = script.work("r");
        let user = script.visit(6000);
        script.received(work);
        script.frps.user_received(user, b"first", script.now);
        script.settle();
        assert!(script.received(work).is_empty());
        assert_eq!(script.left.contains_key(&user), left);
        script.pass(secs(10));
        assert!(script.left.contains_key(&user));
    }
}
