use super::*;
use crate::net::sim::Rng;

const T: Instant = Instant::ZERO;
const SETTINGS: Settings = Settings { keepalive: secs(30), extra_window: 8 * 1024 * 1024 };

fn header(kind: Kind, flags: Flags, stream: u32, length: u32) -> Vec<u8> {
    Header { kind, flags, stream, length }.encode().to_vec()
}

/// A session whose first ping is out and answered: quiet until 30 s.
fn quiet() -> Mux {
    let mut mux = Mux::new(SETTINGS, T);
    mux.expire(T).unwrap();
    assert_eq!(sent(&mut mux), header(Kind::Ping, Flags::SYN, 0, 0));
    feed(&mut mux, &header(Kind::Ping, Flags::ACK, 0, 0), T + millis(20)).unwrap();
    mux
}

fn sent(mux: &mut Mux) -> Vec<u8> {
    mux.check();
    core::mem::take(mux.output())
}

/// Feeds bytes and describes the events in short.
fn feed(mux: &mut Mux, bytes: &[u8], now: Instant) -> Result<Vec<String>, MuxError> {
    let (mut bytes, mut all) = (bytes.to_vec(), Vec::new());
    let mut input = bytes.as_mut_slice();
    while let Some(event) = mux.feed(&mut input, now)? {
        all.push(match event {
            Event::Data { owner, id, bytes } => format!("data {owner}/{id} {}", bytes.len()),
            Event::Fin { owner, id } => format!("fin {owner}/{id}"),
            Event::Reset { owner, id } => format!("reset {owner}/{id}"),
            Event::Window { owner, id } => format!("window {owner}/{id}"),
        });
        mux.check();
    }
    assert!(input.is_empty());
    Ok(all)
}

fn data(stream: u32, len: usize) -> Vec<u8> {
    let mut bytes = header(Kind::Data, Flags::NONE, stream, u32::try_from(len).unwrap());
    bytes.resize(HEADER + len, 7);
    bytes
}

#[test]
fn a_stream_from_syn_to_both_fins() {
    let mut mux = quiet();
    assert_eq!((mux.open(9, T), mux.open(8, T)), (Some(1), Some(3)));
    let syn = |id| header(Kind::Window, Flags::SYN, id, 0);
    assert_eq!(sent(&mut mux), [syn(1), syn(3)].concat());
    assert_eq!(mux.room(1), 262_144, "data may follow the SYN at once");
    let ack = header(Kind::Window, Flags::ACK, 1, 0x5c_0000);
    assert_eq!(feed(&mut mux, &ack, T).unwrap(), ["window 9/1"]);
    assert_eq!(mux.room(1), 6 * 1024 * 1024);
    assert_eq!(mux.data_header(1, 5).to_vec(), header(Kind::Data, Flags::NONE, 1, 5));
    assert_eq!(mux.room(1), 6 * 1024 * 1024 - 5);
    assert_eq!(feed(&mut mux, &data(1, 100), T).unwrap(), ["data 9/1 100"]);
    mux.finish(1);
    assert_eq!((sent(&mut mux), mux.room(1)), (header(Kind::Window, Flags::FIN, 1, 0), 0));
    mux.finish(1);
    assert!(sent(&mut mux).is_empty(), "one FIN is enough");
    assert_eq!(feed(&mut mux, &data(1, 1), T).unwrap(), ["data 9/1 1"], "the peer may go on after our FIN");
    assert_eq!(feed(&mut mux, &header(Kind::Window, Flags::FIN, 1, 0), T).unwrap(), ["fin 9/1"]);
    assert_eq!(mux.streams.len(), 1);
    assert!(feed(&mut mux, &data(1, 3), T).unwrap().is_empty(), "frames for a stream that is gone are dropped");
}

#[test]
fn flags_on_data_take_effect_after_it() {
    let mut mux = quiet();
    mux.open(5, T);
    let mut bytes = data(1, 10);
    bytes[3] = 6;
    assert_eq!(feed(&mut mux, &bytes, T).unwrap(), ["data 5/1 10", "fin 5/1"]);
    mux.finish(1);
    assert_eq!(mux.streams.len(), 0);
}

#[test]
fn bytes_may_come_in_any_pieces() {
    let mut mux = quiet();
    mux.open(5, T);
    let wire = [data(1, 3), header(Kind::Window, Flags::ACK, 1, 9), data(1, 0), data(1, 2)].concat();
    let mut seen = Vec::new();
    for byte in wire {
        seen.extend(feed(&mut mux, &[byte], T).unwrap());
    }
    let one = "data 5/1 1".to_owned();
    assert_eq!(seen, [one.clone(), one.clone(), one.clone(), "window 5/1".to_owned(), one.clone(), one]);
}

#[test]
fn the_window_is_kept_to_the_byte() {
    let mut mux = quiet();
    mux.open(5, T);
    let full = INITIAL_WINDOW as usize;
    feed(&mut mux, &data(1, full), T).unwrap();
    let e = feed(&mut mux, &data(1, 1), T);
    assert_eq!(e, Err(MuxError::Misbehaved("it sent more than the receive window")));
    let mut mux = quiet();
    mux.open(5, T);
    feed(&mut mux, &data(1, full), T).unwrap();
    sent(&mut mux);
    mux.consumed(1, full / 2 - 1, T + secs(9));
    assert!(sent(&mut mux).is_empty(), "half the window is not free yet");
    mux.consumed(1, 1, T + secs(9));
    assert_eq!(sent(&mut mux), header(Kind::Window, Flags::NONE, 1, INITIAL_WINDOW / 2));
    feed(&mut mux, &data(1, full / 2), T + secs(9)).unwrap();
    assert!(feed(&mut mux, &data(1, 1), T + secs(9)).is_err());
}

#[test]
fn a_window_that_is_used_up_fast_grows_while_the_pool_lasts() {
    let mut mux = quiet();
    mux.open(5, T + secs(1));
    sent(&mut mux);
    let (mut size, mut now) = (INITIAL_WINDOW, T + secs(1));
    for _ in 0..8 {
        now += millis(30);
        feed(&mut mux, &data(1, size as usize), now).unwrap();
        mux.consumed(1, size as usize, now);
        let bytes = sent(&mut mux);
        let update = Header::decode(bytes.first_chunk().unwrap()).unwrap();
        let grown = update.length - size;
        assert_eq!(grown, size.min(MAX_WINDOW - size), "it doubles up to 6 MiB");
        size += grown;
    }
    assert_eq!(size, MAX_WINDOW);
    mux.open(6, now);
    sent(&mut mux);
    let mut other = INITIAL_WINDOW;
    for _ in 0..8 {
        now += millis(30);
        feed(&mut mux, &data(3, other as usize), now).unwrap();
        mux.consumed(3, other as usize, now);
        let bytes = sent(&mut mux);
        other = Header::decode(bytes.last_chunk().unwrap()).unwrap().length.max(other);
    }
    assert!(size + other <= 2 * INITIAL_WINDOW + SETTINGS.extra_window);
    let mut slow = quiet();
    slow.open(5, T);
    feed(&mut slow, &data(1, INITIAL_WINDOW as usize), T + millis(41)).unwrap();
    sent(&mut slow);
    slow.consumed(1, INITIAL_WINDOW as usize, T + millis(41));
    assert_eq!(sent(&mut slow), header(Kind::Window, Flags::NONE, 1, INITIAL_WINDOW), "two round trips were enough");
}

#[test]
fn what_is_left_after_the_owner_is_credited_and_dropped() {
    let mut mux = quiet();
    mux.open(5, T);
    feed(&mut mux, &data(1, 200_000), T).unwrap();
    sent(&mut mux);
    mux.detach(1, T + secs(1));
    let expected = [header(Kind::Window, Flags::FIN, 1, 0), header(Kind::Window, Flags::NONE, 1, 200_000)].concat();
    assert_eq!(sent(&mut mux), expected);
    assert!(feed(&mut mux, &data(1, 200_000), T + secs(1)).unwrap().is_empty());
    assert_eq!(sent(&mut mux), header(Kind::Window, Flags::NONE, 1, 200_000));
    assert!(feed(&mut mux, &header(Kind::Window, Flags::FIN, 1, 0), T).unwrap().is_empty());
    assert_eq!(mux.streams.len(), 0);
}

#[test]
fn a_frame_that_is_under_way_is_credited_once() {
    let mut mux = quiet();
    mux.open(5, T);
    let frame = data(1, 200_000);
    feed(&mut mux, &frame[..100_000], T).unwrap();
    sent(&mut mux);
    mux.detach(1, T);
    feed(&mut mux, &frame[100_000..], T).unwrap();
    let bytes = sent(&mut mux);
    let credits: Vec<u32> =
        bytes.chunks(HEADER).map(|f| Header::decode(f.first_chunk().unwrap()).unwrap().length).collect();
    assert_eq!(credits, [0, 200_000], "the FIN, then all of it");
}

#[test]
fn resets_end_a_stream_at_once() {
    let mut mux = quiet();
    mux.open(5, T);
    mux.open(6, T);
    sent(&mut mux);
    assert_eq!(feed(&mut mux, &header(Kind::Window, Flags::RST, 1, 0), T).unwrap(), ["reset 5/1"]);
    mux.reset(3);
    assert_eq!(sent(&mut mux), header(Kind::Window, Flags::RST, 3, 0));
    mux.reset(3);
    assert!(sent(&mut mux).is_empty());
    assert_eq!(mux.streams.len(), 0);
}

#[test]
fn pings_both_ways() {
    let mut mux = quiet();
    assert_eq!((mux.rtt(), mux.deadline()), (Some(millis(20)), Some(T + millis(20) + secs(30))));
    feed(&mut mux, &header(Kind::Ping, Flags::SYN, 0, 77), T + secs(1)).unwrap();
    assert_eq!(sent(&mut mux), header(Kind::Ping, Flags::ACK, 0, 77));
    let due = T + millis(20) + secs(30);
    mux.expire(due - millis(1)).unwrap();
    assert!(sent(&mut mux).is_empty());
    mux.expire(due).unwrap();
    assert_eq!(sent(&mut mux), header(Kind::Ping, Flags::SYN, 0, 1));
    feed(&mut mux, &header(Kind::Ping, Flags::ACK, 0, 0), due + secs(1)).unwrap();
    assert!(mux.deadline().unwrap() < due + secs(12), "an answer to an older ping is none");
    feed(&mut mux, &header(Kind::Ping, Flags::ACK, 0, 1), due + secs(2)).unwrap();
    assert_eq!(mux.deadline(), Some(due + secs(32)));
}

#[test]
fn ten_silent_seconds_after_a_ping_end_the_session() {
    let mut mux = quiet();
    mux.open(5, T);
    let due = mux.ping_due;
    mux.expire(due).unwrap();
    let silence = |mux: &Mux| mux.ping_sent.map(|sent| sent.max(mux.heard) + REPLY_TIMEOUT);
    assert_eq!(silence(&mux), Some(due + secs(10)));
    mux.expire(due + secs(10) - millis(1)).unwrap();
    feed(&mut mux, &data(1, 1), due + secs(9)).unwrap();
    mux.expire(due + secs(10)).unwrap();
    assert_eq!(silence(&mux), Some(due + secs(19)), "any byte is life");
    assert_eq!(mux.expire(due + secs(19)), Err(MuxError::PingTimeout(secs(19))));
}

#[test]
fn a_ping_that_is_never_answered_ends_the_session_though_bytes_come() {
    let mut mux = quiet();
    mux.open(5, T);
    let due = mux.ping_due;
    mux.expire(due).unwrap();
    for second in 1..40 {
        feed(&mut mux, &data(1, 1), due + secs(second)).unwrap();
        mux.expire(due + secs(second)).unwrap();
    }
    feed(&mut mux, &data(1, 1), due + secs(40)).unwrap();
    assert_eq!(mux.expire(due + secs(40)), Err(MuxError::PingTimeout(secs(40))));
}

#[test]
fn streams_that_the_peer_never_ends_are_bounded() {
    let mut mux = quiet();
    for _ in 0..3 * DETACHED {
        let id = mux.open(5, T).unwrap();
        feed(&mut mux, &header(Kind::Window, Flags::ACK, id, 0), T).unwrap();
        mux.detach(id, T);
        mux.output().clear();
        mux.check();
    }
    assert_eq!(mux.streams.len(), DETACHED);
}

#[test]
fn streams_that_hang_are_found() {
    let mut mux = quiet();
    mux.open(5, T);
    let mut now = mux.deadline().unwrap();
    let result = loop {
        if let Err(e) = mux.expire(now) {
            break e;
        }
        let id = mux.ping_id;
        feed(&mut mux, &header(Kind::Ping, Flags::ACK, 0, id), now).unwrap();
        now = mux.deadline().unwrap();
    };
    assert_eq!((result, now), (MuxError::OpenTimeout, T + secs(90)));
    let mut mux = quiet();
    mux.open(5, T);
    feed(&mut mux, &header(Kind::Window, Flags::ACK, 1, 0), T).unwrap();
    mux.detach(1, T);
    let mut now = mux.deadline().unwrap();
    while !mux.streams.is_empty() {
        mux.expire(now).unwrap();
        let id = mux.ping_id;
        feed(&mut mux, &header(Kind::Ping, Flags::ACK, 0, id), now).unwrap();
        assert!(now < T + secs(340), "a half-closed stream nobody owns is reset after 300 s");
        now = mux.deadline().unwrap();
    }
    assert!(now > T + secs(300));
}

#[test]
fn the_backlog_is_256() {
    let mut mux = quiet();
    let ids: Vec<u32> = (0..300).filter_map(|owner| mux.open(owner, T)).collect();
    assert_eq!((ids.len(), ids.last()), (256, Some(&511)));
    feed(&mut mux, &header(Kind::Window, Flags::ACK, 1, 0), T).unwrap();
    assert_eq!(mux.open(0, T), Some(513));
    assert_eq!(mux.open(0, T), None);
    feed(&mut mux, &header(Kind::Window, Flags::RST, 3, 0), T).unwrap();
    assert_eq!(mux.open(0, T), Some(515));
    mux.unacked = 0;
    mux.next_id = u32::MAX;
    assert_eq!(mux.open(0, T), None, "ids are never used twice");
}

#[test]
fn misbehaviour_ends_the_session() {
    let wrong = |bytes: &[u8]| {
        let mut mux = quiet();
        mux.open(5, T);
        feed(&mut mux, bytes, T).unwrap_err()
    };
    let misbehaved = |bytes: &[u8]| matches!(wrong(bytes), MuxError::Misbehaved(_));
    assert!(misbehaved(&header(Kind::Window, Flags::SYN, 2, 0)), "a stream nobody asked for");
    assert!(misbehaved(&header(Kind::Data, Flags::SYN, 4, 0)));
    assert!(misbehaved(&header(Kind::Window, Flags::NONE, 1, u32::MAX)), "window overflow");
    assert!(misbehaved(b"HTTP/1.1 400"));
    assert!(misbehaved(&[0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let fin = header(Kind::Window, Flags::FIN, 1, 0);
    assert!(misbehaved(&[fin.clone(), data(1, 1)].concat()), "data after FIN");
    for code in 0..3 {
        assert_eq!(wrong(&header(Kind::GoAway, Flags::NONE, 0, code)), MuxError::GoAway(code));
    }
    let mut mux = quiet();
    mux.open(5, T);
    assert_eq!(feed(&mut mux, &[fin.clone(), fin].concat(), T).unwrap(), ["fin 5/1"], "FIN twice does no harm");
}

#[test]
fn a_flood_of_pings_congests() {
    let mut mux = quiet();
    let ping = header(Kind::Ping, Flags::SYN, 0, 1);
    feed(&mut mux, &ping.repeat(OUTPUT_LIMIT / HEADER), T).unwrap();
    assert!(!mux.congested());
    feed(&mut mux, &ping, T).unwrap();
    assert!(mux.congested());
    sent(&mut mux);
    assert!(!mux.congested());
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..400 {
        let (mut mux, mut rng) = (quiet(), Rng::new(seed));
        (0..4).for_each(|owner| _ = mux.open(owner, T));
        for _ in 0..60 {
            let stream = 1 + 2 * rng.below(5);
            let mut bytes = header(Kind::Window, Flags(rng.below(16).try_into().unwrap()), stream, rng.below(70_000));
            bytes[1] = rng.below(4).try_into().unwrap();
            bytes.extend((0..rng.below(40)).map(|_| 0));
            let at = rng.below(12) as usize;
            if rng.one_in(9) {
                bytes[at] = rng.byte();
            }
            if feed(&mut mux, &bytes, T).is_err() {
                break;
            }
        }
    }
}

/// Arbitrary sequences of everything an owner and a well-behaved peer can do.
#[test]
fn random_operations_keep_the_books() {
    for seed in 0..200 {
        let (mut mux, mut rng, mut now) = (quiet(), Rng::new(seed), T);
        let mut held: BTreeMap<u32, (u32, u32)> = BTreeMap::new(); // id -> (window the peer has, bytes we hold)
        for _ in 0..120 {
            now += millis(rng.below(40).into());
            let pick = held.keys().nth(rng.below(8) as usize).copied();
            match (rng.below(8), pick) {
                (0, _) => {
                    if let Some(id) = mux.open(rng.below(9), now) {
                        held.insert(id, (INITIAL_WINDOW, 0));
                    }
                }
                (1 | 2, Some(id)) => {
                    let (window, ours) = held.get_mut(&id).unwrap();
                    let n = rng.below(*window + 1);
                    (*window, *ours) = (*window - n, *ours + n);
                    feed(&mut mux, &data(id, n as usize), now).unwrap();
                }
                (3 | 4, Some(id)) => {
                    let (_, ours) = held.get_mut(&id).unwrap();
                    let n = rng.below(*ours + 1);
                    *ours -= n;
                    mux.consumed(id, n as usize, now);
                }
                (5, Some(id)) => drop((held.remove(&id), mux.reset(id))),
                (6, Some(id)) => drop((held.remove(&id), mux.detach(id, now))),
                (7, Some(id)) => drop(feed(&mut mux, &header(Kind::Window, Flags::ACK, id, rng.below(99)), now)),
                _ => {}
            }
            mux.check();
            for frame in sent(&mut mux).chunks(HEADER) {
                let update = Header::decode(frame.first_chunk().unwrap()).unwrap();
                if let (Flags::NONE, Some((window, _))) = (update.flags, held.get_mut(&update.stream)) {
                    *window += update.length;
                    assert!(*window <= MAX_WINDOW, "more than any peer may be granted");
                }
            }
        }
    }
}
