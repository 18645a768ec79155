//! Weeks, named by the Friday on which they end.
//!
//! A value type only: which week a publication belongs to is the publisher's rule and stands in the plugin. Today is a
//! day like any other and is passed in: nothing here reads a clock.

mod looking_back;

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, Weekday};

use crate::date;

pub use looking_back::{LOOKBACK_WEEKS_DEFAULT, LOOKBACK_WEEKS_MAX, LookbackTooLong};

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
        self.shift(-i64::from(weeks)).unwrap_or(self)
    }

    /// The week `weeks` after this one; a negative count goes back. A count that leaves the calendar changes nothing.
    #[must_use]
    pub fn next(self, weeks: i32) -> Self {
        self.shift(i64::from(weeks)).unwrap_or(self)
    }

    /// The `size` weeks that end with this one, oldest first; fewer where the calendar begins later.
    pub fn window(self, size: u32) -> Vec<Self> {
        let mut weeks: Vec<Self> = self.newest_first(size).collect();
        weeks.reverse();
        weeks
    }

    /// The last `count` weeks as of a day, oldest first. The last of them is the week that `as_of` belongs to, which
    /// may end after it.
    ///
    /// ```
    /// use spine_primitives::{WeekEnding, date};
    ///
    /// let weeks = WeekEnding::last(2, date::parse("2026-01-10").unwrap());
    /// assert_eq!(weeks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["2026-01-09", "2026-01-16"]);
    /// ```
    pub fn last(count: u32, as_of: NaiveDate) -> Vec<Self> {
        Self::from_any_date(as_of).window(count)
    }

    /// The weeks from `first` to `last`, both included; none if they are reversed.
    pub fn range(first: Self, last: Self) -> Vec<Self> {
        let weeks = (last.0 - first.0).num_days() / 7;
        (0..=weeks).map_while(|ahead| first.shift(ahead)).collect()
    }

    /// This week and the ones before it, `count` in all; fewer where the calendar begins later.
    fn newest_first(self, count: u32) -> impl Iterator<Item = Self> {
        (0..i64::from(count)).map_while(move |back| self.shift(-back))
    }

    /// None where the calendar has no such week.
    fn shift(self, weeks: i64) -> Option<Self> {
        let days = Days::new(weeks.unsigned_abs().saturating_mul(7));
        let moved = if weeks < 0 { self.0.checked_sub_days(days) } else { self.0.checked_add_days(days) };
        moved.map(Self)
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
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn day(text: &str) -> NaiveDate {
        date::parse(text).unwrap()
    }

    fn texts(weeks: &[WeekEnding]) -> Vec<String> {
        weeks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn case_w1_w2_w3_w4_w5_w6_w7_w8_w9_any_day_belongs_to_the_friday_on_or_after_it() {
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
    fn case_w10_a_thursday_is_refused_by_name_with_the_friday_meant() {
        let error = "2025-12-25".parse::<WeekEnding>().unwrap_err().to_string();
        assert!(error.contains("Thursday") && error.contains("2025-12-26"), "{error}");
    }

    #[test]
    fn case_w11_w22_what_is_not_a_day_alone_is_refused() {
        for text in ["12345", "", "2025-12-26T23:59", " 2025-12-26", "20251226", "2025-W52-5"] {
            assert!(matches!(text.parse::<WeekEnding>(), Err(NotAWeekEnding::Text(_))), "{text}");
        }
    }

    #[test]
    fn case_w12_a_window_ends_with_its_week() {
        let week: WeekEnding = "2025-12-26".parse().unwrap();
        let expected = ["2025-11-21", "2025-11-28", "2025-12-05", "2025-12-12", "2025-12-19", "2025-12-26"];
        assert_eq!(texts(&week.window(6)), expected);
    }

    /// The cases have a negative count too: a count is unsigned, so it cannot be written.
    #[test]
    fn case_w18_no_weeks_are_an_empty_list() {
        let week: WeekEnding = "2025-12-26".parse().unwrap();
        assert_eq!(week.window(0), []);
        assert_eq!(WeekEnding::last(0, week.date()), []);
    }

    #[test]
    fn case_w13_w14_the_last_weeks_as_of_a_day_include_its_week() {
        let last = |count, as_of| texts(&WeekEnding::last(count, day(as_of)));
        assert_eq!(last(4, "2026-01-09"), ["2025-12-19", "2025-12-26", "2026-01-02", "2026-01-09"]);
        assert_eq!(last(3, "2026-01-10"), ["2026-01-02", "2026-01-09", "2026-01-16"]);
    }

    #[test]
    fn case_w15_w16_ranges_include_both_ends() {
        let week = |text: &str| text.parse::<WeekEnding>().unwrap();
        assert_eq!(WeekEnding::range(week("2026-01-02"), week("2026-01-23")).len(), 4);
        assert_eq!(WeekEnding::range(week("2026-01-23"), week("2026-01-02")), []);
        assert_eq!(WeekEnding::range(week("2026-01-23"), week("2026-01-23")).len(), 1);
        assert_eq!(WeekEnding::range(week("2025-01-03"), week("2025-12-26")).len(), 52);
    }

    #[test]
    fn case_w17_previous_and_next_count_weeks_in_both_directions() {
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
        let first = WeekEnding::from_any_date(NaiveDate::MIN);
        assert_eq!(first.previous(1), first);
        assert_eq!(first.next(1).window(u32::MAX), [first, first.next(1)], "no week stands there twice");
        assert_eq!(WeekEnding::range(last.previous(1), last), [last.previous(1), last]);
    }

    proptest! {
        #[test]
        fn every_day_is_in_the_week_it_belongs_to(days in -1_000_000..1_000_000_i32, size in 0..200_u32) {
            let any = date::from_days(days);
            let week = WeekEnding::from_any_date(any);
            prop_assert_eq!(week.date().weekday(), Weekday::Fri);
            prop_assert!((0..7).contains(&(week.days() - days)));
            let window = week.window(size);
            prop_assert_eq!(window.len(), usize::try_from(size).unwrap());
            prop_assert!(window.windows(2).all(|pair| pair[0].next(1) == pair[1]));
            prop_assert!(window.first().is_none_or(|first| WeekEnding::range(*first, week) == window));
        }
    }
}
