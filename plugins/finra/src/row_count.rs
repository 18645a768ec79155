//! Whether a delivery has about as many rows as those before it: the only way to see a cut file that has no trailer.

use spine_sdk::prelude::*;

use crate::otc::{self, OtcVenueVolume};
use crate::regsho::{self, RegshoDaily, RegshoFacilityDaily};

/// Deliveries that make the usual number of rows.
pub(crate) const WINDOW: usize = 20;

/// The number of rows is near that of the deliveries before.
#[derive(Debug)]
pub(crate) struct RowCountBand;

impl Check for RowCountBand {
    const NAME: &'static str = "row_count_band";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::Completeness,
            "The number of rows is near the median of the 20 deliveries before: within 5 percent for a day (from 5 \
             sessions on), within 10 percent for a week (from the first on, an earlier revision of the week included).",
        )
        .on::<RegshoDaily>()
        .on::<RegshoFacilityDaily>()
        .on::<OtcVenueVolume>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let deliveries =
            if dataset == OtcVenueVolume::NAME { otc::deliveries(host)? } else { regsho::deliveries(dataset, host)? };
        Ok(deliveries.iter().filter_map(outside_band).collect())
    }
}

/// What a run delivers of one unit of the publisher, and what came before it.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Which delivery, and how many rows: the beginning of a sentence.
    pub(crate) what: String,
    pub(crate) rows: u64,
    /// Rows of those before, at most [`WINDOW`].
    pub(crate) before: Vec<u64>,
    /// What they are: `sessions`.
    pub(crate) noun: &'static str,
    /// With fewer of them nothing is usual yet.
    pub(crate) before_min: usize,
    /// Half of the band, in percent of the median.
    pub(crate) percent: u64,
}

fn outside_band(delivery: &Delivery) -> Option<Finding> {
    let Delivery { what, rows, before, noun, before_min, percent } = delivery;
    if before.len() < (*before_min).max(1) {
        return None;
    }
    let median_doubled = median_doubled(before);
    // What is usually empty has no band.
    if median_doubled == 0 {
        return None;
    }
    let off = (2 * rows).abs_diff(median_doubled);
    if off.saturating_mul(100) <= median_doubled.saturating_mul(*percent) {
        return None;
    }
    let half = if median_doubled.is_multiple_of(2) { "" } else { ".5" };
    let median = format!("{}{half}", median_doubled / 2);
    let message = format!("{what}, but the median of the {} {noun} before is {median}", before.len());
    Some(Finding::warn(message).actual(rows.to_string()).expected(format!("{median} +- {percent} %")))
}

/// Twice the median, which is a whole number.
fn median_doubled(counts: &[u64]) -> u64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    low + high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median_doubled(&[3, 1, 2]), 4);
        assert_eq!(median_doubled(&[4, 1, 2, 3]), 5);
    }
}
