//! The session with the server, for every release and link: thousands of short connections, restarts of the server, many
//! proxies, the pool.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::Mark;
use crate::site;
use crate::stage::{ALL_MODES, Link, LinkTest, Plan, Stage, TOKEN};
use crate::user;
use crate::wait::{Context, Outcome, SOON, at_once, ensure, poll_until};

const SHORT: usize = 10_000;
const USERS: usize = 4;
/// Short connections before the client's memory and descriptors are taken as its normal state.
const WARM_UP: usize = 400;
/// Connections at once before that. The server keeps up to `poolCount + 10` work connections: it asks for one for each that
/// it takes from the pool, and for another whenever it finds the pool empty. So many users at once fill it for good.
const FILL_POOL: u64 = 200;
/// What the client may have grown by after all those connections, in KiB.
const GROWTH: u64 = 1024;
/// The same for frpc, whose garbage collector keeps what it once had.
const RIVAL_GROWTH: u64 = 40 * 1024;
/// From the server's return until the client has its proxies back.
const RETURN: Duration = Duration::from_secs(5);
const MANY: usize = 150;
const POOL: usize = 5;

pub(crate) const TESTS: &[LinkTest] = &[
    ("short_connections", ALL_MODES, short_connections),
    ("server_restart", ALL_MODES, server_restart),
    ("many_proxies", ALL_MODES, many_proxies),
    ("pool", ALL_MODES, pool),
];

/// 10 000 connections of one byte there and back; afterwards the client holds what it held before.
fn short_connections(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        user::crowd(stage.port(), FILL_POOL, 100)?;
        short(stage, WARM_UP)?;
        let (descriptors, memory) = at_rest(stage)?;
        short(stage, SHORT)?;
        poll_until(&format!("the client has {descriptors} descriptors again"), SOON, || {
            Ok(stage.client.descriptors()? <= descriptors)
        })?;
        let grown = stage.client.resident()?.saturating_sub(memory);
        let bound = if site::rival() { RIVAL_GROWTH } else { GROWTH };
        ensure!(grown <= bound, "the client had {memory} KiB and has grown by {grown} KiB, more than {bound}");
        Ok(())
    })
}

fn short(stage: &Stage, count: usize) -> Outcome {
    let port = stage.port();
    let jobs = (0..USERS).map(|_| -> Box<dyn FnOnce() -> Outcome + Send> {
        Box::new(move || (0..count / USERS).try_for_each(|_| user::echo_byte(port)))
    });
    at_once(jobs.collect()).map(drop)
}

/// Descriptors and memory of the client once its connections are gone: when the number of descriptors stays the same.
fn at_rest(stage: &Stage) -> Outcome<(usize, u64)> {
    let mut last = (stage.client.descriptors()?, Instant::now());
    poll_until("the client's descriptors stay the same", SOON, || {
        let now = stage.client.descriptors()?;
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok(last.1.elapsed() > Duration::from_millis(300))
    })?;
    Ok((last.0, stage.client.resident()?))
}

/// The server ends and comes back, twice; the client logs in and registers again, and the tunnel works. For the client
/// both ways are alike, as frps leaves the signal to terminate to the kernel.
fn server_restart(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        for signal in [Signal::KILL, Signal::TERM] {
            user::echo_byte(stage.port()).context("before the restart")?;
            restart(stage, signal).context(format_args!("restart after {signal:?}"))?;
            user::echo_byte(stage.port()).context("after the restart")?;
        }
        Ok(())
    })
}

fn restart(stage: &mut Stage, signal: Signal) -> Outcome {
    let mark = stage.client.mark();
    stage.server.end(signal)?;
    stage.server.start_again(TOKEN)?;
    let back = Instant::now();
    stage.client.expect(mark, "login to server success", SOON)?;
    stage.expect_registered(mark)?;
    let took = back.elapsed();
    ensure!(took < RETURN, "the client was back {took:?} after the server, not within {RETURN:?}");
    stage.client.expect_alive()
}

/// 150 proxies get registered, work, and get registered again after the server's restart.
fn many_proxies(link: Link) -> Outcome {
    let plan = Plan { proxies: MANY, ..Plan::new(link) };
    plan.play(|stage| {
        let all = |stage: &Stage| stage.ports.iter().try_for_each(|port| user::echo_byte(*port));
        all(stage)?;
        restart(stage, Signal::KILL)?;
        all(stage).context("after the restart")
    })
}

/// `poolCount = 5`: the server gets five work connections before any user comes, and one for each that it uses.
fn pool(link: Link) -> Outcome {
    const NEW: &str = "new work connection registered";
    let extra = format!("transport.poolCount = {POOL}");
    let plan = Plan { server_log: "debug", client_extra: extra, ..Plan::new(link) };
    plan.play(|stage| {
        let server = &stage.server.process;
        let mark = server.expect_times(POOL, Mark::START, NEW, SOON)?;
        ensure!(server.count(Mark::START, NEW) == POOL, "more than {POOL} work connections and no user yet");
        user::crowd(stage.port(), 3 * POOL as u64, 100)?;
        server.expect_times(3 * POOL, mark, NEW, SOON).context("work connections after use").map(drop)
    })
}
