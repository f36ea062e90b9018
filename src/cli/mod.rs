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
#[cfg_attr(not(feature = "admin"), path = "desk_off.rs")]
mod desk;
mod dispatch;
mod fleet;
mod logger;
mod notify;
mod oneshot;
mod reload;
mod repeat;
#[cfg(feature = "selftest")]
mod selftest;
mod service;
mod sink;
mod state;
mod syslog;
mod verify;

use crate::client::FRP_VERSION;
use crate::config::{Finding, Severity};
use crate::net::os;
use std::ffi::OsString;
use std::io::{self, Write};
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

/// Why a configuration is refused; what is merely odd in it is for `verify`.
fn lines(findings: &[Finding]) -> String {
    findings.iter().filter(|f| f.severity == Severity::Error).map(line).collect::<Vec<_>>().join("\n")
}

fn version() -> String {
    let all = [
        ("tls", cfg!(feature = "tls")),
        ("local-time", cfg!(feature = "local-time")),
        ("selftest", cfg!(feature = "selftest")),
        ("admin", cfg!(feature = "admin")),
        ("admin-tls", cfg!(feature = "admin-tls")),
        ("json", cfg!(feature = "json")),
        ("yaml", cfg!(feature = "yaml")),
        ("templates", cfg!(feature = "templates")),
        ("ini", cfg!(feature = "ini")),
        ("lints", cfg!(feature = "lints")),
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
