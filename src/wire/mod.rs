//! Bytes into values and back.
//!
//! Owns the formats: frp's messages ([`msg`]) and their frames ([`frame`]), yamux headers ([`yamux`]), JSON as Go writes it ([`json`]). Does not keep
//! state, know time, or touch a socket. Always true: decoding never panics and never reads past its input; what is not
//! complete yet is told apart from what is wrong. Worst case: a decoded message is bounded by [`frame::MAX_BODY`].

pub mod frame;
pub mod json;
pub mod msg;
pub mod packed;
pub mod yamux;
