//! The program as a service: what systemd is told, what becomes of log files, and how it ends. (That the server's ports are
//! free at once after SIGTERM is an end-to-end test.)

use super::*;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Guard {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

/// A server that takes connections and says nothing, and a configuration for it.
pub(crate) fn silent(dir: &Dir, more: &str) -> TcpListener {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let text = format!(
        "serverAddr = \"127.0.0.1\"\nserverPort = {port}\ntransport.tls.enable = false\nloginFailExit = false\n{more}\n\
         [[proxies]]\nname = \"p\"\ntype = \"tcp\"\nlocalPort = 1\n"
    );
    dir.write("frpc.toml", &text);
    server
}

pub(crate) fn manager(dir: &Dir) -> UnixDatagram {
    let manager = UnixDatagram::bind(dir.0.join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    manager
}

/// The next message that starts so.
pub(crate) fn told(manager: &UnixDatagram, start: &str) -> String {
    let mut buf = [0; 4096];
    loop {
        let n = manager.recv(&mut buf).unwrap_or_else(|e| panic!("{start}: {e}"));
        let text = String::from_utf8_lossy(&buf[..n]).into_owned();
        if text.starts_with(start) {
            return text;
        }
    }
}

pub(crate) fn start(dir: &Dir, args: &[&str]) -> Guard {
    let mut command = dir.command(&dir.0.join("frpc"), args);
    command.env("NOTIFY_SOCKET", dir.0.join("notify")).env("WATCHDOG_USEC", "100000");
    Guard(command.stdout(Stdio::null()).spawn().unwrap())
}

#[test]
fn systemd_is_told() {
    let dir = Dir::new();
    let (_server, manager) = (silent(&dir, ""), manager(&dir));
    let mut program = start(&dir, &["-c", "frpc.toml"]);
    told(&manager, "READY=1");
    told(&manager, "STATUS=logging in");
    // Out of turns that nothing else asks for: the server is silent.
    let start = Instant::now();
    (0..10).for_each(|_| drop(told(&manager, "WATCHDOG=1")));
    assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    program.signal(Signal::HUP);
    told(&manager, "RELOADING=1\nMONOTONIC_USEC=");
    told(&manager, "READY=1");
    program.signal(Signal::TERM);
    told(&manager, "STOPPING=1");
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_loop_that_stands_still_is_found_out() {
    let dir = Dir::new();
    let (_server, manager) = (silent(&dir, ""), manager(&dir));
    let program = start(&dir, &["-c", "frpc.toml"]);
    told(&manager, "WATCHDOG=1");
    program.signal(Signal::STOP);
    // Once it has stopped nothing comes any more.
    manager.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut buf = [0; 4096];
    let said = (0..10).take_while(|_| manager.recv(&mut buf).is_ok()).count();
    assert!(said < 10, "the watchdog went on");
    program.signal(Signal::CONT);
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    told(&manager, "WATCHDOG=1");
}

#[test]
fn a_fleet_tells_systemd_itself() {
    let dir = Dir::new();
    let (_server, manager) = (silent(&dir, ""), manager(&dir));
    fs::create_dir(dir.0.join("conf")).unwrap();
    fs::rename(dir.0.join("frpc.toml"), dir.0.join("conf/frpc.toml")).unwrap();
    let mut program = start(&dir, &["--config_dir", "conf"]);
    told(&manager, "READY=1");
    told(&manager, "STATUS=1 clients");
    (0..3).for_each(|_| drop(told(&manager, "WATCHDOG=1")));
    program.signal(Signal::TERM);
    told(&manager, "STOPPING=1");
    assert_eq!(program.0.wait().unwrap().code(), Some(0));
}

/// Waits for a text in a file.
fn appears(path: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !fs::read_to_string(path).is_ok_and(|seen| seen.contains(text)) {
        assert!(Instant::now() < deadline, "{text}: {:?}", fs::read_to_string(path));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_log_file_is_opened_anew_and_its_level_follows_the_file() {
    let dir = Dir::new();
    let (_server, manager) = (silent(&dir, "log.to = \"redial.log\""), manager(&dir));
    let program = start(&dir, &["-c", "frpc.toml"]);
    let log = dir.0.join("redial.log");
    told(&manager, "READY=1");
    appears(&log, "start frpc service");
    // As logrotate does it.
    fs::rename(&log, dir.0.join("redial.log.1")).unwrap();
    let text = fs::read_to_string(dir.0.join("frpc.toml")).unwrap();
    for (level, lines) in [("info", 1), ("error", 1), ("info", 2)] {
        dir.write("frpc.toml", &text.replace("log.to", &format!("log.level = \"{level}\"\nlog.to")));
        program.signal(Signal::HUP);
        told(&manager, "RELOADING=1");
        told(&manager, "READY=1");
        let seen = fs::read_to_string(&log).unwrap();
        assert_eq!(seen.matches("success reload conf").count(), lines, "{level}: {seen}");
    }
}
