//! Servers that break the rules at every stage: whatever they send is an error or progress, never a panic.
#![expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]

use super::*;
use rustls::crypto::cipher::{MessageEncrypter, OutboundChunks, OutboundPlainMessage};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256 as SUITE;
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

const HANDSHAKE: u8 = 0x16;
const DATA: u8 = 0x17;
/// More than a caller ever has to keep: a message of the library's limit in records of some size, and a record.
const MAX_REST: usize = 128 * 1024;

/// xorshift: each case is the same at every run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % n.max(1)
    }

    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.below(256) as u8).collect()
    }
}

fn blind() -> Settings {
    Settings::new("x", None, None, None).unwrap()
}

/// A server whose secrets can be had, with records of at most so many bytes.
fn open_hearted(record: Option<usize>, old: bool) -> ServerConnection {
    ServerConnection::new(configured(record, old)).unwrap()
}

fn configured(record: Option<usize>, old: bool) -> Arc<ServerConfig> {
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites.retain(|suite| *suite == SUITE || (old && suite.tls13().is_none()));
    let versions: &[_] = if old { &[&rustls::version::TLS12] } else { &[&rustls::version::TLS13] };
    let builder = ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(golden!("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(golden!("server.key")).unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.enable_secret_extraction = true;
    config.max_fragment_size = record;
    Arc::new(config)
}

/// Sends what it likes under the server's keys.
struct Forger {
    encrypter: Box<dyn MessageEncrypter>,
    seq: u64,
}

impl Forger {
    fn new(server: ServerConnection) -> Self {
        let SupportedCipherSuite::Tls13(suite) = SUITE else { panic!("a suite of TLS 1.3") };
        let (seq, secrets) = server.dangerous_extract_secrets().unwrap().tx;
        let ConnectionTrafficSecrets::Aes128Gcm { key, iv } = secrets else { panic!("the suite's keys") };
        Self { encrypter: suite.aead_alg.encrypter(key, iv), seq }
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let (version, payload) = (ProtocolVersion::TLSv1_2, OutboundChunks::Single(payload));
        let sealed = self.encrypter.encrypt(OutboundPlainMessage { typ, version, payload }, self.seq).unwrap();
        self.seq += 1;
        sealed.encode()
    }
}

/// A session that is up, and a server that has no scruples left.
fn forged() -> (Pair, Forger) {
    let mut pair = Pair::new(&blind(), open_hearted(None, false));
    pair.run(usize::MAX).unwrap();
    let next = Pair::new(&blind(), open_hearted(None, false));
    let server = core::mem::replace(&mut pair.server, next.server);
    (pair, Forger::new(server))
}

/// The records of what a server sent.
fn records(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !wire.is_empty() {
        let (record, rest) = wire.split_at(complete_one(wire));
        all.push(record.to_vec());
        wire = rest;
    }
    all
}

fn complete_one(wire: &[u8]) -> usize {
    (5 + usize::from(u16::from_be_bytes([wire[3], wire[4]]))).min(wire.len())
}

fn plain(typ: u8, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![typ, 3, 3];
    record.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    record.extend_from_slice(payload);
    record
}

impl Pair {
    fn seal(&mut self, piece: &[u8]) -> Result<Vec<u8>, TlsError> {
        let mut sealed = vec![0; sealed_len(piece.len())];
        let used = self.client.seal(&[piece], &mut sealed)?;
        sealed.truncate(used);
        Ok(sealed)
    }

    /// What the server answers to what the client has to say.
    fn answer(&mut self) -> Vec<u8> {
        let (out, mut wire) = (core::mem::take(self.client.output()), Vec::new());
        if !out.is_empty() {
            self.server.read_tls(&mut out.as_slice()).unwrap();
        }
        let _ = self.server.process_new_packets();
        while self.server.wants_write() {
            self.server.write_tls(&mut wire).unwrap();
        }
        wire
    }
}

#[test]
fn another_record_within_a_handshake_message_is_an_error() {
    let answer = [0x16, 3, 3, 0, 5, 2, 0, 0, 0x50, 3, 0x17, 3, 3, 0, 1, 0];
    for step in [1, 10, 12, 16] {
        let mut pair = Pair::new(&blind(), open_hearted(None, false));
        let result = answer.chunks(step).try_for_each(|part| pair.receive(part));
        assert!(matches!(result, Err(TlsError::Failed(_))), "{result:?}");
        pair.client.close();
        assert!(pair.seal(b"x").is_err() && pair.receive(&answer).is_err());
    }
}

#[test]
fn we_can_send_while_a_ticket_comes_in_pieces() {
    let mut pair = Pair::new(&blind(), open_hearted(Some(64), false));
    let (mut held, mut sent) = (0, 0);
    loop {
        let wire = pair.answer();
        if wire.is_empty() {
            break;
        }
        for record in records(&wire) {
            pair.receive(&record).unwrap();
            if pair.client.ready() && pair.client.output().is_empty() {
                held += usize::from(pair.client.held > 0);
                let sealed = pair.seal(b"word").unwrap();
                pair.server.read_tls(&mut sealed.as_slice()).unwrap();
                pair.server.process_new_packets().unwrap();
                sent += 4;
            }
        }
    }
    assert!(held > 0 && pair.client.held == 0 && pair.rest.is_empty(), "{held} pauses within a message");
    let mut got = vec![0; sent];
    pair.server.reader().read_exact(&mut got).unwrap();
    assert!(got.chunks(4).all(|word| word == b"word"));
}

#[test]
fn we_can_close_within_a_message() {
    let (mut pair, mut forger) = forged();
    let part = forger.record(ContentType::Handshake, &[4, 0, 1, 0, 7]);
    pair.receive(&part).unwrap();
    assert_eq!((pair.client.held, pair.rest.len()), (part.len(), part.len()));
    pair.seal(b"x").unwrap();
    pair.client.close();
    assert!(!pair.client.output().is_empty());
    assert_eq!(pair.client.open(&mut [], 0, 0), Err(TlsError::Failed("bytes that were left are missing".to_owned())));
}

#[test]
fn empty_handshake_records_do_not_pile_up() {
    let (mut pair, mut forger) = forged();
    let mut worst = 0;
    let ended = (0..10_000).find_map(|_| {
        let mut wire = forger.record(ContentType::Handshake, b"");
        wire.extend(forger.record(ContentType::ApplicationData, b"data"));
        let result = pair.receive(&wire);
        worst = worst.max(pair.rest.len());
        result.and_then(|()| pair.seal(b"x")).err()
    });
    assert!(ended.is_some() && worst <= MAX_HELD, "{ended:?} at {worst}");
    assert!(pair.plain.chunks(4).all(|word| word == b"data"));
}

/// Lets the client act at a random moment.
fn act(pair: &mut Pair, rng: &mut Rng, closing: &mut bool) {
    match rng.below(12) {
        0..4 => {
            let piece = rng.bytes(20);
            let sealed = pair.seal(&piece);
            let failed = pair.client.failed.is_some() || !pair.client.ready();
            assert!(sealed.is_ok() != failed || *closing, "{sealed:?}");
        }
        4 => {
            pair.client.close();
            *closing = true;
        }
        _ => {}
    }
}

/// Hands all that to the client in random pieces; true if the session is over.
fn torment(pair: &mut Pair, wire: &[u8], rng: &mut Rng, closing: &mut bool) -> bool {
    let mut at = 0;
    while at < wire.len() {
        let most = if rng.below(2) == 0 { 40 } else { wire.len() };
        let to = (at + 1 + rng.below(most)).min(wire.len());
        act(pair, rng, closing);
        let result = pair.receive(&wire[at..to]);
        act(pair, rng, closing);
        if result.is_err() {
            assert!(pair.receive(&wire[at..to]).is_err() && pair.seal(b"x").is_err(), "an error is the end");
            return true;
        }
        assert!(pair.rest.len() <= MAX_REST || pair.client.closed(), "{} bytes wait", pair.rest.len());
        at = to;
    }
    false
}

/// A record that has no business there.
fn intruder(rng: &mut Rng) -> Vec<u8> {
    let size = rng.below(60);
    match rng.below(7) {
        0 => plain(0x15, &[1 + rng.below(2) as u8, [0, 40, 90, 10][rng.below(4)]]),
        1 => plain(0x14, &[1]),
        2 => plain(DATA, &rng.bytes(size)),
        3 => rng.bytes(size),
        4 => plain([0x15, HANDSHAKE][rng.below(2)], &rng.bytes(size)),
        5 => plain(HANDSHAKE, b""),
        _ => plain(HANDSHAKE, &[[2, 4, 11, 24][rng.below(4)], 0, 0, rng.below(90) as u8, 3, 3]),
    }
}

/// Breaks what a server sends.
fn spoil(wire: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut all = records(wire);
    for _ in 0..rng.below(3) {
        let at = rng.below(all.len());
        match rng.below(6) {
            0 => all.insert(at, intruder(rng)),
            1 => drop(all.remove(at)),
            2 => all.swap(at, 0),
            3 => all.push(all[at].clone()),
            4 => {
                let len = all[at].len();
                all[at].truncate(rng.below(len));
            }
            _ => {
                let byte = rng.below(all[at].len());
                all[at].iter_mut().skip(byte).take(1).for_each(|byte| *byte ^= 1 << rng.below(8));
            }
        }
        if all.is_empty() {
            break;
        }
    }
    all.concat()
}

/// Records under the server's keys, whole and broken messages in any order.
fn forge(forger: &mut Forger, rng: &mut Rng) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..1 + rng.below(6) {
        let size = rng.below(100);
        let (typ, payload) = match rng.below(10) {
            0 => (ContentType::Handshake, vec![4, 0, 0, size as u8]),
            1 => (ContentType::Handshake, rng.bytes(size)),
            2 => (ContentType::Handshake, Vec::new()),
            3 => (ContentType::Handshake, vec![24, 0, 0, 1, rng.below(3) as u8]),
            4 => (ContentType::Alert, vec![1 + rng.below(2) as u8, [0, 90, 40][rng.below(3)]]),
            5 => (ContentType::Handshake, vec![4, 0, 0, 13, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9, 0, 0, 4, 0]),
            6 => (ContentType::ApplicationData, Vec::new()),
            _ => (ContentType::ApplicationData, rng.bytes(size)),
        };
        wire.extend(forger.record(typ, &payload));
    }
    wire
}

/// One life of a client; `stage` says how far the server is honest.
fn live(stage: usize, settings: &Settings, rng: &mut Rng) {
    let mut closing = false;
    if stage == 0 {
        let mut pair = Pair::new(settings, open_hearted(None, false));
        let wire: Vec<u8> = (0..1 + rng.below(6)).flat_map(|_| intruder(rng)).collect();
        torment(&mut pair, &wire, rng, &mut closing);
    } else if stage == 1 {
        let record = [None, Some(32), Some(64), Some(300)][rng.below(4)];
        let mut pair = Pair::new(settings, open_hearted(record, rng.below(3) == 0));
        for _ in 0..6 {
            let mut wire = pair.answer();
            if rng.below(3) == 0 && !wire.is_empty() {
                wire = spoil(&wire, rng);
            }
            if torment(&mut pair, &wire, rng, &mut closing) {
                break;
            }
        }
    } else {
        let (mut pair, mut forger) = forged();
        for _ in 0..8 {
            let wire = forge(&mut forger, rng);
            if torment(&mut pair, &wire, rng, &mut closing) {
                break;
            }
        }
    }
}

#[test]
fn hostile_servers_never_make_us_panic() {
    let settings = blind();
    for seed in 0..3000 {
        let mut rng = Rng((seed + 1_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let stage = [0, 0, 0, 1, 2][rng.below(5)];
        let result = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| live(stage, &settings, &mut rng)));
        assert!(result.is_ok(), "seed {seed}, stage {stage}");
    }
}
