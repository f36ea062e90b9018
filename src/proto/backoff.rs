//! How long to wait before the next try.
//!
//! Owns the number of failures in a row. Does not draw random numbers: they come in. Always true: the pace follows from
//! who is to blame, and starts afresh only after a session that lasted. Worst case: 40 bytes.
//!
//! Why is it so?
//! * *Why no pause when our own line died?* Nobody else lost theirs in the same second, and the user waits. When the
//!   server ended the session, all its clients are about to knock: their first tries are spread.
//! * *Why is a reset no end?* A server that restarts says goodbye to all (FIN). A reset comes when one packet meets a
//!   server that does not know us: after our own line got a new address, or, for all clients but each with its next
//!   packet, after the server's machine lost its power. A short spread is enough.
//! * *Why full jitter?* Clients that failed together do not come back together.
//! * *Why does a short session not count as a success?* A server that accepts the login and then fails would be
//!   hammered.

use super::time::{Duration, Instant, millis, secs};

/// The longest pause after a failure that may heal by itself.
pub const CAP: Duration = secs(20);
/// Bounds of the pause after a refusal that somebody has to lift.
pub const REFUSED: (Duration, Duration) = (secs(30), secs(300));
/// A session that lasted so long was a success.
pub const STABLE: Duration = secs(30);
/// The part of the spread that is waited after a reset.
const RESET_SHARE: u32 = 20;
const STEP: Duration = millis(500);
const LEAST: Duration = millis(100);

/// Who decides the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Our own line: nobody else is hit.
    Ours,
    /// The server does not know the connection: we are hit alone, or everybody is but not in the same moment.
    Reset,
    /// The server ended it, or is not there: everybody is hit.
    Server,
    /// The server said no, and will say it again until somebody changes a setting.
    Refused,
}

/// See the module.
#[derive(Debug)]
pub struct Backoff {
    /// The first tries after a server ended its sessions are spread over this.
    spread: Duration,
    /// Failures since the last session that lasted.
    failures: u32,
    refusals: u32,
    up_since: Option<Instant>,
}

impl Backoff {
    /// Nothing has failed yet.
    pub fn new(spread: Duration) -> Self {
        Self { spread, failures: 0, refusals: 0, up_since: None }
    }

    /// There is another server to try.
    pub fn restart(&mut self) {
        self.failures = 1;
    }

    /// A login succeeded.
    pub fn up(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// A session or a try to get one ended: the pause before the next. `random` is any number.
    pub fn failed(&mut self, pace: Pace, now: Instant, random: u32) -> Duration {
        if self.up_since.take().is_some_and(|since| now.since(since) >= STABLE) {
            *self = Self::new(self.spread);
        }
        if pace == Pace::Refused {
            let (least, most) = REFUSED;
            let pause = least.saturating_mul(1 << self.refusals.min(8)).min(most);
            self.refusals += 1;
            return pause + between(Duration::ZERO, pause / 10, random);
        }
        let attempt = self.failures;
        self.failures += 1;
        match (attempt, pace) {
            (0, Pace::Ours) => Duration::ZERO,
            (0, Pace::Reset) => between(Duration::ZERO, self.spread / RESET_SHARE, random),
            (0, _) => between(Duration::ZERO, self.spread, random),
            (n, _) => between(LEAST, STEP.saturating_mul(1 << n.min(10)).min(CAP), random),
        }
    }
}

/// An even choice between two durations.
fn between(least: Duration, most: Duration, random: u32) -> Duration {
    least + most.saturating_sub(least).saturating_mul(random) / u32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Instant = Instant::ZERO;

    fn pauses(backoff: &mut Backoff, pace: Pace, count: usize, random: u32) -> Vec<u128> {
        (0..count).map(|_| backoff.failed(pace, T, random).as_millis()).collect()
    }

    #[test]
    fn our_own_line_is_tried_at_once_and_then_ever_less() {
        let ours = |random| pauses(&mut Backoff::new(secs(2)), Pace::Ours, 9, random);
        assert_eq!(ours(u32::MAX), [0, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000]);
        assert_eq!(ours(0), [0, 100, 100, 100, 100, 100, 100, 100, 100]);
    }

    #[test]
    fn a_server_that_restarts_is_not_met_by_all_at_once() {
        let first = |random| Backoff::new(secs(2)).failed(Pace::Server, T, random).as_millis();
        assert_eq!((first(0), first(u32::MAX / 2), first(u32::MAX)), (0, 999, 2000));
        assert_eq!(Backoff::new(secs(2)).failed(Pace::Reset, T, u32::MAX), millis(100));
    }

    #[test]
    fn a_refusal_is_not_hammered() {
        assert_eq!(
            pauses(&mut Backoff::new(secs(2)), Pace::Refused, 6, 0),
            [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]
        );
        assert_eq!(pauses(&mut Backoff::new(secs(2)), Pace::Refused, 1, u32::MAX), [33_000]);
    }

    #[test]
    fn only_a_session_that_lasted_is_a_fresh_start() {
        let mut backoff = Backoff::new(secs(2));
        pauses(&mut backoff, Pace::Ours, 4, u32::MAX);
        backoff.up(T);
        assert_eq!(backoff.failed(Pace::Ours, T + secs(29), u32::MAX), secs(8), "it fell over at once");
        backoff.up(T + secs(40));
        assert_eq!(backoff.failed(Pace::Ours, T + secs(70), u32::MAX), Duration::ZERO);
    }
}
