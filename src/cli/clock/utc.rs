//! Built without time zones: UTC.
//!
//! Owns nothing. Does not know leap seconds. Always true: a date for every time. Worst case: no memory.

/// See the module.
#[derive(Debug)]
pub(super) struct Zone;

impl Zone {
    pub(super) fn system() -> Self {
        Self
    }

    #[cfg(test)]
    pub(super) fn utc() -> Self {
        Self
    }

    /// Date and time of day, `seconds` after 1970.
    pub(super) fn local(&self, seconds: u64) -> ((i32, u8, u8), (u8, u8, u8)) {
        let of = |n: u64| u8::try_from(n).unwrap_or_default();
        let (mut day, second) = (seconds / 86_400, seconds % 86_400);
        let mut year = 1970;
        // A century of days at most in practice; a clock that is far off ends at the last year that can be written.
        while year < 9999 && day >= days(year) {
            day -= days(year);
            year += 1;
        }
        let mut month = 1;
        for length in months(year) {
            if day < length {
                break;
            }
            day -= length;
            month += 1;
        }
        ((year, of(month), of(day + 1)), (of(second / 3600), of(second / 60 % 60), of(second % 60)))
    }
}

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days(year: i32) -> u64 {
    365 + u64::from(is_leap(year))
}

fn months(year: i32) -> [u64; 12] {
    [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}
