//! AES-128-CFB over whole blocks by the crate `aes`: the CPU's instructions where it has them.
//!
//! Owns nothing but the crate's key. Does not look whether it is the best way, but for [`Instructions::new`]. Always true:
//! it takes the same time for every key and text. Worst case: 360 bytes a key.

use super::{Key, has_aes};
use aes::cipher::{BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};
use aes::{Aes128Enc, Block};

/// A key of the crate.
pub(super) struct Instructions(Aes128Enc);

impl Instructions {
    /// Where the CPU has instructions, or constant time is asked for.
    pub(super) fn new(key: &Key) -> Option<Self> {
        (cfg!(feature = "constant-time") || has_aes()).then(|| Self(Aes128Enc::new(key.into())))
    }

    pub(super) fn encrypt(&self, block: &mut Block) {
        self.0.encrypt_block(block);
    }

    pub(super) fn seal(&self, iv: &Block, blocks: &mut [Block]) {
        cfb_mode::Encryptor::inner_iv_init(&self.0, iv).encrypt_blocks(blocks);
    }

    pub(super) fn open(&self, iv: &Block, blocks: &mut [Block]) {
        cfb_mode::Decryptor::inner_iv_init(&self.0, iv).decrypt_blocks(blocks);
    }
}
