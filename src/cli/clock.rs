//! Local time for log lines.
//!
//! Owns the time zone, read once. Does not measure durations: the loop has its own clock. Always true: without a usable
//! zone it is UTC. Worst case: the zone file (a few KiB).

use std::time::{SystemTime, UNIX_EPOCH};
use tz::{DateTime, TimeZone};

/// See the module.
#[derive(Debug)]
pub(super) struct Clock(TimeZone);

/// A point of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) date: (i32, u8, u8),
    pub(super) time: (u8, u8, u8),
    pub(super) millis: u32,
}

impl Clock {
    /// The system's zone: TZ, the zone file, or OpenWrt's /etc/TZ.
    pub(super) fn new() -> Self {
        let openwrt = || TimeZone::from_posix_tz(std::fs::read_to_string("/etc/TZ").ok()?.trim()).ok();
        Self(TimeZone::local().ok().or_else(openwrt).unwrap_or_else(TimeZone::utc))
    }

    #[expect(clippy::disallowed_methods, reason = "log lines carry the wall clock; no logic depends on it")]
    pub(super) fn now(&self) -> Local {
        self.at(SystemTime::now())
    }

    fn at(&self, time: SystemTime) -> Local {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
        let zone = self.0.as_ref();
        let local = DateTime::from_timespec(seconds, 0, zone).or_else(|_| DateTime::from_timespec(0, 0, zone));
        let (date, time) = local.map_or(((1970, 1, 1), (0, 0, 0)), |t| {
            ((t.year(), t.month(), t.month_day()), (t.hour(), t.minute(), t.second()))
        });
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
    fn local_time_follows_the_zone() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let utc = Clock(TimeZone::utc());
        assert_eq!(utc.at(at).to_string(), "2023-11-14 22:13:20.123");
        let berlin = Clock(TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(berlin.at(at).to_string(), "2023-11-14 23:13:20.123");
        let summer = UNIX_EPOCH + Duration::from_secs(1_690_000_000);
        assert_eq!(berlin.at(summer).to_string(), "2023-07-22 06:26:40.000");
    }
}
