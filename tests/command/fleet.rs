//! `--config_dir`.

use super::*;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(20);

/// A fleet of two whose server accepts and says nothing.
struct Running {
    _dir: Dir,
    parent: Child,
    lines: BufReader<std::process::ChildStdout>,
    accepted: Receiver<std::net::TcpStream>,
}

fn running() -> Running {
    let dir = Dir::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    for name in ["one", "two"] {
        let text = format!(
            "serverAddr = \"127.0.0.1\"\nserverPort = {port}\ntransport.tls.enable = false\n\
             loginFailExit = false\n[[proxies]]\nname = \"{name}\"\ntype = \"tcp\"\nlocalPort = 1\n"
        );
        dir.write(&format!("conf/{name}.toml"), &text);
    }
    let (tell, accepted) = channel();
    std::thread::spawn(move || server.incoming().flatten().for_each(|stream| drop(tell.send(stream))));
    let mut command = dir.command(&dir.0.join("frpc"), &["--config_dir", "conf"]);
    let mut parent = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap());
    Running { _dir: dir, parent, lines, accepted }
}

impl Running {
    /// The connections of both clients.
    fn connections(&self) -> Vec<std::net::TcpStream> {
        (0..2).map(|_| self.accepted.recv_timeout(PATIENCE).expect("two clients connect")).collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.parent), signal).unwrap();
    }
}

/// Waits until the client at the other end is gone.
fn gone(mut connection: std::net::TcpStream) {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 4096];
    while let Ok(n) = connection.read(&mut bytes) {
        if n == 0 {
            return;
        }
    }
}

#[test]
fn every_file_has_a_client_and_a_failing_one_is_named() {
    let dir = Dir::new();
    let refused =
        "serverAddr = \"127.0.0.1\"\nserverPort = 1\n[[proxies]]\nname = \"p\"\ntype = \"tcp\"\nlocalPort = 1\n";
    dir.write("conf/a.toml", refused);
    dir.write("conf/sub/b.toml", "x=\n");
    let said = dir.ours("--config_dir conf");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    for line in
        ["frpc service error for config file [conf/a.toml]", "frpc service error for config file [conf/sub/b.toml]"]
    {
        assert_eq!(said.out.lines().filter(|l| *l == line).count(), 1, "{line}: {}", said.out);
    }
    assert!(
        said.out.contains("login to the server failed: ") && said.out.contains("conf/sub/b.toml:1"),
        "{}",
        said.out
    );
}

#[test]
fn signals_are_handed_on() {
    let mut running = running();
    let connections = running.connections();
    running.signal(Signal::USR2);
    let mut lines = String::new();
    // Each writes its state; the count of work connections is the last line of it.
    while lines.matches("work connections").count() < 2 {
        assert!(running.lines.read_line(&mut lines).unwrap() > 0, "{lines}");
    }
    running.signal(Signal::TERM);
    connections.into_iter().for_each(gone);
    assert_eq!(running.parent.wait().unwrap().code(), Some(0));
}

#[test]
fn the_clients_end_with_their_parent() {
    let mut running = running();
    let connections = running.connections();
    running.signal(Signal::KILL);
    running.parent.wait().unwrap();
    connections.into_iter().for_each(gone);
}
