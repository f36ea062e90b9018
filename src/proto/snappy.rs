//! Snappy framing of work connections (protocol §5.5).
//!
//! Owns the chunk format; the blocks themselves are coded by the crate `snap`. Does not buffer output: callers lend it.
//! Always true: a chunk is decoded only when it is complete and its checksum is right. Worst case: [`Workspace`] once
//! for the process; a [`Decoder`] holds at most one chunk that is not complete (76 KiB) and what the caller left
//! undecoded.

use snap::raw;

/// Plain bytes of the largest chunk.
pub const MAX_PLAIN: usize = 65536;
/// The largest chunk a peer may send: header, checksum, and the worst expansion of a block.
const MAX_CHUNK: usize = 4 + 76_490;
/// Chunk header and checksum.
const PREFIX: usize = 8;
const IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";
const COMPRESSED: u8 = 0;
const PLAIN: u8 = 1;

/// Compression state that all connections share.
#[derive(Debug)]
pub struct Workspace {
    encoder: raw::Encoder,
    decoder: raw::Decoder,
}

impl Default for Workspace {
    fn default() -> Self {
        Self { encoder: raw::Encoder::new(), decoder: raw::Decoder::new() }
    }
}

/// What came is no snappy stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSnappy(pub &'static str);

impl core::fmt::Display for NotSnappy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "compressed stream: {}", self.0)
    }
}

/// The checksum of a chunk: CRC-32C of the plain bytes, rotated and offset.
fn masked_crc(plain: &[u8]) -> u32 {
    crc32c::crc32c(plain).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// One direction, sending.
#[derive(Debug, Default)]
pub struct Encoder {
    started: bool,
}

impl Encoder {
    /// Adds the chunks for `plain` to `out`.
    pub fn encode(&mut self, plain: &[u8], workspace: &mut Workspace, out: &mut Vec<u8>) {
        if !core::mem::replace(&mut self.started, true) {
            out.extend_from_slice(IDENTIFIER);
        }
        for part in plain.chunks(MAX_PLAIN) {
            chunk(part, workspace, out);
        }
    }
}

fn chunk(part: &[u8], workspace: &mut Workspace, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + PREFIX + raw::max_compress_len(part.len()), 0);
    let room = out.get_mut(start + PREFIX..).unwrap_or_default();
    let packed = workspace.encoder.compress(part, room).unwrap_or(usize::MAX);
    // Saving less than an eighth is not worth the peer's work (the framing format's own rule).
    let (kind, size) = if packed < part.len() - part.len() / 8 { (COMPRESSED, packed) } else { (PLAIN, part.len()) };
    if kind == PLAIN {
        room.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
    }
    out.truncate(start + PREFIX + size);
    let [l0, l1, l2, _] = u32::try_from(size + 4).unwrap_or_default().to_le_bytes();
    let [c0, c1, c2, c3] = masked_crc(part).to_le_bytes();
    let prefix = [kind, l0, l1, l2, c0, c1, c2, c3];
    out.iter_mut().skip(start).zip(prefix).for_each(|(to, byte)| *to = byte);
}

/// One direction, receiving.
#[derive(Debug, Default)]
pub struct Decoder {
    held: Vec<u8>,
    /// Bytes of `held` that are decoded.
    at: usize,
}

impl Decoder {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.held.drain(..self.at);
            self.at = 0;
        }
        self.held.extend_from_slice(bytes);
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held.len() - self.at
    }

    /// Decodes the next chunk with data into `out`, replacing what is there; returns false when none is complete.
    ///
    /// # Errors
    /// The stream is broken and stays so.
    pub fn next(&mut self, workspace: &mut Workspace, out: &mut Vec<u8>) -> Result<bool, NotSnappy> {
        loop {
            let rest = self.held.get(self.at..).unwrap_or_default();
            let Some((&[kind, l0, l1, l2], rest)) = rest.split_first_chunk() else { break };
            let size = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
            if size + 4 > MAX_CHUNK {
                return Err(NotSnappy("a chunk is too long"));
            }
            let Some(body) = rest.get(..size) else { break };
            let data = decode(kind, body, workspace, out)?;
            self.at += 4 + size;
            if data {
                return Ok(true);
            }
        }
        if self.held() == 0 {
            *self = Self::default();
        }
        Ok(false)
    }
}

/// Decodes one chunk; false for one without data.
fn decode(kind: u8, body: &[u8], workspace: &mut Workspace, out: &mut Vec<u8>) -> Result<bool, NotSnappy> {
    match kind {
        COMPRESSED | PLAIN => {}
        0xff if Some(body) == IDENTIFIER.get(4..) => return Ok(false),
        0x80..=0xfe => return Ok(false),
        _ => return Err(NotSnappy("unknown chunk type (is useCompression the same on both ends?)")),
    }
    let Some((sum, body)) = body.split_first_chunk() else { return Err(NotSnappy("a chunk is too short")) };
    out.clear();
    if kind == PLAIN {
        out.extend_from_slice(body);
    } else {
        let size = raw::decompress_len(body).ok().filter(|n| *n <= MAX_PLAIN);
        out.resize(size.ok_or(NotSnappy("a chunk announces a wrong size"))?, 0);
        workspace.decoder.decompress(body, out).map_err(|_| NotSnappy("a chunk does not decode"))?;
    }
    if out.len() > MAX_PLAIN {
        return Err(NotSnappy("a chunk is too long"));
    }
    if masked_crc(out) != u32::from_le_bytes(*sum) {
        return Err(NotSnappy("a chunk has a wrong checksum"));
    }
    Ok(!out.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(plain: &[u8], step: usize) -> Vec<u8> {
        let (mut w, mut wire, mut enc) = (Workspace::default(), Vec::new(), Encoder::default());
        plain.chunks(100_000).for_each(|c| enc.encode(c, &mut w, &mut wire));
        let (mut dec, mut out, mut back) = (Decoder::default(), Vec::new(), Vec::new());
        for part in wire.chunks(step) {
            dec.push(part);
            while dec.next(&mut w, &mut out).unwrap() {
                assert!(out.len() <= MAX_PLAIN);
                back.extend_from_slice(&out);
            }
        }
        assert_eq!(dec.held(), 0);
        back
    }

    #[test]
    fn streams_survive_any_split() {
        let mut x = 1u32;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect();
        let text = b"all work and no play ".repeat(9_000);
        for plain in [noise, text, b"x".to_vec(), Vec::new()] {
            for step in [1, 7, 4096, 300_000] {
                assert!(round_trip(&plain, step) == plain, "{} bytes in steps of {step}", plain.len());
            }
        }
    }

    #[test]
    fn broken_streams_are_refused() {
        let mut w = Workspace::default();
        let mut fails = |bytes: &[u8]| {
            let mut d = Decoder::default();
            d.push(bytes);
            d.next(&mut w, &mut Vec::new())
        };
        assert_eq!(
            fails(b"\x02\x00\x00\x00"),
            Err(NotSnappy("unknown chunk type (is useCompression the same on both ends?)"))
        );
        assert_eq!(fails(b"\x01\x09\x00\x00\xbb\x1f\x1c\x18hello"), Err(NotSnappy("a chunk has a wrong checksum")));
        assert_eq!(fails(b"\x00\xff\xff\xff"), Err(NotSnappy("a chunk is too long")));
        assert_eq!(fails(b"\x00\x02\x00\x00ab"), Err(NotSnappy("a chunk is too short")));
        assert_eq!(
            fails(b"\x00\x09\x00\x00abcd\xff\xff\xff\xff\x7f"),
            Err(NotSnappy("a chunk announces a wrong size"))
        );
        assert_eq!(
            fails(b"\xff\x06\x00\x00sNaPpX"),
            Err(NotSnappy("unknown chunk type (is useCompression the same on both ends?)"))
        );
        assert_eq!(fails(b"\x90\x02\x00\x00ab\x01\x09\x00\x00\xbb\x1f\x1c\x19hello"), Ok(true));
    }

    #[test]
    fn random_bytes_never_panic() {
        let (mut w, mut out, mut x) = (Workspace::default(), Vec::new(), 9u32);
        for round in 0..3000 {
            let mut d = Decoder::default();
            let bytes: Vec<u8> = (0..round % 90)
                .map(|i| {
                    x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if i == 0 {
                        (x >> 30) as u8
                    } else if i < 4 {
                        (x >> 28) as u8
                    } else {
                        (x >> 24) as u8
                    }
                })
                .collect();
            d.push(&bytes);
            while let Ok(true) = d.next(&mut w, &mut out) {}
        }
    }
}
