//! Tickets from an issuer that is slow, wrong, or not there.
//!
//! Owns the scripts. Does not judge payload. Always true: a session that is up never ends for want of a ticket. Worst case:
//! one world.

use super::frps::settings::Settings;
use super::guest::{Verdict, Way};
use super::issuer::{Say, issuer};
use super::logs;
use super::plan::{Plan, Trouble};
use super::run::Run;
use redial::client::Exit;
use redial::net::{Answer, Net, ResolveError, Signal};
use redial::proto::time::{Duration, Instant, millis, secs};

const SCOPES: &str = "auth.additionalScopes = [\"HeartBeats\", \"NewWorkConns\"]\ntransport.heartbeatInterval = 10\n\
                      transport.heartbeatTimeout = 60\n";
const COULD_NOT: &str = "connect to server error: couldn't generate OIDC token for login: ";
const POST: &str = "Post \"http://10.0.0.3/token\": ";
const URL: &str = "auth.oidc.tokenEndpointURL = \"http://10.0.0.3/token\"\n";
const SECRET: &str = "a long secret";

/// A client of this issuer.
fn run(plan: Plan, lines: &str, says: impl IntoIterator<Item = Say>) -> Run {
    logs::collect_debug();
    let scoped = lines.contains(SCOPES);
    let url = if lines.contains("tokenEndpointURL") { "" } else { URL };
    let lines = format!(
        "auth.method = \"oidc\"\nauth.oidc.clientID = \"c\"\nauth.oidc.clientSecret = \"{SECRET}\"\n\
         auth.oidc.audience = \"a\"\n{url}{lines}"
    );
    let mut run = Run::with(plan, &lines, |settings: &mut Settings| {
        (settings.tickets, settings.token) = (Some("ticket"), String::new());
        (settings.check_pings, settings.check_work_conns) = (scoped, scoped);
    });
    run.site.issuer.says(says);
    run
}

fn quiet(lines: &str, says: impl IntoIterator<Item = Say>) -> Run {
    run(Plan::quiet(Vec::new()), lines, says)
}

fn logs_in(run: &mut Run, limit: Duration) {
    run.until("a login", limit, |run| run.site.frps.tally().logins > 0);
}

/// A guest comes and is served.
fn serves(run: &mut Run) {
    let guest = run.site.invite(Way::Echo, 3000, run.sim.now());
    run.until("the guest", secs(60), |run| run.site.guests[guest].verdict != Verdict::Open);
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
}

/// The lines so far; none holds a secret.
fn said() -> Vec<String> {
    let lines = logs::take();
    assert!(!lines.iter().any(|line| line.contains("ticket-") || line.contains(SECRET)), "a secret: {lines:?}");
    lines
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn a_ticket_is_kept_while_it_lasts_and_renewed_before_it_ends() {
    let mut run = quiet(SCOPES, [Say::ticket(millis(20), 7200)]);
    logs_in(&mut run, secs(10));
    run.pass(secs(10));
    serves(&mut run);
    run.pass(secs(6300));
    assert_eq!(run.site.issuer.asked.len(), 1);
    run.pass(secs(300));
    assert_eq!(run.site.issuer.asked.len(), 2, "with a tenth of its time left");
    let (_, request) = &run.site.issuer.asked[0];
    let head = "POST /token HTTP/1.1\r\nHost: 10.0.0.3\r\nUser-Agent: redial/";
    let body = "\r\n\r\naudience=a&grant_type=client_credentials&scope=";
    assert!(request.starts_with(head) && request.ends_with(body), "{request}");
    assert!(request.contains("\r\nAuthorization: Basic YzphK2xvbmcrc2VjcmV0\r\n"), "{request}");
    assert_eq!(run.site.frps.tally().logins, 1, "{:?}", said());
    run.check();
}

#[test]
fn a_short_ticket_is_fetched_anew_when_it_is_needed() {
    // Of thirty seconds, the last ten are not used: two heartbeats, at most.
    let mut run = quiet(SCOPES, [Say::ticket(millis(20), 30)]);
    logs_in(&mut run, secs(10));
    run.pass(secs(200));
    let asked = run.site.issuer.asked.len();
    assert!((7..=13).contains(&asked), "{asked} times in 200 s");
    assert_eq!((run.site.frps.tally().logins, count(&said(), "contains error")), (1, 0));
    run.check();
}

#[test]
fn a_ticket_that_ends_at_once_is_for_one_use() {
    for lasts in [0, 5, 10] {
        let mut run = quiet(SCOPES, [Say::ticket(millis(20), lasts)]);
        logs_in(&mut run, secs(10));
        let before = run.site.issuer.asked.len();
        run.pass(secs(100));
        let asked = run.site.issuer.asked.len() - before;
        assert!((9..=12).contains(&asked), "{asked} times for ten heartbeats, with {lasts} s");
        assert_eq!(run.site.frps.tally().logins, 1, "{:?}", said());
        run.check();
    }
}

#[test]
fn a_login_waits_for_an_issuer_that_is_not_there() {
    let ends = |what: &str| format!("{COULD_NOT}{POST}{what}");
    let broken = Say::Answer(millis(1), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_owned());
    let big = Say::Answer(millis(1), format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 20)));
    for (say, why) in [
        (Say::Refuse, ends("dial tcp 10.0.0.3:80: connect: connection refused")),
        (Say::Ignore, ends("dial tcp 10.0.0.3:80: i/o timeout")),
        (Say::Nothing, ends("no answer within 30 s")),
        (Say::Close, ends("EOF")),
        (Say::Reset, ends("read tcp 10.0.0.1:40000->10.0.0.3:80: read: connection reset by peer")),
        (broken, ends("no answer within 30 s")),
        (big, ends("the answer is larger than 131072 bytes")),
        (
            Say::Answer(millis(1), "SSH-2.0-x\r\n\r\n".to_owned()),
            ends("malformed HTTP response: not a head of HTTP/1.1"),
        ),
        (Say::json(secs(31), "200 OK", "{}"), ends("no answer within 30 s")),
        (
            Say::Drip(secs(1), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
            ends("no answer within 30 s"),
        ),
    ] {
        let mut run = quiet("", [say.clone(), Say::ticket(millis(20), 60)]);
        logs_in(&mut run, secs(90));
        let lines = said();
        assert_eq!(count(&lines, &why), 1, "{say:?}: {lines:?}");
        assert_eq!(count(&lines, COULD_NOT), 1, "{say:?}: {lines:?}");
        run.pass(secs(5));
        serves(&mut run);
        run.pass(secs(80));
        run.check();
    }
}

#[test]
fn a_slow_issuer_is_waited_for() {
    for say in [
        Say::ticket(secs(25), 60),
        Say::Drip(
            millis(100),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1b\r\n{\"access_token\":\"ticket-1\"}\r\n0\r\n\r\n"
                .to_owned(),
        ),
    ] {
        let mut run = quiet("", [say]);
        logs_in(&mut run, secs(30));
        assert_eq!((run.site.issuer.asked.len(), count(&said(), COULD_NOT)), (1, 0));
        run.pass(secs(90));
        run.check();
    }
}

#[test]
fn a_refusal_is_asked_again_with_the_secret_in_the_body_and_then_late() {
    let no = Say::json(
        millis(1),
        "401 Unauthorized",
        &format!("{{\"error\":\"invalid_client\",\"error_description\":\"{SECRET}\"}}"),
    );
    let mut run = quiet("", [no]);
    run.pass(secs(100));
    let asked = &run.site.issuer.asked;
    let times: Vec<Instant> = asked.iter().map(|(at, _)| *at).collect();
    assert!((4..=8).contains(&asked.len()) && asked.len().is_multiple_of(2), "{times:?}");
    for two in asked.chunks(2) {
        assert!(two[0].1.contains("Authorization") && !two[0].1.contains("client_secret"));
        assert!(!two[1].1.contains("Authorization"));
        assert!(
            two[1]
                .1
                .ends_with("audience=a&client_id=c&client_secret=a+long+secret&grant_type=client_credentials&scope=")
        );
    }
    let pauses: Vec<Duration> = times.chunks(2).zip(times.chunks(2).skip(1)).map(|(a, b)| b[0].since(a[0])).collect();
    assert!(pauses.iter().all(|pause| *pause >= secs(29)), "{pauses:?}");
    assert_eq!(count(&said(), "\"invalid_client\" \"***\""), asked.len() / 2);
    assert_eq!(run.sim.open_sockets(), 0);
}

#[test]
fn the_place_of_the_secret_is_remembered() {
    let no = Say::json(millis(1), "400 Bad Request", "{\"error\":\"invalid_request\"}");
    let mut run = quiet(SCOPES, [no, Say::ticket(millis(1), 30)]);
    logs_in(&mut run, secs(10));
    run.pass(secs(100));
    let asked = &run.site.issuer.asked;
    assert!(asked.len() > 4 && asked[0].1.contains("Authorization"));
    assert!(asked[1..].iter().all(|(_, request)| request.contains("client_secret=")));
}

#[test]
fn a_failure_of_the_issuer_is_tried_again_soon() {
    let down = || Say::json(millis(1), "503 Service Unavailable", "busy");
    let mut run = quiet("", [down(), down(), Say::ticket(millis(1), 60)]);
    logs_in(&mut run, secs(10));
    let lines = said();
    assert_eq!(
        count(&lines, &format!("{COULD_NOT}oauth2: cannot fetch token: 503 Service Unavailable Response: busy")),
        1
    );
}

#[test]
fn a_session_lives_on_without_the_issuer() {
    for say in [Say::Refuse, Say::Ignore, Say::Nothing, Say::json(millis(1), "500 x", "")] {
        let mut run = quiet(SCOPES, [Say::ticket(millis(1), 30), say.clone()]);
        logs_in(&mut run, secs(10));
        run.pass(secs(55));
        run.site.issuer.says([Say::ticket(millis(1), 3600)]);
        run.pass(secs(60));
        let lines = said();
        assert_eq!((run.site.frps.tally().logins, count(&lines, "is lost")), (1, 0), "{say:?}: {lines:?}");
        assert!(count(&lines, "skip sending ping message") >= 1, "{say:?}: {lines:?}");
        serves(&mut run);
        run.pass(secs(80));
        run.check();
    }
}

#[test]
fn a_login_after_a_loss_has_its_ticket_at_once() {
    let plan = Plan { trouble: Trouble::Restart(secs(2)), trouble_at: secs(60), ..Plan::quiet(Vec::new()) };
    // After the first one the issuer is as dead as the server.
    let mut run = run(plan, "", [Say::ticket(millis(1), 3600), Say::Ignore]);
    run.until("the server's end", secs(90), |run| run.site.struck.is_some());
    let struck = run.sim.now();
    run.until("another login", secs(60), |run| run.site.frps.tally().logins > 0);
    assert!(run.sim.now().since(struck) < secs(20), "{:?}", said());
    assert_eq!(run.site.issuer.knocks, 1);
}

#[test]
fn names_are_looked_up_and_may_fail() {
    let url = "auth.oidc.tokenEndpointURL = \"http://issuer.test/token\"\n";
    let mut run = quiet(url, [Say::ticket(millis(1), 60)]);
    run.sim.name("issuer.test", vec![(secs(2), Err(ResolveError::TimedOut))]);
    run.pass(secs(6));
    let why = format!("{COULD_NOT}Post \"http://issuer.test/token\": dial tcp: lookup issuer.test: i/o timeout");
    assert!(count(&said(), &why) >= 1);
    let (dead, good) = ("2001:db8::9".parse().unwrap(), issuer().ip());
    run.sim.name("issuer.test", vec![(millis(30), Ok(Answer { addrs: vec![dead, good], done: true }))]);
    logs_in(&mut run, secs(20));
    run.pass(secs(80));
    run.check();
}

#[test]
fn a_first_login_without_a_ticket_ends_the_client_as_frpc() {
    let mut run = quiet("loginFailExit = true\n", [Say::Refuse]);
    let end = run.sim.now() + secs(60);
    while run.sim.now() < end && run.turn() {}
    let why =
        format!("couldn't generate OIDC token for login: {POST}dial tcp 10.0.0.3:80: connect: connection refused");
    assert_eq!(run.client.exit(), Some(&Exit::LoginFailed(why)));
    assert_eq!(count(&said(), "try to connect to server"), 1);
}

#[test]
fn a_client_that_waits_for_an_issuer_can_be_ended_and_replaced() {
    for say in [Say::Ignore, Say::Nothing] {
        let mut run = quiet("", [say]);
        run.pass(secs(5));
        assert!(run.turns < 60, "{} turns while nothing happens", run.turns);
        run.replace();
        assert_eq!(run.sim.open_sockets(), 0);
        run.site.issuer.says([Say::ticket(millis(1), 60)]);
        logs_in(&mut run, secs(10));
        run.sim.signal(Signal::Terminate);
        run.pass(secs(1));
        assert_eq!(run.client.exit(), Some(&Exit::Terminated));
    }
}

#[test]
fn a_token_that_no_login_holds_is_refused() {
    let body = format!("{{\"access_token\":\"ticket-{}\"}}", "x".repeat(9999));
    let mut run = quiet("", [Say::json(millis(1), "200 OK", &body)]);
    run.pass(secs(5));
    let lines = said();
    assert_eq!(
        count(&lines, "the token takes 10006 bytes, the frp protocol allows 10240 for the whole login"),
        1,
        "{lines:?}"
    );
}

#[test]
fn proxies_are_asked_in_their_own_ways() {
    let url = "auth.oidc.tokenEndpointURL = \"http://issuer.test:81/token\"\n";
    let by = |proxy: &str| format!("{url}auth.oidc.proxyURL = \"{proxy}\"\n");
    let mut run = quiet(&by("http://u:p%40+@10.0.0.3"), [Say::ticket(millis(1), 60)]);
    logs_in(&mut run, secs(10));
    let (_, request) = &run.site.issuer.asked[0];
    assert!(request.starts_with("POST http://issuer.test:81/token HTTP/1.1\r\nHost: issuer.test:81\r\n"), "{request}");
    assert!(request.contains("\r\nProxy-Authorization: Basic dTpwQCs=\r\n"), "{request}");

    let mut run = quiet(&by("socks5h://10.0.0.3:80"), [Say::ticket(millis(1), 60)]);
    logs_in(&mut run, secs(10));
    assert_eq!(run.site.issuer.ways, ["issuer.test"]);
    assert!(run.site.issuer.asked[0].1.starts_with("POST /token HTTP/1.1\r\nHost: issuer.test:81\r\n"));
    assert!(run.sim.asked.is_empty(), "the proxy looks names up");
    run.pass(secs(80));
    run.check();

    let post = "Post \"http://issuer.test:81/token\": ";
    for (proxy, say, why) in [
        ("http", Say::Refuse, "proxyconnect tcp: dial tcp 10.0.0.3:80: connect: connection refused"),
        ("socks5", Say::Refuse, "proxyconnect tcp: dial tcp 10.0.0.3:80: connect: connection refused"),
        ("socks5", Say::Ignore, "proxyconnect tcp: dial tcp 10.0.0.3:80: i/o timeout"),
        ("http", Say::Nothing, "no answer within 30 s"),
    ] {
        let mut run = quiet(&by(&format!("{proxy}://10.0.0.3:80")), [say]);
        run.pass(secs(33));
        let lines = said();
        assert!(count(&lines, &format!("{COULD_NOT}{post}{why}")) >= 1, "{lines:?}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_proxy_may_refuse_the_way_to_an_issuer_with_https() {
    let lines = "auth.oidc.tokenEndpointURL = \"https://issuer.test/token\"\nauth.oidc.insecureSkipVerify = true\n\
                 auth.oidc.proxyURL = \"http://10.0.0.3\"\n";
    let mut run = quiet(lines, [Say::json(millis(1), "403 Not You", "{}")]);
    run.pass(secs(5));
    let lines = said();
    assert!(count(&lines, &format!("{COULD_NOT}Post \"https://issuer.test/token\": Not You")) >= 1, "{lines:?}");
    let (_, request) = &run.site.issuer.asked[0];
    assert!(request.starts_with("CONNECT issuer.test:443 HTTP/1.1\r\nHost: issuer.test:443\r\n"), "{request}");
}

#[cfg(feature = "tls")]
#[test]
fn authorities_are_read_from_the_first_file_that_is_there() {
    let url = "auth.oidc.tokenEndpointURL = \"https://10.0.0.3:80/token\"\n";
    let mut run = quiet(url, [Say::Answer(millis(1), "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned())]);
    run.sim.jobs.slow = secs(12);
    run.pass(secs(30));
    assert_eq!(run.site.issuer.knocks, 0, "not before that is known");
    assert!(count(&said(), "waiting for auth.oidc.tokenEndpointURL") >= 1);
    run.pass(secs(60));
    let none = "certificate signed by unknown authority (there is no file of authorities on this machine";
    assert!(count(&said(), none) >= 1 && run.site.issuer.knocks == 0);

    let ca = include_bytes!("../golden/tls/ca.pem");
    for (file, words) in [
        (&b"nothing"[..], "/etc/ssl/cert.pem: there is no usable PEM certificate in it"),
        (ca, "http: server gave HTTP response to HTTPS client"),
    ] {
        let plain = Say::Answer(millis(1), "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned());
        let mut run = quiet(url, [plain]);
        run.sim.jobs.files.insert("/etc/ssl/cert.pem".into(), file.to_vec());
        run.pass(secs(5));
        let lines = said();
        assert!(count(&lines, words) >= 1, "{lines:?}");
    }
}
