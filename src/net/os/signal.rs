//! Process signals as events of the loop.
//!
//! Owns the handlers and the socket they wake the loop through. Does not act on a signal. Always true: however often a
//! signal came since the last turn, it is told once. Worst case: seven descriptors and 5 flags, and two for the [`Bell`].

use super::super::{Event, Signal};
use signal_hook::consts::signal::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
#[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const WATCHED: [(i32, Signal); 5] = [
    (SIGINT, Signal::Terminate),
    (SIGTERM, Signal::Terminate),
    (SIGHUP, Signal::Reload),
    (SIGUSR1, Signal::Poke),
    (SIGUSR2, Signal::Report),
];

/// The signals that came.
pub(super) struct Signals {
    wake: mio::net::UnixStream,
    #[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
    flags: Vec<(Signal, Arc<AtomicBool>)>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut flags = Vec::with_capacity(WATCHED.len());
        for (number, signal) in WATCHED {
            #[expect(clippy::disallowed_types, reason = "signal-hook shares the flag with its handler")]
            let flag = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(number, flag.clone())?;
            signal_hook::low_level::pipe::register(number, theirs.try_clone()?)?;
            flags.push((signal, flag));
        }
        Ok(Self { wake: mio::net::UnixStream::from_std(ours), flags })
    }

    pub(super) fn source(&mut self) -> &mut mio::net::UnixStream {
        &mut self.wake
    }

    /// Adds each signal that came since the last call.
    pub(super) fn drain(&mut self, events: &mut Vec<Event>) {
        drain(&mut self.wake);
        let came = self.flags.iter().filter(|(_, flag)| flag.swap(false, Ordering::Relaxed));
        events.extend(came.map(|(signal, _)| Event::Signal(*signal)));
    }
}

/// Rings when a child process has ended, or was stopped.
pub(super) struct Bell {
    wake: mio::net::UnixStream,
    handler: signal_hook::SigId,
}

impl Bell {
    pub(super) fn for_children() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let handler = signal_hook::low_level::pipe::register(SIGCHLD, theirs)?;
        Ok(Self { wake: mio::net::UnixStream::from_std(ours), handler })
    }

    pub(super) fn source(&mut self) -> &mut mio::net::UnixStream {
        &mut self.wake
    }

    /// Until it rings again.
    pub(super) fn silence(&mut self) {
        drain(&mut self.wake);
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.handler);
    }
}

fn drain(wake: &mut mio::net::UnixStream) {
    let mut bytes = [0; 64];
    while matches!(wake.read(&mut bytes), Ok(n) if n == bytes.len()) {}
}
