//! The first answer: `load first PORT LIMIT_MS`. Tries again and again until a byte has come back, and tells when.
//!
//! Owns one connection at a time. Does not know when the client was started. Always true: a try that was refused is
//! repeated within half a millisecond. Worst case: no memory.

use std::thread;
use std::time::Duration;

use super::{nanos, tell};
use crate::clock;
use crate::sock;
use crate::wait::{Outcome, ensure};

const EVERY: Duration = Duration::from_micros(500);

pub(super) fn run(port: u16, limit: Duration) -> Outcome {
    let deadline = clock::now() + limit;
    while let Err(error) = sock::ask_echo(port) {
        ensure!(clock::now() < deadline, "no answer within {limit:?}: {error}");
        thread::sleep(EVERY);
    }
    tell(&[("at", nanos(clock::now()))])
}
