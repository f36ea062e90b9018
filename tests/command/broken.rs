//! Files that are no configuration: one clear error each, in bounded time and memory, and a program that runs is unharmed.

use super::service::{Guard, manager, silent, start, told};
use super::*;
use rustix::process::Signal;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// KiB of address space that the program may have; a build for tests takes a tenth of it.
const SPACE: usize = 150_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// How a kind of file is made at a path, and what is said of it beside its name.
type Kind = (&'static str, fn(&Path), &'static str);

fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap();
}

/// One proxy, and what follows it.
fn proxy(more: &str) -> String {
    format!("[[proxies]]\nname = \"a\"\ntype = \"tcp\"\nlocalPort = 1\n{more}")
}

const KINDS: [Kind; 27] = [
    ("rubbish.toml", |p| put(p, (0..5000_u32).map(|n| ((n * n) >> 3) as u8).collect::<Vec<_>>()), "UTF-8"),
    ("program.toml", |p| put(p, b"\x7fELF\x02\x01\x01\0\0\0\0\0\xff\xfe".repeat(100)), "UTF-8"),
    ("large.toml", |p| put(p, "serverPort = 7000\n".repeat(2_900_000)), "larger than"),
    ("long-line.toml", |p| put(p, "x".repeat(50 << 20)), "larger than"),
    ("many.toml", |p| put(p, (0..250_000).fold(String::new(), |all, n| all + &format!("k{n} = 1\n"))), "more than"),
    ("deep.toml", |p| put(p, format!("a = {}", "[".repeat(100_000))), ":1:"),
    ("deep-keys.toml", |p| put(p, format!("{}a = 1", "a.".repeat(100_000))), ":1:"),
    ("deep.json", |p| put(p, format!("{{\"a\": {}", "[".repeat(100_000))), ":1:"),
    ("deep.yaml", |p| put(p, format!("a: {}", "[".repeat(100_000))), ":1:"),
    ("bomb.yaml", bomb, "more than"),
    ("self.yaml", |p| put(p, "a: &a [*a]\n"), ":1:"),
    ("unknown-folder.toml", |p| put(p, format!("includes = [\"/nowhere/*.toml\"]\n{}", proxy(""))), "/nowhere"),
    ("include-broken.toml", include_broken, "broken.part"),
    ("folder.toml", |p| fs::create_dir(p).unwrap(), "is a directory"),
    ("pipe.toml", pipe, "regular file"),
    ("zero.toml", |p| symlink("/dev/zero", p).unwrap(), "regular file"),
    ("full.toml", |p| symlink("/dev/full", p).unwrap(), "regular file"),
    ("dangling.toml", |p| symlink("/nowhere/at/all", p).unwrap(), "no such file or directory"),
    ("loop.toml", |p| symlink(p, p).unwrap(), "open "),
    ("unclosed.toml", |p| put(p, "serverPort = 7000\nuser = \"{{ .Envs.HOME\"\n"), ":2:"),
    ("function.toml", |p| put(p, "user = \"{{ shell \\\"ls\\\" }}\"\n"), ":1:"),
    ("range.toml", |p| put(p, "{{ range parseNumberRange \"1-1000000000\" }}x = 1\n{{ end }}"), ":1:"),
    (
        "utf-16.toml",
        |p| put(p, "\u{feff}user = 1".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        "UTF-8",
    ),
    ("zeros.toml", |p| put(p, [0; 1000]), ":1:"),
    ("half.json", |p| put(p, "{\"serverPort\": 7000, \"proxies\": [{\"name\": \"a\""), ":1:"),
    ("long-value.toml", |p| put(p, format!("{}\nremotePort = \"{}\"", proxy(""), "9".repeat(1 << 20))), "remotePort"),
    ("server.ini", |p| put(p, "[common]\nserver_port = 1\n[a]\ntype = tcp\nlocal_port = 99999\n"), "99999"),
];

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

/// A billion laughs.
fn bomb(path: &Path) {
    let line = |n: u32| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(","));
    put(path, (0..9).fold("a0: &a0 [x, x]\n".to_owned(), |all, n| all + &line(n)));
}

fn include_broken(path: &Path) {
    let part = path.with_file_name("broken.part");
    put(&part, "[[proxies]\n");
    put(path, format!("includes = [\"{}\"]\n{}", part.display(), proxy("")));
}

#[test]
fn each_kind_of_broken_file_gets_a_clear_error() {
    let mut wrong = Vec::new();
    for (name, make, expected) in KINDS {
        let dir = Dir::new();
        make(&dir.0.join(name));
        for command in ["verify -c", "-c"] {
            let started = Instant::now();
            // The shell sets the limit.
            let line = format!("ulimit -v {SPACE}; exec ./frpc {command} {name}");
            let output = dir.command(Path::new("/bin/sh"), &["-c", &line]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            let shown: String = said.chars().take(500).collect();
            let refused = output.status.code() == Some(1) && output.stderr.is_empty();
            let errors: Vec<&str> = said.lines().filter(|line| !line.starts_with("WARNING: ")).collect();
            let told = errors.iter().any(|line| line.contains(expected));
            let named = errors.iter().any(|line| line.contains(name) || line.contains("broken.part"));
            let quick = started.elapsed() < PATIENCE;
            if !(refused && told && named && quick && said.len() < 100_000) {
                let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
                let (took, size) = (started.elapsed(), said.len());
                wrong.push(format!("{command} {name}: {status}, {took:?}, {size} bytes: {shown} {errors}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_program_that_runs_is_unharmed_by_any_of_them() {
    let dir = Dir::new();
    let (server, manager) = (silent(&dir, ""), manager(&dir));
    let good = fs::read(dir.0.join("frpc.toml")).unwrap();
    let program: Guard = start(&dir, &["-c", "frpc.toml"]);
    told(&manager, "READY=1");
    let (mut link, _) = server.accept().unwrap();
    let config = dir.0.join("frpc.toml");
    let away = |path: &Path| drop(fs::remove_file(path).or_else(|_| fs::remove_dir(path)));
    for (name, make, _) in KINDS {
        away(&config);
        make(&config);
        program.signal(Signal::HUP);
        told(&manager, "RELOADING=1");
        told(&manager, "READY=1");
        // The login's bytes are there; no end and no second link.
        link.set_nonblocking(true).unwrap();
        let ended = loop {
            match link.read(&mut [0; 4096]) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(e) => break e.kind() != ErrorKind::WouldBlock,
            }
        };
        assert!(!ended, "after {name} the link is gone");
    }
    away(&config);
    put(&config, good);
    program.signal(Signal::HUP);
    told(&manager, "RELOADING=1");
    told(&manager, "READY=1");
}
