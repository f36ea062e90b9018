//! Who may log in, and what the client does when it may not.

use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Mark, Process};
use crate::stage::{DEFAULT_MODE, Link, LinkTest, Plan, TLS_MODES, TOKEN};
use crate::user;
use crate::wait::{Context, Outcome, REFUSAL, SOON, ensure};

pub(crate) const TESTS: &[LinkTest] = &[
    ("wrong_token_exits", TLS_MODES, wrong_token_exits),
    ("wrong_token_retries", TLS_MODES, wrong_token_retries),
    ("no_server_exits", DEFAULT_MODE, no_server_exits),
    ("no_server_yet", DEFAULT_MODE, no_server_yet),
    ("token_changes", TLS_MODES, token_changes),
    ("scopes", TLS_MODES, scopes),
];

const REFUSED: &str = "token in login doesn't match token from configuration";
const RETRY: &str = "loginFailExit = false";

/// By default the first refusal ends the client: status 1, and the last line says why.
fn wrong_token_exits(link: Link) -> Outcome {
    let plan = Plan { client_token: "wrong", ..Plan::unregistered(link) };
    plan.play(|stage| {
        expect_failure(&mut stage.client, &format!("login to the server failed: {REFUSED}"))?;
        ensure!(
            stage.client.count(Mark::START, &format!("connect to server error: {REFUSED}")) == 1,
            "no line of the refusal"
        );
        Ok(())
    })
}

/// With `loginFailExit = false` it tries again and again.
fn wrong_token_retries(link: Link) -> Outcome {
    let plan = Plan { client_token: "wrong", client_extra: RETRY.into(), ..Plan::unregistered(link) };
    plan.play(|stage| {
        stage.client.expect_times(2, Mark::START, &format!("connect to server error: {REFUSED}"), REFUSAL)?;
        stage.client.expect_alive()
    })
}

/// A server that is not there counts as a failed login as well.
fn no_server_exits(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        stage.server.end(Signal::KILL)?;
        let text = Plan::new(link).client_file(stage.server.settings.port, stage.service.port, &stage.ports);
        let mut client = stage.second_client(&text)?;
        expect_failure(&mut client, "login to the server failed: ")
            .map_err(|error| format!("{error}\n{}", client.tail()))
    })
}

/// The client is up before the server is.
fn no_server_yet(link: Link) -> Outcome {
    let plan = Plan { client_extra: RETRY.into(), ..Plan::new(link) };
    plan.play(|stage| {
        stage.server.end(Signal::KILL)?;
        // The first client would come back as well and hold the port.
        stage.client.signal(Signal::KILL)?;
        stage.client.expect_exit(SOON)?;
        let text = plan.client_file(stage.server.settings.port, stage.service.port, &stage.ports);
        stage.client = stage.second_client(&text)?;
        stage.client.expect(Mark::START, "connect to server error: ", SOON)?;
        stage.server.start_again(TOKEN)?;
        stage.expect_registered(Mark::START)?;
        user::echo_byte(stage.port())
    })
}

/// Once logged in, no refusal ends the client, and it comes back when the token is right again.
fn token_changes(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let mark = stage.client.mark();
        stage.server.end(Signal::KILL)?;
        stage.server.start_again("another token")?;
        stage.client.expect(mark, &format!("connect to server error: {REFUSED}"), SOON)?;
        stage.client.expect_alive()?;
        let mark = stage.client.mark();
        stage.server.end(Signal::TERM)?;
        stage.server.start_again(TOKEN)?;
        stage.expect_registered_within(mark, REFUSAL).context("after the token was right again")?;
        user::echo_byte(stage.port())
    })
}

/// The server wants credentials in every heartbeat and every work connection.
fn scopes(link: Link) -> Outcome {
    const SCOPES: &str = "auth.additionalScopes = [\"HeartBeats\", \"NewWorkConns\"]";
    let heartbeats = "transport.heartbeatInterval = 1\ntransport.heartbeatTimeout = 5\nlog.level = \"debug\"";
    let plan = Plan { server_extra: SCOPES.into(), client_extra: format!("{SCOPES}\n{heartbeats}"), ..Plan::new(link) };
    plan.play(|stage| {
        stage.client.expect_times(3, Mark::START, "receive heartbeat from server", SOON)?;
        user::crowd(stage.port(), 10, 1000)?;
        for bad in ["pong message contains error", "StartWorkConn contains error: token", "try to connect"] {
            let allowed = usize::from(bad == "try to connect");
            ensure!(stage.client.count(Mark::START, bad) <= allowed, "the client said \"{bad}\"");
        }
        Ok(())
    })
}

fn expect_failure(client: &mut Process, line: &str) -> Outcome {
    client.expect(Mark::START, line, SOON)?;
    let status = client.expect_exit(Duration::from_secs(5))?;
    ensure!(status.code() == Some(1), "the client ended with {status}, not with exit status 1");
    Ok(())
}
