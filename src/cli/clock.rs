//! The time of day for log lines.
//!
//! Owns the time zone, read once. Does not measure durations: the loop has its own clock. Always true: without a usable
//! zone it is UTC. Worst case: the zone file (a few KiB).

#[cfg_attr(not(feature = "local-time"), path = "clock/utc.rs")]
mod zone;

use std::time::{SystemTime, UNIX_EPOCH};
use zone::Zone;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock(Zone);

/// A point of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) date: (i32, u8, u8),
    pub(super) time: (u8, u8, u8),
    pub(super) millis: u32,
}

impl Clock {
    /// The system's zone.
    pub(super) fn new() -> Self {
        Self(Zone::system())
    }

    #[expect(clippy::disallowed_methods, reason = "log lines carry the wall clock; no logic depends on it")]
    pub(super) fn now(&self) -> Local {
        self.at(SystemTime::now())
    }

    fn at(&self, time: SystemTime) -> Local {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (date, time) = self.0.local(since.as_secs());
        Local { date, time, millis: since.subsec_millis() }
    }
}

impl core::fmt::Display for Local {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", self.millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn without_a_zone_it_is_utc() {
        for (millis, text) in [
            (1_700_000_000_123, "2023-11-14 22:13:20.123"),
            (0, "1970-01-01 00:00:00.000"),
            (951_782_400_000, "2000-02-29 00:00:00.000"),
            (951_868_799_999, "2000-02-29 23:59:59.999"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
            (4_107_456_000_000, "2100-02-28 00:00:00.000"),
            (1_735_689_599_000, "2024-12-31 23:59:59.000"),
        ] {
            assert_eq!(Clock(Zone::utc()).at(UNIX_EPOCH + Duration::from_millis(millis)).to_string(), text);
        }
    }
}
