//! The test server without sockets, in virtual time: scripts of exact bytes at exact times.
#[path = "support/frps/mod.rs"]
mod frps;

#[path = "frps/bridge.rs"]
mod bridge;
#[path = "frps/faults.rs"]
mod faults;
#[path = "frps/mux.rs"]
mod mux;
#[path = "frps/random.rs"]
mod random;
#[path = "frps/script.rs"]
mod script;
#[path = "frps/session.rs"]
mod session;
