//! The server is right: a real frpc is content with it.
//!
//! Needs the environment variable `REDIAL_PEERS`, the directory that holds `frpc-0.70.1`.

use super::config::{QUICK, Way, converse, settings, toml};
use super::{port, ways};
use crate::support::frps::faults::{Act, Fault, Stage};
use crate::support::frps::mux;
use crate::support::frps::settings::{Settings, Takeover};
use crate::support::local::{PATIENCE, answers, connect, echo, serve, serve_exchange, until, use_exchange};
use crate::support::server::{Drip, Options, Server};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

/// The frpc to test with.
fn frpc() -> Option<PathBuf> {
    let path = std::env::var_os("REDIAL_PEERS").map(|dir| PathBuf::from(dir).join("frpc-0.70.1"));
    let found = path.filter(|path| path.exists());
    static ONCE: Once = Once::new();
    if found.is_none() {
        let line = "tests with a real frpc are left out: REDIAL_PEERS names no directory with frpc-0.70.1";
        ONCE.call_once(|| drop(writeln!(std::io::stderr(), "{line}")));
    }
    found
}

/// A running frpc; its configuration is removed with it.
struct Frpc {
    child: Child,
    config: PathBuf,
}

impl Frpc {
    fn start(program: &PathBuf, toml: &str) -> Self {
        let unique = format!("redial-test-{}-{:p}.toml", std::process::id(), toml.as_ptr());
        let config = std::env::temp_dir().join(unique);
        std::fs::write(&config, toml).expect("a temporary file");
        let child = Command::new(program).arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { child: child.expect("frpc starts"), config }
    }
}

impl Drop for Frpc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

#[test]
fn frpc_carries_bytes_in_every_way() {
    const LEN: usize = 20_000_000;
    let Some(program) = frpc() else { return };
    for way in ways() {
        let (bulk, content) = serve_exchange(LEN);
        let local = serve(echo);
        let server = Server::start(settings(way.mux)).expect("a server");
        let _frpc = Frpc::start(&program, &toml(&server, &[("bulk", bulk, way), ("echo", local, way)], ""));
        let (bulk, echo) = (port(&server, "bulk"), port(&server, "echo"));
        use_exchange(bulk, LEN);
        content.recv_timeout(PATIENCE).expect("the service is content");
        let users: Vec<_> = (0..50).map(|_| connect(echo)).collect();
        users.iter().for_each(|user| converse(user, 3));
        let tally = server.tally();
        assert_eq!((tally.logins, tally.served, tally.violation, tally.garbage), (1, 51, None, 0), "{way:?}");
    }
}

#[test]
fn frpc_bears_a_slow_drip_and_delay() {
    const LEN: usize = 20_000;
    let Some(program) = frpc() else { return };
    for way in [Way::MUX.encrypted().compressed(), Way::PLAIN.compressed()] {
        let (bulk, content) = serve_exchange(LEN);
        let delay = Duration::from_millis(100);
        let drip = Some(Drip { max: 23, pause: Duration::from_micros(200) });
        let options = Options { seed: 3, drip, ..Settings { delay, ..settings(way.mux) }.into() };
        let server = Server::start(options).expect("a server");
        let _frpc = Frpc::start(&program, &toml(&server, &[("bulk", bulk, way)], ""));
        use_exchange(port(&server, "bulk"), LEN);
        content.recv_timeout(PATIENCE).expect("the service is content");
        assert_eq!(server.tally().violation, None);
    }
}

#[test]
fn frpc_proves_its_pings_and_work_connections() {
    let Some(program) = frpc() else { return };
    for way in [Way::MUX, Way::PLAIN] {
        let local = serve(echo);
        let checks = Settings { check_pings: true, check_work_conns: true, ..settings(way.mux) };
        let server = Server::start(checks).expect("a server");
        let scopes = format!("{QUICK}auth.additionalScopes = [\"HeartBeats\", \"NewWorkConns\"]\n");
        let _frpc = Frpc::start(&program, &toml(&server, &[("echo", local, way)], &scopes));
        let port = port(&server, "echo");
        until("the tunnel works", || answers(port));
        until("pings come", || server.tally().pings > 2);
        assert_eq!((server.tally().logins, server.tally().works_refused), (1, 0));
    }
}

#[test]
fn frpc_comes_back_after_a_cut_and_a_restart() {
    let Some(program) = frpc() else { return };
    for way in [Way::MUX, Way::PLAIN] {
        let local = serve(echo);
        let server = Server::start(settings(way.mux)).expect("a server");
        let _frpc = Frpc::start(&program, &toml(&server, &[("echo", local, way)], QUICK));
        let first = port(&server, "echo");
        until("the tunnel works", || answers(first));
        server.cut();
        assert!(!answers(first), "the line is cut");
        server.heal();
        until("the tunnel works again", || answers(first));
        assert_eq!(server.tally().takeovers, 1, "the same session");
        server.restart();
        let again = port(&server, "echo");
        until("the tunnel works with the new server", || answers(again));
    }
}

#[test]
fn frpc_sees_what_servers_0_65_and_0_70_0_do() {
    let Some(program) = frpc() else { return };
    // frpc gives a login up after 10 s: the old connection is found dead before that, or after.
    for (takeover, keepalive, comes_back) in [(Takeover::WhenReaped, 1, true), (Takeover::Stuck, 10, false)] {
        let local = serve(echo);
        let mux = Some(mux::Settings { keepalive: Duration::from_secs(keepalive), ..mux::Settings::default() });
        let server = Server::start(Settings { takeover, mux, ..settings(true) }).expect("a server");
        let _frpc = Frpc::start(&program, &toml(&server, &[("echo", local, Way::MUX)], QUICK));
        let port = port(&server, "echo");
        until("the tunnel works", || answers(port));
        server.cut();
        server.heal();
        until("the old connection is found dead", || server.tally().silent == 1);
        if comes_back {
            until("the tunnel works again", || answers(port));
        } else {
            assert!(server.with(|frps, _| frps.sessions().is_empty()), "no login is answered any more");
            assert!(!answers(port));
        }
    }
}

#[test]
fn frpc_outlives_faults() {
    let Some(program) = frpc() else { return };
    let acts = [
        (Stage::Login, Act::Close),
        (Stage::Login, Act::Reset),
        (Stage::NewProxy, Act::CloseStream),
        (Stage::WorkConn, Act::ResetStream),
        (Stage::Start, Act::CloseStream),
    ];
    for (stage, act) in acts {
        let local = serve(echo);
        let faulty = Settings { faults: vec![Fault::once(stage, act)], ..settings(true) };
        let server = Server::start(faulty).expect("a server");
        let _frpc = Frpc::start(&program, &toml(&server, &[("echo", local, Way::MUX)], QUICK));
        let port = port(&server, "echo");
        until("the tunnel works", || answers(port));
        assert_eq!(server.tally().violation, None, "{stage:?}");
    }
}
