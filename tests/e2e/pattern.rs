//! The bytes that tests send: made from a seed and their position, so that a receiver can check every one of them without
//! a copy of what was sent.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::wait::{Outcome, ensure};

/// A socket's write timeout: a write that makes no progress for so long counts as stuck, which some tests wait for.
pub(crate) const STUCK: Duration = Duration::from_millis(250);
/// No progress for so long in a transfer, and it has failed.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(30);

const CHUNK: usize = 64 * 1024;
/// More than the kernel's buffers on the way could ever hold.
const FLOOD: u64 = 1 << 30;
/// Words of a page of [`Pattern::Mixed`], and how often one word of a compressible page is repeated.
const PAGE: u64 = 1024;
const REPEATS: u64 = 32;

#[derive(Clone, Copy)]
pub(crate) enum Pattern {
    /// Nothing to compress.
    Random(u64),
    /// Pages that compress well between pages that do not.
    Mixed(u64),
}

impl Pattern {
    /// The 8 bytes at position `8 * index`.
    fn word(self, index: u64) -> u64 {
        match self {
            Self::Random(seed) => mix(seed, index),
            Self::Mixed(seed) if (index / PAGE).is_multiple_of(2) => mix(seed, index),
            Self::Mixed(seed) => mix(seed, index / REPEATS),
        }
    }

    /// The bytes at `position`, a multiple of 8.
    fn fill(self, position: u64, bytes: &mut [u8]) {
        for (index, word) in (position / 8..).zip(bytes.chunks_mut(8)) {
            word.copy_from_slice(&self.word(index).to_le_bytes()[..word.len()]);
        }
    }

    /// The first `len` bytes.
    pub(crate) fn bytes(self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.fill(0, &mut bytes);
        bytes
    }

    /// Writes the first `total` bytes.
    pub(crate) fn send(self, to: &TcpStream, total: u64) -> Outcome {
        self.write(to, total, false, || {}).map(drop)
    }

    /// Writes until a write gets stuck, calls `stuck`, and writes little more once it goes on; how many bytes in all.
    pub(crate) fn flood(self, to: &TcpStream, stuck: impl FnMut()) -> Outcome<u64> {
        let sent = self.write(to, FLOOD, true, stuck)?;
        ensure!(sent < FLOOD, "{FLOOD} bytes went without getting stuck");
        Ok(sent)
    }

    /// Writes `limit` bytes, or less if it is to end with the chunk that got stuck; how many.
    fn write(self, mut to: &TcpStream, limit: u64, until_stuck: bool, mut stuck: impl FnMut()) -> Outcome<u64> {
        let mut chunk = vec![0; CHUNK];
        let (mut sent, mut stuck_once) = (0, false);
        let mut progress = Instant::now();
        while sent < limit && !(until_stuck && stuck_once) {
            let len = chunk.len().min(usize::try_from(limit - sent).unwrap_or(CHUNK));
            self.fill(sent, &mut chunk[..len]);
            let mut done = 0;
            while done < len {
                match to.write(&chunk[done..len]) {
                    Ok(written) => {
                        done += written;
                        progress = Instant::now();
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        stuck_once = true;
                        stuck();
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(format!("after sending {sent} bytes: {error}")),
                }
                ensure!(progress.elapsed() < GIVE_UP, "sending stuck at {sent} bytes for {GIVE_UP:?}");
            }
            sent += len as u64;
        }
        Ok(sent)
    }

    /// Reads `total` bytes and compares them; what follows stays unread.
    pub(crate) fn verify(self, from: &TcpStream, total: u64) -> Outcome {
        let got = self.compare(from, total)?;
        ensure!(got == total, "the connection ended after {got} of {total} bytes");
        Ok(())
    }

    /// Reads until the end of the connection and compares; the number of bytes.
    pub(crate) fn verify_to_end(self, from: &TcpStream) -> Outcome<u64> {
        self.compare(from, u64::MAX)
    }

    fn compare(self, from: &TcpStream, limit: u64) -> Outcome<u64> {
        let (mut chunk, mut expected) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut got = 0;
        while got < limit {
            let len = chunk.len().min(usize::try_from(limit - got).unwrap_or(CHUNK));
            let read =
                read_full(from, &mut chunk[..len]).map_err(|error| format!("after {got} bytes: {}", told(&error)))?;
            self.fill(got, &mut expected[..read]);
            if let Some(wrong) = chunk[..read].iter().zip(&expected[..read]).position(|(is, should)| is != should) {
                return Err(format!("byte {} is not the one that was sent", got + wrong as u64));
            }
            got += read as u64;
            if read < len {
                break;
            }
        }
        Ok(got)
    }
}

/// Reads exactly `bytes.len()` bytes.
pub(crate) fn read_all(from: &TcpStream, bytes: &mut [u8]) -> Outcome {
    let read = read_full(from, bytes).map_err(|error| told(&error))?;
    ensure!(read == bytes.len(), "the connection ended after {read} of {} bytes", bytes.len());
    Ok(())
}

/// An error of a read, which is either what it says or the read timeout.
pub(crate) fn told(error: &std::io::Error) -> String {
    if error.kind() == ErrorKind::WouldBlock { format!("nothing came for {GIVE_UP:?}") } else { error.to_string() }
}

/// Reads until `bytes` is full or the connection ends; how much came.
fn read_full(mut from: &TcpStream, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// SplitMix64 at a place of its sequence: good enough that no two places look alike, and fast enough not to be measured.
fn mix(seed: u64, index: u64) -> u64 {
    let z = seed
        .wrapping_mul(0xd134_2543_de82_ef95)
        .wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
