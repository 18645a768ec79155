//! Sessions of the New York Stock Exchange from 2014 to 2027, by rule.
//!
//! Regular holidays follow from rules, so there is no table of dates to copy wrongly. Closures that no rule foresees
//! (days of mourning, storms) are the list [`UNPLANNED_CLOSURES`]: a new one is one line there and a new release of
//! the plugin. Outside [`YEARS`] the answer is "unknown", never a guess.

mod holidays;

use std::ops::RangeInclusive;

use spine_sdk::prelude::*;

/// The years this calendar knows.
pub const YEARS: RangeInclusive<i32> = 2014..=2027;

/// Whole-day closures that no rule foresees: year, month, day.
pub const UNPLANNED_CLOSURES: [(i32, u32, u32); 2] = [
    (2018, 12, 5), // mourning for George H. W. Bush
    (2025, 1, 9),  // mourning for Jimmy Carter
];

/// What the exchange does on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// 09:30 to 16:00 New York time.
    Regular,
    /// Closes at 13:00 New York time.
    EarlyClose,
    Weekend,
    /// A holiday or an unplanned closure, with its name.
    Closed(&'static str),
    /// The calendar does not know the year.
    Unknown,
}

impl Session {
    /// Returns whether there is trading on this day; none if the calendar does not know.
    pub const fn is_open(self) -> Option<bool> {
        match self {
            Self::Regular | Self::EarlyClose => Some(true),
            Self::Weekend | Self::Closed(_) => Some(false),
            Self::Unknown => None,
        }
    }
}

/// What the exchange does on `day`.
pub fn session(day: NaiveDate) -> Session {
    if !YEARS.contains(&day.year()) {
        return Session::Unknown;
    }
    if matches!(day.weekday(), Weekday::Sat | Weekday::Sun) {
        return Session::Weekend;
    }
    if UNPLANNED_CLOSURES.contains(&(day.year(), day.month(), day.day())) {
        return Session::Closed("an unplanned closure");
    }
    if let Some(name) = holidays::name(day) {
        return Session::Closed(name);
    }
    if holidays::is_early_close(day) { Session::EarlyClose } else { Session::Regular }
}

/// The sessions from `first` to `last`, both included; days of unknown years are not among them.
pub fn sessions(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_days().take_while(move |day| *day <= last).filter(|day| session(*day).is_open() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        spine_sdk::date::parse(text).unwrap()
    }

    fn count(first: &str, last: &str) -> usize {
        sessions(day(first), day(last)).count()
    }

    fn by_month(year: i32) -> Vec<usize> {
        let last = NaiveDate::from_ymd_opt(year, 12, 31).unwrap();
        let mut months = vec![0; 12];
        sessions(NaiveDate::from_ymd_opt(year, 1, 1).unwrap(), last).for_each(|day| months[day.month0() as usize] += 1);
        months
    }

    #[test]
    fn cases_87_and_94_the_year_2025_has_250_sessions_with_the_day_of_mourning() {
        assert_eq!(by_month(2025), [20, 19, 21, 21, 21, 20, 22, 21, 21, 23, 19, 22]);
        assert_eq!(count("2025-01-01", "2025-12-31"), 250);
        assert_eq!(count("2025-01-06", "2025-01-10"), 4, "the week ending 2025-01-10");
    }

    #[test]
    fn case_88_the_year_2026_has_251_sessions() {
        assert_eq!(by_month(2026), [20, 19, 22, 21, 20, 21, 22, 21, 21, 22, 20, 22]);
    }

    #[test]
    fn cases_89_and_90_holiday_weeks_have_four_sessions() {
        assert_eq!(count("2025-12-29", "2026-01-02"), 4);
        assert_eq!(count("2025-11-24", "2025-11-28"), 4);
        assert_eq!(count("2025-12-22", "2025-12-26"), 4);
        assert_eq!(count("2026-06-29", "2026-07-03"), 4);
    }

    #[test]
    fn case_93_weekends_and_holidays_are_no_sessions() {
        assert_eq!(sessions(day("2025-01-01"), day("2025-12-31")).next(), Some(day("2025-01-02")));
        assert_eq!(count("2025-01-03", "2025-01-07"), 3);
        assert_eq!(count("2025-01-01", "2025-01-03"), 2);
    }

    #[test]
    fn case_95_a_year_that_is_not_known_is_not_guessed() {
        assert_eq!(session(day("2028-01-03")), Session::Unknown);
        assert_eq!(session(day("2013-12-31")), Session::Unknown);
        assert_eq!(count("2028-01-01", "2028-12-31"), 0);
    }

    #[test]
    fn holidays_move_off_weekends_except_new_year_on_a_saturday() {
        assert_eq!(session(day("2021-12-31")), Session::Regular);
        assert_eq!(session(day("2022-01-03")), Session::Regular);
        for closed in ["2017-01-02", "2022-06-20", "2027-06-18", "2026-07-03", "2021-07-05", "2021-12-24", "2027-12-24"]
        {
            assert!(matches!(session(day(closed)), Session::Closed(_)), "{closed}");
        }
        assert_eq!(session(day("2021-06-18")), Session::Regular, "Juneteenth is a holiday since 2022");
    }

    #[test]
    fn early_closes_fall_on_sessions_only() {
        for early in ["2024-07-03", "2024-11-29", "2024-12-24", "2019-12-24", "2014-07-03", "2026-11-27"] {
            assert_eq!(session(day(early)), Session::EarlyClose, "{early}");
        }
        for regular in ["2026-07-02", "2027-07-02", "2023-12-22", "2016-12-23", "2020-07-02"] {
            assert_eq!(session(day(regular)), Session::Regular, "{regular}");
        }
    }
}
