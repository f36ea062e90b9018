//! Tokens that are not in the configuration: commands, files, issuers; slow, failing, ending.
//!
//! Owns the scripts. Does not judge payload. Always true: what the client does while it waits is what it does always.
//! Worst case: one world.

use super::frps::settings::Settings;
use super::guest::{Verdict, Way};
use super::logs;
use super::plan::{Plan, Trouble};
use super::run::Run;
use redial::client::Exit;
use redial::net::sim::Play;
use redial::net::{Net, Signal};
use redial::proto::time::{Duration, millis, secs};

const EXEC: &str = "[auth.tokenSource]\ntype = \"exec\"\n[auth.tokenSource.exec]\ncommand = \"tool\"\nargs = [\"a\"]\n\
                    env = [{ name = \"K\", value = \"v\" }]\n";

/// A client whose token comes from a command that goes by these plays.
fn by_command(plan: Plan, plays: impl IntoIterator<Item = Play>) -> Run {
    logs::collect();
    let mut run = Run::with(plan, EXEC, |_: &mut Settings| {});
    run.sim.jobs.program("tool", plays);
    run
}

fn logged_in(run: &Run) -> bool {
    run.site.frps.tally().logins > 0
}

/// Turns until the client ends.
fn ends(run: &mut Run, limit: Duration) -> Exit {
    let end = run.sim.now() + limit;
    while run.sim.now() < end && run.turn() {}
    run.client.exit().expect("it ends").clone()
}

#[test]
fn a_command_is_waited_for_and_run_once() {
    let plan = Plan { trouble: Trouble::Restart(secs(1)), trouble_at: secs(60), ..Plan::quiet(Vec::new()) };
    let mut run = by_command(plan, [Play::says(secs(25), " t\n")]);
    run.pass(secs(24));
    let lines = logs::take();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("waiting for auth.tokenSource (tool) since 10 s"), "{lines:?}");
    assert!(!logged_in(&run) && run.sim.open_sockets() == 0);
    run.until("a login", secs(2), |run| logged_in(run));
    run.until("the server's end", secs(60), |run| run.site.struck.is_some());
    run.pass(secs(60));
    assert!(run.site.frps.tally().logins > run.site.logins_before);
    let [job] = run.sim.jobs.started.as_slice() else { panic!("it was run {} times", run.sim.jobs.started.len()) };
    assert_eq!((&job.args, &job.env), (&vec!["a".into()], &vec![("K".into(), "v".into())]));
    assert!(!logs::take().iter().any(|line| line.contains(" t ")), "a secret in the log");
}

#[test]
fn a_client_that_waits_for_a_command_can_be_ended() {
    let mut run = by_command(Plan::quiet(Vec::new()), [Play::Hangs]);
    run.pass(secs(3600));
    assert!(run.turns < 60, "{} turns while nothing happens", run.turns);
    run.sim.signal(Signal::Poke);
    run.sim.signal(Signal::Report);
    run.sim.ring();
    run.pass(secs(1));
    run.sim.signal(Signal::Terminate);
    assert_eq!(ends(&mut run, secs(1)), Exit::Terminated);
}

#[test]
fn a_token_that_cannot_be_had_ends_the_client_in_frpcs_words() {
    let missing = "exec: \"tool\": executable file not found in $PATH";
    for (play, why) in [
        (Play::exits(millis(3), 3), "exit status 3"),
        (Play::Fails(std::io::ErrorKind::NotFound), missing),
        (Play::says(secs(1), &"x".repeat(65_537)), "its output is too long"),
    ] {
        let mut run = by_command(Plan::quiet(Vec::new()), [play]);
        let why = format!("failed to resolve auth.tokenSource: failed to execute command tool: {why}");
        assert_eq!(ends(&mut run, secs(60)), Exit::Hopeless(why));
    }
    let file = "auth.tokenSource = { type = \"file\", file = { path = \"/token\" } }";
    let mut run = Run::with(Plan::quiet(Vec::new()), file, |_: &mut Settings| {});
    let why = "failed to resolve auth.tokenSource: failed to read file /token: open /token: no such file or directory";
    assert_eq!(ends(&mut run, secs(60)), Exit::Hopeless(why.to_owned()));
}

#[test]
fn a_file_gives_the_token() {
    let file = "auth.tokenSource = { type = \"file\", file = { path = \"/token\" } }";
    let mut run = Run::with(Plan::quiet(Vec::new()), file, |_: &mut Settings| {});
    run.sim.jobs.files.insert("/token".into(), b"t\r\n".to_vec());
    run.sim.jobs.slow = secs(40);
    run.until("a login", secs(50), |run| logged_in(run));
    run.pass(secs(60));
    run.check();
}

const EACH: &str = "auth.method = \"oidc\"\n[auth.oidc.tokenSource]\ntype = \"exec\"\n\
                    [auth.oidc.tokenSource.exec]\ncommand = \"tool\"\n";
const SCOPED: &str = "auth.additionalScopes = [\"HeartBeats\", \"NewWorkConns\"]\ntransport.heartbeatInterval = 10\n\
                      transport.heartbeatTimeout = 60\n";
const REFUSAL: &str = "connect to server error: couldn't acquire OIDC token for login: ";

/// A client that has a command run for each ticket, which starts with `ticket`.
fn by_ticket(plan: Plan, scoped: bool, plays: impl IntoIterator<Item = Play>) -> Run {
    logs::collect();
    let lines = if scoped { format!("{SCOPED}{EACH}") } else { EACH.to_owned() };
    let mut run = Run::with(plan, &lines, |settings| {
        (settings.tickets, settings.token) = (Some("ticket"), String::new());
        (settings.check_pings, settings.check_work_conns) = (scoped, scoped);
    });
    run.sim.jobs.program("tool", plays);
    run
}

fn ticket(after: Duration) -> Play {
    Play::says(after, "ticket-1\n")
}

fn count(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

/// A guest comes and is served.
fn serves(run: &mut Run) {
    let guest = run.site.invite(Way::Echo, 3000, run.sim.now());
    run.until("the guest", secs(30), |run| run.site.guests[guest].verdict != Verdict::Open);
    assert_eq!(run.site.guests[guest].verdict, Verdict::Served);
}

#[test]
fn each_login_has_a_ticket_of_its_own() {
    for mux in [true, false] {
        let plan = Plan { mux, trouble: Trouble::Restart(secs(3)), trouble_at: secs(20), ..Plan::quiet(Vec::new()) };
        let mut run = by_ticket(plan, false, [ticket(secs(2))]);
        run.until("a login", secs(10), |run| logged_in(run));
        run.pass(secs(10));
        assert_eq!(run.sim.jobs.started.len(), 1, "nothing but a login needs one");
        run.until("the next login", secs(90), |run| run.site.struck.is_some() && logged_in(run));
        run.pass(secs(5));
        serves(&mut run);
        assert!(run.sim.jobs.started.len() >= 2 && run.sim.jobs.running() == 0);
        assert_eq!(count(&logs::take(), "ticket-"), 0, "a secret in the log");
        run.pass(secs(80));
        run.check();
    }
}

#[test]
fn pings_and_work_connections_have_tickets_where_the_scopes_say_so() {
    for mux in [true, false] {
        let mut run = by_ticket(Plan { mux, ..Plan::quiet(Vec::new()) }, true, [ticket(millis(200))]);
        run.until("a login", secs(10), |run| logged_in(run));
        run.pass(secs(1));
        serves(&mut run);
        let before = run.sim.jobs.started.len();
        run.pass(secs(100));
        let tickets = run.sim.jobs.started.len() - before;
        // Without mux the link is asked by pings as well.
        let most = if mux { 11 } else { 22 };
        assert!((9..=most).contains(&tickets), "{tickets} tickets for ten heartbeats");
        assert_eq!(run.site.frps.tally().logins, 1, "{:?}", logs::take());
        run.check();
    }
}

#[test]
fn a_login_without_a_ticket_has_failed_and_is_tried_again() {
    let plays = [Play::exits(millis(5), 1), Play::Fails(std::io::ErrorKind::NotFound), Play::Hangs, ticket(millis(5))];
    let mut run = by_ticket(Plan::quiet(Vec::new()), false, plays);
    run.until("a login", secs(120), |run| logged_in(run));
    let lines = logs::take();
    assert_eq!(count(&lines, &format!("{REFUSAL}failed to execute command tool: exit status 1")), 1, "{lines:?}");
    let missing = "failed to execute command tool: exec: \"tool\": executable file not found in $PATH";
    assert_eq!(count(&lines, &format!("{REFUSAL}{missing}")), 1, "{lines:?}");
    let late = format!("{REFUSAL}auth.oidc.tokenSource (tool): no answer within 30 s");
    assert_eq!(count(&lines, &late), 1, "{lines:?}");
    assert_eq!((run.sim.jobs.started.len(), run.sim.jobs.running()), (4, 0));
    run.pass(secs(80));
    run.check();
}

#[test]
fn a_session_lives_on_without_tickets() {
    let plays = [ticket(millis(5)), ticket(millis(5)), Play::exits(millis(5), 7)];
    let mut run = by_ticket(Plan::quiet(Vec::new()), true, plays);
    run.until("a login", secs(10), |run| logged_in(run));
    run.pass(secs(50));
    let lines = logs::take();
    assert_eq!(count(&lines, "is lost"), 0, "{lines:?}");
    assert!(count(&lines, "exit status 7, skip sending ping message") >= 3, "{lines:?}");
    assert!(count(&lines, "error during NewWorkConn authentication: couldn't acquire OIDC token") >= 1, "{lines:?}");
}

/// The line dies; the command needs longer than the second connection, or is under way when it dies.
#[test]
fn a_dead_line_is_left_as_soon_as_there_is_a_ticket() {
    for (slow, scoped) in [(millis(10), false), (secs(3), false), (secs(3), true), (secs(9), true)] {
        let plan = Plan { trouble: Trouble::Cut, trouble_at: secs(33), ..Plan::quiet(Vec::new()) };
        let mut run = by_ticket(plan, scoped, [ticket(slow)]);
        run.until("the cut", secs(60), |run| run.site.struck.is_some());
        let logins = run.site.frps.tally().logins;
        let struck = run.sim.now();
        run.until("another login", secs(60), |run| run.site.frps.tally().logins > logins);
        let took = run.sim.now().since(struck);
        assert!(took < secs(33) + slow.saturating_mul(2), "{took:?} with {slow:?}");
        run.pass(secs(5).max(slow.saturating_mul(8)));
        serves(&mut run);
    }
}
