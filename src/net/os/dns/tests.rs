//! The adapter against servers on real sockets. Time is the test's own, so nothing sleeps: a server that is to be silent
//! simply never answers.

use super::super::super::dns::testing::{Asked, answer};
use super::super::super::{Answer, Net};
use super::super::Os;
use super::*;
use crate::proto::time::{Duration, millis};
use std::net::{TcpListener, UdpSocket as StdUdp};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{JoinHandle, spawn};

/// A folder for one test.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("redial-dns-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a server sends back.
enum Reply {
    Here(Vec<u8>),
    /// From another port.
    Elsewhere(Vec<u8>),
}

/// A name server in two threads, for UDP and TCP on one port.
struct Server {
    addr: SocketAddr,
    /// Over what, what, and from which port.
    asked: Receiver<(Via, Asked, u16)>,
    threads: Vec<JoinHandle<()>>,
}

type Answering = fn(Via, &[u8]) -> Vec<Reply>;

impl Server {
    fn new(answering: Answering) -> Self {
        Self::at("127.0.0.1:0", answering)
    }

    fn at(addr: &str, answering: Answering) -> Self {
        let (udp, tcp) = loop {
            let udp = StdUdp::bind(addr).unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let ((told, asked), addr) = (channel(), udp.local_addr().unwrap());
        let told_too = told.clone();
        let threads = vec![
            spawn(move || serve_udp(&udp, &told, answering)),
            spawn(move || serve_tcp(&tcp, &told_too, answering)),
        ];
        Self { addr, asked, threads }
    }

    fn conf(&self) -> String {
        format!("nameserver [{}]:{}\n", self.addr.ip(), self.addr.port())
    }
}

impl Drop for Server {
    #[expect(clippy::disallowed_methods, reason = "a test may block")]
    fn drop(&mut self) {
        StdUdp::bind((self.addr.ip(), 0)).unwrap().send_to(&[], self.addr).unwrap();
        std::net::TcpStream::connect(self.addr).unwrap().write_all(&[0; 2]).unwrap();
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn serve_udp(udp: &StdUdp, told: &Sender<(Via, Asked, u16)>, answering: Answering) {
    let elsewhere = StdUdp::bind((udp.local_addr().unwrap().ip(), 0)).unwrap();
    let mut buf = [0; 2000];
    loop {
        let (n, from) = udp.recv_from(&mut buf).unwrap();
        if n == 0 {
            return;
        }
        told.send((Via::Udp, Asked::parse(&buf[..n]), from.port())).unwrap();
        for reply in answering(Via::Udp, &buf[..n]) {
            match reply {
                Reply::Here(bytes) => udp.send_to(&bytes, from),
                Reply::Elsewhere(bytes) => elsewhere.send_to(&bytes, from),
            }
            .unwrap();
        }
    }
}

fn serve_tcp(tcp: &TcpListener, told: &Sender<(Via, Asked, u16)>, answering: Answering) {
    let mut kept = Vec::new();
    loop {
        let (mut stream, from) = tcp.accept().unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut query = vec![0; u16::from_be_bytes(length).into()];
        if query.is_empty() {
            return;
        }
        stream.read_exact(&mut query).unwrap();
        told.send((Via::Tcp, Asked::parse(&query), from.port())).unwrap();
        for reply in answering(Via::Tcp, &query) {
            let Reply::Here(bytes) = reply else { continue };
            stream.write_all(&(bytes.len() as u16).to_be_bytes()).unwrap();
            stream.write_all(&bytes).unwrap();
        }
        kept.push(stream);
    }
}

/// One address of each kind, or the other kind's absence.
fn good(_: Via, query: &[u8]) -> Vec<Reply> {
    let spec = if Asked::parse(query).kind == "A" { "@ A 192.0.2.1 60" } else { "@ AAAA 2001:db8::1 60" };
    vec![Reply::Here(answer(query, spec))]
}

fn silent(_: Via, _: &[u8]) -> Vec<Reply> {
    Vec::new()
}

fn truncating(via: Via, query: &[u8]) -> Vec<Reply> {
    if via == Via::Tcp { good(via, query) } else { vec![Reply::Here(answer(query, "tc"))] }
}

fn truncating_and_mute(via: Via, query: &[u8]) -> Vec<Reply> {
    if via == Via::Tcp { silent(via, query) } else { truncating(via, query) }
}

/// Everything that must not be believed, before what is true.
fn lying(via: Via, query: &[u8]) -> Vec<Reply> {
    let spec = if Asked::parse(query).kind == "A" { "@ A 203.0.113.66 60" } else { "@ AAAA 2001:db8::666 60" };
    let lie = answer(query, spec);
    let (mut id, mut name) = (lie.clone(), lie.clone());
    id[0] ^= 1;
    name[13] ^= 1;
    let mut replies = vec![Reply::Elsewhere(lie), Reply::Here(id), Reply::Here(name), Reply::Here(query.to_vec())];
    replies.extend(good(via, query));
    replies
}

/// More than fits one turn, then the answer.
fn flooding(via: Via, query: &[u8]) -> Vec<Reply> {
    let junk = (0..3 * BUDGET).map(|i| Reply::Here(vec![i as u8; i]));
    junk.chain(good(via, query)).collect()
}

/// The adapter, a poll, and a clock that stands still unless told.
struct Bench {
    poll: mio::Poll,
    io: DnsIo,
    now: Instant,
    folder: Folder,
}

impl Bench {
    fn new(name: &str, conf: &str) -> Self {
        let folder = Folder::new(name);
        std::fs::write(folder.path("resolv.conf"), conf).unwrap();
        std::fs::write(folder.path("hosts"), "192.168.1.2 nas\n").unwrap();
        let io = DnsIo::with_files(1000, None, &folder.path("hosts"), &folder.path("resolv.conf"));
        Self { poll: mio::Poll::new().unwrap(), io, now: Instant::ZERO, folder }
    }

    fn resolve(&mut self, task: u32, name: &str) -> &mut Self {
        self.io.resolve(self.poll.registry(), Token { task, port: 0 }, name, self.now);
        self
    }

    /// Lets time pass.
    fn skip(&mut self, by: Duration) -> &mut Self {
        self.now += by;
        self.io.expire(self.poll.registry(), self.now);
        self
    }

    /// Waits until something is told, and says what.
    fn told(&mut self) -> String {
        let (mut batch, mut events) = (mio::Events::with_capacity(8), Vec::new());
        while self.io.ready.is_empty() {
            self.poll.poll(&mut batch, Some(Duration::from_secs(20))).unwrap();
            assert!(!batch.is_empty(), "nothing happens any more");
            batch.iter().for_each(|event| self.io.on_event(self.poll.registry(), event, self.now));
        }
        assert_eq!(self.io.deadline(), Some(Instant::ZERO), "the loop must not sleep on it");
        self.io.drain(&mut events);
        events.iter().map(show).collect::<Vec<_>>().join("; ")
    }

    /// What is told in the end, in one line, whatever came first.
    fn all_told(&mut self) -> String {
        let mut all = self.told();
        while !all.ends_with("done") {
            all = format!("{all}; {}", self.told());
        }
        let mut addrs: Vec<&str> =
            all.split([' ', ';']).filter(|word| word.contains(['.', ':']) && word.len() > 2).collect();
        addrs.sort_unstable();
        addrs.join(" ")
    }

    fn idle(&self) {
        assert!(self.io.conns.is_empty() && self.io.deadline().is_none());
    }
}

fn show(event: &Event) -> String {
    match event {
        Event::Resolved { token, result: Ok(Answer { addrs, done }) } => {
            let addrs: String = addrs.iter().map(|a| format!(" {a}")).collect();
            format!("{}:{addrs}{}", token.task, if *done { " done" } else { "" })
        }
        Event::Resolved { token, result: Err(why) } => format!("{}: {why:?}", token.task),
        other => panic!("{other:?}"),
    }
}

const BOTH: &str = "192.0.2.1 2001:db8::1";

#[test]
fn a_server_answers() {
    let server = Server::new(good);
    let mut b = Bench::new("answers", &server.conf());
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    b.idle();
    let asked: Vec<_> = server.asked.try_iter().map(|(via, asked, _)| (via, asked.kind, asked.edns)).collect();
    assert_eq!(asked, [(Via::Udp, "AAAA", true), (Via::Udp, "A", true)]);
}

#[test]
fn a_silent_server_costs_nothing_beside_another() {
    let (mute, server) = (Server::new(silent), Server::new(good));
    let mut b = Bench::new("silent", &(mute.conf() + &server.conf()));
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    b.idle();
}

#[test]
fn silence_ends_at_5_s() {
    let mute = Server::new(silent);
    let mut b = Bench::new("timeout", &mute.conf());
    b.resolve(1, "frps.example").skip(millis(1000));
    let ports: Vec<u16> = (0..4).map(|_| mute.asked.recv().unwrap().2).collect();
    assert!(ports.iter().all(|port| *port == ports[0]), "asked twice for two families, from one port");
    assert_eq!(b.skip(millis(4000)).told(), "1: TimedOut");
    b.idle();
}

#[test]
fn every_look_up_has_its_own_ports() {
    let (first, second) = (Server::new(silent), Server::new(silent));
    let mut b = Bench::new("ports", &(first.conf() + &second.conf()));
    b.resolve(1, "x.example").resolve(2, "y.example");
    let mut ports: Vec<u16> =
        [&first, &second].iter().flat_map(|s| (0..4).map(|_| s.asked.recv().unwrap().2)).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!((ports.len(), b.io.conns.len()), (4, 4));
    b.io.cancel(b.poll.registry(), Token { task: 1, port: 0 }, b.now);
    assert_eq!(b.io.conns.len(), 2);
    b.io.cancel(b.poll.registry(), Token { task: 2, port: 0 }, b.now);
    b.idle();
}

#[test]
fn truncation_falls_to_tcp() {
    let server = Server::new(truncating);
    let mut b = Bench::new("tcp", &server.conf());
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    let over_tcp = (0..4).filter(|_| server.asked.recv().unwrap().0 == Via::Tcp).count();
    assert_eq!(over_tcp, 2);
    b.idle();
}

#[test]
fn tcp_alone_if_so_configured() {
    let server = Server::new(good);
    let mut b = Bench::new("vc", &(server.conf() + "options use-vc"));
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    assert_eq!(server.asked.recv().unwrap().0, Via::Tcp);
    b.idle();
}

#[test]
fn a_stream_without_an_answer_is_given_up() {
    let server = Server::new(truncating_and_mute);
    let mut b = Bench::new("mute", &server.conf());
    b.resolve(1, "frps.example");
    let (mut batch, mut over_tcp) = (mio::Events::with_capacity(8), 0);
    while over_tcp < 2 {
        b.poll.poll(&mut batch, Some(millis(20))).unwrap();
        batch.iter().for_each(|event| b.io.on_event(b.poll.registry(), event, b.now));
        over_tcp += server.asked.try_iter().filter(|(via, ..)| *via == Via::Tcp).count();
    }
    assert_eq!(b.skip(millis(3000)).told(), "1: TimedOut");
    b.idle();
}

#[test]
fn lies_are_not_believed() {
    let server = Server::new(lying);
    let mut b = Bench::new("lies", &server.conf());
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    b.idle();
}

#[test]
fn a_flood_does_not_hide_the_answer() {
    let server = Server::new(flooding);
    let mut b = Bench::new("flood", &server.conf());
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    b.idle();
}

#[test]
fn a_port_nobody_listens_on_is_told_at_once() {
    let closed = StdUdp::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut b = Bench::new("closed", &format!("nameserver [127.0.0.1]:{}\n", closed.port()));
    assert_eq!(b.resolve(1, "frps.example").told(), "1: Unreachable");
    b.idle();
    let mut b = Bench::new("closed-vc", &format!("nameserver [127.0.0.1]:{}\noptions use-vc", closed.port()));
    assert_eq!(b.resolve(1, "frps.example").told(), "1: Unreachable");
    b.idle();
}

#[test]
fn a_server_without_a_route_is_told_at_once() {
    let mut b = Bench::new("scopeless", "nameserver fe80::1\n");
    assert_eq!(b.resolve(1, "frps.example").told(), "1: Unreachable");
    b.idle();
}

#[test]
fn a_server_on_ipv6() {
    if StdUdp::bind("[::1]:0").is_err() {
        return;
    }
    let server = Server::at("[::1]:0", good);
    let mut b = Bench::new("v6", &server.conf());
    assert_eq!(b.resolve(1, "frps.example").all_told(), BOTH);
    b.idle();
}

#[test]
fn changed_files_count_from_the_next_look_up_on() {
    let (mute, server) = (Server::new(silent), Server::new(good));
    let mut b = Bench::new("files", &mute.conf());
    assert_eq!(b.resolve(1, "nas").told(), "1: 192.168.1.2 done");
    b.resolve(2, "frps.example");
    std::fs::write(b.folder.path("resolv.conf"), server.conf() + "# another network\n").unwrap();
    std::fs::write(b.folder.path("hosts"), "192.168.1.33 nas\n").unwrap();
    b.resolve(3, "other.example");
    assert_eq!(mute.asked.recv().unwrap().1.name, "frps.example");
    b.skip(millis(1)).resolve(4, "new.example");
    assert_eq!(server.asked.recv().unwrap().1.name, "new.example", "the files are looked at once a turn");
    b.io.ready.clear();
    assert_eq!(b.resolve(5, "nas").io.ready.last().map(show).unwrap(), "5: 192.168.1.33 done");
}

#[test]
fn literals_and_the_wrong_names_need_nothing() {
    let mut b = Bench::new("literals", "");
    assert_eq!(b.resolve(1, "[::1]").told(), "1: ::1 done");
    assert_eq!(b.resolve(1, "192.0.2.7").resolve(2, "a b").told(), "1: 192.0.2.7 done; 2: BadName");
    assert_eq!(b.resolve(1, "x.localhost").told(), "1: 127.0.0.1 ::1 done");
    b.resolve(3, "192.0.2.7");
    b.io.cancel(b.poll.registry(), Token { task: 3, port: 0 }, b.now);
    b.idle();
}

#[test]
fn forgetting_reaches_the_cache() {
    let server = Server::new(good);
    let mut b = Bench::new("forget", &server.conf());
    b.resolve(1, "frps.example").all_told();
    assert_eq!(b.resolve(2, "frps.example").told(), "2: 2001:db8::1 192.0.2.1 done");
    assert_eq!(server.asked.try_iter().count(), 2);
    b.io.forget("frps.example");
    b.resolve(3, "frps.example").all_told();
    assert_eq!(server.asked.try_iter().count(), 2);
}

#[test]
fn zones_have_numbers() {
    assert_eq!(zone_index("lo"), Some(1));
    assert_eq!(zone_index("no-such-interface"), None);
}

#[test]
fn ids_are_random() {
    let ids: std::collections::HashSet<u16> = (0..100).map(|_| random()).collect();
    assert!(ids.len() > 90);
}

#[test]
fn through_the_seam() {
    let server = Server::new(good);
    let mut os = Os::new(Some(server.addr)).unwrap();
    let (mut events, mut told) = (Vec::new(), String::new());
    os.resolve("frps.test", Token { task: 1, port: 0 });
    while !told.ends_with("done") {
        os.wait(None, &mut events).unwrap();
        assert!(events.iter().all(|e| matches!(e, Event::Resolved { result: Ok(_), .. })), "{events:?}");
        events.drain(..).for_each(|event| told += &show(&event));
    }
    assert!(told.contains("192.0.2.1") && told.contains("2001:db8::1"), "{told}");
}
