//! Keeps a log line that repeats from filling the log.
//!
//! Owns when the line was last let through. Does not log. Always true: at most one line a pause; the next one says how
//! many were left out. Worst case: 24 bytes.

use super::time::{Duration, Instant, secs};

/// Least time between two lines.
pub const PAUSE: Duration = secs(10);

/// One kind of line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    until: Option<Instant>,
    left_out: u32,
}

impl Quiet {
    /// Whether to write the line now, and how many were left out since the last one.
    pub fn allow(&mut self, now: Instant) -> Option<u32> {
        if self.until.is_some_and(|until| now < until) {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.until = Some(now + PAUSE);
        Some(core::mem::take(&mut self.left_out))
    }
}

/// ` (and N more like it)`, or nothing.
pub fn and_more(left_out: u32) -> String {
    if left_out == 0 { String::new() } else { format!(" (and {left_out} more like it)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_pause() {
        let (mut quiet, t) = (Quiet::default(), Instant::ZERO + secs(5));
        assert_eq!(quiet.allow(t), Some(0));
        assert_eq!(quiet.allow(t), None);
        assert_eq!(quiet.allow(t + secs(9)), None);
        assert_eq!(quiet.allow(t + PAUSE), Some(2));
        assert_eq!(and_more(2), " (and 2 more like it)");
    }
}
