//! The program as people and scripts call it: what it prints, where, and its exit code.
//!
//! It is called by the name of frpc, as where it has taken frpc's place. What frpc 0.70.1 answers is written down here;
//! where the real one is at hand (REDIAL_PEERS holds `frpc-0.70.1`), both are asked and compared.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the tests drive other processes; the rules of the event loop are not theirs"
)]

mod ask;
mod broken;
mod fleet;
mod oneshot;
mod service;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own for one test, with the program in it under frpc's name.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("command-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        let program = std::env::var_os("REDIAL_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_redial").into());
        symlink(program, path.join("frpc")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.0).env_clear().env("RUNTIME_DIRECTORY", &self.0).stdin(Stdio::null());
        command
    }

    fn ours(&self, line: &str) -> Said {
        self.ask(&self.0.join("frpc"), line)
    }

    fn ask(&self, program: &Path, line: &str) -> Said {
        // `''` is an empty argument.
        let args: Vec<&str> = line.split_whitespace().map(|word| if word == "''" { "" } else { word }).collect();
        Said::from(&self.command(program, &args).output().unwrap())
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<&Output> for Said {
    fn from(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Said {
    /// Exit code, whether it is on standard error, and the first line.
    fn short(&self) -> (Option<i32>, bool, &str) {
        assert!(self.out.is_empty() || self.err.is_empty(), "on both: {self:?}");
        let text = if self.out.is_empty() { &self.err } else { &self.out };
        (self.code, !self.err.is_empty(), text.lines().next().unwrap_or_default())
    }
}

/// The real frpc, if it is at hand.
fn real() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("REDIAL_PEERS")?).join("frpc-0.70.1");
    path.is_file().then_some(path)
}

const OUT: bool = false;
const ERR: bool = true;
const NO_FILE: &str = "open ./frpc.ini: no such file or directory";

/// Command lines, and what frpc 0.70.1 answers: exit code, stream, first line.
const CASES: &[(&str, i32, bool, &str)] = &[
    ("--nonsense", 1, ERR, "Error: unknown flag: --nonsense"),
    ("-x", 1, ERR, "Error: unknown shorthand flag: 'x' in -x"),
    ("-sfoo", 1, ERR, "Error: unknown shorthand flag: 's' in -sfoo"),
    ("-vfalse", 1, ERR, "Error: unknown shorthand flag: 'f' in -false"),
    ("--v", 1, ERR, "Error: unknown flag: --v"),
    ("---x", 1, ERR, "Error: bad flag syntax: ---x"),
    ("foo", 1, ERR, "Error: unknown command \"foo\" for \"frpc\""),
    ("verif", 1, ERR, "Error: unknown command \"verif\" for \"frpc\""),
    ("--version foo", 1, ERR, "Error: unknown command \"foo\" for \"frpc\""),
    ("--strict_config false", 1, ERR, "Error: unknown command \"false\" for \"frpc\""),
    (
        "--strict_config=maybe",
        1,
        ERR,
        "Error: invalid argument \"maybe\" for \"--strict-config\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    ),
    ("-c", 1, ERR, "Error: flag needs an argument: 'c' in -c"),
    ("-v -c", 1, ERR, "Error: flag needs an argument: 'c' in -c"),
    ("--config", 1, ERR, "Error: flag needs an argument: --config"),
    ("--metadatas a=b", 1, ERR, "Error: unknown flag: --metadatas"),
    ("tcp --nope", 1, ERR, "Error: unknown flag: --nope"),
    ("tcp -r", 1, ERR, "Error: flag needs an argument: 'r' in -r"),
    (
        "tcp --remote_port abc",
        1,
        ERR,
        "Error: invalid argument \"abc\" for \"-r, --remote-port\" flag: strconv.ParseInt: parsing \"abc\": invalid syntax",
    ),
    (
        "tcp --bandwidth_limit 5XB",
        1,
        ERR,
        "Error: invalid argument \"5XB\" for \"--bandwidth-limit\" flag: unit not support",
    ),
    (
        "tcp --metadatas a",
        1,
        ERR,
        "Error: invalid argument \"a\" for \"--metadatas\" flag: a must be formatted as key=value",
    ),
    (
        "status --api-timeout 5",
        1,
        ERR,
        "Error: invalid argument \"5\" for \"--api-timeout\" flag: time: missing unit in duration \"5\"",
    ),
    (
        "status --api-timeout 5y",
        1,
        ERR,
        "Error: invalid argument \"5y\" for \"--api-timeout\" flag: time: unknown unit \"y\" in duration \"5y\"",
    ),
    ("http --remote_port 1", 1, ERR, "Error: unknown flag: --remote_port"),
    ("stcp visitor --local_port 1", 1, ERR, "Error: unknown flag: --local_port"),
    ("help foo", 0, ERR, "Unknown help topic [`foo`]"),
    ("help tcp visitor", 0, OUT, "Run frpc with a single tcp proxy"),
    ("help xtcp visitor", 0, OUT, "Run frpc with a single xtcp visitor"),
    ("tcp --help", 0, OUT, "Run frpc with a single tcp proxy"),
    ("sudp visitor -h", 0, OUT, "Run frpc with a single sudp visitor"),
    ("nathole", 0, OUT, "Actions about nathole"),
    ("nathole foo", 0, OUT, "Actions about nathole"),
    ("-v", 0, OUT, "0.70.1"),
    ("--version", 0, OUT, "0.70.1"),
    ("-v=true", 0, OUT, "0.70.1"),
    ("", 1, OUT, NO_FILE),
    ("--help=false", 1, OUT, NO_FILE),
    ("-- foo", 1, OUT, NO_FILE),
    ("--config=", 1, OUT, "open : no such file or directory"),
    ("-cx.toml", 1, OUT, "open x.toml: no such file or directory"),
    ("-c=x.toml", 1, OUT, "open x.toml: no such file or directory"),
    ("verify", 1, OUT, NO_FILE),
    ("verify -v", 1, OUT, NO_FILE),
    ("verify extra", 1, OUT, NO_FILE),
    ("-c x.toml verify", 1, OUT, "open x.toml: no such file or directory"),
    ("verify -c ''", 0, OUT, "frpc: the configuration file is not specified"),
    ("tcp", 1, OUT, "name should not be empty"),
    ("tcp help -v", 1, OUT, "name should not be empty"),
    ("udp --local_port 1", 1, OUT, "name should not be empty"),
    ("stcp foo", 1, OUT, "name should not be empty"),
    ("stcp visitor", 1, OUT, "name is required"),
    ("--config_dir nowhere", 0, OUT, ""),
];

#[test]
fn frpcs_command_lines_have_frpcs_answers() {
    let (dir, real) = (Dir::new(), real());
    if real.is_none() {
        println!("REDIAL_PEERS does not hold frpc-0.70.1: compared with what it was seen to print");
    }
    for (line, code, err, first) in CASES {
        let ours = dir.ours(line);
        assert_eq!(ours.short(), (Some(*code), *err, *first), "{line}: {ours:?}");
        if let Some(real) = &real {
            let theirs = dir.ask(real, line);
            assert_eq!(theirs.short(), (Some(*code), *err, *first), "frpc {line}: {theirs:?}");
        }
    }
}

#[test]
fn what_follows_a_usage_error_is_the_usage() {
    let dir = Dir::new();
    let said = dir.ours("tcp --nope");
    assert!(
        said.err.starts_with("Error: unknown flag: --nope\nUsage:\n  frpc tcp [flags]\n\nFlags:\n"),
        "{}",
        said.err
    );
    let said = dir.ours("verif");
    assert!(said.err.ends_with("\nDid you mean this?\n\tverify\n\nRun 'frpc --help' for usage.\n"), "{}", said.err);
    let mut command = dir.command(&dir.0.join("frpc"), &[]);
    let said = Said::from(&command.arg(std::ffi::OsStr::new(&dir_name())).output().unwrap());
    assert_eq!(said.short(), (Some(1), ERR, "Error: a\u{fffd}b is not UTF-8"));
}

fn dir_name() -> std::ffi::OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"a\xffb".to_vec())
}

/// Nothing but the number, since scripts compare it; the long form is a command.
#[test]
fn the_version_is_that_of_frpc() {
    let dir = Dir::new();
    let said = dir.ours("--version");
    assert_eq!((said.out.as_str(), said.err.as_str()), ("0.70.1\n", ""));
    let said = dir.ours("version");
    assert!(said.out.starts_with(concat!("redial ", env!("CARGO_PKG_VERSION"), " (")), "{said:?}");
}

#[test]
fn frpc_ini_is_the_default_and_frpc_toml_stands_in() {
    let dir = Dir::new();
    dir.write("frpc.toml", "bad toml\n");
    assert!(dir.ours("verify").out.starts_with("./frpc.toml:1"), "{:?}", dir.ours("verify"));
    dir.write("frpc.ini", "serverAddr = \"127.0.0.1\"\nnonsense = 1\n");
    assert!(dir.ours("verify").out.contains("./frpc.ini:2"), "{:?}", dir.ours("verify"));
    let lax = dir.ours("verify --strict_config=false");
    assert!(!lax.out.contains("nonsense"), "{lax:?}");
}

/// Whether a program is there.
fn there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        println!("{program} is not here: left out");
    }
    found
}

#[test]
fn shells_take_their_scripts() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = dir.write(shell, &dir.ours(&format!("completion {shell}")).out);
        if there(shell) {
            let said = Said::from(&Command::new(shell).args(["-n", &script]).output().unwrap());
            assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{shell}");
        }
    }
    assert!(dir.ours("completion powershell").out.contains("-CommandName 'frpc'"));
}

#[test]
fn bash_and_fish_complete() {
    let dir = Dir::new();
    let complete = |shell: &str, code: &str| {
        let mut command = dir.command(Path::new(shell), &["-c", code]);
        let path = format!("{}:{}", dir.0.display(), std::env::var("PATH").unwrap_or_default());
        Said::from(&command.env("PATH", path).env("HOME", &dir.0).output().unwrap())
    };
    if there("bash") {
        let words = |words: &str| {
            let code = format!(
                "source <(frpc completion bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                 _frpc_complete; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            );
            complete("bash", &code).out
        };
        assert_eq!(words("frpc st"), "status\nstcp\nstop\n");
        assert_eq!(words("frpc tcp --protocol = k"), "kcp\n");
        assert_eq!(words("frpc tcp --log-f"), "--log-file\n");
    }
    if there("fish") {
        let said = complete("fish", "frpc completion fish | source; complete -C 'frpc xtcp vis'");
        assert!(said.out.contains("visitor"), "{said:?}");
    }
}

#[test]
fn the_manual_renders() {
    let dir = Dir::new();
    let page = dir.write("frpc.1", &dir.ours("man").out);
    if !there("groff") {
        return;
    }
    let said = Said::from(&Command::new("groff").args(["-man", "-Tutf8", "-P-cbou", "-ww", &page]).output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "no warning");
    for text in ["NAME", "SIGHUP", "frpc xtcp visitor", "EXIT STATUS", ".Envs.NAME"] {
        assert!(said.out.contains(text), "{text}: {}", said.out);
    }
}
