//! What `useEncryption` and `useCompression` do to the payload of a work connection (protocol §5.5).
//!
//! Owns the state of both directions: payload → snappy → AES-128-CFB → server, and back. Does not hold bytes, except
//! those of a snappy chunk that is not complete. Always true: both ends apply the same layers from the first byte on.
//! Worst case: 2 KiB with encryption, and what [`crate::proto::snappy::Decoder`] holds with compression.

use super::crypto::{BLOCK, Decrypt, Encrypt, Key};
use super::snappy::{Decoder, Encoder, NotSnappy, Workspace};

/// Room that [`Codec::encrypt`] needs before the payload.
pub const PREFIX: usize = BLOCK;

/// Both directions of one work connection.
#[derive(Debug, Default)]
pub struct Codec {
    cipher: Option<Box<Cipher>>,
    pack: Option<Encoder>,
    unpack: Option<Decoder>,
}

#[derive(Debug)]
struct Cipher {
    iv: [u8; BLOCK],
    iv_sent: bool,
    seal: Encrypt,
    open: Decrypt,
}

impl Codec {
    /// With `encryption`, a key and a random vector; `compression` as configured.
    pub fn new(encryption: Option<(&Key, [u8; BLOCK])>, compression: bool) -> Self {
        let cipher = encryption.map(|(key, iv)| {
            Box::new(Cipher { iv, iv_sent: false, seal: Encrypt::new(key, iv), open: Decrypt::new(key) })
        });
        Self { cipher, pack: compression.then(Encoder::default), unpack: compression.then(Decoder::default) }
    }

    /// Nothing is done to the bytes.
    pub fn is_plain(&self) -> bool {
        self.cipher.is_none() && self.pack.is_none()
    }

    /// Whether payload changes its length.
    pub fn packs(&self) -> bool {
        self.pack.is_some()
    }

    /// Adds `payload`, compressed, to `out`.
    pub fn pack(&mut self, payload: &[u8], workspace: &mut Workspace, out: &mut Vec<u8>) {
        match &mut self.pack {
            Some(pack) => pack.encode(payload, workspace, out),
            None => out.extend_from_slice(payload),
        }
    }

    /// Encrypts `buf[from..]` in place. The first time, the vector is written before it: `from` must be at least
    /// [`PREFIX`]. Returns where the bytes for the server start.
    pub fn encrypt(&mut self, buf: &mut [u8], from: usize) -> usize {
        let Some(cipher) = &mut self.cipher else { return from };
        cipher.seal.apply(buf.get_mut(from..).unwrap_or_default());
        if core::mem::replace(&mut cipher.iv_sent, true) {
            return from;
        }
        let start = from.saturating_sub(BLOCK);
        buf.iter_mut().skip(start).zip(cipher.iv).for_each(|(to, byte)| *to = byte);
        start
    }

    /// Decrypts bytes of the server in place; what is left of them may be fewer.
    pub fn decrypt<'a>(&mut self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        match &mut self.cipher {
            Some(cipher) => cipher.open.feed(bytes),
            None => bytes,
        }
    }

    /// Takes decrypted bytes in for [`Codec::unpack`].
    pub fn hold(&mut self, bytes: &[u8]) {
        if let Some(unpack) = &mut self.unpack {
            unpack.push(bytes);
        }
    }

    /// Compressed bytes held.
    pub fn held(&self) -> usize {
        self.unpack.as_ref().map_or(0, Decoder::held)
    }

    /// Puts the next piece of payload (at most 64 KiB) into `out`, replacing what is there; false when there is none.
    ///
    /// # Errors
    /// The server's stream is broken.
    pub fn unpack(&mut self, workspace: &mut Workspace, out: &mut Vec<u8>) -> Result<bool, NotSnappy> {
        match &mut self.unpack {
            Some(unpack) => unpack.next(workspace, out),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::crypto::derive_key;

    #[test]
    fn both_ends_agree_in_every_mode() {
        let key = derive_key("secret");
        for (encryption, compression) in [(false, false), (true, false), (false, true), (true, true)] {
            let codec = |iv| Codec::new(encryption.then_some((&key, [iv; BLOCK])), compression);
            let (mut ours, mut theirs, mut w) = (codec(1), codec(2), Workspace::default());
            assert_eq!(ours.is_plain(), !encryption && !compression);
            let (mut back, mut piece) = (Vec::new(), Vec::new());
            for payload in [b"hello ".as_slice(), b"w", b"orld"] {
                let mut buf = vec![0; PREFIX];
                ours.pack(payload, &mut w, &mut buf);
                let start = ours.encrypt(&mut buf, PREFIX);
                let plain = theirs.decrypt(&mut buf[start..]);
                if compression {
                    theirs.hold(plain);
                    while theirs.unpack(&mut w, &mut piece).unwrap() {
                        back.extend_from_slice(&piece);
                    }
                } else {
                    back.extend_from_slice(plain);
                }
            }
            assert_eq!(back, b"hello world");
        }
    }
}
