//! Machines: bytes, commands and time in; bytes, events and deadlines out.
//!
//! Owns the state of every protocol. Does not make system calls, read a clock or draw random numbers. Always true: one
//! grammar for all: `feed` and `on_…` (world to machine), verbs (owner to machine), `poll` (machine to owner),
//! `deadline` and `expire`. Worst case: stated by each module.

pub mod backoff;
pub mod codec;
pub mod control;
pub mod crypto;
pub mod health;
#[cfg(any(feature = "admin", feature = "oidc"))]
pub mod http;
pub mod mux;
#[cfg(feature = "oidc")]
pub mod oauth;
pub mod path;
pub mod queue;
pub mod quiet;
pub mod race;
pub mod relay;
pub mod snappy;
#[cfg(feature = "oidc")]
pub mod socks;
pub mod takeover;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_off.rs"]
pub mod tls;
