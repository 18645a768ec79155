//! Calendar days and the day counts in which tables hold them. No clock and no time zone: a day is a label.

mod file_name;

use std::fmt;

pub use file_name::{all_in_file_name, in_file_name};

pub use chrono::{Datelike, NaiveDate, Weekday};

/// Returns the day that lies `days` after 1970-01-01 (before it, if negative).
///
/// A count no calendar holds gives the nearest day that one does: a table may hold any 32-bit count, and reading it
/// must not end the program.
///
/// ```
/// use spine_primitives::date::{from_days, to_days};
///
/// let day = from_days(18_654);
/// assert_eq!(day.to_string(), "2021-01-27");
/// assert_eq!(to_days(day), 18_654);
/// ```
pub fn from_days(days: i32) -> NaiveDate {
    let nearest = if days < 0 { NaiveDate::MIN } else { NaiveDate::MAX };
    NaiveDate::from_epoch_days(days).unwrap_or(nearest)
}

/// Returns the days from 1970-01-01 to `day`.
pub fn to_days(day: NaiveDate) -> i32 {
    day.to_epoch_days()
}

/// Parses `YYYY-MM-DD`, exactly: four, two and two digits, nothing around them.
///
/// ```
/// use spine_primitives::date::parse;
///
/// assert!(parse("2021-01-27").is_ok());
/// for wrong in ["2021-1-27", "20210127", " 2021-01-27", "2021-02-30", "2021-01-27T00:00"] {
///     assert!(parse(wrong).is_err(), "{wrong}");
/// }
/// ```
pub fn parse(text: &str) -> Result<NaiveDate, NotADate> {
    digits(text)
        .and_then(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day))
        .ok_or_else(|| NotADate(text.into()))
}

fn digits(text: &str) -> Option<(i32, u32, u32)> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let number = |at: std::ops::Range<usize>| {
        bytes[at].iter().try_fold(0_u32, |all, byte| byte.is_ascii_digit().then(|| all * 10 + u32::from(byte - b'0')))
    };
    let dashes = bytes[4] == b'-' && bytes[7] == b'-';
    let year = i32::try_from(number(0..4)?).ok()?;
    dashes.then_some((year, number(5..7)?, number(8..10)?))
}

/// A text that is not a day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADate(pub String);

impl fmt::Display for NotADate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a date: write a day of the calendar as YYYY-MM-DD", self.0)
    }
}

impl std::error::Error for NotADate {}

/// The English name of a weekday.
pub const fn weekday_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_count_of_days_is_a_day() {
        for days in [i32::MIN, -1, 0, 1, i32::MAX] {
            let day = from_days(days);
            assert!(day >= NaiveDate::MIN && day <= NaiveDate::MAX);
        }
        assert_eq!(from_days(-1).to_string(), "1969-12-31");
        assert_eq!(to_days(parse("2000-02-29").unwrap()), 11_016);
    }

    #[test]
    fn texts_of_ten_bytes_that_are_not_dates_are_refused() {
        for wrong in ["", "2021-01-2é", "2021/01/27", "+021-01-27", "2021-13-01", "2021-00-10", "２０"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
