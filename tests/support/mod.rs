//! What the tests and the demo share.
//!
//! Owns a frps without sockets ([`frps`]), a real server around it ([`server`]), a redial that runs in a thread of its
//! own ([`client`]), and services and users ([`local`]). Does not contain tests. Always true: nothing here is compiled
//! into the product. Worst case: stated by each module.
#![allow(dead_code, reason = "each target that includes this uses a part of it")]

pub(crate) mod client;
pub(crate) mod frps;
pub(crate) mod local;
pub(crate) mod server;
