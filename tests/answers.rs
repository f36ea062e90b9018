//! Answers of HTTP servers that were found or thought up: each keeps the promises that the fuzzer checks.
//!
//! Owns the replay of `tests/fuzz/seeds/client`, whole, cut anywhere, and with each byte changed: no fuzzer is needed.

// Who asks an issuer has the machine.
#![cfg(feature = "oidc")]

#[path = "fuzz/client.rs"]
mod client;

/// Name and bytes of each seed.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds/client");
    let files = std::fs::read_dir(folder).expect("the seeds").map(|file| file.expect("a seed").path());
    let mut seeds: Vec<_> =
        files.map(|path| (path.display().to_string(), std::fs::read(&path).expect("a seed"))).collect();
    seeds.sort();
    assert!(seeds.len() >= 10, "seeds are missing: {}", seeds.len());
    seeds
}

#[test]
fn seeds_keep_the_promises() {
    for (name, bytes) in seeds() {
        println!("{name}");
        client::promises(&bytes);
        for len in 0..bytes.len() {
            client::promises(bytes.get(..len).expect("a part"));
        }
    }
}

#[test]
fn seeds_with_a_byte_changed_keep_the_promises() {
    for (name, bytes) in seeds() {
        println!("{name}");
        for place in 0..bytes.len().min(400) {
            for other in [0, b'\r', b'\n', b' ', b':', b'0', b'f', 0xFF] {
                let mut bytes = bytes.clone();
                *bytes.get_mut(place).expect("a byte") = other;
                client::promises(&bytes);
            }
        }
    }
}
