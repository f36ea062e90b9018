//! A configuration that changes under way: SIGHUP, with changes of every kind, with files that are no good, and while
//! users are there.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::Mark;
use crate::site;
use crate::stage::{ALL_MODES, DEFAULT_MODE, Link, LinkTest, Plan, Stage};
use crate::user;
use crate::wait::{Context, Outcome, SOON, ensure, poll_until};

pub(crate) const TESTS: &[LinkTest] = &[
    ("changed", ALL_MODES, changed),
    ("ports_move", DEFAULT_MODE, ports_move),
    ("no_good", DEFAULT_MODE, no_good),
    ("kept", DEFAULT_MODE, kept),
    ("includes", DEFAULT_MODE, includes),
    ("store", DEFAULT_MODE, store),
];

const DONE: &str = "success reload conf";
const REFUSED: &str = "reload frpc proxy config error: ";

/// Writes the client's file with these public ports and has it read; returns where the log was before.
fn change(stage: &Stage, plan: &Plan, ports: &[u16]) -> Outcome<Mark> {
    put(stage, &plan.client_file(stage.server.settings.port, stage.service.port, ports))
}

fn put(stage: &Stage, text: &str) -> Outcome<Mark> {
    fs::write(&stage.config, text).context("writing the configuration")?;
    let mark = stage.client.mark();
    stage.client.signal(Signal::HUP)?;
    Ok(mark)
}

fn gone(port: u16) -> Outcome {
    poll_until("the port to be closed", SOON, || Ok(TcpStream::connect(("127.0.0.1", port)).is_err()))
}

/// A user of ours who stays.
fn stays(port: u16) -> Outcome<impl FnMut() -> Outcome> {
    let mut stream = user::echo(port)?;
    Ok(move || {
        stream.write_all(b"x").context("a user who stays")?;
        stream.read_exact(&mut [0]).context("a user who stays")
    })
}

/// One proxy goes, one comes, one moves to another port, one stays: users of the last and of the first notice nothing.
fn changed(link: Link) -> Outcome {
    let plan = Plan { proxies: 3, ..Plan::new(link) };
    plan.play(|stage| {
        let (mut of_kept, mut of_gone) = (stays(stage.ports[0])?, stays(stage.ports[2])?);
        let moved = site::free_port()?;
        let mark = change(stage, &plan, &[stage.ports[0], moved])?;
        stage.client.expect(mark, DONE, SOON)?;
        stage.client.expect(mark, "proxy removed: [p1 p2]", SOON)?;
        stage.client.expect(mark, "proxy added: [p1]", SOON)?;
        stage.client.expect(mark, "[p1] start proxy success", SOON)?;
        gone(stage.ports[1])?;
        gone(stage.ports[2])?;
        user::echo_byte(moved)?;
        user::echo_byte(stage.ports[0])?;
        of_kept()?;
        of_gone()?;
        ensure!(stage.client.count(mark, "[p0]") == 0, "the proxy that stays was touched");
        let mark = change(stage, &plan, &stage.ports)?;
        stage.client.expect_all(
            vec!["[p1] start proxy success".into(), "[p2] start proxy success".into()],
            mark,
            SOON,
        )?;
        user::echo_byte(stage.ports[2])?;
        of_kept()?;
        ensure!(stage.client.count(Mark::START, "login to server success") == 1, "there was another login");
        Ok(())
    })
}

/// Two proxies change ports with each other, again and again, faster than the server answers.
fn ports_move(link: Link) -> Outcome {
    let plan = Plan { proxies: 2, ..Plan::new(link) };
    plan.play(|stage| {
        let (a, b) = (stage.ports[0], stage.ports[1]);
        for turn in 0..20 {
            let ports = if turn % 2 == 0 { [b, a] } else { [a, b] };
            let mark = change(stage, &plan, &ports)?;
            stage.client.expect(mark, DONE, SOON)?;
        }
        poll_until("both to be there", 2 * SOON, || Ok(user::echo_byte(a).is_ok() && user::echo_byte(b).is_ok()))?;
        stage.client.expect_alive()
    })
}

/// Whatever is wrong with a file, it is said once, with its place, and nothing changes.
fn no_good(link: Link) -> Outcome {
    let plan = Plan::new(link);
    plan.play(|stage| {
        let mut user = stays(stage.port())?;
        let good = plan.client_file(stage.server.settings.port, stage.service.port, &stage.ports);
        for (text, words) in [
            (good.replace("localPort", "localport2"), "unknown field \"localport2\"; did you mean \"localPort\"?"),
            (good.replace("[[proxies]]", "[[proxies"), "frpc.toml:"),
            (good.replace("\"tcp\"", "\"nonsense\""), "unknown proxy type: nonsense"),
            (good.replace("\"tcp\"", "\"udp\""), "not in this build"),
            (format!("{good}{good}"), "frpc.toml:"),
            ("\0\u{1}\u{2}".repeat(1000), "frpc.toml:"),
        ] {
            let mark = put(stage, &text)?;
            stage.client.expect(mark, REFUSED, SOON)?;
            let said = stage.client.line(mark, REFUSED).unwrap_or_default();
            ensure!(said.contains(words), "no \"{words}\" in: {said}");
            user()?;
        }
        fs::remove_file(&stage.config).context("removing the configuration")?;
        let mark = stage.client.mark();
        stage.client.signal(Signal::HUP)?;
        stage.client.expect(mark, "no such file or directory", SOON)?;
        user::echo_byte(stage.port())?;
        let mark = put(stage, &good)?;
        stage.client.expect(mark, DONE, SOON)?;
        ensure!(stage.client.count(Mark::START, "proxy removed") == 0, "a proxy was removed");
        user()
    })
}

/// What concerns the session is kept and named.
fn kept(link: Link) -> Outcome {
    let plan = Plan::new(link);
    plan.play(|stage| {
        let other = Plan { client_token: "another", client_extra: "user = \"somebody\"".into(), ..plan.clone() };
        let moved = site::free_port()?;
        let mark = change(stage, &other, &[moved])?;
        stage.client.expect(mark, "kept until redial starts again: user, auth", SOON)?;
        stage.client.expect(mark, "[p0] start proxy success", SOON)?;
        user::echo_byte(moved)?;
        gone(stage.port())
    })
}

/// Files that are included are read again, too.
fn includes(link: Link) -> Outcome {
    let plan = Plan::new(link);
    plan.play(|stage| {
        let more = stage.scratch.path().join("more");
        fs::create_dir(&more).context("a folder")?;
        let (server, service) = (stage.server.settings.port, stage.service.port);
        let good = plan.client_file(server, service, &stage.ports);
        let text = format!("includes = [\"{}/*.toml\"]\n{good}", more.display());
        let port = site::free_port()?;
        let proxy = format!("[[proxies]]\nname = \"q\"\ntype = \"tcp\"\nlocalPort = {service}\nremotePort = {port}\n");
        fs::write(more.join("one.toml"), proxy).context("an included file")?;
        let start = Instant::now();
        let mark = put(stage, &text)?;
        stage.client.expect(mark, "[q] start proxy success", SOON)?;
        ensure!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
        user::echo_byte(port)?;
        fs::remove_file(more.join("one.toml")).context("removing the included file")?;
        let mark = put(stage, &text)?;
        stage.client.expect(mark, "proxy removed: [q]", SOON)?;
        gone(port)?;
        user::echo_byte(stage.port())
    })
}

/// Asks the admin server; the status, and what it says.
fn api(port: u16, method: &str, path: &str, body: &str) -> Outcome<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("the admin server")?;
    stream.set_read_timeout(Some(SOON)).context("a time-out")?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).context("asking")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("the answer")?;
    let status = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, answer))
}

/// A proxy that the API made carries bytes, moves, lives on when the program starts again, and goes. Nobody else notices.
fn store(link: Link) -> Outcome {
    let admin = site::free_port()?;
    let extra = format!("webServer.port = {admin}\nstore.path = \"store/entries.json\"");
    let plan = Plan { client_extra: extra, ..Plan::new(link) };
    plan.play(|stage| {
        let mut stays = stays(stage.port())?;
        let (first, second, service) = (site::free_port()?, site::free_port()?, stage.service.port);
        let entry = |port: u16| {
            let keys = format!("\"localPort\":{service},\"remotePort\":{port}");
            format!("{{\"name\":\"stored\",\"type\":\"tcp\",\"tcp\":{{{keys}}}}}")
        };
        let mark = stage.client.mark();
        let (status, said) = api(admin, "POST", "/api/store/proxies", &entry(first))?;
        ensure!(status == 200, "{said}");
        stage.client.expect(mark, "store: created proxy \"stored\"", SOON)?;
        stage.client.expect(mark, "[stored] start proxy success", SOON)?;
        user::echo_byte(first)?;
        let (status, said) = api(admin, "PUT", "/api/store/proxies/stored", &entry(second))?;
        ensure!(status == 200, "{said}");
        stage.client.expect(mark, "store: updated proxy \"stored\"", SOON)?;
        gone(first)?;
        stage.client.expect_times(2, mark, "[stored] start proxy success", SOON)?;
        user::echo_byte(second)?;
        stays()?;
        stage.end_client(Signal::TERM)?;
        stage.start_client()?;
        stage.client.expect(Mark::START, "[stored] start proxy success", SOON)?;
        user::echo_byte(second)?;
        let (_, said) = api(admin, "GET", "/api/status", "")?;
        ensure!(said.contains(&format!(":{second}\",\"source\":\"store\"")), "{said}");
        let (status, said) = api(admin, "DELETE", "/api/store/proxies/stored", "")?;
        ensure!(status == 200, "{said}");
        gone(second)?;
        user::echo_byte(stage.port())?;
        stage.client.expect_alive()
    })
}
