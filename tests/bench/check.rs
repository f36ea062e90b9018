//! Whether data comes through a chain unharmed.
//!
//! Owns the transfers that are compared byte by byte, before and after those that are measured. Does not measure. Always
//! true: both directions are looked at. Worst case: a few megabytes.

use std::io::Read;
use std::thread;

use crate::chain::Chain;
use crate::pattern::Pattern;
use crate::payload;
use crate::serve::SOURCE;
use crate::sock;
use crate::wait::{Context, Outcome, ensure};

/// Through the echo, there and back.
const ECHOED: u64 = 8 << 20;
/// Periods of the bulk payload.
const PERIODS: usize = 4;

/// Fails unless every byte is right; then with the end of the logs.
pub(crate) fn check(chain: &mut Chain) -> Outcome {
    chain.expect_alive()?;
    let checked = echo(chain.port).and_then(|()| download(chain.port));
    checked.map_err(|error| format!("checking the data of {}: {error}\n{}", chain.kind, chain.logs()))
}

fn echo(port: u16) -> Outcome {
    let (stream, pattern) = (sock::ask_echo(port)?, Pattern::Random(port.into()));
    thread::scope(|scope| {
        let sending = scope.spawn(|| pattern.send(&stream, ECHOED));
        pattern.verify(&stream, ECHOED).context("what comes back")?;
        sending.join().map_err(|_| "the sender panicked")?.context("sending what is to come back")
    })
}

fn download(port: u16) -> Outcome {
    let mut stream = sock::ask(port, SOURCE)?;
    let (expected, mut got) = (payload::bytes(), vec![0; payload::SIZE]);
    for period in 0..PERIODS {
        stream.read_exact(&mut got).context(format_args!("period {period} of a download"))?;
        ensure!(got == expected, "period {period} of a download is not what was sent");
    }
    Ok(())
}
