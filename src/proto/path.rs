//! The path to a server: how long answers take, and how far silence is to be trusted.
//!
//! Owns the estimates. Does not send or decide. Always true: what one link has shown holds for the next one to the same
//! server. Worst case: 60 bytes.
//!
//! Why is it so?
//! * *Why does a late answer buy patience?* Retransmissions come ever more slowly, so that on a path that loses a third of
//!   its packets one ping in thirty takes longer than a verdict on a good path. Who was late and came is late again.

use super::time::{Duration, millis, secs};

/// Bounds of the wait for an answer.
const MIN_WAIT: Duration = millis(250);
const MAX_WAIT: Duration = secs(2);
/// The wait while no round trip is known.
const FIRST_WAIT: Duration = secs(1);
/// The most that late answers buy, and what the first thing to come late on a path buys at least.
const MAX_PATIENCE: Duration = secs(4);
const FIRST_PATIENCE: Duration = secs(1);
/// An answer is late if it takes two round trips and so much more: then something was sent again.
const LATE: Duration = millis(150);

/// What is known about the path to a server. It holds for each link over it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    srtt: Option<Duration>,
    var: Duration,
    /// The shortest round trip.
    best: Option<Duration>,
    patience: Duration,
}

impl Path {
    /// The smoothed round trip.
    pub fn rtt(&self) -> Option<Duration> {
        self.srtt
    }

    /// How long an answer may take (RFC 6298 with a floor for schedulers and a ceiling for impatience).
    pub fn wait(&self) -> Duration {
        self.srtt.map_or(FIRST_WAIT, |srtt| (srtt + self.var * 4 + millis(50)).clamp(MIN_WAIT, MAX_WAIT))
    }

    /// How much longer than usual silence has to last: 0 to 4 s.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// As it is after a connection that needed more than one SYN.
    #[must_use]
    pub fn opened_late(self) -> Self {
        Self { patience: self.patience.max(FIRST_PATIENCE), ..self }
    }

    /// A ping was answered after that time.
    pub fn sample(&mut self, rtt: Duration) {
        match self.srtt {
            None => (self.srtt, self.var) = (Some(rtt), rtt / 2),
            Some(srtt) => {
                self.var = self.var * 3 / 4 + srtt.abs_diff(rtt) / 4;
                self.srtt = Some(srtt * 7 / 8 + rtt / 8);
            }
        }
        if self.best.is_some_and(|best| rtt > best * 2 + LATE) {
            self.late();
        } else {
            self.patience = (self.patience * 7 / 8).saturating_sub(millis(1));
        }
        self.best = Some(self.best.map_or(rtt, |best| best.min(rtt)));
    }

    /// An answer came that was given up already.
    pub fn late(&mut self) {
        self.patience += (MAX_PATIENCE - self.patience) / 2;
    }
}
