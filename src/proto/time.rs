//! Time as the machines see it.
//!
//! Owns the [`Instant`] type. Does not read any clock: an [`Instant`] is minted by [`crate::net`] alone, once per
//! turn of the loop, and handed down as an argument. Always true: later instants compare greater. Worst case: 8 bytes.

use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;

/// A point on the loop's monotonic clock, in microseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The start of the clock; the origin of test scripts.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after [`Instant::ZERO`].
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since [`Instant::ZERO`].
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// The sooner of two optional deadlines.
pub fn sooner(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whole seconds as a [`Duration`].
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Milliseconds as a [`Duration`].
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Microseconds as a [`Duration`].
pub const fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let t = Instant::ZERO + secs(2);
        assert_eq!(t - secs(5), Instant::ZERO);
        assert_eq!(Instant::ZERO.since(t), Duration::ZERO);
        assert_eq!(Instant::from_micros(u64::MAX) + secs(1), Instant::from_micros(u64::MAX));
        assert_eq!(sooner(None, Some(t)), Some(t));
        assert_eq!(sooner(Some(Instant::ZERO), Some(t)), Some(Instant::ZERO));
    }
}
