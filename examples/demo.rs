//! A demonstration that needs nothing but this repository: `cargo run --release --example demo`
//!
//! Owns a small frps, a web service, a redial between them and somebody who fetches the service's page through the
//! tunnel ten times a second. Every 20 s the line between redial and the server is cut without a word, as when a router
//! redials, and heals 2 s later; the demo prints how long the tunnel was away, as seen from outside. Does not use the
//! network beyond 127.0.0.1. Always true: SIGINT and SIGTERM end it cleanly, with threads joined and files removed. Worst
//! case: one thread for each request under way.
#![expect(clippy::disallowed_methods, reason = "the people around redial use blocking sockets and a real clock")]

#[path = "../tests/support/mod.rs"]
mod support;

use log::{Level, LevelFilter, Log, Metadata, Record};
use redial::client::{Client, Exit, Machine};
use redial::net::Net;
use redial::net::os::{self, Os};
use redial::proto::time::{millis, sooner};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::frps::settings::Settings;
use support::server::Server;

/// How long the line works before it is cut.
const UP: Duration = Duration::from_secs(20);
/// The same before the only cut of `--once`.
const UP_ONCE: Duration = Duration::from_secs(3);
/// How long it is cut.
const CUT: Duration = Duration::from_millis(300);
/// Pause between two fetches.
const PROBE: Duration = Duration::from_millis(100);
/// How long a fetch may take.
const FETCH: Duration = Duration::from_millis(500);
/// When the tunnel counts as lost for good.
const GIVE_UP: Duration = Duration::from_secs(60);
/// How often the loop looks whether the others are done.
const TICK: u64 = 200;

const USAGE: &str = "usage: demo [--once | --cuts N]
  --once    cut the line once; exit code 0 if the tunnel came back within 60 s, else 1
  --cuts N  cut the line N times
Without either it goes on until Ctrl-C.";

/// Everybody is to end.
static STOP: AtomicBool = AtomicBool::new(false);
/// When redial last said that its connection is lost, in milliseconds of [`elapsed`].
static NOTICED: AtomicU64 = AtomicU64::new(0);

/// Time since the demo started.
fn elapsed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Prints a line with the time; a closed pipe is no reason to end.
fn say(who: &str, text: &str) {
    let _ = writeln!(io::stdout(), "{:9.3}  {who:7} {text}", elapsed().as_secs_f64());
}

fn main() -> ExitCode {
    elapsed();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let cuts = match args.as_slice() {
        [] => None,
        ["--once"] => Some(1),
        ["--cuts", n] if n.parse::<u32>().is_ok() => n.parse().ok(),
        _ => {
            let _ = writeln!(io::stderr(), "{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let up = if args == ["--once"] { UP_ONCE } else { UP };
    match run(cuts, up) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "the demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sets the stage and plays; says whether the tunnel came back each time.
fn run(cuts: Option<u32>, up: Duration) -> Result<bool, String> {
    let fail = |what: &'static str| move |e: io::Error| format!("{what}: {e}");
    log::set_logger(&Logger).map_err(|e| e.to_string())?;
    log::set_max_level(LevelFilter::Info);
    let token = "a token that both ends know";
    let settings = Settings { token: token.to_owned(), ..Settings::default() };
    let server = Server::start(settings).map_err(fail("cannot start the server"))?;
    let hello = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(fail("cannot start the web service"))?;
    let hello_addr = hello.local_addr().map_err(fail("the web service"))?;
    let folder = Folder::new().map_err(fail("cannot make a temporary directory"))?;
    let file = folder.0.join("frpc.toml");
    std::fs::write(&file, config(server.addr(), hello_addr, token)).map_err(fail("cannot write the configuration"))?;
    say("demo", &format!("a frps listens at {}, a web service at {hello_addr}", server.addr()));
    say("demo", &format!("redial's configuration is {}", file.display()));
    let played = thread::scope(|scope| {
        scope.spawn(|| serve(scope, &hello, hello_addr));
        let director = scope.spawn(|| direct(&server, cuts, up));
        let driven = drive(&file, || director.is_finished());
        STOP.store(true, Ordering::Relaxed);
        // The web service looks up from its listener.
        drop(TcpStream::connect(hello_addr));
        let came_back = director.join().map_err(|_| "the director has panicked".to_owned());
        driven.and(came_back)
    });
    server.stop();
    played
}

/// What a user would write, but for the port of the server.
fn config(server: SocketAddr, hello: SocketAddr, token: &str) -> String {
    format!(
        r#"# Written by redial's demo.
serverAddr = "{}"
serverPort = {}
auth.token = "{token}"
transport.tls.enable = false
redial.detect = "fast"

[[proxies]]
name = "hello"
type = "tcp"
localIP = "{}"
localPort = {}
# The server chooses.
remotePort = 0
"#,
        server.ip(),
        server.port(),
        hello.ip(),
        hello.port()
    )
}

/// Runs redial as the program does, until it is told to end or the others are done.
fn drive(file: &Path, done: impl Fn() -> bool) -> Result<(), String> {
    let path = file.to_str().ok_or("the temporary directory's name is not UTF-8")?;
    let loaded = redial::config::load(path).map_err(|findings| format!("{findings:?}"))?;
    let fatal = |e: io::Error| format!("the event loop: {e}");
    let mut net = Os::new(loaded.config.dns_server).map_err(fatal)?;
    net.watch_signals().map_err(fatal)?;
    let machine = Machine { hostname: os::hostname(), memory_available: os::memory_available() };
    let mut client = Client::new(&loaded.config, &machine, net.now()).map_err(|finding| finding.to_string())?;
    let mut events = Vec::new();
    loop {
        client.turn(&mut net);
        match client.exit() {
            Some(Exit::LoginFailed(why) | Exit::Hopeless(why)) => {
                return Err(format!("redial could not log in: {why}"));
            }
            Some(Exit::Terminated) => return Ok(()),
            None if done() => return Ok(()),
            None => {}
        }
        let until = sooner(client.deadline(), Some(net.now() + millis(TICK)));
        net.wait(until, &mut events).map_err(fatal)?;
        events.drain(..).for_each(|event| client.handle(event, &mut net));
    }
}

/// Cuts the line now and then, and measures; says whether the tunnel came back each time.
fn direct(server: &Server, cuts: Option<u32>, up: Duration) -> bool {
    let start = elapsed();
    let mut port = None;
    while port.is_none_or(|port| !fetch(port)) {
        if stopped() || elapsed() - start > GIVE_UP {
            return stopped();
        }
        port = server.port_of("hello");
        thread::sleep(PROBE);
    }
    let Some(port) = port else { return false };
    say("demo", &format!("the web service is public at http://127.0.0.1:{port}/ (Ctrl-C ends the demo)"));
    let mut left = cuts;
    while left != Some(0) && !stopped() {
        watch(port, up);
        if !stopped() && !cut(server, port) {
            return stopped();
        }
        left = left.map(|n| n - 1);
    }
    true
}

/// Fetches the page for a while; it should always be there.
fn watch(port: u16, time: Duration) {
    let start = elapsed();
    while elapsed() - start < time && !stopped() {
        if !fetch(port) && !stopped() {
            say("demo", "the page could not be fetched, though the line is not cut");
        }
        thread::sleep(PROBE);
    }
}

/// Cuts the line, heals it, and waits until the page is there again.
fn cut(server: &Server, port: u16) -> bool {
    server.cut();
    let start = elapsed();
    say("demo", "the line is cut: nothing gets through, nothing is closed");
    let mut healed = false;
    while !stopped() {
        if !healed && elapsed() - start >= CUT {
            server.heal();
            healed = true;
            say("demo", "the line is there again, for new connections");
        }
        if fetch(port) {
            let back = elapsed() - start;
            let noticed = Duration::from_millis(NOTICED.load(Ordering::Relaxed));
            let noticed = match noticed.checked_sub(start) {
                Some(after) => format!("{:.1} s", after.as_secs_f64()),
                None => "?".to_owned(),
            };
            let (at, back) = (start.as_secs_f64(), back.as_secs_f64());
            say("demo", &format!("line cut at {at:.1} s: noticed after {noticed}, back after {back:.1} s"));
            return true;
        }
        if elapsed() - start > GIVE_UP {
            say("demo", "the tunnel did not come back within 60 s");
            return false;
        }
        thread::sleep(PROBE);
    }
    true
}

/// Whether the page can be fetched through the tunnel.
fn fetch(port: u16) -> bool {
    let page = || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), FETCH)?;
        stream.set_read_timeout(Some(FETCH))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: hello\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok::<_, io::Error>(page)
    };
    page().is_ok_and(|page| page.starts_with("HTTP/1.1 200 ") && page.contains("</html>"))
}

/// The web service: a thread for each request.
fn serve<'scope>(scope: &'scope Scope<'scope, '_>, listener: &TcpListener, addr: SocketAddr) {
    for stream in listener.incoming() {
        if stopped() {
            return;
        }
        if let Ok(stream) = stream {
            scope.spawn(move || drop(answer(stream, addr)));
        }
    }
}

/// Answers one request, whatever it is.
fn answer(mut stream: TcpStream, addr: SocketAddr) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (mut request, mut buf) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < 16 * 1024 {
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&buf[..n]),
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (hours, minutes, seconds) = (now / 3600 % 24, now / 60 % 60, now % 60);
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>hello</title></head><body>\n<h1>Hello</h1>\n\
         <p>This page comes from a web service at {addr}, through redial and a frps.</p>\n\
         <p>It is {hours:02}:{minutes:02}:{seconds:02} UTC.</p>\n</body></html>\n"
    );
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    )
}

/// A directory of our own, removed with everything in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("redial-demo-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Prints redial's log lines.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("redial")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = record.args().to_string();
        if record.level() <= Level::Warn && text.contains("is lost") {
            let now = u64::try_from(elapsed().as_millis()).unwrap_or(u64::MAX);
            NOTICED.store(now, Ordering::Relaxed);
        }
        say("redial", &format!("{} {text}", record.level()));
    }

    fn flush(&self) {}
}
