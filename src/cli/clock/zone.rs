//! The system's time zone, by `tz-rs`.
//!
//! Owns the zone. Does not follow its changes. Always true: times outside the zone's range are told as 1970. Worst case:
//! the zone file (a few KiB).

use tz::{DateTime, TimeZone};

/// See the module.
#[derive(Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// TZ, the zone file, or OpenWrt's /etc/TZ.
    pub(super) fn system() -> Self {
        let openwrt = || TimeZone::from_posix_tz(std::fs::read_to_string("/etc/TZ").ok()?.trim()).ok();
        Self(TimeZone::local().ok().or_else(openwrt).unwrap_or_else(TimeZone::utc))
    }

    #[cfg(test)]
    pub(super) fn utc() -> Self {
        Self(TimeZone::utc())
    }

    /// Date and time of day, `seconds` after 1970.
    pub(super) fn local(&self, seconds: u64) -> ((i32, u8, u8), (u8, u8, u8)) {
        let (seconds, zone) = (i64::try_from(seconds).unwrap_or_default(), self.0.as_ref());
        let local = DateTime::from_timespec(seconds, 0, zone).or_else(|_| DateTime::from_timespec(0, 0, zone));
        local.map_or(((1970, 1, 1), (0, 0, 0)), |t| {
            ((t.year(), t.month(), t.month_day()), (t.hour(), t.minute(), t.second()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_follows_the_zone() {
        let berlin = Zone(TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(berlin.local(1_700_000_000), ((2023, 11, 14), (23, 13, 20)));
        assert_eq!(berlin.local(1_690_000_000), ((2023, 7, 22), (6, 26, 40)));
        assert_eq!(berlin.local(u64::MAX).0, (1970, 1, 1));
    }
}
