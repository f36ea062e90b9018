//! Lines that say the same again and again.
//!
//! Owns the last line and how often it came since. Does not write, and reads no clock. Always true: only what is the same in
//! every letter behind the time is held back, only right behind [`FREE`] of its like, and never longer than [`HOLD`]; one line
//! that was held back is written as it is, more become a count. Worst case: [`LONGEST`] twice.

use crate::proto::time::{Duration, Instant, secs};

/// How long lines are held back, and how far apart two may be to count as a repetition.
const HOLD: Duration = secs(5);
/// So many are written before one is held back: who awaits a line that may come twice does not wait for us.
const FREE: u32 = 3;
/// Longer lines, in bytes, are never held back.
const LONGEST: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Repeat {
    last: String,
    /// When the last line, or the count of it, was written.
    at: Instant,
    /// How often the last line was written.
    written: u32,
    held: u32,
    /// The first line that is held back.
    first: String,
    /// When the count is written at the latest.
    due: Option<Instant>,
}

/// What was held back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// One line, as it was to be written.
    Line(String),
    /// So many.
    Count(u32),
}

impl Repeat {
    /// A line comes: what is to be written before it, and whether it is itself. `body` is what must be the same, `line`
    /// what would be written.
    pub(super) fn see(&mut self, body: &str, line: &str, now: Instant) -> (Option<Held>, bool) {
        let fresh = now.since(self.at) < HOLD || self.held > 0;
        let again = body == self.last && fresh && body.len() <= LONGEST;
        if again && self.written < FREE {
            self.written += 1;
            self.at = now;
            return (None, true);
        }
        if again {
            let over = self.due.is_some_and(|due| now >= due).then(|| self.take(now)).flatten();
            if self.held == 0 {
                self.first.clear();
                self.first.push_str(line);
                self.due = Some(now + HOLD);
            }
            self.held = self.held.saturating_add(1);
            return (over, false);
        }
        let held = self.take(now);
        self.last.clear();
        if body.len() <= LONGEST {
            self.last.push_str(body);
        }
        (self.at, self.written) = (now, 1);
        (held, true)
    }

    /// When [`Repeat::take`] must be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// What is held back, which is to be written now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Held> {
        self.due = None;
        if self.held > 0 {
            self.at = now;
        }
        match core::mem::take(&mut self.held) {
            0 => None,
            1 => Some(Held::Line(core::mem::take(&mut self.first))),
            n => Some(Held::Count(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::time::millis;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + millis(ms)
    }

    #[test]
    fn a_line_that_is_held_back_alone_is_written_as_it_is() {
        let mut repeat = Repeat::default();
        for n in 1..=3 {
            assert_eq!(repeat.see("a", "a", at(n)), (None, true));
        }
        assert_eq!(repeat.see("a", "4 a", at(4)), (None, false));
        assert_eq!(repeat.see("b", "5 b", at(5)), (Some(Held::Line("4 a".to_owned())), true));
        assert_eq!(repeat.see("a", "6 a", at(6)), (None, true), "not right behind its like");
        assert_eq!(repeat.deadline(), None);
    }

    #[test]
    fn more_become_a_count_in_bounded_time() {
        let mut repeat = Repeat::default();
        (0..3).for_each(|_| assert!(repeat.see("a", "a", at(0)).1));
        for ms in 1..=100 {
            assert_eq!(repeat.see("a", "a", at(ms)), (None, false));
        }
        assert_eq!(repeat.deadline(), Some(at(1) + HOLD));
        assert_eq!(repeat.take(at(5001)), Some(Held::Count(100)));
        assert_eq!((repeat.take(at(5002)), repeat.deadline()), (None, None));
        // It goes on: still no line of its own, and the next count is due in time even if nobody calls `take`.
        assert_eq!(repeat.see("a", "a", at(6000)), (None, false));
        assert_eq!(repeat.see("a", "a", at(7000)), (None, false));
        assert_eq!(repeat.see("a", "a", at(11_000)), (Some(Held::Count(2)), false));
        assert_eq!(repeat.see("b", "b", at(11_001)), (Some(Held::Line("a".to_owned())), true));
    }

    #[test]
    fn what_comes_slowly_or_is_long_is_never_held_back() {
        let mut repeat = Repeat::default();
        for n in 0..9 {
            assert_eq!(repeat.see("a", "a", at(n * 5000)), (None, true));
        }
        let long = "x".repeat(LONGEST + 1);
        for _ in 0..9 {
            assert_eq!(repeat.see(&long, &long, at(40_001)), (None, true));
        }
    }
}
