//! Heartbeats, and a server that no longer answers.

use std::time::Duration;

use rustix::process::Signal;

use crate::process::Mark;
use crate::stage::{Link, LinkTest, Plan, TLS_MODES};
use crate::user;
use crate::wait::{Context, Outcome, SOON, ensure};

pub(crate) const TESTS: &[LinkTest] =
    &[("heartbeats", TLS_MODES, heartbeats), ("server_frozen", TLS_MODES, server_frozen)];

fn plan(link: Link) -> Plan {
    let extra = "transport.heartbeatInterval = 1\ntransport.heartbeatTimeout = 3\nlog.level = \"debug\"";
    Plan { client_extra: extra.into(), ..Plan::new(link) }
}

/// An explicit interval is kept to with and without mux, and the session stays.
fn heartbeats(link: Link) -> Outcome {
    plan(link).play(|stage| {
        let ten = Duration::from_secs(10); // frp's own tests ask for three in this time
        stage.client.expect_times(3, Mark::START, "send heartbeat to server", ten)?;
        stage.client.expect_times(4, Mark::START, "receive heartbeat from server", ten)?;
        ensure!(stage.client.count(Mark::START, "login to server success") == 1, "the client logged in again");
        user::echo_byte(stage.port())
    })
}

/// A server that is alive for the kernel and dead for everybody else is noticed by its missing answers; when it goes on, the
/// client comes back.
///
/// It freezes only when the pool is filled: a work connection that reaches the server's kernel meanwhile would be taken for
/// one of the new session (the run id is the same), and a user given to it would be lost. No client can help that.
fn server_frozen(link: Link) -> Outcome {
    Plan { server_log: "debug", ..plan(link) }.play(|stage| {
        stage.server.process.expect(Mark::START, "new work connection registered", SOON)?;
        let mark = stage.client.mark();
        stage.server.process.signal(Signal::STOP)?;
        let noticed = stage.client.expect(mark, "heartbeat timeout", Duration::from_secs(8));
        stage.server.process.signal(Signal::CONT)?;
        let mark = noticed?;
        stage.expect_registered(mark).context("after the server went on")?;
        user::echo_byte(stage.port())
    })
}
