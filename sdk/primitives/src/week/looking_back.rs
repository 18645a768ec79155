//! The weeks that have ended by a day, for who fetches what a publisher may have changed.

use std::fmt;

use chrono::{Days, NaiveDate};

use super::WeekEnding;

/// Weeks that are looked back where nobody says how many.
pub const LOOKBACK_WEEKS_DEFAULT: u32 = 4;

/// Most weeks that [`WeekEnding::lookback`] gives: each is a file to fetch again, week after week.
pub const LOOKBACK_WEEKS_MAX: u32 = 12;

impl WeekEnding {
    /// The last week that has ended by `day`: the Friday on or before it. The first days of the calendar have none, and
    /// get its first Friday.
    pub fn on_or_before(day: NaiveDate) -> Self {
        let week = Self::from_any_date(day);
        if week.date() > day { week.previous(1) } else { week }
    }

    /// The last `weeks` weeks that have ended by `reference`, newest first.
    ///
    /// Who wants more than the bound, on purpose, takes [`WeekEnding::on_or_before`] and its window.
    ///
    /// # Errors
    ///
    /// More than [`LOOKBACK_WEEKS_MAX`] weeks.
    ///
    /// ```
    /// use spine_primitives::{LOOKBACK_WEEKS_DEFAULT, WeekEnding, date};
    ///
    /// let sunday = date::parse("2026-01-11").unwrap();
    /// let weeks = WeekEnding::lookback(LOOKBACK_WEEKS_DEFAULT, sunday).unwrap();
    /// assert_eq!((weeks.len(), weeks[0].to_string()), (4, "2026-01-09".to_owned()));
    /// ```
    pub fn lookback(weeks: u32, reference: NaiveDate) -> Result<Vec<Self>, LookbackTooLong> {
        if weeks > LOOKBACK_WEEKS_MAX {
            return Err(LookbackTooLong { weeks });
        }
        Ok(Self::on_or_before(reference).newest_first(weeks).collect())
    }

    /// The Friday strictly before a day of publication, so a Friday gives the one a week earlier.
    ///
    /// For parity with the original alone: no pipeline uses it. Real publications lag by weeks, and by how many is the
    /// publisher's rule.
    pub fn before_publication(published: NaiveDate) -> Self {
        match published.checked_sub_days(Days::new(1)) {
            Some(eve) => Self::on_or_before(eve),
            None => Self::from_any_date(published),
        }
    }
}

/// More weeks were asked for than [`WeekEnding::lookback`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookbackTooLong {
    pub weeks: u32,
}

impl fmt::Display for LookbackTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weeks are too many to look back: use at most {LOOKBACK_WEEKS_MAX}", self.weeks)
    }
}

impl std::error::Error for LookbackTooLong {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date;

    fn day(text: &str) -> NaiveDate {
        date::parse(text).unwrap()
    }

    #[test]
    fn case_w19_w20_a_publication_is_of_the_friday_strictly_before_it() {
        for (published, week) in [
            ("2025-12-15", "2025-12-12"),
            ("2025-12-22", "2025-12-19"),
            ("2025-12-29", "2025-12-26"),
            ("2025-12-16", "2025-12-12"),
            ("2025-12-19", "2025-12-12"),
        ] {
            assert_eq!(WeekEnding::before_publication(day(published)).to_string(), week, "{published}");
        }
    }

    #[test]
    fn case_w21_a_lookback_begins_with_the_friday_on_or_before_the_reference() {
        let weeks = WeekEnding::lookback(3, day("2026-01-09")).unwrap();
        let texts: Vec<_> = weeks.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["2026-01-09", "2026-01-02", "2025-12-26"]);
        for reference in ["2026-01-10", "2026-01-11"] {
            assert_eq!(WeekEnding::lookback(3, day(reference)).unwrap(), weeks, "{reference}");
        }
        assert_eq!(WeekEnding::on_or_before(day("2026-01-08")).to_string(), "2026-01-02");
    }

    #[test]
    fn a_lookback_has_a_bound() {
        let reference = day("2026-01-09");
        assert_eq!(WeekEnding::lookback(0, reference), Ok(Vec::new()));
        assert_eq!(WeekEnding::lookback(LOOKBACK_WEEKS_MAX, reference).map(|weeks| weeks.len()), Ok(12));
        let error = WeekEnding::lookback(13, reference).unwrap_err();
        assert_eq!(error.to_string(), "13 weeks are too many to look back: use at most 12");
    }

    #[test]
    fn the_ends_of_the_calendar_have_fridays_too() {
        let first = WeekEnding::from_any_date(NaiveDate::MIN);
        assert_eq!(WeekEnding::before_publication(NaiveDate::MIN), first);
        assert_eq!(WeekEnding::on_or_before(NaiveDate::MAX), WeekEnding::from_any_date(NaiveDate::MAX));
    }
}
