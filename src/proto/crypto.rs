//! frp's proofs, keys and stream cipher (protocol §3.2, §4.1, §4.2).
//!
//! Owns the token proof, the key derivation, and AES-128-CFB as a byte stream that continues over any split. Does not
//! draw initialisation vectors: they come in as arguments. Always true: bytes are changed in place, their number never
//! changes but for the 16 bytes of the vector in front. Worst case: 800 bytes a direction.
//!
//! Why is it so?
//! * *Why whole blocks by `cfb-mode` and the rest here?* The crate's buffered forms go block by block; its block form
//!   decrypts eight at once with AES instructions, but cannot stop inside a block.
//! * *Why two ways of AES?* See [`table`].

#[cfg(any(feature = "constant-time", target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
mod instructions;
#[cfg(not(any(feature = "constant-time", target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "crypto/no_instructions.rs"]
mod instructions;
mod table;

use aes::Block;
use instructions::Instructions;
use md5::{Digest, Md5};
use table::Table;

/// Bytes of a key, a block and an initialisation vector.
pub const BLOCK: usize = 16;
/// A key of [`derive_key`].
pub type Key = [u8; BLOCK];

/// `privilege_key` and `sign_key`: lower-case hex of MD5(secret ‖ decimal seconds).
pub fn auth_key(secret: &str, timestamp: i64) -> String {
    let hash = Md5::new().chain_update(secret).chain_update(timestamp.to_string()).finalize();
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|n| char::from_digit(n.into(), 16)).collect()
}

/// The stream key of a token or a proxy's secret.
pub fn derive_key(secret: &str) -> Key {
    let mut key = [0; BLOCK];
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(secret.as_bytes(), b"frp", 64, &mut key);
    key
}

/// Whether the CPU is known to have instructions for AES. On 32-bit ARM there is no telling.
pub fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// A key, in the way that suits the CPU.
enum Cipher {
    Instructions(Instructions),
    Table(Table),
}

impl Cipher {
    fn new(key: &Key) -> Self {
        Instructions::new(key).map_or_else(|| Self::Table(Table::new(key)), Self::Instructions)
    }

    fn encrypt(&self, block: &mut Block) {
        match self {
            Self::Instructions(cipher) => cipher.encrypt(block),
            Self::Table(cipher) => cipher.encrypt(block),
        }
    }

    /// Encrypts whole blocks by CFB; `iv` is the ciphertext before them.
    fn seal(&self, iv: &Block, blocks: &mut [Block]) {
        match self {
            Self::Instructions(cipher) => cipher.seal(iv, blocks),
            Self::Table(cipher) => cipher.seal(iv, blocks),
        }
    }

    /// Decrypts whole blocks by CFB; `iv` is the ciphertext before them.
    fn open(&self, iv: &Block, blocks: &mut [Block]) {
        match self {
            Self::Instructions(cipher) => cipher.open(iv, blocks),
            Self::Table(cipher) => cipher.open(iv, blocks),
        }
    }
}

/// The CFB register. Up to `at` it holds ciphertext of the block under way, from there on key stream.
struct Register {
    cipher: Cipher,
    block: Block,
    at: usize,
}

impl Register {
    fn new(key: &Key, iv: [u8; BLOCK]) -> Self {
        Self { cipher: Cipher::new(key), block: iv.into(), at: BLOCK }
    }

    /// Bytes until the block under way is complete.
    fn left(&self) -> usize {
        BLOCK - self.at
    }

    /// Turns the complete block into the key stream of the next one.
    fn step(&mut self) {
        self.cipher.encrypt(&mut self.block);
        self.at = 0;
    }

    /// Runs part of a block. `keep` says which of (input, output) is the ciphertext.
    fn part(&mut self, data: &mut [u8], keep: fn(u8, u8) -> u8) {
        for (byte, stream) in data.iter_mut().zip(self.block.iter_mut().skip(self.at)) {
            let out = *byte ^ *stream;
            *stream = keep(*byte, out);
            *byte = out;
        }
        self.at += data.len();
    }

    /// Runs any number of bytes, whole blocks by `bulk`, which gets the last ciphertext and returns the new one.
    fn run(&mut self, data: &mut [u8], keep: fn(u8, u8) -> u8, bulk: fn(&Cipher, &Block, &mut [Block]) -> Block) {
        let (head, rest) = data.split_at_mut(self.left().min(data.len()));
        self.part(head, keep);
        let (blocks, tail) = Block::slice_as_chunks_mut(rest);
        if !blocks.is_empty() {
            self.block = bulk(&self.cipher, &self.block, blocks);
        }
        if !tail.is_empty() {
            self.step();
            self.part(tail, keep);
        }
    }
}

/// One direction, sending.
pub struct Encrypt(Register);

impl Encrypt {
    /// A stream with this vector, which the caller sends before the first bytes.
    pub fn new(key: &Key, iv: [u8; BLOCK]) -> Self {
        Self(Register::new(key, iv))
    }

    /// Encrypts in place.
    pub fn apply(&mut self, data: &mut [u8]) {
        self.0.run(
            data,
            |_, out| out,
            |cipher, iv, blocks| {
                cipher.seal(iv, blocks);
                blocks.last().copied().unwrap_or(*iv)
            },
        );
    }
}

/// One direction, receiving: takes the vector from the front of the stream.
pub struct Decrypt {
    key: Key,
    iv: [u8; BLOCK],
    have: usize,
    register: Option<Box<Register>>,
}

impl Decrypt {
    /// A stream of which nothing has come.
    pub fn new(key: &Key) -> Self {
        Self { key: *key, iv: [0; BLOCK], have: 0, register: None }
    }

    /// Decrypts in place; returns the plain bytes, which are all but those of the vector.
    pub fn feed<'a>(&mut self, data: &'a mut [u8]) -> &'a mut [u8] {
        let (head, rest) = data.split_at_mut((BLOCK - self.have).min(data.len()));
        self.iv.iter_mut().skip(self.have).zip(head.iter()).for_each(|(to, from)| *to = *from);
        self.have += head.len();
        if self.have == BLOCK {
            let (key, iv) = (&self.key, self.iv);
            let register = self.register.get_or_insert_with(|| Box::new(Register::new(key, iv)));
            register.run(
                rest,
                |input, _| input,
                |cipher, iv, blocks| {
                    let last = blocks.last().copied().unwrap_or(*iv);
                    cipher.open(iv, blocks);
                    last
                },
            );
        }
        rest
    }
}

impl core::fmt::Debug for Encrypt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Encrypt { .. }")
    }
}

impl core::fmt::Debug for Decrypt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Decrypt { .. }")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::Aes128Enc;
    use aes::cipher::{BlockCipherEncrypt, KeyInit};

    /// The textbook form, byte by byte.
    fn slow_cfb(key: &Key, iv: [u8; 16], data: &[u8]) -> Vec<u8> {
        let cipher = Aes128Enc::new(key.into());
        let mut block: Block = iv.into();
        let mut out = Vec::new();
        for chunk in data.chunks(BLOCK) {
            cipher.encrypt_block(&mut block);
            let bytes: Vec<u8> = chunk.iter().zip(block.iter()).map(|(a, b)| a ^ b).collect();
            block.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
            out.extend(bytes);
        }
        out
    }

    #[test]
    fn any_split_gives_the_same_stream() {
        let (key, iv) = (derive_key("123456"), [7; 16]);
        let plain: Vec<u8> = (0..1000u32).map(|i| (i * 31) as u8).collect();
        let expected = slow_cfb(&key, iv, &plain);
        for step in [1, 3, 15, 16, 17, 31, 32, 33, 160, 999, 1000] {
            let mut data = plain.clone();
            let mut seal = Encrypt::new(&key, iv);
            data.chunks_mut(step).for_each(|c| seal.apply(c));
            assert_eq!(data, expected, "encrypting in steps of {step}");
            let mut wire = [iv.as_slice(), &data].concat();
            let mut open = Decrypt::new(&key);
            let back: Vec<u8> = wire.chunks_mut(step).flat_map(|c| open.feed(c).to_vec()).collect();
            assert_eq!(back, plain, "decrypting in steps of {step}");
        }
    }

    #[test]
    fn a_mixed_split_gives_the_same_stream() {
        let (key, iv) = (derive_key(""), [0xa5; 16]);
        let plain: Vec<u8> = (0..4096u32).map(|i| ((i * 131) >> 3) as u8).collect();
        let expected = slow_cfb(&key, iv, &plain);
        let (mut data, mut seal, mut at, mut step) = (plain.clone(), Encrypt::new(&key, iv), 0, 1);
        while at < data.len() {
            let to = (at + step).min(data.len());
            seal.apply(&mut data[at..to]);
            (at, step) = (to, step * 7 % 61);
        }
        assert_eq!(data, expected);
    }
}
