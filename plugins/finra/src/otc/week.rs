//! Which week a publication is of.
//!
//! FINRA publishes on Mondays: tier 1 two weeks after the end of the week, the other tiers four weeks after it. The
//! date in a file's name is the publication, so the week is found by going back from its Monday.

use spine_sdk::date::{from_days, to_days};
use spine_sdk::prelude::*;

use super::tier::Tier;

impl Tier {
    /// Days from the Friday of a week to the Monday on which it is published.
    const fn delay_days(self) -> i32 {
        match self {
            Self::NmsTier1 => 17,
            Self::NmsTier2 | Self::Otc => 31,
        }
    }

    /// The week that a file published on this day, or later in that day's week, is about.
    ///
    /// None where the calendar has no such Friday.
    pub(crate) fn week_published(self, publication: NaiveDate) -> Option<WeekEnding> {
        let since_monday = publication.weekday().num_days_from_monday().cast_signed();
        let friday = to_days(publication) - since_monday - self.delay_days();
        WeekEnding::new(from_days(friday)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(tier: Tier, publication: &str) -> String {
        tier.week_published(spine_sdk::date::parse(publication).unwrap()).unwrap().to_string()
    }

    #[test]
    fn case_55_the_week_lies_four_weeks_before_the_publication_of_otc_and_two_before_tier_1() {
        assert_eq!(week(Tier::Otc, "2025-12-15"), "2025-11-14");
        assert_eq!(week(Tier::Otc, "2025-12-22"), "2025-11-21");
        assert_eq!(week(Tier::Otc, "2025-12-29"), "2025-11-28");
        assert_eq!(week(Tier::NmsTier2, "2025-12-15"), "2025-11-14");
        assert_eq!(week(Tier::NmsTier1, "2025-12-15"), "2025-11-28");
    }

    #[test]
    fn the_published_pairs_of_2019_hold() {
        assert_eq!(week(Tier::NmsTier1, "2019-12-02"), "2019-11-15");
        assert_eq!(week(Tier::Otc, "2019-12-02"), "2019-11-01");
        assert_eq!(week(Tier::NmsTier2, "2019-12-09"), "2019-11-08");
    }

    #[test]
    fn a_publication_late_in_its_week_is_of_the_same_week_as_its_monday() {
        for day in ["2025-12-16", "2025-12-19", "2025-12-21"] {
            assert_eq!(week(Tier::Otc, day), "2025-11-14", "{day}");
        }
        assert_eq!(Tier::Otc.week_published(NaiveDate::MIN), None);
    }
}
