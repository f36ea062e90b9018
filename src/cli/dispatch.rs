//! From a command line to what is done.
//!
//! Owns which part of the program a command runs, where its words go and the exit code. Does not do the work. Always true:
//! usage errors go to standard error and everything else to standard output, as with frpc; 1 is every error. Worst case:
//! nothing of its own.

use super::command::{self, Act, Invocation, ROOT, Refusal, complete, help, man};
use super::oneshot::{self, List};
use super::{ask, fleet, print, say, service, verify, version, write_out};
use crate::client::FRP_VERSION;
use crate::config::{Loader, Purpose, Strictness};
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

/// What is taken unless `--config` is said; frpc's default.
const CONFIG: &str = "./frpc.ini";
/// And this where there is none: who writes TOML should not have to name it.
const CONFIG_TOML: &str = "./frpc.toml";

/// Does what the arguments say; `name` is what the program was called by.
pub(super) fn run(name: Option<OsString>, args: Vec<OsString>) -> ExitCode {
    let program = program(name);
    let args: Result<Vec<_>, _> = args.into_iter().map(OsString::into_string).collect();
    let args = match args {
        Ok(args) => args,
        Err(arg) => return usage_error(&format!("{} is not UTF-8", arg.display()), ""),
    };
    match command::parse(&program, &args) {
        Ok(invocation) => act(&program, &invocation),
        Err(Refusal::Command(text)) => usage_error(&text, ""),
        Err(Refusal::Flag(names, text)) => usage_error(&text, &help::usage(&program, &path(&names).0)),
    }
}

fn usage_error(text: &str, usage: &str) -> ExitCode {
    say(io::stderr(), &format!("Error: {text}\n{usage}"));
    ExitCode::FAILURE
}

/// As it was called, in letters that are safe in scripts: who has put it in frpc's place reads "frpc" in its help.
fn program(name: Option<OsString>) -> String {
    let name = name.and_then(|name| Path::new(&name).file_name()?.to_str().map(str::to_owned)).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) { name } else { "redial".to_owned() }
}

/// The command these words lead to, and the first that leads nowhere.
fn path<'a>(words: &[&'a str]) -> (command::Path, Option<&'a str>) {
    let mut path = vec![&ROOT];
    for word in words {
        match path.last().and_then(|last| last.command(word)) {
            Some(command) => path.push(command),
            None => return (path, Some(word)),
        }
    }
    (path, None)
}

fn act(program: &str, said: &Invocation) -> ExitCode {
    if said.flag("help") {
        return print(&help::help(program, &said.path));
    }
    match said.act() {
        Act::Run if said.flag("version") => frp_version(),
        Act::Run => client(said),
        Act::Group => print(&help::help(program, &said.path)),
        Act::Help => topic(program, said),
        Act::Verify => verify::run(&config(said), loader(said, Purpose::Verify), said.flag("json")),
        Act::Admin(ask) => match ask::usage_error(said) {
            Some(text) => usage_error(&text, &help::usage(program, &said.path)),
            None => ask::run(ask, &config(said), &loader(said, Purpose::Verify), said),
        },
        Act::NatHole => not_yet("nathole discover"),
        Act::Proxy(kind) => one(kind, List::Proxies, said),
        Act::Visitor(kind) => one(kind, List::Visitors, said),
        Act::Completion(shell) => print(&complete::script(shell, program)),
        Act::Complete => write_out(&complete::answer(&said.operands)),
        Act::Man => print(&man::page(program)),
        Act::Version => print(&version()),
        Act::SelfTest => super::selftest(),
    }
}

fn not_yet(what: &str) -> ExitCode {
    print(&format!("\"{what}\" is not in this build of redial yet"));
    ExitCode::FAILURE
}

/// Scripts compare what frpc prints here, so there is nothing else on standard output; who looks on is told more.
fn frp_version() -> ExitCode {
    print(FRP_VERSION);
    if io::stderr().is_terminal() {
        say(io::stderr(), &version());
    }
    ExitCode::SUCCESS
}

fn topic(program: &str, said: &Invocation) -> ExitCode {
    let words: Vec<&str> = said.operands.iter().map(String::as_str).collect();
    match path(&words) {
        // As in frpc: what a command takes is not looked at.
        (path, lost) if lost.is_none() || path.len() > 1 => print(&help::help(program, &path)),
        (path, _) => {
            let words = words.join("`, `");
            say(io::stderr(), &format!("Unknown help topic [`{words}`]\n{}", help::usage(program, &path)));
            ExitCode::SUCCESS
        }
    }
}

/// The configuration's path.
fn config(said: &Invocation) -> String {
    said.given("config").unwrap_or_else(|| {
        let toml = !Path::new(CONFIG).exists() && Path::new(CONFIG_TOML).exists();
        if toml { CONFIG_TOML } else { CONFIG }.to_owned()
    })
}

/// How configurations are read.
fn loader(said: &Invocation, purpose: Purpose) -> Loader {
    let strictness = if said.flag("strict-config") { Strictness::Strict } else { Strictness::Lax };
    let allow_exec = said.list("allow-unsafe").iter().any(|feature| feature == "TokenSourceExec");
    Loader { strictness, purpose, allow_exec }
}

fn client(said: &Invocation) -> ExitCode {
    let dir = said.text("config-dir");
    if !dir.is_empty() {
        return fleet::run(&dir, said);
    }
    fleet::join();
    ended(service::run(&config(said), loader(said, Purpose::Run)))
}

/// One proxy or visitor, without a file.
fn one(kind: &str, list: List, said: &Invocation) -> ExitCode {
    ended(service::run_flags(oneshot::flags(kind, list, said), loader(said, Purpose::Run)))
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            print(&message);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests;
