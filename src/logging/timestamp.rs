//! Times as people and collectors write them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A time in UTC, shown by RFC 3339 to the millisecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp {
    since_epoch_ms: u64,
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { since_epoch_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;
        let (year, month, day) = date(self.since_epoch_ms / MS_PER_DAY);
        let ms = self.since_epoch_ms % MS_PER_DAY;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
    }
}

/// Year, month and day of the Gregorian calendar, from days since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    const DAYS_FROM_MARCH_OF_YEAR_0: u64 = 719_468;
    // Years are counted from March, so that the leap day is a year's last, in eras of 400 years, which are all alike.
    let days = days + DAYS_FROM_MARCH_OF_YEAR_0;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March, and again from August, have 153 days.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn known_times() {
        let check = |since_epoch_ms: u64, expected: &str| {
            let time = UNIX_EPOCH + Duration::from_millis(since_epoch_ms);
            assert_eq!(Timestamp::from(time).to_string(), expected);
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(951_868_800_000, "2000-03-01T00:00:00.000Z");
        check(1_767_323_045_678, "2026-01-02T03:04:05.678Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn each_day_follows_the_day_before() {
        let mut previous = date(0);
        for days in 1..=DAYS_OF_THREE_CENTURIES {
            let (year, month, day) = date(days);
            let is_next_day = (year, month, day) == (previous.0, previous.1, previous.2 + 1);
            let is_next_month = day == 1 && previous.2 >= 28;
            assert!(is_next_day || is_next_month, "{previous:?} then {:?}", (year, month, day));
            previous = (year, month, day);
        }
        assert_eq!(previous, (2270, 1, 1));
    }

    const DAYS_OF_THREE_CENTURIES: u64 = 300 * 365 + 73;
}
