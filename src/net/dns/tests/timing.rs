//! When what is told: the order of families, tries, the limit.

use super::*;

#[test]
fn two_servers_are_asked_for_both_families_at_once() {
    let mut w = World::with_servers(3);
    w.at(0).resolve(1, "frps.example");
    assert_eq!(w.asked_names(), "frps.example AAAA@1 frps.example A@1 frps.example AAAA@2 frps.example A@2");
    assert_eq!(w.sockets.len(), 2, "one socket a server");
    let mut ids: Vec<u16> = w.sent.iter().map(|s| s.asked.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "an id of its own for each question");
    w.at(10).reply(2, "AAAA", SIX).reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 2001:db8::1; 1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn ipv6_is_told_at_once_and_ipv4_when_it_comes() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example");
    w.at(20).reply(1, "AAAA", "@ AAAA 2001:db8::2 60; @ AAAA 2001:db8::1 60");
    assert_eq!(w.told(), "1: 2001:db8::2 2001:db8::1", "in the order of the answer");
    w.quiet_until(900).at(900).reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn ipv4_waits_50_ms_for_ipv6() {
    let mut w = World::with_servers(1);
    w.at(100).resolve(1, "x.example").at(120).reply(1, "A", FOUR).quiet_until(170).at(170);
    assert_eq!(w.told(), "1: 192.0.2.1");
    w.quiet_until(400).at(400).reply(1, "AAAA", SIX);
    assert_eq!(w.told(), "1: 2001:db8::1 done");
    w.idle();
}

#[test]
fn ipv6_within_50_ms_makes_one_batch() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(20).reply(1, "A", FOUR).at(69).reply(1, "AAAA", SIX);
    assert_eq!(w.told(), "1: 2001:db8::1 192.0.2.1 done");
    w.idle();
}

#[test]
fn ipv4_waits_no_longer_than_for_the_word_that_there_is_no_ipv6() {
    for spec in ["", "nx", "servfail", "SOA 60 60"] {
        let mut w = World::with_servers(1);
        w.at(0).resolve(1, "x.example").at(20).reply(1, "A", FOUR).at(30).reply(1, "AAAA", spec);
        assert_eq!(w.told(), "1: 192.0.2.1 done", "{spec}");
        w.idle();
    }
}

#[test]
fn one_family_that_never_answers_does_not_spoil_the_other() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(20).reply(1, "AAAA", SIX);
    assert_eq!((w.told(), w.asked()), ("1: 2001:db8::1".into(), "AAAA@1 A@1".into()));
    w.at(1000);
    assert_eq!(w.asked(), "A@1", "only what is still open is asked again");
    w.at(4999);
    assert_eq!(w.told(), "");
    w.at(5000);
    assert_eq!(w.told(), "1: done");
    w.idle();
}

#[test]
fn tries_go_around_the_servers_and_end_at_5_s() {
    let mut w = World::with_servers(3);
    w.at(0).resolve(1, "x.example");
    assert_eq!(w.asked(), "AAAA@1 A@1 AAAA@2 A@2");
    for (ms, asked) in [
        (1000, "AAAA@3 A@3 AAAA@1 A@1"),
        (2000, "AAAA-@2 A-@2 AAAA-@3 A-@3"),
        (3000, "AAAA-@1 A-@1 AAAA-@2 A-@2"),
        (4000, "AAAA-@3 A-@3 AAAA-@1 A-@1"),
    ] {
        w.quiet_until(ms).at(ms);
        assert_eq!(w.asked(), asked, "{ms}");
    }
    assert_eq!(w.sockets.len(), 3, "a server that is asked again is asked on the same socket");
    let to_first = w.sent.iter().filter(|s| s.server == 1 && s.asked.kind == "A");
    assert!(to_first.map(|s| s.asked.id).all(|id| id == w.sent[1].asked.id), "and with the same id");
    w.quiet_until(5000).at(5000);
    assert_eq!(w.told(), "1: TimedOut");
    w.idle();
}

#[test]
fn one_server_is_asked_five_times() {
    let mut w = World::with_servers(1);
    w.resolve(1, "x.example").at(5000);
    assert_eq!(w.asked(), "AAAA@1 A@1 AAAA@1 A@1 AAAA-@1 A-@1 AAAA-@1 A-@1 AAAA-@1 A-@1");
    assert_eq!(w.told(), "1: TimedOut");
    w.idle();
}

#[test]
fn a_late_answer_counts() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example");
    let (link, late) = (w.last(1, "AAAA").link, answer(&w.last(1, "AAAA").query, SIX));
    w.at(2500).feed(link, &late).reply(2, "A", FOUR);
    assert_eq!(w.told(), "1: 2001:db8::1; 1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn options_set_the_pace() {
    let mut w = World::new("nameserver 10.0.0.1\noptions timeout:2 attempts:2");
    w.at(0).resolve(1, "x.example").quiet_until(2000).at(2000);
    assert_eq!(w.asked(), "AAAA@1 A@1");
    w.quiet_until(4000).at(4000);
    assert_eq!((w.asked(), w.told()), (String::new(), "1: TimedOut".into()), "asked twice, and waited for");
    w.idle();
    let mut w = World::new("nameserver 10.0.0.1\noptions timeout:5");
    w.at(0).resolve(1, "x.example").quiet_until(5000).at(5000);
    assert_eq!(w.told(), "1: TimedOut");
    w.idle();
}

#[test]
fn a_loop_that_comes_late_catches_up() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").reply(1, "A", FOUR);
    w.now = Instant::ZERO + millis(60_000);
    w.resolver.expire(w.now);
    w.drain();
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn a_look_up_is_shared_and_who_joins_late_is_told_what_is_known() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "nas.lan").resolve(2, "NAS.lan");
    assert_eq!(w.asked(), "AAAA@1 A@1");
    w.at(10).reply(1, "AAAA", SIX);
    assert_eq!(w.told(), "1: 2001:db8::1; 2: 2001:db8::1");
    w.at(20).resolve(3, "nas.lan");
    assert_eq!((w.told(), w.asked()), ("3: 2001:db8::1".into(), String::new()));
    w.at(30).reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done; 2: 192.0.2.1 done; 3: 192.0.2.1 done");
    w.idle();
}

#[test]
fn who_joins_while_ipv4_waits_waits_as_well() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(20).reply(1, "A", FOUR).at(40).resolve(2, "x.example");
    assert_eq!(w.told(), "");
    w.at(70);
    assert_eq!(w.told(), "1: 192.0.2.1; 2: 192.0.2.1");
}

#[test]
fn cancelling_silences_and_the_last_one_ends_it() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").resolve(2, "x.example").resolve(3, "y.example").cancel(1);
    assert_eq!(w.sockets.len(), 4);
    w.reply(1, "A", FOUR).cancel(2).cancel(3);
    assert_eq!(w.told(), "");
    w.idle();
    w.cancel(9);
    w.resolver.resolve(token(4), "192.0.2.1", w.now);
    w.cancel(4);
    assert_eq!(w.told(), "", "not even what was known at once");
}
