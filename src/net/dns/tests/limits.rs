//! Numbers, bytes, and arbitrary sequences.

use super::super::testing::Dice;
use super::*;

#[test]
fn what_exceeds_the_active_look_ups_waits_its_turn() {
    let mut w = World::with_servers(1);
    w.resolve_names(70);
    assert_eq!((w.sockets.len(), w.resolver.entries.len()), (MAX_ACTIVE, 70));
    w.asked();
    let (link, bytes) = (w.sent[0].link, answer(&w.sent[0].query, "nx"));
    w.feed(link, &bytes);
    assert_eq!(w.asked(), "", "the other family is still asked for");
    let bytes = answer(&w.sent[1].query, "nx");
    w.feed(link, &bytes);
    assert_eq!((w.told(), w.asked_names()), ("0: NoSuchHost".into(), "n64.example AAAA@1 n64.example A@1".into()));
    w.cancel(5);
    assert_eq!(w.asked_names(), "n65.example AAAA@1 n65.example A@1");
    w.at(5000);
    assert_eq!((w.sockets.len(), w.resolver.entries.len()), (4, 4), "the first have timed out, the last have begun");
    w.at(10_000);
    w.idle();
}

#[test]
fn the_cache_answers_while_others_wait() {
    let mut w = World::with_servers(1);
    w.resolve(999, "known.example").reply(1, "A", FOUR).reply(1, "AAAA", "").told();
    w.resolve_names(70);
    w.resolve(100, "known.example");
    assert_eq!(w.told(), "100: 192.0.2.1 done");
}

#[test]
fn too_many_names_and_too_many_askers_are_refused() {
    let mut w = World::with_servers(1);
    w.resolve_names(257);
    assert_eq!(w.told(), "256: Busy");
    for i in 256..MAX_TOKENS as u32 {
        w.resolve(1000 + i, "n7.example");
    }
    assert_eq!(w.told(), "");
    w.resolve(9999, "n8.example");
    assert_eq!(w.told(), "9999: Busy");
    w.at(20_000);
    assert_eq!(w.told.len(), MAX_TOKENS, "everybody was told once");
    w.idle();
}

#[test]
fn pieces_of_answers_are_bounded_together() {
    let mut w = World::new("nameserver 10.0.0.1\noptions use-vc");
    w.resolve_names(17);
    let links: Vec<Link> = w.sent.iter().filter(|s| s.asked.kind == "A").map(|s| s.link).collect();
    let piece = [&[0x10, 0][..], &[0; 4000]].concat();
    for link in links {
        w.feed(link, &piece);
    }
    let held: usize = w.resolver.entries.iter().filter_map(Entry::lookup).map(Lookup::partial).sum();
    assert!(held <= MAX_PARTIAL && held > MAX_PARTIAL - 4002, "{held}");
    assert_eq!(w.sockets.len(), 33, "the one that did not fit was given up");
    w.at(5000);
    w.idle();
}

/// Bytes on the heap, as far as the resolver can be asked.
fn held(resolver: &Resolver) -> usize {
    let entry =
        |e: &Entry| e.name.len() + e.tokens.capacity() * size_of::<Token>() + e.lookup().map_or(0, Lookup::held);
    let out = |out: &Out| match out {
        Out::Send { bytes, .. } => bytes.capacity(),
        Out::Resolved { result: Ok(answer), .. } => answer.addrs.capacity() * size_of::<IpAddr>(),
        _ => 0,
    };
    resolver.entries.capacity() * size_of::<Entry>()
        + resolver.entries.iter().map(entry).sum::<usize>()
        + resolver.cache.held()
        + resolver.outs.capacity() * size_of::<Out>()
        + resolver.outs.iter().map(out).sum::<usize>()
}

#[test]
fn the_worst_case_is_as_stated() {
    let search: String = ('a'..='f').map(|c| format!(" {}", String::from(c).repeat(58))).collect();
    let servers = "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3";
    let mut w = World::new(&format!("{servers}\nsearch{search}\noptions ndots:0"));
    for i in 0..100 {
        let (name, addrs) = (format!("{i:0>253}"), [IpAddr::from([10, 0, 0, 1]); 8]);
        Family::BOTH.into_iter().for_each(|family| w.resolver.cache.put(&name, family, &addrs, 60, w.now));
    }
    let tail = ["x".repeat(63), "y".repeat(63), "z".repeat(61)].join(".");
    for i in 0..1024 {
        w.resolve(i, &format!("{}.{tail}", if i < 256 { i } else { i % 64 }));
    }
    let six: String = (0..8).map(|i| format!("@ AAAA 2001:db8::{i} 60;")).collect();
    let idle = held(&w.resolver);
    let sent: Vec<&Sent> = w.sent.iter().filter(|s| s.server == 1 && s.asked.kind == "AAAA").collect();
    sent.iter().for_each(|s| w.resolver.feed(s.link, &answer(&s.query, &six), w.now));
    let peak = held(&w.resolver) + MAX_PARTIAL;
    assert!(sent.len() == MAX_ACTIVE && peak <= 768 * 1024, "{peak} after {idle}");
    let least = if cfg!(target_pointer_width = "64") { 512 } else { 448 } * 1024;
    assert!(peak >= least, "{peak} after {idle}: state less");
}

#[test]
fn one_look_up_is_small() {
    let mut w = World::with_servers(2);
    w.resolve(1, "frps.example");
    assert!(held(&w.resolver) < 3 * 1024, "{}", held(&w.resolver));
    w.reply_both(1, "nx");
    w.resolver.cache.clear();
    assert!(held(&w.resolver) < 512, "{}", held(&w.resolver));
}

/// Some operation on the world, sensible or not. `silent`: who has cancelled, by task.
fn meddle(w: &mut World, dice: &mut Dice, silent: &mut Vec<bool>) {
    let specs =
        ["", "nx", "servfail", "tc", "formerr", FOUR, SIX, "lame", "bare; refused", "nx; SOA 3 3", "@ CNAME y.z 9"];
    let some = (!w.sent.is_empty()).then(|| w.sent.len() - 1 - dice.below(w.sent.len().min(12)));
    match (dice.below(12), some) {
        (0..=2, _) => {
            let name = dice.pick(&["a", "b.c", "a.", "d.e.f", "g", "x y", "::1", "localhost"]);
            w.resolve(silent.len() as u32, name);
            silent.push(false);
        }
        (3, _) if !silent.is_empty() => {
            let task = silent.len() - 1 - dice.below(silent.len().min(6));
            w.cancel(task as u32);
            w.told.retain(|(to, ..)| *to != task as u32);
            silent[task] = true;
        }
        (4..=7, Some(i)) => {
            let (link, bytes) = (w.sent[i].link, answer(&w.sent[i].query, dice.pick(&specs)));
            let bytes = if dice.below(4) == 0 { dice.mangle(&bytes) } else { bytes };
            let length = (bytes.len() as u16).to_be_bytes();
            let bytes = if w.sent[i].via == Via::Udp { bytes } else { [&length, &*bytes].concat() };
            let cut = if dice.below(3) == 0 { dice.below(bytes.len() + 1) } else { bytes.len() };
            w.feed(link, &bytes[..cut]);
        }
        (8, Some(i)) => {
            w.broken(w.sent[i].link);
        }
        (9, _) => {
            let conf = dice.mangle(b"nameserver 10.0.0.1\nsearch x y\noptions rotate use-vc attempts:2\n");
            let mut conf = Conf::parse(&conf, &|_| None);
            conf.servers = (1..=1 + dice.below(3) as u8).map(|i| ([10, 0, 0, i], 53).into()).collect();
            w.resolver.set_conf(conf);
        }
        (10, _) => w.resolver.forget(dice.pick(&["a", "b.c"])),
        _ => {
            w.at(w.now.as_micros() / 1000 + dice.pick(&[0, 1, 3, 50, 999, 1000, 4000]));
        }
    }
}

#[test]
fn arbitrary_sequences_end_well() {
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let (mut w, mut silent) = (World::with_servers(1 + (seed % 3) as u8), Vec::new());
        for _ in 0..150 {
            meddle(&mut w, &mut dice, &mut silent);
            let open = w.resolver.entries.iter().filter_map(Entry::lookup).count();
            assert!(w.sockets.len() <= open * 9, "seed {seed}");
            assert!(open > 0 || w.sockets.is_empty(), "seed {seed}: sockets for nobody");
        }
        w.at(w.now.as_micros() / 1000 + 5000);
        w.idle();
        for (task, silent) in silent.into_iter().enumerate() {
            let told: Vec<&(u32, String, bool)> = w.told.iter().filter(|(to, ..)| *to == task as u32).collect();
            assert_eq!(told.is_empty(), silent, "seed {seed}: {task}");
            let lasts: Vec<bool> = told.iter().map(|(_, _, last)| *last).collect();
            assert!(silent || lasts.iter().rposition(|last| !last).is_none_or(|i| i + 2 == lasts.len()), "seed {seed}");
            let error = told.iter().any(|(_, what, last)| *last && what.len() > 1 && !what.ends_with(" done"));
            assert!(told.len() <= 2 && !(error && told.len() > 1), "seed {seed}: {told:?}");
        }
    }
}
