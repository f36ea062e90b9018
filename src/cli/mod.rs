//! The program: command line, set-up, the loop, the exit code.
//!
//! Owns what is printed before logging starts and after it ends. Does not decide anything about connections. Always
//! true: everything but usage errors goes to standard output, as with frpc. Worst case: nothing of its own.

#[cfg(feature = "admin")]
mod ask;
#[cfg(not(feature = "admin"))]
#[path = "ask/without.rs"]
mod ask;
mod clock;
mod command;
mod dispatch;
mod fleet;
mod logger;
#[cfg(feature = "selftest")]
mod selftest;
mod sink;
mod state;
mod verify;

use crate::client::{Client, Exit, FRP_VERSION, Machine};
use crate::config::{Config, Finding, Loaded, Loader, Severity};
use crate::net::os::{self, Os};
use state::State;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the program with these arguments, of which the first is the program's name.
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut argv = argv.into_iter();
    let program = argv.next();
    let args: Vec<_> = argv.collect();
    if args.first().is_some_and(|arg| arg == os::FILE_JOB) {
        // Of the program's own; see `net::files`.
        return if os::serve_file_job(io::stdin(), io::stdout()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    dispatch::run(program, args)
}

fn print(text: &str) -> ExitCode {
    say(io::stdout(), text);
    ExitCode::SUCCESS
}

/// As it is, to the last byte.
fn write_out(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn say(mut out: impl Write, text: &str) {
    let _ = writeln!(out, "{}", text.trim_end());
}

/// A finding's line. A file that cannot be read is named by the reason alone, as in frpc.
fn line(finding: &Finding) -> String {
    let unreadable = finding.line == 0 && finding.key.is_empty() && finding.text.starts_with("open ");
    if unreadable { finding.text.clone() } else { finding.to_string() }
}

fn lines(findings: &[Finding]) -> String {
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn version() -> String {
    let all = [
        ("tls", cfg!(feature = "tls")),
        ("local-time", cfg!(feature = "local-time")),
        ("selftest", cfg!(feature = "selftest")),
        ("admin", cfg!(feature = "admin")),
        ("constant-time", cfg!(feature = "constant-time")),
    ];
    let built: Vec<_> = all.into_iter().filter_map(|(name, built)| built.then_some(name)).collect();
    let features = if built.is_empty() { "none".to_owned() } else { built.join(", ") };
    format!("redial {} (frp protocol of {FRP_VERSION}; features: {features})", env!("CARGO_PKG_VERSION"))
}

#[cfg(feature = "selftest")]
fn selftest() -> ExitCode {
    let (report, works) = selftest::report(&version());
    print(&report);
    if works { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(feature = "selftest"))]
fn selftest() -> ExitCode {
    print("this redial is built without \"selftest\"");
    ExitCode::FAILURE
}

/// Runs the client to its end; the error is what to print.
fn serve(file: &str, loader: &Loader) -> Result<(), String> {
    let Loaded { config, warnings } = loader.load(file).map_err(|findings| lines(&findings))?;
    for warning in warnings.iter().filter(|f| f.severity > Severity::Note) {
        print(&format!("WARNING: {warning}"));
    }
    logger::start(&config.log)?;
    if std::env::var_os("http_proxy").is_some_and(|url| !url.is_empty()) {
        log::warn!("http_proxy is set: frpc would connect through it, redial connects directly");
    }
    log::info!("start frpc service for config file [{}] with aggregated configuration", file);
    let exit = drive(&config, file)?;
    log::info!("frpc service for config file [{}] stopped", file);
    match exit {
        Exit::Terminated => Ok(()),
        Exit::LoginFailed(why) => Err(format!(
            "login to the server failed: {why}. With loginFailExit enabled, no additional retries will be attempted"
        )),
    }
}

/// Sets up the client and runs it.
fn drive(config: &Config, file: &str) -> Result<Exit, String> {
    let machine = Machine { hostname: os::hostname(), memory_available: os::memory_available() };
    let fatal = |e: io::Error| format!("cannot start the event loop: {e}");
    let mut net = Os::new(config.dns_server).map_err(fatal)?;
    net.watch_signals().map_err(fatal)?;
    net.use_helper(PathBuf::from("/proc/self/exe"));
    os::raise_descriptor_limit();
    let client = Client::new(config, &machine, crate::net::Net::now(&net));
    let mut client = client.map_err(|finding| Finding { file: file.to_owned(), ..finding }.to_string())?;
    let (mut state, memory) = State::open(&config.extension.state_file, file);
    if let Some(memory) = memory {
        client.recall(memory);
    }
    turns(&mut client, &mut net, &mut state)
}

/// The loop.
fn turns(client: &mut Client, net: &mut Os, state: &mut State) -> Result<Exit, String> {
    let mut events = Vec::new();
    loop {
        client.turn(net);
        state.keep(client);
        if let Some(exit) = client.exit() {
            return Ok(exit.clone());
        }
        if let Some(pause) = client.pause() {
            net.gather(pause);
        }
        net.wait(client.deadline(), &mut events).map_err(|e| format!("the event loop failed: {e}"))?;
        for event in events.drain(..) {
            client.handle(event, net);
        }
        // No further turn then: a new try would start in it.
        if let Some(exit) = client.exit().cloned() {
            state.keep(client);
            return Ok(exit);
        }
    }
}

#[cfg(test)]
mod tests;
