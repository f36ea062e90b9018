//! One proxy from the command line, and how it ends, with a real frps. Left out where the peers are not.

use super::ask::{Guard, port, start, until};
use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// From the signal until the server's port is another's.
const AT_ONCE: Duration = Duration::from_millis(200);

/// A real frps at this port.
fn frps(dir: &Dir) -> Option<(Guard, u16)> {
    let frps = PathBuf::from(std::env::var_os("REDIAL_PEERS")?).join("frps-0.70.1");
    if !frps.is_file() {
        return None;
    }
    let server = port();
    dir.write("frps.toml", &format!("bindAddr = \"127.0.0.1\"\nbindPort = {server}\nproxyBindAddr = \"127.0.0.1\"\n"));
    let guard = start(dir, &frps, &["-c", "frps.toml"]);
    until("frps listens", || TcpStream::connect(("127.0.0.1", server)).is_ok());
    Some((guard, server))
}

/// A service that answers with this line.
fn service(line: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|mut user| drop(user.write_all(line.as_bytes())))
    });
    port
}

fn answer(remote: u16) -> String {
    let mut text = String::new();
    let _ = TcpStream::connect(("127.0.0.1", remote)).and_then(|mut user| user.read_to_string(&mut text));
    text
}

fn client(dir: &Dir, server: u16, local: u16, remote: u16) -> Guard {
    let [server, local, remote] = [server, local, remote].map(|port| port.to_string());
    let args = ["tcp", "--proxy_name", "p", "-P", &server, "-l", &local, "--remote_port", &remote, "--ue", "--uc"];
    start(dir, &dir.0.join("frpc"), &args)
}

#[test]
fn a_proxy_from_the_command_line_works_and_frees_its_port_at_once() {
    let dir = Dir::new();
    let Some((_frps, server)) = frps(&dir) else {
        println!("REDIAL_PEERS does not hold frps-0.70.1: left out");
        return;
    };
    let (remote, local) = (port(), service("one\n"));
    let mut client = client(&dir, server, local, remote);
    until("the proxy works", || answer(remote) == "one\n");
    let start = Instant::now();
    kill_process(Pid::from_child(&client.0), Signal::TERM).unwrap();
    assert_eq!(client.0.wait().unwrap().code(), Some(0));
    // What takes the port itself proves that the server has let go of it.
    let mut taken = TcpListener::bind(("127.0.0.1", remote));
    while taken.is_err() && start.elapsed() < 10 * AT_ONCE {
        taken = TcpListener::bind(("127.0.0.1", remote));
    }
    assert!(taken.is_ok() && start.elapsed() < AT_ONCE, "free after {:?}", start.elapsed());
    drop(taken);
    // And so does another client with the same name and port.
    let local = service("two\n");
    let _second = self::client(&dir, server, local, remote);
    until("another has its place", || answer(remote) == "two\n");
}

#[test]
fn a_refused_login_ends_it() {
    let dir = Dir::new();
    let closed = port();
    let said = dir.ours(&format!("tcp -n p -l 1 -P {closed}"));
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert!(!said.out.contains("frpc service"), "{}", said.out);
    let last = said.out.lines().last().unwrap();
    assert!(
        last.starts_with("login to the server failed: ") && last.ends_with("no additional retries will be attempted"),
        "{last}"
    );
}
