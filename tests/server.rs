//! The test server against redial's client in process, over real sockets; and against a real frpc, if there is one.
mod support;

#[path = "server/config.rs"]
mod config;
#[path = "server/faults.rs"]
mod faults;
#[path = "server/peers.rs"]
mod peers;

use config::{Way, toml};
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;
use support::client::Redial;
use support::frps::settings::Settings;
use support::local::{
    PATIENCE, Plan, answers, closes, connect, echo, flood, serve, serve_exchange, serve_exchange_after, until,
    use_exchange, use_exchange_after,
};
use support::server::{Drip, Options, Server};

/// Every combination of mux, encryption and compression.
fn ways() -> impl Iterator<Item = Way> {
    (0..8).map(|n| Way { mux: n & 1 == 0, encryption: n & 2 != 0, compression: n & 4 != 0 })
}

/// Waits until a proxy is up; returns its port.
fn port(server: &Server, proxy: &str) -> u16 {
    until("a proxy comes up", || server.port_of(proxy).is_some());
    server.port_of(proxy).expect("it was up a moment ago")
}

#[test]
fn three_proxies_serve_their_users() {
    let local = serve(echo);
    for mux in [true, false] {
        let server = Server::start(config::settings(mux)).expect("a server");
        let plain = Way { mux, encryption: false, compression: false };
        let proxies = [("a", local, plain), ("b", local, plain.encrypted()), ("c", local, plain.compressed())];
        let mut redial = Redial::start(&toml(&server, &proxies, ""));
        redial.line("login to server success", 0);
        for (name, ..) in proxies {
            redial.line(&format!("[{name}] start proxy success"), 0);
            let port = port(&server, name);
            let users: Vec<_> = (0..20).map(|_| connect(port)).collect();
            users.iter().for_each(|user| config::converse(user, 3));
        }
        let tally = server.tally();
        assert_eq!((tally.logins, tally.served, tally.violation, tally.garbage), (1, 60, None, 0));
        redial.stop();
    }
}

#[test]
fn bytes_arrive_in_order_both_ways() {
    const LEN: usize = 20_000_000;
    for way in ways() {
        let (local, content) = serve_exchange(LEN);
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let redial = Redial::start(&toml(&server, &[("bulk", local, way)], ""));
        use_exchange(port(&server, "bulk"), LEN);
        content.recv_timeout(PATIENCE).expect("the service is content");
        assert_eq!(server.tally().violation, None, "{way:?}");
        redial.stop();
    }
}

/// Both directions are full, then one of them flows, then the other: nothing overtakes what was held up.
#[test]
fn those_who_read_late_get_everything() {
    let quick = Plan::from(8_000_000);
    let calm = Plan { service: 500_000, calm: true, ..quick };
    let packed = [(Way::MUX.compressed(), quick), (Way::PLAIN.compressed(), quick)];
    let bare = [Way::MUX, Way::PLAIN].into_iter().flat_map(|way| [(way, quick), (way, calm)]);
    for (way, plan) in bare.chain(packed) {
        let (first, wait) = channel::<()>();
        let (local, content) = serve_exchange_after(plan, wait);
        let options = Options { buffers: Some(16 * 1024), ..config::settings(way.mux).into() };
        let server = Server::start(options).expect("a server");
        let mut redial = Redial::start_on(&toml(&server, &[("bulk", local, way)], ""), 64 << 20);
        let port = port(&server, "bulk");
        let (second, wait) = channel::<()>();
        let word = move || wait.recv_timeout(PATIENCE).expect("word comes");
        let user = spawn(move || use_exchange_after(port, plan, word));
        rests(&server, way);
        first.send(()).expect("the service waits");
        rests(&server, way);
        assert!(redial.vitals().peak_bytes < 8 << 20, "{way:?}");
        second.send(()).expect("the user waits");
        content.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{way:?} {plan:?}: the service is not content"));
        user.join().unwrap_or_else(|_| panic!("{way:?} {plan:?}: the user is not content"));
        assert_eq!(server.tally().violation, None, "{way:?}");
        redial.stop();
    }
}

/// Without mux a user's pause is a closed window between the server and us, which is no dead line.
#[test]
fn a_user_may_pause_for_longer_than_a_dead_line_is_borne() {
    let pause = || {
        let mut left = 180;
        until("18 seconds have passed", || {
            left -= 1;
            std::thread::park_timeout(Duration::from_millis(100));
            left == 0
        });
    };
    let threads = [Way::MUX, Way::PLAIN].map(|way| {
        spawn(move || {
            let plan = Plan { service: 8_000_000, ..Plan::from(1000) };
            let (local, content) = serve_exchange(plan);
            let options = Options { buffers: Some(16 * 1024), ..config::settings(way.mux).into() };
            let server = Server::start(options).expect("a server");
            let redial = Redial::start(&toml(&server, &[("bulk", local, way)], ""));
            use_exchange_after(port(&server, "bulk"), plan, pause);
            content.recv_timeout(PATIENCE).expect("the service is content");
            redial.stop();
        })
    });
    threads.into_iter().for_each(|thread| thread.join().expect("served"));
}

/// Waits until nothing moves any more.
fn rests(server: &Server, way: Way) {
    let (mut before, mut still) = (server.stats(), 0);
    until(&format!("{way:?}: what nobody reads comes to rest"), || {
        let now = server.stats();
        let moves = now.read != before.read || now.written != before.written || now.read + now.written < 100_000;
        still = if moves { 0 } else { still + 1 };
        before = now;
        still > 10
    });
}

#[test]
fn an_old_server_has_small_windows() {
    const LEN: usize = 3_000_000;
    let (local, content) = serve_exchange(LEN);
    let server = Server::start(Settings { token: config::TOKEN.to_owned(), ..Settings::old() }).expect("a server");
    let redial = Redial::start(&toml(&server, &[("bulk", local, Way::MUX)], ""));
    use_exchange(port(&server, "bulk"), LEN);
    content.recv_timeout(PATIENCE).expect("the service is content");
    assert_eq!(server.tally().violation, None);
    redial.stop();
}

#[test]
fn a_slow_drip_changes_nothing() {
    const LEN: usize = 20_000;
    for way in [Way::MUX, Way::MUX.encrypted().compressed(), Way::PLAIN.encrypted()] {
        let (local, content) = serve_exchange(LEN);
        let drip = Some(Drip { max: 23, pause: Duration::from_micros(200) });
        let options = Options { seed: 7, drip, ..config::settings(way.mux).into() };
        let server = Server::start(options).expect("a server");
        let redial = Redial::start(&toml(&server, &[("bulk", local, way)], ""));
        use_exchange(port(&server, "bulk"), LEN);
        content.recv_timeout(PATIENCE).expect("the service is content");
        redial.stop();
    }
}

#[test]
fn after_a_cut_the_tunnel_comes_back() {
    for way in [Way::MUX, Way::PLAIN] {
        let local = serve(echo);
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let mut redial = Redial::start(&toml(&server, &[("echo", local, way)], config::QUICK));
        let port = port(&server, "echo");
        until("the tunnel works", || answers(port));
        let mut held = connect(port);
        config::converse(&held, 1);
        server.cut();
        assert!(!answers(port), "the line is cut");
        let lost = redial.line("is lost", 0);
        let why = &redial.lines[lost].text;
        assert!(!why.contains("EOF") && !why.contains("reset"), "nobody told it: {why}");
        server.heal();
        redial.line("the tunnel is back", lost);
        until("the tunnel works again", || answers(port));
        assert_eq!(server.tally().takeovers, 1, "the same session");
        // The old connection is dead for ever: only our own reading of the new session's pings would end it.
        held.set_read_timeout(Some(Duration::from_millis(50))).expect("a time");
        assert!(!closes(&mut held), "a user of the old line hears nothing");
        let vitals = redial.vitals();
        assert!(vitals.turns < 2000, "{} turns for one outage", vitals.turns);
        redial.stop();
    }
}

#[test]
fn a_restarted_server_is_found_again() {
    for way in [Way::MUX, Way::PLAIN] {
        let local = serve(echo);
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let mut redial = Redial::start(&toml(&server, &[("echo", local, way)], ""));
        let mut after = 0;
        for _ in 0..3 {
            after = redial.line("[echo] start proxy success", after) + 1;
            let port = port(&server, "echo");
            until("the tunnel works", || answers(port));
            server.restart();
        }
        redial.line("[echo] start proxy success", after);
        redial.stop();
    }
}

#[test]
fn a_user_that_never_reads_costs_little() {
    for way in ways() {
        let local = serve(flood);
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let mut redial = Redial::start_on(&toml(&server, &[("flood", local, way)], ""), 64 << 20);
        let port = port(&server, "flood");
        let _idle: Vec<_> = (0..3).map(|_| connect(port)).collect();
        until("all are served", || server.tally().served == 3);
        rests(&server, way);
        let vitals = redial.vitals();
        assert!(vitals.peak_bytes < 4 << 20, "{way:?}: {} bytes", vitals.peak_bytes);
        redial.stop();
    }
}

#[test]
fn a_service_that_sends_for_ever_is_let_go_when_the_user_leaves() {
    for way in [Way::MUX, Way::PLAIN, Way::MUX.compressed()] {
        let (told, sent) = channel();
        let local = serve(move |mut stream| {
            let mut sent = 0;
            while let Ok(n) = stream.write(&[7; 65536]) {
                sent += n;
            }
            let _ = told.send(sent);
        });
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let redial = Redial::start(&toml(&server, &[("flood", local, way)], ""));
        let mut user = connect(port(&server, "flood"));
        user.read_exact(&mut [0]).expect("the first byte");
        drop(user);
        let total = sent.recv_timeout(Duration::from_secs(60)).expect("the service is let go");
        assert!(total < 64 << 20, "{way:?}: {total} bytes for a user that took one");
        redial.stop();
    }
}

#[test]
fn an_idle_tunnel_sleeps() {
    for way in [Way::MUX, Way::PLAIN] {
        let local = serve(echo);
        let server = Server::start(config::settings(way.mux)).expect("a server");
        let mut redial = Redial::start(&toml(&server, &[("echo", local, way)], ""));
        let port = port(&server, "echo");
        let users: Vec<_> = (0..50).map(|_| connect(port)).collect();
        users.iter().for_each(|user| config::converse(user, 1));
        let (ours, theirs) = (redial.vitals().turns, server.stats().turns);
        let start = redial.vitals();
        let mut left = 100;
        until("two seconds have passed", || {
            left -= 1;
            std::thread::park_timeout(Duration::from_millis(15));
            left == 0
        });
        let (ours, theirs) = (redial.vitals().turns - ours, server.stats().turns - theirs);
        assert!(ours < 40 && theirs < 40, "{ours} turns of the client, {theirs} of the server, from {start:?}");
        redial.stop();
    }
}
