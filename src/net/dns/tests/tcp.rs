//! Answers that do not fit.

use super::super::peer::TCP_LIMIT;
use super::*;

fn truncated() -> World {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(10).reply(1, "AAAA", "").reply(1, "A", "tc; @ A 192.0.2.66 60");
    assert_eq!(w.asked(), "AAAA@1 A@1 A@1/tcp");
    w
}

fn framed(w: &World, spec: &str) -> (Link, Vec<u8>) {
    let sent = w.last(1, "A");
    let bytes = answer(&sent.query, spec);
    (sent.link, [&(bytes.len() as u16).to_be_bytes(), &*bytes].concat())
}

#[test]
fn truncation_falls_to_tcp() {
    let mut w = truncated();
    w.at(20).reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done", "the whole answer, not the part");
    w.idle();
}

#[test]
fn an_answer_may_come_in_pieces() {
    let mut w = truncated();
    let (link, bytes) = framed(&w, FOUR);
    for (i, byte) in bytes.iter().enumerate() {
        assert_eq!(w.told(), "", "{i}");
        w.at(20 + i as u64).feed(link, &[*byte]);
    }
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn what_follows_the_answer_is_of_no_interest() {
    let mut w = truncated();
    let (link, bytes) = framed(&w, FOUR);
    w.feed(link, &[bytes, vec![7; 100]].concat());
    assert_eq!(w.told(), "1: 192.0.2.1 done");
}

#[test]
fn tcp_has_a_deadline_of_its_own() {
    assert_eq!(TCP_LIMIT, millis(3000));
    let mut w = truncated();
    w.quiet_until(3010).at(3010);
    assert_eq!((w.asked(), w.told()), (String::new(), "1: TimedOut".into()), "and no datagrams meanwhile");
    w.idle();
}

#[test]
fn the_look_up_ends_at_5_s_all_the_same() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(4000).reply_both(1, "tc").quiet_until(5000).at(5000);
    assert_eq!(w.told(), "1: TimedOut");
    w.idle();
}

#[test]
fn a_stream_that_breaks_is_a_failure() {
    let mut w = truncated();
    let link = w.last(1, "A").link;
    w.broken(link);
    assert_eq!(w.told(), "1: Unreachable");
    w.idle();
}

#[test]
fn the_datagrams_socket_is_not_missed_any_more() {
    let mut w = truncated();
    let udp = w.sent[0].link;
    w.broken(udp);
    assert_eq!(w.told(), "");
    w.reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn nonsense_over_tcp_is_a_failure() {
    for bytes in [vec![0, 1, 7], vec![0, 12, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0], vec![0, 0], vec![0x10, 1]] {
        let mut w = truncated();
        let link = w.last(1, "A").link;
        w.feed(link, &bytes);
        assert_eq!(w.told(), "1: Failed", "{bytes:?}");
        w.idle();
    }
    let mut w = truncated();
    w.reply(1, "A", "tc");
    assert_eq!(w.told(), "1: Failed", "truncated again");
}

#[test]
fn the_longest_message_is_taken() {
    let mut w = truncated();
    let (link, good) = framed(&w, FOUR);
    let mut bytes = [&[0x10, 0], &good[2..]].concat();
    bytes.resize(2 + MAX_MESSAGE, 0);
    w.feed(link, &bytes[..bytes.len() - 1]);
    assert_eq!(w.told(), "");
    w.feed(link, &[0]);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
}

#[test]
fn other_servers_may_be_faster_than_the_stream() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").reply(1, "A", "tc").reply(1, "AAAA", "tc");
    assert_eq!(w.sockets.len(), 4);
    w.reply(2, "A", FOUR);
    assert_eq!(w.sockets.len(), 3, "the stream for IPv4 is closed with it");
    w.reply(2, "AAAA", SIX);
    assert_eq!(w.told(), "1: 2001:db8::1 192.0.2.1 done");
    w.idle();
}

#[test]
fn a_plain_question_over_tcp() {
    let mut w = truncated();
    w.reply(1, "A", "formerr");
    assert_eq!(w.asked(), "A-@1/tcp");
    w.reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn use_vc_asks_over_tcp_alone() {
    let mut w = World::new("nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions use-vc");
    w.at(0).resolve(1, "x.example");
    assert_eq!(w.asked(), "AAAA@1/tcp A@1/tcp AAAA@2/tcp A@2/tcp");
    w.at(2000).reply(1, "AAAA", SIX).at(2999).reply(2, "A", FOUR);
    assert_eq!(w.told(), "1: 2001:db8::1; 1: 192.0.2.1 done");
    w.idle();
    w.resolve(2, "y.example").at(5999);
    assert_eq!(w.told(), "2: TimedOut");
    w.idle();
}
