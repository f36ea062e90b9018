//! Users, work connections, and what passes between them.

use crate::frps::faults::message;
use crate::frps::settings::Settings;
use crate::frps::{Conn, User, Why};
use crate::script::{Control, Script, TOKEN, login, mux_frame, mux_open, mux_read, proxy, work};
use redial::proto::codec::{Codec, PREFIX};
use redial::proto::crypto::derive_key;
use redial::proto::snappy::Workspace;
use redial::proto::time::{millis, secs};
use redial::wire::frame;
use redial::wire::msg::{Message, NewProxy, StartWorkConn};
use redial::wire::yamux::{Flags, Kind};

/// A session without mux with a proxy at port 6000.
fn ready(settings: Settings, proxy: NewProxy) -> (Script, Control) {
    let mut script = Script::new(settings);
    let mut control = script.log_in("r", 1);
    assert_eq!(control.wanted(&mut script), 1);
    assert_eq!(control.register(&mut script, proxy), "");
    (script, control)
}

/// A user on a work connection, StartWorkConn taken.
fn bridged(script: &mut Script) -> (User, Conn) {
    let work = script.work("r");
    let user = script.visit(6000);
    let Some(Message::StartWorkConn(start)) = script.message(work) else { panic!("no StartWorkConn") };
    assert_eq!(start.error, "");
    (user, work)
}

#[test]
fn each_work_connection_that_is_used_is_asked_for_again() {
    let (mut script, mut control) = ready(Settings::without_mux(), proxy("a", 6000));
    let work = script.work("r");
    assert_eq!(control.wanted(&mut script), 0);
    script.visit(6000);
    assert_eq!(control.wanted(&mut script), 1, "one for the one that was taken");
    let Some(Message::StartWorkConn(start)) = script.message(work) else { panic!("no StartWorkConn") };
    let (proxy_name, src_addr, dst_addr) = ("a".to_owned(), "9.9.9.9".to_owned(), "127.0.0.1".to_owned());
    let expected =
        StartWorkConn { proxy_name, src_addr, src_port: 999, dst_addr, dst_port: 6000, error: String::new() };
    assert_eq!(start, expected);
    script.visit(6000);
    assert_eq!(control.wanted(&mut script), 1, "the pool was empty");
    script.work("r");
    assert_eq!(control.wanted(&mut script), 1, "and again for the one that was taken");
}

#[test]
fn a_user_waits_ten_seconds() {
    let (mut script, _control) = ready(Settings::without_mux(), proxy("a", 6000));
    let user = script.visit(6000);
    assert_eq!(script.frps.user_room(user), 0, "nobody would take its bytes");
    script.pass(millis(9_999));
    assert!(script.left.is_empty());
    script.pass(millis(1));
    assert_eq!(script.left[&user], Why::NoWork);
    script.work("r");
    assert_eq!(script.frps.pooled(), 1, "nobody waits any more");
}

#[test]
fn payload_passes_in_every_way() {
    for (use_encryption, use_compression) in [(false, false), (true, false), (false, true), (true, true)] {
        let coded = NewProxy { use_encryption, use_compression, ..proxy("a", 6000) };
        let (mut script, _control) = ready(Settings::without_mux(), coded);
        let (user, work) = bridged(&mut script);
        let (key, mut workspace) = (derive_key(TOKEN), Workspace::default());
        let mut codec = Codec::new(use_encryption.then_some((&key, [3; 16])), use_compression);
        for round in 0..40usize {
            let payload: Vec<u8> = (0..round * 331).map(|n| ((n * n) >> 4) as u8).collect();
            let mut up = vec![0; PREFIX];
            codec.pack(&payload, &mut workspace, &mut up);
            let from = codec.encrypt(&mut up, PREFIX);
            up[from..].chunks(1 + round * 7).for_each(|piece| script.send(work, piece));
            assert!(script.heard(user) == payload, "round {round}");
            script.say(user, &payload);
            let mut down = script.received(work);
            let plain = codec.decrypt(&mut down);
            let (mut back, mut piece) = (plain.to_vec(), Vec::new());
            if use_compression {
                codec.hold(plain);
                back.clear();
                while codec.unpack(&mut workspace, &mut piece).unwrap() {
                    back.extend_from_slice(&piece);
                }
            }
            assert!(back == payload, "round {round}");
        }
    }
}

#[test]
fn what_a_user_sent_is_delivered_before_the_end() {
    let (mut script, _control) = ready(Settings::without_mux(), proxy("a", 6000));
    let (user, work) = bridged(&mut script);
    script.clients_read = false;
    while script.frps.user_room(user) > 0 {
        script.say(user, &[5; 10_000]);
    }
    script.frps.user_ended(user, script.now);
    script.settle();
    assert!(!script.closed.contains(&work), "some of it waits for room");
    let bytes = script.received(work).len();
    script.clients_read = true;
    script.settle();
    assert!(script.closed.contains(&work));
    assert_eq!(script.left[&user], Why::UserEnded);
    assert_eq!((bytes + script.received(work).len()) % 10_000, 0);
}

#[test]
fn what_a_client_sent_is_delivered_before_the_end() {
    let (mut script, _control) = ready(Settings::without_mux(), proxy("a", 6000));
    for broken in [false, true] {
        let (user, work) = bridged(&mut script);
        script.users_read = false;
        script.send(work, &[6; 100_000]);
        if broken {
            script.fail(work);
        } else {
            script.frps.ended(work, script.now);
        }
        script.settle();
        assert!(!script.left.contains_key(&user));
        script.users_read = true;
        let first = script.heard(user).len();
        script.settle();
        assert_eq!(first + script.heard(user).len(), 100_000);
        assert_eq!(script.left[&user], Why::ClientEnded);
        assert_eq!(script.closed.contains(&work), !broken);
    }
}

#[test]
fn nothing_is_queued_without_bound() {
    let (mut script, _control) = ready(Settings::without_mux(), proxy("a", 6000));
    let (user, work) = bridged(&mut script);
    (script.users_read, script.clients_read) = (false, false);
    let (mut up, mut down) = (0, 0);
    while let room @ 1.. = script.frps.conn_room(work).min(16_384) {
        script.send(work, &vec![1; room]);
        up += room;
    }
    while let room @ 1.. = script.frps.user_room(user).min(16_384) {
        script.say(user, &vec![1; room]);
        down += room;
    }
    assert!((64 << 10..256 << 10).contains(&up), "{up}");
    assert!((256 << 10..400 << 10).contains(&down), "{down}");
    script.users_read = true;
    script.settle();
    assert!(script.frps.conn_room(work) > 0, "a user that reads makes room");
}

#[test]
fn users_that_are_stalled_are_given_nothing() {
    let (mut script, _control) = ready(Settings { stall_users: true, ..Settings::without_mux() }, proxy("a", 6000));
    let (user, work) = bridged(&mut script);
    script.send(work, b"hello");
    assert!(script.heard(user).is_empty());
    script.frps.stall_users(false);
    script.send(work, b" again");
    assert_eq!(script.heard(user), b"hello again");
}

#[test]
fn a_pooled_connection_that_has_ended_ends_its_user() {
    let (mut script, _control) = ready(Settings::without_mux(), proxy("a", 6000));
    let work = script.work("r");
    script.frps.ended(work, script.now);
    script.settle();
    assert_eq!(script.frps.pooled(), 1, "nobody has noticed");
    let user = script.visit(6000);
    assert_eq!(script.left[&user], Why::ClientEnded);
    let broken = script.work("r");
    script.fail(broken);
    assert_eq!(script.frps.pooled(), 0, "this one cannot be used");
}

#[test]
fn a_broken_snappy_stream_ends_the_user() {
    let coded = NewProxy { use_compression: true, ..proxy("a", 6000) };
    let (mut script, _control) = ready(Settings::without_mux(), coded);
    let (user, work) = bridged(&mut script);
    script.send(work, b"this is no snappy");
    assert_eq!(script.left[&user], Why::Broken);
    assert!(script.closed.contains(&work));
}

#[test]
fn a_proxy_that_is_withdrawn_keeps_its_users() {
    let (mut script, mut control) = ready(Settings::without_mux(), proxy("a", 6000));
    let (user, work) = bridged(&mut script);
    control.tell(&mut script, redial::wire::msg::CloseProxy { proxy_name: "a".to_owned() });
    script.send(work, b"still here");
    assert_eq!(script.heard(user), b"still here");
    script.frps.ended(control.conn, script.now);
    script.settle();
    script.send(work, b"even now");
    assert_eq!(script.heard(user), b"even now");
}

/// A muxed connection with a session, a proxy at port 6000 and a user on stream 3.
fn muxed(settings: Settings) -> (Script, Conn, User) {
    let mut script = Script::new(settings);
    let conn = script.connect();
    script.send(conn, &mux_open(1, &message(login("r", 0))));
    let clear: Vec<u8> = mux_read(&script.received(conn)).into_iter().flat_map(|(_, _, body)| body).collect();
    script.sent.insert(conn, clear);
    let mut control = script.control(conn);
    script.received(conn);
    let announce = control.sealed(&message(proxy("a", 6000)));
    script.send(conn, &mux_frame(Kind::Data, Flags::NONE, 1, &announce));
    script.send(conn, &mux_open(3, &message(work("r"))));
    let user = script.visit(6000);
    let frames = mux_read(&script.received(conn));
    let start = frames.iter().find(|(id, _, body)| *id == 3 && !body.is_empty()).expect("StartWorkConn");
    assert!(matches!(frame::decode(&start.2), Ok(Some((Message::StartWorkConn(_), _)))));
    (script, conn, user)
}

#[test]
fn with_mux_a_slow_user_holds_up_its_stream_alone() {
    let (mut script, conn, user) = muxed(Settings::default());
    script.users_read = false;
    let window = 6 << 20;
    let mut left: usize = window - message(work("r")).len();
    while left > 0 {
        let n = left.min(16_000);
        script.send(conn, &mux_frame(Kind::Data, Flags::NONE, 3, &vec![1; n]));
        left -= n;
    }
    assert!(mux_read(&script.received(conn)).is_empty(), "no credit");
    script.send(conn, &mux_open(5, &message(work("r"))));
    assert_eq!(script.frps.pooled(), 1, "the other streams go on");
    script.users_read = true;
    let given = script.heard(user).len();
    script.settle();
    assert_eq!(given + script.heard(user).len(), window - message(work("r")).len());
    assert!(mux_read(&script.received(conn)).iter().any(|(id, flags, _)| (*id, *flags) == (3, Flags::NONE)));
}

#[test]
fn with_mux_a_window_of_zero_stops_the_user() {
    let (mut script, conn, user) = muxed(Settings::default());
    while script.frps.user_room(user) > 0 {
        script.say(user, &[1; 10_000]);
    }
    let sent: usize = mux_read(&script.received(conn)).iter().map(|(_, _, body)| body.len()).sum();
    let start = 262_144 - sent;
    assert!(start < 200, "StartWorkConn and the payload fill the first window: {start} are missing");
    script.frps.user_ended(user, script.now);
    script.settle();
    assert!(!script.left.contains_key(&user));
    let credit = redial::wire::yamux::Header { kind: Kind::Window, flags: Flags::NONE, stream: 3, length: 20_000 };
    script.send(conn, &credit.encode());
    let frames = mux_read(&script.received(conn));
    assert_eq!(frames.last(), Some(&(3, Flags::FIN, vec![])), "the rest, then FIN");
    assert_eq!(script.left[&user], Why::UserEnded);
}

#[test]
fn with_mux_ends_are_fins_and_resets() {
    for (flags, why) in [(Flags::FIN, Why::ClientEnded), (Flags::RST, Why::ClientEnded)] {
        let (mut script, conn, user) = muxed(Settings::default());
        script.send(conn, &mux_frame(Kind::Data, Flags::NONE, 3, b"bye"));
        script.send(conn, &mux_frame(Kind::Window, flags, 3, &[]));
        assert_eq!((script.heard(user).as_slice(), script.left[&user]), (b"bye".as_slice(), why));
        let answer = mux_read(&script.received(conn));
        let expected = if flags == Flags::FIN { vec![(3, Flags::FIN, vec![])] } else { vec![] };
        assert_eq!(answer, expected);
    }
    let (mut script, conn, user) = muxed(Settings::default());
    script.users_read = false;
    script.send(conn, &mux_frame(Kind::Data, Flags::NONE, 3, &[7; 100_000]));
    script.frps.ended(conn, script.now);
    script.settle();
    assert!(!script.left.contains_key(&user), "what came is delivered");
    script.users_read = true;
    let given = script.heard(user).len();
    script.settle();
    assert_eq!((given + script.heard(user).len(), script.left[&user]), (100_000, Why::ClientEnded));
    script.pass(secs(100));
}
