//! Weeks, named by the Friday on which they end.
//!
//! A value type only: which week a publication belongs to is the publisher's rule and stands in the plugin.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, Weekday};

use crate::date;

/// The Friday that ends a week.
///
/// ```
/// use spine_primitives::WeekEnding;
///
/// let week: WeekEnding = "2025-12-26".parse().unwrap();
/// assert_eq!(week.previous(2).to_string(), "2025-12-12");
///
/// let error = "2025-12-25".parse::<WeekEnding>().unwrap_err();
/// assert_eq!(error.to_string(), "2025-12-25 is a Thursday, and a week ends on a Friday: write 2025-12-26");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WeekEnding(NaiveDate);

impl WeekEnding {
    /// Takes a Friday; any other day is an error that names the weekday and the Friday meant.
    pub fn new(day: NaiveDate) -> Result<Self, NotAWeekEnding> {
        match day.weekday() {
            Weekday::Fri => Ok(Self(day)),
            weekday => Err(NotAWeekEnding::Weekday { day, weekday, friday: Self::from_any_date(day).0 }),
        }
    }

    /// The week that `day` belongs to: the Friday on or after it, so a Saturday moves six days ahead.
    pub fn from_any_date(day: NaiveDate) -> Self {
        let ahead = (4 + 7 - day.weekday().num_days_from_monday()) % 7;
        // The last days of the calendar have no Friday after them; they count to the last Friday there is.
        match day.checked_add_days(Days::new(u64::from(ahead))) {
            Some(friday) => Self(friday),
            None => Self(day - Days::new(u64::from(7 - ahead))),
        }
    }

    pub fn date(self) -> NaiveDate {
        self.0
    }

    /// Days since 1970-01-01, as a table holds them.
    pub fn days(self) -> i32 {
        date::to_days(self.0)
    }

    /// The week `weeks` before this one; a negative count goes ahead. A count that leaves the calendar changes nothing.
    #[must_use]
    pub fn previous(self, weeks: i32) -> Self {
        self.shift(-i64::from(weeks))
    }

    /// The week `weeks` after this one; a negative count goes back. A count that leaves the calendar changes nothing.
    #[must_use]
    pub fn next(self, weeks: i32) -> Self {
        self.shift(i64::from(weeks))
    }

    /// The `size` weeks that end with this one, oldest first.
    pub fn window(self, size: u32) -> Vec<Self> {
        (0..i64::from(size)).rev().map(|back| self.shift(-back)).collect()
    }

    /// The weeks from `first` to `last`, both included; none if they are reversed.
    pub fn range(first: Self, last: Self) -> Vec<Self> {
        let weeks = (last.0 - first.0).num_days() / 7;
        if weeks < 0 { Vec::new() } else { (0..=weeks).map(|ahead| first.shift(ahead)).collect() }
    }

    fn shift(self, weeks: i64) -> Self {
        let days = Days::new(weeks.unsigned_abs().saturating_mul(7));
        let moved = if weeks < 0 { self.0.checked_sub_days(days) } else { self.0.checked_add_days(days) };
        Self(moved.unwrap_or(self.0))
    }
}

impl FromStr for WeekEnding {
    type Err = NotAWeekEnding;

    /// `YYYY-MM-DD`, a Friday.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(date::parse(text).map_err(NotAWeekEnding::Text)?)
    }
}

impl fmt::Display for WeekEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why something does not name a week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAWeekEnding {
    Text(date::NotADate),
    /// A day, but not a Friday; `friday` is the one on or after it.
    Weekday {
        day: NaiveDate,
        weekday: Weekday,
        friday: NaiveDate,
    },
}

impl fmt::Display for NotAWeekEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(error) => error.fmt(f),
            Self::Weekday { day, weekday, friday } => {
                let weekday = date::weekday_name(*weekday);
                write!(f, "{day} is a {weekday}, and a week ends on a Friday: write {friday}")
            }
        }
    }
}

impl std::error::Error for NotAWeekEnding {}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        date::parse(text).unwrap()
    }

    fn texts(weeks: &[WeekEnding]) -> Vec<String> {
        weeks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn w1_to_w9_any_day_belongs_to_the_friday_on_or_after_it() {
        for (any, friday) in [
            ("2025-12-20", "2025-12-26"),
            ("2025-12-21", "2025-12-26"),
            ("2025-12-22", "2025-12-26"),
            ("2025-12-23", "2025-12-26"),
            ("2025-12-24", "2025-12-26"),
            ("2025-12-25", "2025-12-26"),
            ("2025-12-26", "2025-12-26"),
            ("2025-12-27", "2026-01-02"),
            ("2025-12-31", "2026-01-02"),
            ("2026-01-01", "2026-01-02"),
            ("2026-01-10", "2026-01-16"),
            ("2026-01-11", "2026-01-16"),
            ("2024-02-29", "2024-03-01"),
            ("2000-01-01", "2000-01-07"),
            ("2100-02-28", "2100-03-05"),
        ] {
            assert_eq!(WeekEnding::from_any_date(day(any)).to_string(), friday, "{any}");
        }
    }

    #[test]
    fn w10_a_thursday_is_refused_by_name_with_the_friday_meant() {
        let error = "2025-12-25".parse::<WeekEnding>().unwrap_err().to_string();
        assert!(error.contains("Thursday") && error.contains("2025-12-26"), "{error}");
    }

    #[test]
    fn w11_and_w22_what_is_not_a_day_alone_is_refused() {
        for text in ["12345", "", "2025-12-26T23:59", " 2025-12-26", "20251226", "2025-W52-5"] {
            assert!(matches!(text.parse::<WeekEnding>(), Err(NotAWeekEnding::Text(_))), "{text}");
        }
    }

    #[test]
    fn w12_and_w18_a_window_ends_with_its_week() {
        let week: WeekEnding = "2025-12-26".parse().unwrap();
        let expected = ["2025-11-21", "2025-11-28", "2025-12-05", "2025-12-12", "2025-12-19", "2025-12-26"];
        assert_eq!(texts(&week.window(6)), expected);
        assert_eq!(week.window(0), []);
    }

    #[test]
    fn w13_and_w14_the_last_weeks_as_of_a_day_include_its_week() {
        let last = |count, as_of| texts(&WeekEnding::from_any_date(day(as_of)).window(count));
        assert_eq!(last(4, "2026-01-09"), ["2025-12-19", "2025-12-26", "2026-01-02", "2026-01-09"]);
        assert_eq!(last(3, "2026-01-10"), ["2026-01-02", "2026-01-09", "2026-01-16"]);
    }

    #[test]
    fn w15_and_w16_ranges_include_both_ends() {
        let week = |text: &str| text.parse::<WeekEnding>().unwrap();
        assert_eq!(WeekEnding::range(week("2026-01-02"), week("2026-01-23")).len(), 4);
        assert_eq!(WeekEnding::range(week("2026-01-23"), week("2026-01-02")), []);
        assert_eq!(WeekEnding::range(week("2026-01-23"), week("2026-01-23")).len(), 1);
        assert_eq!(WeekEnding::range(week("2025-01-03"), week("2025-12-26")).len(), 52);
    }

    #[test]
    fn w17_previous_and_next_count_weeks_in_both_directions() {
        let week: WeekEnding = "2026-01-09".parse().unwrap();
        assert_eq!(week.previous(3).to_string(), "2025-12-19");
        assert_eq!(week.next(2).to_string(), "2026-01-23");
        assert_eq!(week.next(-3), week.previous(3));
    }

    #[test]
    fn a_count_that_leaves_the_calendar_changes_nothing() {
        let last = WeekEnding::from_any_date(NaiveDate::MAX);
        assert_eq!(last.date().weekday(), Weekday::Fri);
        assert_eq!(last.next(1), last);
        assert_eq!(last.previous(i32::MAX).date().weekday(), Weekday::Fri);
        assert_eq!(WeekEnding::from_any_date(NaiveDate::MIN).previous(1).date().weekday(), Weekday::Fri);
    }
}
