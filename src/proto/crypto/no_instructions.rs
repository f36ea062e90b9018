//! In place of [`super::instructions`] where no CPU has instructions for AES: the same names, and no value.
//!
//! Owns nothing. Does not do anything. Always true: a key cannot exist, so the compiler drops the code for it. Worst
//! case: no memory.

use super::Key;
use aes::Block;

/// No value.
pub(super) enum Instructions {}

impl Instructions {
    pub(super) fn new(_: &Key) -> Option<Self> {
        None
    }

    pub(super) fn encrypt(&self, _: &mut Block) {
        match *self {}
    }

    pub(super) fn seal(&self, _: &Block, _: &mut [Block]) {
        match *self {}
    }

    pub(super) fn open(&self, _: &Block, _: &mut [Block]) {
        match *self {}
    }
}
