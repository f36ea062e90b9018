//! The server's side of yamux, frame by frame.

use crate::frps::faults::MuxFault;
use crate::frps::mux::{End, Event, INITIAL_WINDOW, MAX_WINDOW, Mux, Settings};
use redial::proto::mux as client;
use redial::proto::time::{Duration, Instant, millis, secs};
use redial::wire::yamux::{Flags, Header, Kind};

const T: Instant = Instant::ZERO;

/// A frame of stream 1.
fn frame(kind: Kind, flags: Flags, length: u32, body: &[u8]) -> Vec<u8> {
    let header = Header { kind, flags, stream: u32::from(kind != Kind::Ping && kind != Kind::GoAway), length };
    [&header.encode(), body].concat()
}

fn window(flags: Flags, length: u32) -> Vec<u8> {
    frame(Kind::Window, flags, length, &[])
}

fn data(body: &[u8]) -> Vec<u8> {
    frame(Kind::Data, Flags::NONE, u32::try_from(body.len()).expect("a short body"), body)
}

/// Feeds bytes in pieces and says what they meant, in words; accepts streams.
fn fed(mux: &mut Mux, bytes: &[u8], step: usize, now: Instant) -> Result<Vec<String>, End> {
    let mut all = Vec::new();
    for mut piece in bytes.chunks(step.max(1)) {
        while let Some(event) = mux.feed(&mut piece, now)? {
            if let Event::Opened(id) = event {
                mux.accept(id);
            }
            all.push(format!("{event:?}"));
        }
    }
    Ok(all)
}

/// A session with stream 1 open, its acknowledgement taken.
fn open() -> Mux {
    let mut mux = Mux::new(Settings::default(), T);
    assert_eq!(fed(&mut mux, &window(Flags::SYN, MAX_WINDOW - INITIAL_WINDOW), 99, T).map(|e| e.len()), Ok(2));
    mux.output().clear();
    mux
}

fn output(mux: &mut Mux) -> Vec<u8> {
    core::mem::take(mux.output())
}

#[test]
fn a_stream_is_acknowledged_with_the_rest_of_the_window() {
    for (size, credit) in [(MAX_WINDOW, [0, 0x5c, 0, 0]), (INITIAL_WINDOW, [0; 4])] {
        let mut mux = Mux::new(Settings { window: size, keepalive: secs(30) }, T);
        let first = [0, 1, 0, 1, 0, 0, 0, 1, 0, 0x5c, 0, 0];
        assert_eq!(fed(&mut mux, &first, 5, T).unwrap(), ["Opened(1)", "Window(1)"]);
        assert_eq!(mux.room(1), MAX_WINDOW as usize);
        assert_eq!(output(&mut mux), [&[0, 1, 0, 2, 0, 0, 0, 1], credit.as_slice()].concat());
    }
}

#[test]
fn any_split_means_the_same() {
    let all = [
        frame(Kind::Data, Flags(1), 5, b"hello"),
        data(b""),
        window(Flags::NONE, 7),
        frame(Kind::Ping, Flags::SYN, 9, &[]),
        frame(Kind::Data, Flags::FIN, 5, b"world"),
    ]
    .concat();
    for step in 1..all.len() {
        let mut mux = Mux::new(Settings::default(), T);
        let events = fed(&mut mux, &all, step, T).unwrap();
        let (data, rest): (Vec<_>, Vec<_>) = events.iter().partition(|e| e.starts_with("Data"));
        assert_eq!(rest, ["Opened(1)", "Window(1)", "Ping(9)", "Fin(1)"], "in steps of {step}");
        let bytes: String =
            data.iter().flat_map(|e| e.chars().skip_while(|c| *c != '[').filter(|c| *c != ' ')).collect();
        let bytes = bytes.replace("])[", ",");
        assert_eq!(bytes, "[104,101,108,108,111,119,111,114,108,100])", "in steps of {step}");
    }
}

#[test]
fn credit_comes_with_half_the_window() {
    let mut mux = open();
    let half = vec![7; (MAX_WINDOW / 2) as usize];
    fed(&mut mux, &data(&half), 65_536, T).unwrap();
    mux.consumed(1, half.len() - 1);
    assert!(output(&mut mux).is_empty());
    mux.consumed(1, 1);
    assert_eq!(output(&mut mux), window(Flags::NONE, MAX_WINDOW / 2));
}

#[test]
fn the_whole_window_and_not_a_byte_more() {
    for (more, end) in [(0, None), (1, Some(End::Misbehaved("it sent more than the window")))] {
        let mut mux = open();
        let header = frame(Kind::Data, Flags::NONE, MAX_WINDOW + more, &[]);
        assert_eq!(fed(&mut mux, &header, 99, T).err(), end);
        let told = end.map(|_| frame(Kind::GoAway, Flags::NONE, 1, &[])).unwrap_or_default();
        assert_eq!(output(&mut mux), told);
    }
}

#[test]
fn what_a_client_must_not_do() {
    let wrong: [(&str, Vec<u8>); 5] = [
        ("it opened a stream twice", window(Flags::SYN, 0)),
        ("it sent FIN twice", [window(Flags::FIN, 0), window(Flags::FIN, 0)].concat()),
        ("it sent data after FIN", [window(Flags::FIN, 0), data(b"x")].concat()),
        ("it overflowed a window", window(Flags::NONE, u32::MAX)),
        ("it opened a stream with an even id", [0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0].to_vec()),
    ];
    for (what, bytes) in wrong {
        let mut mux = open();
        assert_eq!(fed(&mut mux, &bytes, 99, T), Err(End::Misbehaved(what)));
        assert_eq!(output(&mut mux), frame(Kind::GoAway, Flags::NONE, 1, &[]), "{what}");
    }
    let mut mux = open();
    let http = b"GET / HTTP/1.1\r\n";
    assert_eq!(fed(&mut mux, http, 99, T), Err(End::Misbehaved("not a frame of yamux 0")));
    assert!(output(&mut mux).is_empty(), "frps says nothing then");
    assert_eq!(fed(&mut open(), &frame(Kind::GoAway, Flags::NONE, 2, &[]), 99, T), Err(End::GoAway(2)));
    assert_eq!(fed(&mut open(), &frame(Kind::GoAway, Flags::NONE, 0, &[]), 99, T), Ok(vec![]));
}

#[test]
fn a_stream_ends_with_both_fins_or_a_reset() {
    let mut mux = open();
    mux.finish(1, T);
    mux.finish(1, T);
    assert_eq!(output(&mut mux), window(Flags::FIN, 0), "once");
    assert_eq!((mux.room(1), mux.streams()), (0, 1));
    assert_eq!(fed(&mut mux, &[data(b"late"), window(Flags::FIN, 0)].concat(), 99, T).unwrap().len(), 2);
    assert_eq!(mux.streams(), 0);
    let mut mux = open();
    assert_eq!(fed(&mut mux, &window(Flags::FIN, 0), 99, T).unwrap(), ["Fin(1)"]);
    assert!(mux.room(1) > 0, "the other direction stays open");
    mux.finish(1, T);
    assert_eq!(mux.streams(), 0);
    let mut mux = open();
    assert_eq!(fed(&mut mux, &window(Flags::RST, 0), 99, T).unwrap(), ["Reset(1)"]);
    assert_eq!(mux.streams(), 0);
    let after = [data(b"stray"), window(Flags::FIN, 0), frame(Kind::Data, Flags::NONE, 3, b"ray")].concat();
    assert_eq!(fed(&mut mux, &after, 4, T), Ok(vec![]), "frames of unknown streams are dropped");
    let mut mux = open();
    mux.reset(1);
    assert_eq!(output(&mut mux), window(Flags::RST, 0));
}

#[test]
fn a_stream_that_the_client_does_not_finish_is_reset_after_300_s() {
    let mut mux = open();
    mux.finish(1, T + secs(1));
    output(&mut mux);
    let mut at = T;
    while let Some(deadline) = mux.deadline().filter(|at| *at < T + secs(301)) {
        at = deadline;
        mux.expire(at).unwrap();
        let ping = output(&mut mux);
        let id = u32::from_be_bytes(*ping.last_chunk().unwrap());
        fed(&mut mux, &frame(Kind::Ping, Flags::ACK, id, &[]), 99, at).unwrap();
    }
    assert_eq!((mux.streams(), at), (1, T + secs(300)), "pinged every 30 s until then");
    assert_eq!(mux.deadline(), Some(T + secs(301)));
    output(&mut mux);
    mux.expire(T + secs(301)).unwrap();
    assert_eq!(output(&mut mux), window(Flags::RST, 0));
    assert_eq!(mux.streams(), 0);
}

#[test]
fn pings_go_both_ways() {
    let mut mux = open();
    assert_eq!(fed(&mut mux, &frame(Kind::Ping, Flags::SYN, 41, &[]), 99, T).unwrap(), ["Ping(41)"]);
    mux.pong(41);
    assert_eq!(output(&mut mux), frame(Kind::Ping, Flags::ACK, 41, &[]));
    assert_eq!(mux.deadline(), Some(T + secs(30)));
    mux.expire(T + secs(30)).unwrap();
    assert_eq!(output(&mut mux), frame(Kind::Ping, Flags::SYN, 0, &[]));
    let reply = frame(Kind::Ping, Flags::ACK, 0, &[]);
    fed(&mut mux, &frame(Kind::Ping, Flags::ACK, 5, &[]), 99, T + secs(31)).unwrap();
    assert_eq!(mux.deadline(), Some(T + secs(40)), "another id is no reply");
    fed(&mut mux, &reply, 99, T + millis(30_500)).unwrap();
    assert_eq!(mux.deadline(), Some(T + millis(60_500)), "30 s after the reply");
    mux.expire(T + millis(60_500)).unwrap();
    assert_eq!(output(&mut mux), frame(Kind::Ping, Flags::SYN, 1, &[]));
    assert_eq!(mux.expire(T + millis(70_499)), Ok(()));
    assert_eq!(mux.expire(T + millis(70_500)), Err(End::PingTimeout));
}

#[test]
fn payload_is_cut_into_frames() {
    let mut mux = open();
    let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    mux.send(1, &bytes);
    let (mut rest, mut back) = (output(&mut mux), Vec::new());
    while !rest.is_empty() {
        let header = Header::decode(rest.first_chunk().unwrap()).unwrap();
        assert!(header.kind == Kind::Data && header.length <= 32 * 1024);
        back.extend(rest.drain(..12 + header.length as usize).skip(12));
    }
    assert_eq!(back, bytes);
    assert_eq!(mux.room(1), MAX_WINDOW as usize - bytes.len());
}

#[test]
fn broken_rules_are_broken_as_said() {
    let stray = [0x7f, 0xff, 0xff, 0xf1];
    let faults: [(MuxFault, Vec<u8>); 9] = [
        (MuxFault::OpenStream, [0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0].to_vec()),
        (MuxFault::TooMuchData, [[0, 0, 0, 0, 0, 0, 0, 1, 0, 0x60, 0, 1].as_slice(), &[0; 1024]].concat()),
        (MuxFault::DataAfterFin, [window(Flags::FIN, 0), data(b"late")].concat()),
        (MuxFault::FinTwice, [window(Flags::FIN, 0), window(Flags::FIN, 0)].concat()),
        (MuxFault::GoAway(7), [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7].to_vec()),
        (MuxFault::WrongVersion, [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0].to_vec()),
        (MuxFault::WrongKind, [0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0].to_vec()),
        (MuxFault::WindowOverflow, window(Flags::NONE, u32::MAX)),
        (MuxFault::StrayPong, [0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0xde, 0xad].to_vec()),
    ];
    for (fault, bytes) in faults {
        let mut mux = open();
        mux.misbehave(1, fault);
        assert_eq!(output(&mut mux), bytes, "{fault:?}");
    }
    let mut mux = open();
    mux.misbehave(1, MuxFault::UnknownStream);
    let bytes = output(&mut mux);
    assert_eq!((bytes.len(), &bytes[4..8]), (12 + 5 + 12 + 12, stray.as_slice()));
    mux.misbehave(1, MuxFault::GoAway(0));
    output(&mut mux);
    let opened = fed(&mut mux, &[0, 1, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0], 99, T);
    assert_eq!((opened, output(&mut mux)), (Ok(vec![]), [0, 1, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0].to_vec()));
}

#[test]
fn random_bytes_never_panic() {
    let mut x = 5u64;
    for _ in 0..2000 {
        let mut mux = open();
        for _ in 0..20 {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [kind, flags, stream, len, ..] = x.to_le_bytes();
            let bytes = [0, kind % 4, 0, flags % 16, 0, 0, 0, stream % 8, 0, 0, 0, len % 40];
            let body = vec![9; usize::from(len % 40) * usize::from(kind % 4 == 0)];
            if fed(&mut mux, &[&bytes[..], &body].concat(), 7, T).is_err() {
                break;
            }
        }
    }
}

/// redial's mux at the other end: both must agree about windows and ends, whatever the order.
#[test]
fn the_clients_machine_agrees() {
    let settings = client::Settings { keepalive: secs(30), extra_window: 1 << 20 };
    let (mut ours, mut theirs) = (Mux::new(Settings::default(), T), client::Mux::new(settings, T));
    let ids: Vec<u32> = (0..8).map(|owner| theirs.open(owner, T).unwrap()).collect();
    let (mut x, mut sent, mut got) = (3u64, [0u64; 8], [0u64; 8]);
    let mut now = T;
    for _ in 0..4000 {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (pick, len) = ((x >> 61) as usize, (x >> 40) as usize % 70_000);
        now += Duration::from_micros(x >> 54);
        let id = ids[pick];
        if x & 0x100 == 0 {
            let len = len.min(theirs.room(id));
            let header = theirs.data_header(id, len);
            theirs.output().extend(header);
            theirs.output().extend(vec![0; len]);
        } else {
            let len = len.min(ours.room(id));
            ours.send(id, &vec![0; len]);
            sent[pick] += len as u64;
        }
        exchange(&mut ours, &mut theirs, &mut got, now);
    }
    assert_eq!(sent, got);
    assert!(sent.iter().all(|n| *n > 5_000_000), "{sent:?}");
    ids.iter().for_each(|id| theirs.finish(*id));
    ids.iter().for_each(|id| ours.finish(*id, now));
    exchange(&mut ours, &mut theirs, &mut got, now);
    assert_eq!(ours.streams(), 0);
}

/// Lets everything through that waits at either end.
fn exchange(ours: &mut Mux, theirs: &mut client::Mux, got: &mut [u64; 8], now: Instant) {
    loop {
        let (up, mut down) = (core::mem::take(theirs.output()), output(ours));
        if up.is_empty() && down.is_empty() {
            return;
        }
        let mut up = up.as_slice();
        while let Some(event) = ours.feed(&mut up, now).expect("the client keeps to the rules") {
            match event {
                Event::Opened(id) => ours.accept(id),
                Event::Data(id, bytes) => ours.consumed(id, bytes.len()),
                Event::Ping(id) => ours.pong(id),
                Event::Fin(_) | Event::Reset(_) | Event::Window(_) => {}
            }
        }
        let mut down = down.as_mut_slice();
        while let Some(event) = theirs.feed(&mut down, now).expect("we keep to the rules") {
            if let client::Event::Data { owner, id, bytes } = event {
                got[owner as usize] += bytes.len() as u64;
                let len = bytes.len();
                theirs.consumed(id, len, now);
            }
        }
    }
}
