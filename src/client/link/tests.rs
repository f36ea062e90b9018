#![expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]

use super::*;
use crate::net::sim::{Far, Sim, Weather, Welcome, World};
use crate::net::{Event, SockOpts, Token};
use crate::proto::mux::Settings as MuxSettings;
use crate::proto::time::secs;
use crate::proto::tls::Settings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerConnection;
use std::io::{Read, Write};
use std::sync::Arc;

/// A TLS server that shows a chain of so many certificates, takes what comes and sends what it is told to.
struct Server {
    tls: ServerConnection,
    got: Vec<u8>,
}

impl Server {
    fn new(certificates: usize) -> Self {
        let pem = include_bytes!("../../../tests/golden/tls/server.pem");
        let chain = vec![CertificateDer::from_pem_slice(pem).unwrap(); certificates];
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/golden/tls/server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = builder.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Self { tls: ServerConnection::new(Arc::new(config)).unwrap(), got: Vec::new() }
    }

    fn flush(&mut self, link: u32, far: &mut Far<'_>) {
        let mut wire = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut wire).unwrap();
        }
        far.send(link, &wire);
    }
}

impl World for Server {
    fn connect(&mut self, _: u32, _: std::net::SocketAddr, _: &mut Far<'_>) -> Welcome {
        Welcome::Accept
    }
    fn received(&mut self, link: u32, mut bytes: &[u8], far: &mut Far<'_>) {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            let mut plain = vec![0; 65536];
            while let Ok(n) = self.tls.reader().read(&mut plain) {
                self.got.extend_from_slice(&plain[..n]);
                if n == 0 {
                    break;
                }
            }
        }
        if self.got.ends_with(b"?") {
            self.got.clear();
            self.tls.set_buffer_limit(None);
            self.tls.writer().write_all(&[b'!'; 300_000]).unwrap();
        }
        self.flush(link, far);
    }
    fn ended(&mut self, _: u32, _: bool, _: &mut Far<'_>) {}
    fn drained(&mut self, _: u32, _: &mut Far<'_>) {}
    fn expire(&mut self, _: &mut Far<'_>) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// Everything the server sends until nothing more comes, through a link that is driven as the client does.
fn drive(sim: &mut Sim, server: &mut Server, link: &mut Link, shared: &mut Shared) -> Vec<u8> {
    let (mut events, mut plain) = (Vec::new(), Vec::new());
    loop {
        link.flush(sim, shared).unwrap();
        if !sim.advance(None, server, &mut events) {
            return plain;
        }
        events.clear();
        // Buffers that have not been filled for a second are freed.
        shared.now = sim.now();
        shared.release();
        let mut scratch = shared.take_scratch();
        while let Some(got) = link.read(&mut scratch, sim).unwrap() {
            plain.extend_from_slice(&scratch[got.from..got.to]);
            if got.full {
                scratch = shared.exchange(scratch);
            }
        }
        shared.put_scratch(scratch);
    }
}

fn connected(sim: &mut Sim, server: &mut Server) -> Sock {
    let token = Token { task: 0, port: 0 };
    let sock = sim.dial("10.0.0.2:7000".parse().unwrap(), &SockOpts::default(), token).unwrap();
    let mut events = Vec::new();
    while !events.iter().any(|e| matches!(e, Event::Dialed { result: Ok(()), .. })) {
        assert!(sim.advance(None, server, &mut events));
    }
    sock
}

#[test]
fn handshakes_larger_than_the_small_buffer_succeed() {
    for (certificates, latency) in [(1, 1), (60, 1), (100, 1), (1, 700), (60, 700), (100, 700)] {
        let (mut sim, mut server) = (Sim::new(3), Server::new(certificates));
        sim.weather = Weather { latency: millis(latency), piece: 9000, ..Weather::default() };
        let mut shared = Shared::new(4 << 20, sim.now());
        let sock = connected(&mut sim, &mut server);
        let tls = Tls::new(&Settings::new("frps.test", None, None, None).unwrap()).unwrap();
        let mut link = Link::new(sock, Owner::Session, Some(tls), false, None);
        link.post(0, b"?");
        let plain = drive(&mut sim, &mut server, &mut link, &mut shared);
        assert!(link.ready() && plain == vec![b'!'; 300_000], "{certificates} certificates, {latency} ms");
        assert!(link.rx.is_empty() && !link.pending());
    }
}

#[test]
fn large_and_small_pieces_leave_in_order() {
    let (mut sim, mut server) = (Sim::new(5), Server::new(1));
    let mut shared = Shared::new(4 << 20, sim.now());
    let sock = connected(&mut sim, &mut server);
    let tls = Tls::new(&Settings::new("frps.test", None, None, None).unwrap()).unwrap();
    let mut link = Link::new(sock, Owner::Session, Some(tls), false, None);
    drive(&mut sim, &mut server, &mut link, &mut shared);
    let mut expected = Vec::new();
    for (i, size) in [10usize, 5000, 3, 40_000, 100, 4096, 4097, 1].into_iter().enumerate() {
        let mut buf = vec![0; HEADROOM];
        buf.extend((0..size).map(|at| (at + i) as u8));
        expected.extend_from_slice(&buf[HEADROOM..]);
        link.send(0, &mut buf, HEADROOM, &mut sim, &mut shared);
    }
    // More than is sealed at once.
    let long: Vec<u8> = (0..3 * STAGE + 7).map(|at| (at * 3) as u8 | 64).collect();
    expected.extend_from_slice(&long);
    link.post(0, &long);
    drive(&mut sim, &mut server, &mut link, &mut shared);
    assert!(server.got == expected, "{} of {} bytes", server.got.len(), expected.len());
}

#[test]
fn a_full_socket_shrinks_the_appetite_and_a_fast_one_grows_it() {
    let (mut sim, mut server) = (Sim::new(5), Server::new(1));
    let sock = connected(&mut sim, &mut server);
    let mux = Mux::new(MuxSettings { keepalive: secs(30), extra_window: 0 }, sim.now());
    let mut link = Link::new(sock, Owner::Session, None, false, Some(mux));
    assert_eq!(link.room(0), 0, "no stream");
    let mut now = sim.now();
    for (drained_after, kib) in [(1, 128), (9, 256), (10, 256), (100, 256), (101, 128), (200, 64), (200, 32)] {
        link.tx.push(b"waits");
        link.adapt(&mut sim, now);
        now += millis(drained_after);
        link.tx = Queue::default();
        link.adapt(&mut sim, now);
        assert_eq!(link.appetite, kib * 1024, "after {drained_after} ms");
    }
    (0..20).for_each(|_| {
        link.tx.push(b"waits");
        link.adapt(&mut sim, now);
        link.tx = Queue::default();
        link.adapt(&mut sim, now);
    });
    assert_eq!(link.appetite, MAX_APPETITE);
}

#[test]
fn a_work_connection_waits_in_one_place() {
    let (mut sim, mut server) = (Sim::new(5), Server::new(1));
    let mut shared = Shared::new(4 << 20, sim.now());
    let sock = connected(&mut sim, &mut server);
    let mut link = Link::new(sock, Owner::Session, None, false, None);
    (0..1000).for_each(|i| link.wait(2 - i % 3));
    link.flush(&mut sim, &mut shared).unwrap();
    let run: Vec<TaskKey> = shared.run.drain(..).collect();
    assert_eq!(run, [TaskKey::Work(2), TaskKey::Work(1), TaskKey::Work(0)]);
    assert!(link.waiting.is_empty());
}
