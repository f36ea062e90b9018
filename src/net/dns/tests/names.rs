//! What needs no server, the search list, and the cache.

use super::*;

#[test]
fn what_is_known_at_once_is_told_at_once() {
    let mut w = World::with_servers(1);
    w.resolver.set_hosts(Hosts::parse(b"192.168.1.2 nas nas.lan\n::1 six.localhost\n192.0.2.7 localhost\n"));
    for (name, told) in [
        ("192.0.2.1", "1: 192.0.2.1 done"),
        ("2001:db8::1", "1: 2001:db8::1 done"),
        ("[::1]", "1: ::1 done"),
        ("fe80::1%eth0", "1: fe80::1 done"),
        ("nas", "1: 192.168.1.2 done"),
        ("NAS.lan.", "1: 192.168.1.2 done"),
        ("localhost", "1: 192.0.2.7 done"),
        ("six.localhost", "1: ::1 done"),
        ("db.localhost.", "1: 127.0.0.1 ::1 done"),
        ("", "1: BadName"),
        ("a b", "1: BadName"),
        ("127.1", "1: BadName"),
    ] {
        w.resolve(1, name);
        assert_eq!(w.told(), told, "{name}");
        w.idle();
    }
    w.resolver.set_hosts(Hosts::default());
    w.resolve(1, "LocalHost");
    assert_eq!((w.told(), w.asked()), ("1: 127.0.0.1 ::1 done".into(), String::new()));
}

#[test]
fn the_search_list_goes_on_after_a_denial() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan corp.example");
    w.at(0).resolve(1, "nas");
    assert_eq!(w.asked_names(), "nas.lan AAAA@1 nas.lan A@1");
    let first = w.sockets.clone();
    w.at(5).reply_both(1, "nx");
    assert_eq!(w.asked_names(), "nas.corp.example AAAA@1 nas.corp.example A@1");
    assert!(w.sockets.len() == 1 && w.sockets != first, "each name has a fresh port");
    w.at(9).reply(1, "AAAA", "").reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn the_search_list_ends_with_the_name_itself() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan");
    w.at(0).resolve(1, "nas").reply_both(1, "nx");
    assert_eq!(w.asked_names(), "nas.lan AAAA@1 nas.lan A@1 nas AAAA@1 nas A@1");
    w.reply_both(1, "nx");
    assert_eq!(w.told(), "1: NoSuchHost");
    w.idle();
    w.resolve(2, "nas");
    assert_eq!((w.told(), w.asked()), ("2: NoSuchHost".into(), String::new()), "and is known to");
    w.resolve(3, "nas.");
    assert_eq!(w.told(), "3: NoSuchHost");
}

#[test]
fn a_refusal_goes_on_too_but_is_told_in_the_end() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan");
    w.at(0).resolve(1, "nas").reply_both(1, "servfail");
    assert_eq!(w.asked_names(), "nas.lan AAAA@1 nas.lan A@1 nas AAAA@1 nas A@1");
    w.reply_both(1, "nx");
    assert_eq!(w.told(), "1: Failed");
}

#[test]
fn silence_and_broken_sockets_end_the_search() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan");
    w.at(0).resolve(1, "nas").at(5000);
    assert_eq!(w.told(), "1: TimedOut");
    w.resolve(2, "nas");
    let link = w.last(1, "A").link;
    w.broken(link);
    assert_eq!(w.told(), "2: Unreachable");
    w.idle();
}

#[test]
fn all_names_together_have_5_s() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan");
    w.at(0).resolve(1, "nas").at(4900).reply_both(1, "nx").quiet_until(5000).at(5000);
    assert_eq!(w.told(), "1: TimedOut");
    w.idle();
    w.at(100_000).resolve(2, "nas").reply(1, "A", "nx").at(104_999).reply(1, "AAAA", "nx").asked();
    w.reply_both(1, "nx");
    assert_eq!(w.told(), "2: NoSuchHost");
}

#[test]
fn a_denial_that_holds_at_the_limit_leads_nowhere() {
    let mut w = World::new("nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch lan");
    w.at(0).resolve(1, "nas").at(4500).reply_both(2, "nx").quiet_until(5000).at(5000);
    assert_eq!((w.told(), w.asked()), ("1: TimedOut".into(), String::new()), "no time left to ask for the next name");
    w.idle();
}

#[test]
fn answers_are_kept_for_their_time() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(500).reply(1, "AAAA", "@ AAAA 2001:db8::1 60").reply(1, "A", "@ A 192.0.2.1 90");
    assert_eq!((w.told(), w.asked()), ("1: 2001:db8::1; 1: 192.0.2.1 done".into(), "AAAA@1 A@1".into()));
    w.at(60_499).resolve(2, "X.example.");
    assert_eq!((w.told(), w.asked()), ("2: 2001:db8::1 192.0.2.1 done".into(), String::new()));
    w.at(60_500).resolve(3, "x.example");
    assert_eq!((w.told(), w.asked()), (String::new(), "AAAA@1".into()), "only what has ended is asked for");
    w.at(60_549);
    assert_eq!(w.told(), "");
    w.at(60_550);
    assert_eq!(w.told(), "3: 192.0.2.1", "and the rest waits for it as for any answer");
    w.at(60_600).reply(1, "AAAA", "");
    assert_eq!(w.told(), "3: done");
    w.idle();
}

#[test]
fn what_does_not_exist_is_kept_briefly() {
    for (spec, ms) in [("nx; SOA 20 900", 20_000), ("SOA 900 900", 30_000), ("nx", 5000)] {
        let mut w = World::with_servers(1);
        w.at(0).resolve(1, "x.example").reply_both(1, spec).at(ms - 1).resolve(2, "x.example");
        assert_eq!(w.told(), "1: NoSuchHost; 2: NoSuchHost", "{spec}");
        w.asked();
        w.at(ms).resolve(3, "x.example");
        assert_eq!(w.asked(), "AAAA@1 A@1", "{spec}");
    }
}

#[test]
fn half_a_failure_is_kept_for_30_s() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply(1, "A", FOUR).at(5000);
    assert_eq!(w.told(), "1: 192.0.2.1; 1: done");
    w.asked();
    w.at(34_999).resolve(2, "x.example");
    assert_eq!((w.told(), w.asked()), ("2: 192.0.2.1 done".into(), String::new()));
    w.at(35_000).resolve(3, "x.example");
    assert_eq!(w.asked(), "AAAA@1");
}

#[test]
fn who_was_content_with_ipv4_is_not_kept_waiting_again() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "nas.lan").at(5).reply(1, "A", FOUR).at(55).cancel(1).at(5054).resolve(2, "nas.lan");
    assert_eq!(w.told(), "1: 192.0.2.1; 2: 192.0.2.1 done");
    w.at(5055).resolve(3, "nas.lan").asked();
    w.cancel(3).at(5060).resolve(4, "nas.lan");
    assert_eq!(w.asked(), "AAAA@1", "nothing was told, nothing was learnt");
}

#[test]
fn who_was_content_with_ipv6_learns_nothing_about_ipv4() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply(1, "AAAA", SIX).at(90).cancel(1).resolve(2, "x.example");
    assert_eq!(w.told(), "1: 2001:db8::1; 2: 2001:db8::1");
}

#[test]
fn forgetting_asks_afresh() {
    let mut w = World::new("nameserver 10.0.0.1\nsearch lan");
    w.at(0).resolve(1, "nas").reply(1, "AAAA", "").reply(1, "A", FOUR).asked();
    w.resolver.forget("NAS");
    w.resolver.forget("");
    w.resolve(2, "nas");
    assert_eq!((w.told(), w.asked_names()), ("1: 192.0.2.1 done".into(), "nas.lan AAAA@1 nas.lan A@1".into()));
}

#[test]
fn another_network_has_other_answers() {
    let conf = |text: &str| Conf::parse(text.as_bytes(), &|_| None);
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").reply_both(1, "nx").asked();
    w.resolver.set_conf(conf("# touched\nnameserver 10.0.0.1"));
    w.resolve(2, "x.example");
    assert_eq!((w.told(), w.asked()), ("1: NoSuchHost; 2: NoSuchHost".into(), String::new()), "nothing has changed");
    w.resolver.set_conf(conf("nameserver 10.0.0.2"));
    w.resolve(3, "x.example");
    assert_eq!(w.asked(), "AAAA@2 A@2");
}

#[test]
fn look_ups_under_way_keep_their_servers() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").asked();
    w.resolver.set_conf(Conf::parse(b"nameserver 10.0.0.2", &|_| None));
    w.at(1000).resolve(2, "y.example");
    assert_eq!(w.asked_names(), "x.example AAAA@1 x.example A@1 y.example AAAA@2 y.example A@2");
}
