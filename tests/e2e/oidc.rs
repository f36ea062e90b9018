//! Logins with tokens of a real issuer (`issuer.py`), which frps checks by its keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::process::{Mark, Process};
use crate::site::{self, Scratch};
use crate::stage::{DEFAULT_MODE, Link, LinkTest, Plan, TLS_MODES};
use crate::tls;
use crate::user;
use crate::wait::{Context, Outcome, REFUSAL, SOON, ensure};

pub(crate) const TESTS: &[LinkTest] = &[
    ("every_message", TLS_MODES, every_message),
    ("renewal", DEFAULT_MODE, renewal),
    ("no_expiry", DEFAULT_MODE, no_expiry),
    ("https", DEFAULT_MODE, https),
    ("wrong_audience", DEFAULT_MODE, wrong_audience),
    ("issuer_is_down", DEFAULT_MODE, issuer_is_down),
    ("token_sources", DEFAULT_MODE, token_sources),
    ("as_frpc", DEFAULT_MODE, as_frpc),
];

const SCOPES: &str = "auth.additionalScopes = [\"HeartBeats\", \"NewWorkConns\"]\n";
const HEARTBEATS: &str = "transport.heartbeatInterval = 1\ntransport.heartbeatTimeout = 30\nlog.level = \"debug\"\n";
const COULD_NOT: &str = "connect to server error: couldn't generate OIDC token for login: ";

/// A running issuer.
struct Issuer {
    scratch: Scratch,
    process: Process,
    /// By HTTP, and by HTTPS if it speaks that.
    urls: [String; 2],
}

impl Issuer {
    /// With these settings, beside its key: members of a JSON object, each with a comma after it.
    fn start(settings: &str) -> Outcome<Self> {
        let scratch = Scratch::new()?;
        let key = scratch.path().join("key.pem");
        let done = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output();
        let done = done.context("starting openssl")?;
        ensure!(done.status.success(), "openssl genrsa: {}", String::from_utf8_lossy(&done.stderr));
        let (process, urls) = Self::launch(&scratch, settings)?;
        Ok(Self { scratch, process, urls })
    }

    fn launch(scratch: &Scratch, settings: &str) -> Outcome<(Process, [String; 2])> {
        let key = scratch.path().join("key.pem");
        let config =
            scratch.write("issuer.json", &format!("{{{settings} \"key\": {:?}}}", key.display().to_string()))?;
        // Processes are started without an environment.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/issuer.py");
        let path = std::env::var("PATH").context("PATH")?;
        let program =
            executable(scratch, "issuer", &format!("PATH='{path}' exec python3 '{}' \"$@\"", script.display()))?;
        let process = Process::start("the issuer", &program, &config)?;
        process.expect(Mark::START, "ready ", SOON).map_err(|error| format!("{error}\n{}", process.tail()))?;
        let line = process.line(Mark::START, "ready ").unwrap_or_default();
        let mut urls = line.split(' ').skip(1).map(str::to_owned);
        let mut next = || urls.next().ok_or("the issuer did not say where it is");
        let urls = [next()?, next()?];
        Ok((process, urls))
    }

    /// Lines of frps.toml that make frps trust it.
    fn server_lines(&self) -> String {
        format!("auth.method = \"oidc\"\nauth.oidc.issuer = \"{}\"\nauth.oidc.audience = \"frps\"\n", self.urls[0])
    }

    /// Lines of frpc.toml that make a client ask it.
    fn client_lines(&self) -> String {
        format!(
            "auth.method = \"oidc\"\nauth.oidc.clientID = \"c\"\nauth.oidc.clientSecret = \"a secret\"\n\
             auth.oidc.audience = \"frps\"\nauth.oidc.tokenEndpointURL = \"{}/token\"\n",
            self.urls[0]
        )
    }

    fn plan(&self, link: Link, lines: &str) -> Plan {
        let server_extra = self.server_lines() + if lines.contains(SCOPES) { SCOPES } else { "" };
        Plan { server_extra, client_extra: self.client_lines() + lines, ..Plan::new(link) }
    }

    fn asked(&self) -> usize {
        self.process.count(Mark::START, "asked ")
    }
}

/// A shell script.
fn executable(scratch: &Scratch, name: &str, text: &str) -> Outcome<PathBuf> {
    let path = scratch.write(name, &format!("#!/bin/sh\n{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context(path.display())?;
    Ok(path)
}

/// One token serves a login, heartbeats and work connections while it lasts, and is in no log.
fn every_message(link: Link) -> Outcome {
    let issuer = Issuer::start("\"lasts\": 3600,")?;
    issuer.plan(link, &format!("{SCOPES}{HEARTBEATS}")).play(|stage| {
        stage.client.expect_times(3, Mark::START, "receive heartbeat from server", SOON)?;
        user::crowd(stage.port(), 10, 1000)?;
        for bad in ["contains error", "is lost", "eyJ"] {
            ensure!(stage.client.count(Mark::START, bad) == 0, "the client said \"{bad}\"");
        }
        ensure!(issuer.asked() == 1, "the issuer was asked {} times", issuer.asked());
        let (form, basic) = ("audience=frps&grant_type=client_credentials&scope=", "Basic YzphK3NlY3JldA==");
        let asked = format!("asked POST /token {basic} application/x-www-form-urlencoded {form}");
        ensure!(issuer.process.count(Mark::START, &asked) == 1, "it was asked otherwise:\n{}", issuer.process.tail());
        Ok(())
    })
}

/// A token is not used in its last ten seconds: with one of twelve another is fetched every two or three, and nothing
/// stops.
fn renewal(link: Link) -> Outcome {
    let issuer = Issuer::start("\"lasts\": 12, \"style\": \"body\",")?;
    issuer.plan(link, &format!("{SCOPES}{HEARTBEATS}")).play(|stage| {
        stage.client.expect_times(8, Mark::START, "receive heartbeat from server", SOON)?;
        user::crowd(stage.port(), 5, 1000)?;
        for bad in ["contains error", "is lost", "skip sending"] {
            ensure!(stage.client.count(Mark::START, bad) == 0, "the client said \"{bad}\"");
        }
        let granted = issuer.process.count(Mark::START, "granted ");
        ensure!((3..=8).contains(&granted), "{granted} tokens in some eight seconds");
        // The place of the secret was found out once.
        ensure!(issuer.asked() == granted + 1, "{} requests for {granted} tokens", issuer.asked());
        Ok(())
    })
}

/// A token of which nobody says how long it lasts is good for one message.
fn no_expiry(link: Link) -> Outcome {
    let issuer = Issuer::start("")?;
    issuer.plan(link, &format!("{SCOPES}{HEARTBEATS}")).play(|stage| {
        stage.client.expect_times(4, Mark::START, "receive heartbeat from server", SOON)?;
        user::echo_byte(stage.port())?;
        // The login, the work connection, the heartbeats.
        issuer.process.expect_times(6, Mark::START, "asked ", SOON).map(drop)
    })
}

/// An issuer with a certificate of an authority that only the client's file knows; and one that nobody knows.
fn https(link: Link) -> Outcome {
    let [authority, certificate, key] = ["ca.pem", "frps.pem", "frps.key"].map(tls::certificate);
    let (authority, certificate, key) = (authority?, certificate?, key?);
    let issuer = Issuer::start(&format!("\"lasts\": 3600, \"tls\": [{certificate:?}, {key:?}],"))?;
    let secure = |plan: Plan, more: &str| {
        let lines = plan.client_extra.replace(&issuer.urls[0], &issuer.urls[1]) + more;
        Plan { client_extra: lines, ..plan }
    };
    let trusted = format!("auth.oidc.trustedCaFile = {authority:?}\n");
    secure(issuer.plan(link, SCOPES), &trusted).play(|stage| user::crowd(stage.port(), 10, 1000))?;
    secure(issuer.plan(link, ""), "auth.oidc.insecureSkipVerify = true\n")
        .play(|stage| user::echo_byte(stage.port()))?;
    let proxied = format!("{trusted}auth.oidc.proxyURL = \"{}\"\n", issuer.urls[0]);
    secure(issuer.plan(link, ""), &proxied).play(|stage| user::echo_byte(stage.port()))?;
    ensure!(issuer.process.count(Mark::START, "connect 127.0.0.1:") == 1, "the proxy was not asked");
    let unknown = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    let refused = Plan { registered: false, ..secure(issuer.plan(link, ""), "") };
    refused.play(|stage| ends(&mut stage.client, &format!("token\": {unknown}")))?;
    let missing = "auth.oidc.trustedCaFile = \"/no/such/file\"\n";
    let refused = Plan { registered: false, ..secure(issuer.plan(link, ""), missing) };
    refused.play(|stage| {
        ends(
            &mut stage.client,
            "failed to create OIDC HTTP client: failed to read OIDC CA certificate file \"/no/such/file\": open \
             /no/such/file: no such file or directory",
        )
    })
}

/// A token for somebody else.
fn wrong_audience(link: Link) -> Outcome {
    let issuer = Issuer::start("\"lasts\": 3600, \"audience\": \"another\",")?;
    let plan = Plan { registered: false, ..issuer.plan(link, "") };
    plan.play(|stage| ends(&mut stage.client, "invalid OIDC token in login: oidc: expected audience \"frps\" got"))
}

fn ends(client: &mut Process, line: &str) -> Outcome {
    client.expect(Mark::START, line, SOON)?;
    let status = client.expect_exit(SOON)?;
    ensure!(status.code() == Some(1), "the client ended with {status}, not with exit status 1");
    Ok(())
}

/// A session lives on while the issuer is away, and a login waits for it.
fn issuer_is_down(link: Link) -> Outcome {
    let port = site::free_port()?;
    let settings = format!("\"lasts\": 12, \"port\": {port},");
    let mut issuer = Issuer::start(&settings)?;
    let plan = issuer.plan(link, &format!("{SCOPES}{HEARTBEATS}loginFailExit = false\n"));
    let plan = Plan { server_extra: plan.server_extra.clone() + "transport.heartbeatTimeout = 60\n", ..plan };
    plan.play(|stage| {
        let mark = stage.client.mark();
        issuer.process.signal(Signal::KILL)?;
        let refused =
            format!("Post \"{}/token\": dial tcp 127.0.0.1:{port}: connect: connection refused", issuer.urls[0]);
        stage.client.expect(mark, &format!("{refused}, skip sending ping message"), SOON)?;
        ensure!(stage.client.count(mark, "is lost") == 0, "the session was lost with the issuer");

        stage.end_client(Signal::TERM)?;
        stage.start_client()?;
        stage.client.expect_times(2, Mark::START, &format!("{COULD_NOT}{refused}"), SOON)?;
        stage.client.expect_alive()?;
        let mark = stage.client.mark();
        issuer.process = Issuer::launch(&issuer.scratch, &settings)?.0;
        stage.expect_registered_within(mark, REFUSAL)?;
        user::echo_byte(stage.port())
    })
}

/// Tokens from a file and from a command.
fn token_sources(link: Link) -> Outcome {
    let place = Scratch::new()?;
    let file = place.path().join("token");
    let issuer = Issuer::start(&format!("\"token_file\": {:?},", file.display().to_string()))?;
    let source = |rest: &str| format!("auth.method = \"oidc\"\n{SCOPES}{HEARTBEATS}[auth.oidc.tokenSource]\n{rest}\n");
    let by_file = source(&format!("type = \"file\"\nfile.path = {:?}", file.display().to_string()));
    let plan = Plan { client_extra: by_file, ..issuer.plan(link, SCOPES) };
    plan.play(|stage| {
        stage.client.expect_times(2, Mark::START, "receive heartbeat from server", SOON)?;
        user::crowd(stage.port(), 5, 1000)?;
        stage.end_client(Signal::TERM)?;

        let command =
            format!("type = \"exec\"\nexec.command = \"/bin/cat\"\nexec.args = [{:?}]", file.display().to_string());
        let by_command = Plan { client_extra: source(&command), ..plan.clone() };
        let text = by_command.client_file(stage.server.settings.port, stage.service.port, &stage.ports);
        let config = place.write("frpc.toml", &text)?;
        let line = format!("exec '{}' --allow-unsafe TokenSourceExec \"$@\"", site::program().display());
        let client = Process::start("the client", &executable(&place, "client", &line)?, &config)?;
        client.expect_times(2, Mark::START, "receive heartbeat from server", SOON)?;
        user::crowd(stage.port(), 5, 1000)?;
        client.signal(Signal::TERM)?;
        Ok(())
    })
}

/// Answers of an issuer and settings of the client, each followed by the end of both clients.
const SCENES: &[(&str, &str)] = &[
    ("", "auth.oidc.scope = \"x y\"\nauth.oidc.additionalEndpointParams = { z = \"1&2=\", grant_type = \"other\" }\n"),
    ("\"style\": \"body\",", ""),
    ("\"secret\": \"another\",", ""),
    (r#""script": [{"status": 500, "body": "oops", "type": "text/html"}],"#, ""),
    (r#""script": [{"status": 400, "body": "{\"error\": \"e\", \"error_uri\": \"u\"}"}, {"status": 503}],"#, ""),
    (r#""script": [{"status": 301, "body": "x"}, {"body": "<html>"}],"#, ""),
    (r#""script": [{"body": "{}"}, {"body": ""}],"#, ""),
    (r#""script": [{"body": "error=a&error_description=b%20c", "type": "text/plain; x=y"}, {"body": "{}"}],"#, ""),
    (r#""script": [{"body": "access_token=t&expires_in=60", "type": "application/x-www-form-urlencoded"}],"#, ""),
    (r#""script": [{"body": "{\"access_token\": \"t\", \"expires_in\": \"60\"}", "chunked": true}],"#, ""),
];

/// The issuer sees the same requests as from the real frpc, and the clients end with the same words.
fn as_frpc(link: Link) -> Outcome {
    let frpc = site::frpc()?;
    let issuer = Issuer::start("")?;
    let plan = Plan { registered: false, server_extra: issuer.server_lines(), ..Plan::new(link) };
    plan.play(|stage| {
        for (settings, lines) in SCENES {
            let ask = |program: &Path| -> Outcome<(Vec<String>, String)> {
                let mut scene = Issuer::start(settings)?;
                let one = Plan { client_extra: scene.client_lines() + lines, ..plan.clone() };
                let text = one.client_file(stage.server.settings.port, stage.service.port, &stage.ports);
                let config = stage.scratch.write("scene.toml", &text)?;
                let mut client = Process::start("a client", program, &config)?;
                client.expect_exit(Duration::from_secs(30)).context(settings)?;
                // What it says takes a moment to get here; by its end all is there.
                scene.process.signal(Signal::TERM)?;
                scene.process.expect_exit(SOON)?;
                let said = client.line(Mark::START, "login to the server failed: ").unwrap_or_default();
                // What follows is in a line of its own with frpc.
                let said = said.split(" Response: ").next().unwrap_or_default().replace(&scene.urls[0], "URL");
                Ok((scene.process.lines("asked "), said))
            };
            let (ours, real) = (ask(&site::program())?, ask(&frpc)?);
            ensure!(ours == real, "with {settings} {lines}\nthis program: {ours:#?}\nfrpc: {real:#?}");
            ensure!(!real.0.is_empty(), "frpc asked nothing with {settings} {lines}");
        }
        Ok(())
    })
}
