//! Whom to believe: failures, denials, forgeries, EDNS.

use super::*;

#[test]
fn a_refusal_from_one_does_not_end_it() {
    for spec in ["servfail", "refused", "lame", "@ 1 bad 60; tc; servfail"] {
        let mut w = World::with_servers(2);
        w.at(0).resolve(1, "x.example").at(5).reply_both(1, spec);
        assert_eq!(w.told(), "");
        w.at(10).reply(2, "AAAA", SIX).reply(2, "A", FOUR);
        assert_eq!(w.told(), "1: 2001:db8::1; 1: 192.0.2.1 done", "{spec}");
        w.idle();
    }
}

#[test]
fn a_fresh_server_takes_the_place_of_one_that_failed() {
    let mut w = World::with_servers(3);
    w.at(0).resolve(1, "x.example").asked();
    w.at(5).reply(2, "A", "servfail");
    assert_eq!(w.asked(), "AAAA@3 A@3");
    w.at(6).reply(2, "AAAA", "servfail");
    assert_eq!(w.asked(), "", "there is no other");
    w.at(1000);
    assert_eq!(w.asked(), "AAAA@1 A@1 AAAA@3 A@3", "who failed is not asked again");
}

#[test]
fn when_all_have_failed_it_is_over_at_once() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").at(5).reply_both(1, "servfail").reply_both(2, "refused");
    assert_eq!(w.told(), "1: Failed");
    w.idle();
    w.resolve(2, "x.example");
    assert_eq!(w.asked(), "AAAA@1 A@1 AAAA@2 A@2 AAAA@1 A@1 AAAA@2 A@2", "failures are not cached");
}

#[test]
fn sockets_that_fail_are_servers_that_fail() {
    let mut w = World::with_servers(3);
    w.at(0).resolve(1, "x.example").asked();
    let (first, second) = (w.last(1, "A").link, w.last(2, "A").link);
    w.broken(first);
    assert_eq!(w.asked(), "AAAA@3 A@3");
    w.broken(second).broken(second);
    let third = w.last(3, "A").link;
    assert_eq!(w.told(), "");
    w.broken(third);
    assert_eq!(w.told(), "1: Unreachable");
    w.idle();
}

#[test]
fn a_server_that_answered_one_family_and_then_broke_keeps_its_word() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply(1, "AAAA", SIX);
    let link = w.last(1, "A").link;
    w.broken(link);
    assert_eq!(w.told(), "1: 2001:db8::1; 1: done");
    w.idle();
}

#[test]
fn the_worst_failure_is_told() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").reply_both(1, "servfail");
    let link = w.last(2, "A").link;
    w.broken(link);
    assert_eq!(w.told(), "1: Failed");
}

#[test]
fn the_first_server_denies_for_all() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").at(5).reply_both(1, "nx");
    assert_eq!(w.told(), "1: NoSuchHost");
    w.idle();
}

#[test]
fn a_later_server_denies_only_when_the_try_ends() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "nas.lan").at(5).reply_both(2, "nx").quiet_until(1000).at(1000);
    assert_eq!(w.told(), "1: NoSuchHost");
    w.idle();
}

#[test]
fn an_earlier_server_overrules_a_denial() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "nas.lan").at(5).reply_both(2, "nx").at(30).reply(1, "A", FOUR).reply(1, "AAAA", "");
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn a_denial_is_final_once_the_earlier_servers_have_failed() {
    let mut w = World::with_servers(3);
    w.at(0).resolve(1, "nas.lan").at(5).reply_both(2, "nx");
    assert_eq!(w.told(), "");
    w.at(9).reply_both(1, "servfail");
    assert_eq!(w.told(), "1: NoSuchHost");
    w.idle();
}

#[test]
fn who_knows_the_name_is_believed_that_it_has_no_ipv6() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").at(5).reply(2, "A", FOUR).at(6).reply(2, "AAAA", "");
    assert_eq!(w.told(), "1: 192.0.2.1 done", "the first server is not waited for");
    w.idle();
}

#[test]
fn a_denial_holds_for_its_family_only() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply(1, "AAAA", "nx").at(6).reply(1, "A", FOUR);
    assert_eq!(w.told(), "1: 192.0.2.1 done");
    w.idle();
}

#[test]
fn a_denial_and_silence_make_a_timeout() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply(1, "AAAA", "").quiet_until(1000).at(5000);
    assert_eq!(w.told(), "1: TimedOut");
}

#[test]
fn forgeries_are_ignored() {
    let mut w = World::with_servers(2);
    w.at(0).resolve(1, "x.example").resolve(2, "y.example");
    let good = answer(&w.last(1, "A").query, FOUR);
    let (link, other) = (w.last(1, "A").link, w.last(2, "A").link);
    let mut wrong_id = good.clone();
    wrong_id[1] ^= 0x40;
    let mut query = good.clone();
    query[2] &= 0x7f;
    let mut wrong_name = good.clone();
    wrong_name[13] = b'z';
    for forged in [&wrong_id, &query, &wrong_name, &Vec::new(), &vec![0; 12], &vec![0xff; 600]] {
        w.feed(link, forged);
    }
    w.feed(other, &good).feed(Link(9999), &good);
    assert_eq!(w.told(), "");
    w.feed(link, &good).feed(link, &good).reply(1, "AAAA", "");
    assert_eq!(w.told(), "2: 192.0.2.1 done");
}

#[test]
fn edns_is_left_out_for_a_server_that_minds() {
    for spec in ["formerr", "notimp", "badvers", "bare; formerr"] {
        let mut w = World::with_servers(1);
        w.at(0).resolve(1, "x.example").asked();
        let id = w.last(1, "A").asked.id;
        w.at(5).reply(1, "A", spec);
        assert_eq!(w.asked(), "A-@1", "at once, {spec}");
        assert_eq!(w.last(1, "A").asked.id, id);
        w.at(6).reply(1, "A", FOUR).reply(1, "AAAA", spec).reply(1, "AAAA", SIX);
        assert_eq!(w.told(), "1: 2001:db8::1 192.0.2.1 done");
        w.idle();
    }
}

#[test]
fn who_minds_without_edns_as_well_has_failed() {
    let mut w = World::with_servers(1);
    w.at(0).resolve(1, "x.example").at(5).reply_both(1, "formerr").reply_both(1, "formerr");
    assert_eq!(w.told(), "1: Failed");
    w.idle();
}

#[test]
fn rotate_starts_with_another_server_each_time() {
    let mut w = World::new("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions rotate");
    for (task, asked) in [(1, "AAAA@1 A@1 AAAA@2 A@2"), (2, "AAAA@2 A@2 AAAA@3 A@3"), (3, "AAAA@3 A@3 AAAA@1 A@1")] {
        w.resolve(task, &format!("n{task}.example"));
        assert_eq!(w.asked(), asked);
    }
}

#[test]
fn the_configured_server_replaces_the_systems() {
    let mut w = World::new("");
    w.resolver = Resolver::new(Some("10.0.0.9:53".parse().unwrap()), Box::new(|| 7));
    w.at(0).resolve(1, "a.b");
    assert_eq!(w.asked(), "AAAA@9 A@9");
    w.resolver.set_conf(Conf::parse(b"nameserver 10.0.0.1\nsearch lan", &|_| None));
    w.cancel(1).resolve(2, "nas");
    assert_eq!(w.asked_names(), "nas.lan AAAA@9 nas.lan A@9", "the search list still counts");
}
