//! The state file: a program that is killed, ended and started again, started twice, and given another's file.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::peer::minor;
use crate::process::{Mark, Process};
use crate::site;
use crate::stage::{ALL_MODES, DEFAULT_MODE, Link, LinkTest, Plan, Stage};
use crate::user;
use crate::wait::{Context, Outcome, SOON, ensure};

pub(crate) const TESTS: &[LinkTest] = &[
    ("killed", ALL_MODES, killed),
    ("frozen", ALL_MODES, frozen),
    ("ended", ALL_MODES, ended),
    ("started_twice", DEFAULT_MODE, started_twice),
    ("damaged", DEFAULT_MODE, damaged),
    ("shared", ALL_MODES, shared),
];

/// From the program's start until its proxies are registered, when nothing is in the way.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The same, when the proxies' names are asked for again every second.
const PATIENT: Duration = Duration::from_secs(5);
/// The same, when the server has to find the old session dead: its keepalive is 5 s then, and its answer 10 s.
const REAPED: Duration = Duration::from_secs(25);

/// Whether a login replaces a session that the server believes alive.
fn at_once(link: Link) -> bool {
    !link.mux || !(65..70).contains(&minor(link.version)) && link.version != "0.70.0"
}

/// The run id of the first login.
fn run_id(client: &Process) -> Outcome<String> {
    client.expect(Mark::START, "get run id [", SOON)?;
    let line = client.line(Mark::START, "get run id [").unwrap_or_default();
    let id = line.split("get run id [").nth(1).and_then(|rest| rest.strip_suffix(']'));
    id.filter(|id| !id.is_empty()).map(str::to_owned).ok_or_else(|| format!("no run id in: {line}"))
}

/// Starts the program again; how long it took to have its proxies back.
fn start_again(stage: &mut Stage) -> Outcome<Duration> {
    let start = Instant::now();
    stage.start_client()?;
    stage.expect_registered(Mark::START)?;
    let took = start.elapsed();
    // Without mux, a busy frps may take a work connection that the last client opened before its end for one of this
    // session, which has the same run id: the user who is given it is reset.
    user::echo_byte(stage.port()).or_else(|_| user::echo_byte(stage.port()))?;
    Ok(took)
}

/// The one state file of the first client.
fn state_file(stage: &Stage) -> Outcome<PathBuf> {
    let found = fs::read_dir(stage.scratch.path()).context("the scratch directory")?.flatten().map(|e| e.path());
    let mut found: Vec<PathBuf> = found.filter(|path| path.extension().is_some_and(|e| e == "state")).collect();
    ensure!(found.len() == 1, "state files: {found:?}");
    Ok(found.remove(0))
}

/// Killed, and started again: where the server lets a login take over at once, it is the same session; elsewhere another
/// one, which asks for its proxies until it has them.
fn killed(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let (at_once, mut before) = (at_once(link), run_id(&stage.client)?);
        for _ in 0..2 {
            stage.end_client(Signal::KILL)?;
            let took = start_again(stage)?;
            let after = run_id(&stage.client)?;
            let limit = if at_once { AT_ONCE } else { PATIENT };
            ensure!(took < limit, "back after {took:?}");
            ensure!((after == before) == at_once, "the run id was {before} and is {after}");
            let explained = stage.client.count(Mark::START, "may hold the old session") > 0;
            ensure!(explained != at_once, "it was {}said that it may take long", if explained { "" } else { "not " });
            before = after;
        }
        Ok(())
    })
}

/// The old program is frozen: for the server it is there, as after a death of the line or the machine. One that starts with
/// a copy of its state has its proxies back at once, or as soon as the server has found the old session dead.
fn frozen(link: Link) -> Outcome {
    let at_once = at_once(link);
    let server_extra = if at_once { "" } else { "transport.tcpMuxKeepaliveInterval = 5" }.to_owned();
    Plan { server_extra, ..Plan::new(link) }.play(|stage| {
        let before = run_id(&stage.client)?;
        stage.client.signal(Signal::STOP)?;
        let copy = stage.scratch.path().join("copy");
        fs::copy(state_file(stage)?, &copy).context("copying the state file")?;
        let plan = Plan { client_extra: format!("redial.stateFile = \"{}\"", copy.display()), ..Plan::new(link) };
        let text = plan.client_file(stage.server.settings.port, stage.service.port, &stage.ports);
        let start = Instant::now();
        let second = stage.second_client(&text)?;
        let seen = (|| {
            second.expect(Mark::START, "[p0] start proxy success", 2 * REAPED)?;
            let (took, limit) = (start.elapsed(), if at_once { AT_ONCE } else { REAPED });
            ensure!(took < limit, "back after {took:?}");
            ensure!((run_id(&second)? == before) == at_once, "the run id was {before}");
            user::echo_byte(stage.port())
        })();
        seen.map_err(|error| format!("{error}\n{}", second.tail()))
    })
}

/// Ended by a signal, and started again: the server was told, so the run id is good on every release.
fn ended(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let before = run_id(&stage.client)?;
        for signal in [Signal::TERM, Signal::INT] {
            stage.end_client(signal)?;
            let state = fs::read_to_string(state_file(stage)?).context("the state file")?;
            ensure!(state.contains("\nended=true\n"), "the end is not in it:\n{state}");
            let took = start_again(stage)?;
            ensure!(took < AT_ONCE, "back after {took:?}");
            ensure!(run_id(&stage.client)? == before, "another run id");
            let state = fs::read_to_string(state_file(stage)?).context("the state file")?;
            ensure!(state.contains("\nended=false\n"), "it is still in it:\n{state}");
        }
        ensure!(stage.client.count(Mark::START, "[W]") <= 1, "warnings beside that of TLS");
        Ok(())
    })
}

/// A second program with the same configuration says so and has a run id of its own; the first one does not notice.
fn started_twice(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let first = run_id(&stage.client)?;
        let mut second = stage.same_client()?;
        let seen = (|| {
            let what = format!("state file {}: another process uses it", state_file(stage)?.display());
            second.expect(Mark::START, &what, SOON)?;
            ensure!(run_id(&second)? != first, "both have one run id");
            second.expect(Mark::START, "[p0] start error: ", SOON)?;
            second.expect_alive()
        })();
        seen.map_err(|error| format!("{error}\n{}", second.tail()))?;
        ensure!(stage.client.count(Mark::START, "login to server success") == 1, "the first one logged in again");
        user::echo_byte(stage.port())
    })
}

/// A state file with rubbish in it is set aside, and the tunnel comes up.
fn damaged(link: Link) -> Outcome {
    Plan::new(link).play(|stage| {
        let before = run_id(&stage.client)?;
        stage.end_client(Signal::TERM)?;
        let path = state_file(stage)?;
        let text = fs::read_to_string(&path).context("the state file")?;
        let half = &text[..text.len() / 2];
        fs::write(&path, half).context("damaging the state file")?;
        start_again(stage)?;
        stage.client.expect(Mark::START, "it is damaged; set aside as ", SOON)?;
        ensure!(run_id(&stage.client)? != before, "the run id of a damaged file was used");
        let aside = fs::read_to_string(format!("{}.bad", path.display())).context("what was set aside")?;
        ensure!(aside == half, "something else was set aside:\n{aside}");
        ensure!(fs::read_to_string(&path).context("the new file")?.contains("run_id="), "there is no new one");
        Ok(())
    })
}

/// Two programs with copies of one state file: each ends the other's session, until one of them takes another run id.
fn shared(link: Link) -> Outcome {
    const NOTICED: &str = "another process may be using our run id";
    Plan::new(link).play(|stage| {
        stage.end_client(Signal::TERM)?;
        let copy = stage.scratch.path().join("copy");
        fs::copy(state_file(stage)?, &copy).context("copying the state file")?;
        start_again(stage)?;
        let shared = run_id(&stage.client)?;
        let (remote, service) = (site::free_port()?, stage.service.port);
        let plan = Plan { client_extra: format!("redial.stateFile = \"{}\"", copy.display()), ..Plan::new(link) };
        let text = plan.client_file(stage.server.settings.port, service, &[remote]).replace("\"p0\"", "\"q0\"");
        let second = stage.second_client(&text)?;
        let seen = (|| {
            ensure!(run_id(&second)? == shared, "the second one does not have the run id of its file");
            let deadline = Instant::now() + 2 * SOON;
            while stage.client.count(Mark::START, NOTICED) + second.count(Mark::START, NOTICED) == 0 {
                ensure!(Instant::now() < deadline, "nobody notices");
                let _ = second.expect(second.mark(), "try to connect", Duration::from_millis(200));
            }
            // Both may have noticed; both have their place.
            second.expect(Mark::START, "[q0] start proxy success", SOON)?;
            let deadline = Instant::now() + SOON;
            while user::echo_byte(stage.port()).and_then(|()| user::echo_byte(remote)).is_err() {
                ensure!(Instant::now() < deadline, "they do not work side by side");
                let _ = second.expect(second.mark(), "try to connect", Duration::from_millis(200));
            }
            let (first, other) = (stage.client.mark(), second.mark());
            let _ = second.expect(other, "is lost", Duration::from_secs(3));
            let lost = stage.client.count(first, "is lost") + second.count(other, "is lost");
            ensure!(lost == 0, "they go on ending each other's sessions");
            Ok(())
        })();
        seen.map_err(|error| format!("{error}\n{}", second.tail()))
    })
}
