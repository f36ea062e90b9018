//! The people at both ends of a tunnel: local services and users, on blocking sockets.
//!
//! Owns the threads of the services, which run until the process ends. Does not know redial or frp. Always true: what a
//! service or user gets wrong panics where the test sees it; nobody waits longer than [`PATIENCE`]. Worst case: a thread
//! and 64 KiB a connection.
#![expect(clippy::disallowed_methods, reason = "blocking sockets and a real clock are what services and users have")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// How long anybody waits for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so. The only place that sleeps.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        sleep(Duration::from_millis(5));
    }
}

/// A service for each connection to a port of the system's choice; returns the port.
pub(crate) fn serve(service: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let service = service.clone();
            spawn(move || service(patient(stream)));
        }
    });
    port
}

/// Sends back what comes.
pub(crate) fn echo(mut stream: TcpStream) {
    let mut buf = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = stream.read(&mut buf) {
        if stream.write_all(&buf[..n]).is_err() {
            return;
        }
    }
}

/// Connects to a port of this machine.
pub(crate) fn connect(port: u16) -> TcpStream {
    patient(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("somebody listens"))
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Whether an [`echo`] answers at this port, right now.
pub(crate) fn answers(port: u16) -> bool {
    let attempt = || {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"are you there?")?;
        let mut back = [0; 14];
        stream.read_exact(&mut back)?;
        Ok::<bool, std::io::Error>(&back == b"are you there?")
    };
    attempt().unwrap_or(false)
}

/// Whether the other end closes the connection now or soon, with FIN or RST.
pub(crate) fn closes(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(e) => !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// What a service and its user send each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Bytes the service sends.
    pub(crate) service: usize,
    /// Bytes the user sends.
    pub(crate) user: usize,
    /// The service sends in small pieces, with pauses.
    pub(crate) calm: bool,
}

impl From<usize> for Plan {
    fn from(len: usize) -> Self {
        Self { service: len, user: len, calm: false }
    }
}

/// Sends on a thread of its own.
fn send(stream: &TcpStream, seed: u64, len: usize, calm: bool) -> JoinHandle<()> {
    let mut stream = stream.try_clone().expect("a descriptor");
    spawn(move || {
        let mut load = Load::new(seed);
        let mut buf = vec![0; if calm { 1 } else { 48 } * 1024];
        let mut left = len;
        while left > 0 {
            let n = left.min(buf.len());
            load.fill(&mut buf[..n]);
            stream.write_all(&buf[..n]).expect("the other end reads");
            left -= n;
            let mut pauses = usize::from(calm);
            until("a pause is over", || core::mem::replace(&mut pauses, 0) == 0);
        }
    })
}

/// Receives what is to come, and nothing else.
fn receive(mut stream: &TcpStream, seed: u64, len: usize) {
    let (mut load, mut left) = (Load::new(seed), len);
    let (mut buf, mut wanted) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    while left > 0 {
        let room = left.min(buf.len());
        let n = stream.read(&mut buf[..room]).expect("the other end sends");
        assert!(n > 0, "the end came {left} bytes early");
        load.fill(&mut wanted[..n]);
        assert!(buf[..n] == wanted[..n], "other bytes than were sent, {left} before the end");
        left -= n;
    }
}

/// A service that exchanges bytes with each connection, then waits for its end; says when it was content.
pub(crate) fn serve_exchange(plan: impl Into<Plan>) -> (u16, Receiver<()>) {
    let ((tell, content), plan) = (channel(), plan.into());
    (serve(move |stream| be_served(stream, plan, || {}, &tell)), content)
}

/// As [`serve_exchange`] for one connection, from which nothing is read until word comes.
pub(crate) fn serve_exchange_after(plan: impl Into<Plan>, word: Receiver<()>) -> (u16, Receiver<()>) {
    let ((tell, content), plan) = (channel(), plan.into());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    spawn(move || {
        let (stream, _) = listener.accept().expect("redial connects");
        be_served(patient(stream), plan, || word.recv_timeout(PATIENCE).expect("word comes"), &tell);
    });
    (port, content)
}

fn be_served(mut stream: TcpStream, plan: Plan, word: impl FnOnce(), tell: &Sender<()>) {
    let sender = send(&stream, SERVICE, plan.service, plan.calm);
    word();
    receive(&stream, USER, plan.user);
    sender.join().expect("the sender is content");
    let _ = stream.write_all(b"!");
    assert!(closes(&mut stream), "the end has to come through");
    let _ = tell.send(());
}

/// The user of [`serve_exchange`].
pub(crate) fn use_exchange(port: u16, plan: impl Into<Plan>) {
    use_exchange_after(port, plan, || {});
}

/// As [`use_exchange`], but nothing is read until `word` returns.
pub(crate) fn use_exchange_after(port: u16, plan: impl Into<Plan>, word: impl FnOnce()) {
    let (plan, mut stream) = (plan.into(), connect(port));
    let sender = send(&stream, USER, plan.user, false);
    word();
    receive(&stream, SERVICE, plan.service);
    sender.join().expect("the sender is content");
    let mut last = [0];
    stream.read_exact(&mut last).expect("the service's last byte");
    stream.shutdown(Shutdown::Both).expect("connected");
}

/// A service that sends without end and reads nothing.
pub(crate) fn flood(stream: TcpStream) {
    let _ = send(&stream, SERVICE, usize::MAX, false).join();
}

/// Seeds of what the service and the user send.
const SERVICE: u64 = 1;
const USER: u64 = 2;

/// A stream of bytes that is the same however it is asked for: blocks of random bytes and of runs, so that both kinds of
/// snappy chunk occur, each with its number in front, so that a block lost or repeated is found out.
struct Load {
    block: Vec<u8>,
    at: usize,
    number: u64,
}

/// Bytes of a block: not a multiple of any buffer.
const BLOCK: usize = 100_003;

impl Load {
    fn new(seed: u64) -> Self {
        let mut x = seed | 1;
        let mut block = vec![0; BLOCK];
        for (at, byte) in block.iter_mut().enumerate() {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = if at < BLOCK / 2 { (x >> 56) as u8 } else { (at / 300) as u8 };
        }
        Self { block, at: BLOCK, number: 0 }
    }

    fn fill(&mut self, mut out: &mut [u8]) {
        while !out.is_empty() {
            if self.at == BLOCK {
                self.number += 1;
                self.block[..8].copy_from_slice(&self.number.to_be_bytes());
                self.at = 0;
            }
            let n = out.len().min(BLOCK - self.at);
            let (head, rest) = out.split_at_mut(n);
            head.copy_from_slice(&self.block[self.at..self.at + n]);
            self.at += n;
            out = rest;
        }
    }
}
