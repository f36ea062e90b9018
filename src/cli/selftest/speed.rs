//! How fast this CPU is at what frp asks of it.
//!
//! Owns the measuring. Does not judge: which cipher is used is decided by [`crate::proto::crypto`] and
//! [`crate::proto::tls`]. Always true: each figure takes [`SLICE`] milliseconds of CPU time, at least one round. Worst case:
//! [`CHUNK`] bytes, twice.

use crate::net::os::cpu_micros;
use crate::proto::crypto::{Decrypt, Encrypt};
use crate::proto::snappy;

/// Bytes a round: a TLS record's worth, as the relay has them.
const CHUNK: usize = 16 * 1024;
/// Milliseconds a figure takes.
const SLICE: u64 = 50;

/// A line for each figure.
pub(super) fn measured() -> Vec<String> {
    let mut chunk = vec![0_u8; CHUNK];
    let (key, iv) = ([7; 16], [9; 16]);
    let (mut seal, mut open) = (Encrypt::new(&key, iv), Decrypt::new(&key));
    open.feed(&mut iv.to_vec());
    let mut lines = vec![
        rate("AES-128-CFB, up", &mut || seal.apply(&mut chunk)),
        rate("AES-128-CFB, down", &mut || _ = open.feed(&mut chunk)),
    ];
    let (mut workspace, mut out) = (snappy::Workspace::default(), Vec::new());
    let text: Vec<u8> = b"GET / HTTP/1.1\r\nHost: ".iter().chain(b"0123456789").copied().cycle().take(CHUNK).collect();
    lines.push(rate("snappy, up", &mut || {
        out.clear();
        snappy::Encoder::default().encode(&text, &mut workspace, &mut out);
    }));
    lines.extend(tls());
    lines
}

/// ring's algorithms, which rustls calls.
#[cfg(feature = "tls")]
fn tls() -> Vec<String> {
    use ring::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
    use ring::agreement::{EphemeralPrivateKey, X25519};
    let mut chunk = vec![0_u8; CHUNK];
    let mut lines = Vec::new();
    for (name, algorithm) in [("TLS AES-128-GCM", &AES_128_GCM), ("TLS ChaCha20-Poly1305", &CHACHA20_POLY1305)] {
        let key = [7; 32];
        let key = key.get(..algorithm.key_len()).and_then(|key| UnboundKey::new(algorithm, key).ok());
        let Some(key) = key.map(LessSafeKey::new) else { continue };
        lines.push(rate(name, &mut || {
            let _ = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut chunk);
        }));
    }
    let random = ring::rand::SystemRandom::new();
    let (rounds, micros) = rounds(&mut || {
        let _ = EphemeralPrivateKey::generate(&X25519, &random).and_then(|key| key.compute_public_key());
    });
    lines.push(format!("TLS X25519 {} us a key", micros / rounds));
    lines
}

/// Built without TLS.
#[cfg(not(feature = "tls"))]
fn tls() -> Vec<String> {
    Vec::new()
}

/// The line for `round`, which works on [`CHUNK`] bytes.
fn rate(name: &str, round: &mut dyn FnMut()) -> String {
    let (rounds, micros) = rounds(round);
    // Bytes a microsecond are megabytes a second.
    let tenths = rounds * CHUNK as u64 * 10 / micros;
    format!("{name} {}.{} MB/s", tenths / 10, tenths % 10)
}

/// How many rounds were done and what they took of the CPU, in microseconds; both at least 1.
fn rounds(round: &mut dyn FnMut()) -> (u64, u64) {
    let (start, mut done) = (cpu_micros(), 0);
    loop {
        round();
        done += 1;
        let micros = cpu_micros().saturating_sub(start);
        if micros >= SLICE * 1000 {
            return (done, micros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_takes_its_time_and_divides_by_nothing() {
        let mut called = 0;
        let (rounds, micros) = rounds(&mut || called += 1);
        assert_eq!(rounds, called);
        assert!(micros >= SLICE * 1000);
        assert!(rate("x", &mut || ()).starts_with("x "));
    }
}
