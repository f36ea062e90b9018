//! AES-128 by look-up, for CPUs without instructions for it.
//!
//! Owns the round keys and a table of 1 KiB that all of them share. Does not know CFB, and does not decrypt blocks: CFB
//! never does. Always true: the result is that of the crate `aes`. Worst case: 176 bytes a key.
//!
//! Why is it so?
//! * *Why not the crate here, too?* Without instructions it computes bit by bit, two to four blocks at once and always in
//!   the same time; CFB has only one block at a time to encrypt. On MIPS that takes 360 instructions a byte.
//! * *What is given up?* The time of a look-up depends on what the cache holds, so a program on the same core that
//!   measures its own cache can learn the key by and by. frpc has the same habit on such CPUs (Go's AES is a table there).
//!   Who shares the machine with strangers builds with the feature `constant-time`.

use aes::Block;

/// Four words, the first byte of each on top.
type Words = [u32; 4];

/// Round keys.
pub(super) struct Table([u32; 44]);

impl Table {
    pub(super) fn new(key: &[u8; 16]) -> Self {
        let mut keys = [0; 44];
        let (words, _) = key.as_chunks();
        keys.iter_mut().zip(words).for_each(|(to, word)| *to = u32::from_be_bytes(*word));
        let mut round = 1;
        for i in 4..44 {
            let mut word = at(&keys, i - 1);
            if i % 4 == 0 {
                word = substitute(word.rotate_left(8)) ^ (u32::from(round) << 24);
                round = double(round);
            }
            let word = word ^ at(&keys, i - 4);
            keys.iter_mut().skip(i).take(1).for_each(|to| *to = word);
        }
        Self(keys)
    }

    pub(super) fn encrypt(&self, block: &mut Block) {
        put(self.run(words(block)), block);
    }

    pub(super) fn seal(&self, iv: &Block, blocks: &mut [Block]) {
        let mut last = words(iv);
        for block in blocks {
            last = add(words(block), &self.run(last));
            put(last, block);
        }
    }

    pub(super) fn open(&self, iv: &Block, blocks: &mut [Block]) {
        let mut last = words(iv);
        for block in blocks {
            let stream = self.run(last);
            last = words(block);
            put(add(last, &stream), block);
        }
    }

    /// Encrypts.
    fn run(&self, block: Words) -> Words {
        let (keys, _) = self.0.as_chunks::<4>();
        let Some((first, keys)) = keys.split_first() else { return block };
        let Some((last, keys)) = keys.split_last() else { return block };
        let [mut a, mut b, mut c, mut d] = add(block, first);
        for key in keys {
            [a, b, c, d] = add([column(a, b, c, d), column(b, c, d, a), column(c, d, a, b), column(d, a, b, c)], key);
        }
        add([row(a, b, c, d), row(b, c, d, a), row(c, d, a, b), row(d, a, b, c)].map(substitute), last)
    }
}

fn words(block: &Block) -> Words {
    let mut words = [0; 4];
    let (chunks, _) = block.as_slice().as_chunks();
    words.iter_mut().zip(chunks).for_each(|(to, chunk)| *to = u32::from_be_bytes(*chunk));
    words
}

fn put(words: Words, block: &mut Block) {
    let (chunks, _) = block.as_mut_slice().as_chunks_mut();
    chunks.iter_mut().zip(words).for_each(|(to, word)| *to = word.to_be_bytes());
}

fn at(keys: &[u32; 44], i: usize) -> u32 {
    keys.get(i).copied().unwrap_or_default()
}

fn add([a, b, c, d]: Words, key: &Words) -> Words {
    [a ^ key[0], b ^ key[1], c ^ key[2], d ^ key[3]]
}

/// One byte of each.
fn row(a: u32, b: u32, c: u32, d: u32) -> u32 {
    (a & 0xff00_0000) | (b & 0x00ff_0000) | (c & 0x0000_ff00) | (d & 0x0000_00ff)
}

/// A byte of each, substituted and mixed.
#[inline(always)]
fn column(a: u32, b: u32, c: u32, d: u32) -> u32 {
    let mixed = |byte: u32| MIXED[usize::from(byte as u8)];
    mixed(a >> 24) ^ mixed(b >> 16).rotate_right(8) ^ mixed(c >> 8).rotate_right(16) ^ mixed(d).rotate_right(24)
}

/// Each byte substituted: the third byte of its entry.
fn substitute(word: u32) -> u32 {
    let once = |byte: u32| (MIXED[usize::from(byte as u8)] >> 8) & 0xff;
    (once(word >> 24) << 24) | (once(word >> 16) << 16) | (once(word >> 8) << 8) | once(word)
}

const fn double(x: u8) -> u8 {
    (x << 1) ^ ((x >> 7) * 0x1b)
}

/// Each byte's substitute times 2, 1, 1, 3.
static MIXED: [u32; 256] = mixed();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn mixed() -> [u32; 256] {
    let mut table = [0; 256];
    // p runs through all bytes but 0 as powers of 3, q through their inverses.
    let (mut p, mut q) = (1_u8, 1_u8);
    loop {
        p ^= double(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        q ^= (q >> 7) * 0x09;
        let affine = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4);
        table[p as usize] = entry(affine ^ 0x63);
        if p == 1 {
            break;
        }
    }
    table[0] = entry(0x63);
    table
}

const fn entry(s: u8) -> u32 {
    u32::from_be_bytes([double(s), s, s, double(s) ^ s])
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::{BlockCipherEncrypt, BlockModeEncrypt, InnerIvInit, KeyInit};

    #[test]
    fn the_result_is_that_of_the_crate() {
        let mut x = 1_u32;
        let mut bytes = || {
            [(); 16].map(|()| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
        };
        for _ in 0..1000 {
            let (key, iv) = (bytes(), Block::from(bytes()));
            let (theirs, ours) = (aes::Aes128Enc::new(&key.into()), Table::new(&key));
            let (mut a, mut b) = (iv, iv);
            theirs.encrypt_block(&mut a);
            ours.encrypt(&mut b);
            assert_eq!(a, b, "a block");
            let plain = [(); 5].map(|()| Block::from(bytes()));
            let (mut a, mut b) = (plain, plain);
            cfb_mode::Encryptor::inner_iv_init(&theirs, &iv).encrypt_blocks(&mut a);
            ours.seal(&iv, &mut b);
            assert_eq!(a, b, "blocks");
            ours.open(&iv, &mut b);
            assert_eq!(b, plain, "and back");
        }
    }
}
