//! The path to a server: how long answers take, and how far silence is to be trusted.
//!
//! Owns the estimates. Does not send or decide. Always true: what one link has shown holds for the next one to the same
//! server from the same address. Worst case: 100 bytes.
//!
//! Why is it so?
//! * *Why does a late answer buy patience?* Retransmissions come ever more slowly, so that on a path that loses a third of
//!   its packets one ping in thirty takes longer than a verdict on a good path. Who was late and came is late again.

use super::time::{Duration, Instant, millis, secs};

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
/// The shortest round trip is that of the last one or two such times: paths change.
const WINDOW: Duration = secs(60);

/// What is known about the path to a server. It holds for each link over it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    srtt: Option<Duration>,
    var: Duration,
    /// The shortest round trip since then, and in the window before.
    best: Option<(Duration, Instant)>,
    best_before: Option<Duration>,
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
    pub fn sample(&mut self, rtt: Duration, now: Instant) {
        match self.srtt {
            None => (self.srtt, self.var) = (Some(rtt), rtt / 2),
            Some(srtt) => {
                self.var = self.var * 3 / 4 + srtt.abs_diff(rtt) / 4;
                self.srtt = Some(srtt * 7 / 8 + rtt / 8);
            }
        }
        let best = self.best.map(|(best, _)| self.best_before.map_or(best, |before| before.min(best)));
        if best.is_some_and(|best| rtt > best * 2 + LATE) {
            self.late();
        } else {
            self.patience = (self.patience * 7 / 8).saturating_sub(millis(1));
        }
        self.best = match self.best {
            Some((best, since)) if now.since(since) < WINDOW => Some((best.min(rtt), since)),
            over => {
                self.best_before = over.map(|(best, _)| best);
                Some((rtt, now))
            }
        };
    }

    /// An answer came that was given up already.
    pub fn late(&mut self) {
        self.patience += (MAX_PATIENCE - self.patience) / 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_has_become_longer_is_not_late_for_ever() {
        let (mut path, t) = (Path::default(), Instant::ZERO);
        path.sample(millis(10), t);
        for i in 1..60 {
            path.sample(millis(400), t + secs(i * 5));
        }
        assert!(path.patience() < millis(100), "{:?}", path.patience());
        path.sample(secs(2), t + secs(300));
        assert!(path.patience() > secs(1), "but that is late here as well");
    }
}
