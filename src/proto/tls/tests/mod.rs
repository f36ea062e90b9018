#![expect(clippy::disallowed_types, reason = "rustls shares its configuration this way")]

use super::*;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use std::io::{Read, Write};
use std::sync::Arc;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/golden/tls/", $name)).as_slice()
    };
}

mod hostile;

/// A client machine and a server of the library, with the bytes between them.
struct Pair {
    client: Tls,
    server: ServerConnection,
    /// What came for the client and is no complete record.
    rest: Vec<u8>,
    /// What the client received.
    plain: Vec<u8>,
}

fn server(cert: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> ServerConnection {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(ca).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(cert).unwrap()];
    let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

impl Pair {
    fn new(settings: &Settings, server: ServerConnection) -> Self {
        Self { client: Tls::new(settings).unwrap(), server, rest: Vec::new(), plain: Vec::new() }
    }

    /// Hands bytes to the client as a link does.
    fn receive(&mut self, bytes: &[u8]) -> Result<(), TlsError> {
        let from = MAX_RECORD;
        let mut buf = vec![0; from];
        buf.extend_from_slice(&self.rest);
        buf.extend_from_slice(bytes);
        let to = buf.len();
        let opened = self.client.open(&mut buf, from, to)?;
        self.plain.extend_from_slice(&buf[..opened.plain]);
        self.rest = buf[opened.rest..].to_vec();
        Ok(())
    }

    /// Moves bytes both ways, towards the client in steps, until nothing moves.
    fn run(&mut self, step: usize) -> Result<(), TlsError> {
        loop {
            let out = core::mem::take(self.client.output());
            let mut wire = Vec::new();
            if !out.is_empty() {
                self.server.read_tls(&mut out.as_slice()).unwrap();
            }
            let processed = self.server.process_new_packets();
            while self.server.wants_write() {
                self.server.write_tls(&mut wire).unwrap();
            }
            if out.is_empty() && wire.is_empty() {
                return Ok(());
            }
            wire.chunks(step).try_for_each(|part| self.receive(part))?;
            drop(processed);
        }
    }
}

fn trusting(name: &str, ca: &[u8]) -> Settings {
    Settings::new(name, Some(ca), None, None).unwrap()
}

fn outcome(settings: &Settings, server: ServerConnection) -> Result<(), TlsError> {
    let mut pair = Pair::new(settings, server);
    pair.run(usize::MAX)?;
    if pair.client.ready() { Ok(()) } else { Err(TlsError::Failed("not ready".to_owned())) }
}

#[test]
fn data_passes_in_any_pieces() {
    let blind = Settings::new("anything", None, None, None).unwrap();
    for step in [1, 100, 5000, 1_000_000] {
        let mut pair = Pair::new(&blind, server(golden!("server.pem"), golden!("server.key"), None));
        pair.run(step).unwrap();
        assert!(pair.client.ready() && !blind.verified());
        let big: Vec<u8> = (0..200_000u32).map(|i| (i % 253) as u8).collect();
        let mut sealed = vec![0; sealed_len(5) + sealed_len(big.len())];
        let used = pair.client.seal(&[b"hello", &big], &mut sealed).unwrap();
        let (mut wire, mut got) = (&sealed[..used], vec![0; 5 + big.len()]);
        let mut at = 0;
        while at < got.len() {
            if !wire.is_empty() {
                pair.server.read_tls(&mut wire).unwrap();
            }
            pair.server.process_new_packets().unwrap();
            // A record may need several reads of the library's.
            at += pair.server.reader().read(&mut got[at..]).unwrap_or(0);
        }
        assert!(got.starts_with(b"hello") && got[5..] == big);
        pair.server.set_buffer_limit(None);
        pair.server.writer().write_all(&big).unwrap();
        pair.run(step).unwrap();
        assert!(pair.plain == big, "in steps of {step}");
        pair.server.send_close_notify();
        pair.run(step).unwrap();
        assert!(pair.client.closed());
    }
}

#[test]
fn the_server_is_verified_as_frpc_does() {
    let own = || server(golden!("own.pem"), golden!("own.key"), None);
    let signed = || server(golden!("server.pem"), golden!("server.key"), None);
    let ca = golden!("ca.pem");
    assert_eq!(outcome(&trusting("frps.test", ca), signed()), Ok(()));
    assert_eq!(outcome(&trusting("127.0.0.1", ca), signed()), Ok(()));
    assert_eq!(outcome(&trusting("frps.test", golden!("own.pem")), own()), Ok(()), "a self-signed CA as server");
    let wrong = |settings, server| match outcome(&settings, server) {
        Err(TlsError::BadCertificate(why, hint)) => why + hint,
        other => panic!("{other:?}"),
    };
    assert!(wrong(trusting("ignored.test", ca), signed()).contains("serverName"), "the common name is no name");
    assert!(wrong(trusting("other.test", golden!("own.pem")), own()).contains("serverName"));
    assert!(wrong(trusting("frps.test", golden!("own.pem")), signed()).contains("unknown authority"));
    assert!(wrong(trusting("frps.test", ca), own()).contains("CaUsedAsEndEntity"));
    let expired = server(golden!("expired.pem"), golden!("expired.key"), None);
    assert!(wrong(trusting("frps.test", ca), expired).contains("expired"));
    let blind = Settings::new("frps.test", None, None, None).unwrap();
    assert_eq!(outcome(&blind, server(golden!("expired.pem"), golden!("expired.key"), None)), Ok(()));
}

#[test]
fn an_authority_that_cannot_be_read_does_not_take_the_others_with_it() {
    let signed = || server(golden!("server.pem"), golden!("server.key"), None);
    let no_der = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".as_slice();
    let no_base64 = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n".as_slice();
    for bad in [no_der, no_base64] {
        for bundle in [[bad, golden!("ca.pem")].concat(), [golden!("ca.pem"), bad].concat()] {
            assert_eq!(outcome(&trusting("frps.test", &bundle), signed()), Ok(()));
        }
        let alone = Settings::new("x", Some(bad), None, None);
        assert!(matches!(alone, Err(SettingsError::Authority(why)) if why.contains("no usable")));
    }
}

#[test]
fn a_client_certificate_is_shown_when_both_parts_are_there() {
    let strict = || server(golden!("server.pem"), golden!("server.key"), Some(golden!("ca.pem")));
    let (cert, key) = (Some(golden!("client.pem")), Some(golden!("client.key")));
    assert_eq!(outcome(&Settings::new("x", None, cert, key).unwrap(), strict()), Ok(()));
    let mut pair = Pair::new(&Settings::new("x", None, cert, None).unwrap(), strict());
    let e = pair.run(usize::MAX).unwrap_err();
    assert!(matches!(&e, TlsError::Refused(alert) if alert.contains("client certificate")), "{e}");
}

#[test]
fn peers_that_do_not_speak_tls_are_named() {
    let blind = Settings::new("x", None, None, None).unwrap();
    for (bytes, hint) in [
        (b"HTTP/1.1 400 Bad Request\r\n".as_slice(), Some("a web server answers there; is serverPort right?")),
        (b"\0\x01\0\x02\0\0\0\x01\0\0\0\0", Some("it speaks mux frames; is transport.tcpMux the same on both ends?")),
        (b"garbage of some kind", None),
    ] {
        let mut pair = Pair::new(&blind, server(golden!("server.pem"), golden!("server.key"), None));
        assert_eq!(pair.receive(bytes), Err(TlsError::NotTls(hint)));
        assert!(!pair.client.output().is_empty(), "the peer is told by an alert");
    }
    let mut pair = Pair::new(&blind, server(golden!("server.pem"), golden!("server.key"), None));
    assert!(matches!(pair.receive(&[0x15, 3, 3, 0, 2, 2, 40]), Err(TlsError::Refused(_))));
}

#[test]
fn broken_records_end_the_session() {
    let blind = Settings::new("x", None, None, None).unwrap();
    let mut pair = Pair::new(&blind, server(golden!("server.pem"), golden!("server.key"), None));
    pair.run(usize::MAX).unwrap();
    let mut record = vec![0x17, 3, 3, 0, 64];
    record.resize(69, 1);
    assert!(matches!(pair.receive(&record), Err(TlsError::Failed(_))));
    assert!(matches!(pair.receive(&record), Err(TlsError::Failed(_))), "and it stays so");
}

#[test]
fn useless_files_are_refused() {
    let fails = |name, ca, cert, key| Settings::new(name, ca, cert, key).unwrap_err();
    assert!(matches!(fails("a b", None, None, None), SettingsError::Name(_)));
    assert!(matches!(fails("x", Some(b"text"), None, None), SettingsError::Authority(_)));
    let key = golden!("client.key");
    assert!(matches!(fails("x", None, Some(key), Some(key)), SettingsError::Certificate(_)));
    assert!(matches!(fails("x", None, Some(golden!("client.pem")), Some(b"")), SettingsError::Key(_)));
    assert!(matches!(
        fails("x", None, Some(golden!("client.pem")), Some(golden!("server.key"))),
        SettingsError::Key(_)
    ));
}
