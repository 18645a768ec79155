//! How many rows a publisher delivered, against what it delivered before: the only way to see a cut file that has no
//! trailer.
//!
//! The plugin decides what is compared with what; here is the comparison, and the sentence about it.

use super::check::Finding;

/// What a run delivers of one unit of the publisher, and what came before it.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let delivery = Delivery {
///     what: "the week of 2025-11-14".to_owned(),
///     rows: 4,
///     before: vec![5_190, 5_328],
///     noun: ["delivery", "deliveries"],
///     before_min: 1,
///     percent: 10,
///     slack: 0,
/// };
/// let finding = delivery.outside_band().unwrap();
/// assert_eq!(
///     finding.message,
///     "the week of 2025-11-14 has 4 rows, but the median of the 2 deliveries before is 5259"
/// );
/// assert_eq!(finding.status, Status::Warn);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which delivery: the beginning of a sentence that goes on with how many rows it has.
    pub what: String,
    pub rows: u64,
    /// Rows of those before.
    pub before: Vec<u64>,
    /// What one of them is and what several are: `session`, `sessions`.
    pub noun: [&'static str; 2],
    /// With fewer of them nothing is usual yet.
    pub before_min: usize,
    /// Half of the band, in percent of the median.
    pub percent: u64,
    /// So many rows more or fewer are never outside: of five rows, one is 20 percent.
    pub slack: u64,
}

impl Delivery {
    /// A warning if the rows are not near the median of those before.
    pub fn outside_band(&self) -> Option<Finding> {
        let Self { what, rows, before, noun: [one, several], before_min, percent, slack } = self;
        if before.len() < (*before_min).max(1) {
            return None;
        }
        let median_doubled = median_doubled(before);
        // What is usually empty has no band.
        if median_doubled == 0 {
            return None;
        }
        let off_doubled = rows.saturating_mul(2).abs_diff(median_doubled);
        let inside = off_doubled.saturating_mul(100) <= median_doubled.saturating_mul(*percent);
        if inside || off_doubled <= slack.saturating_mul(2) {
            return None;
        }
        let half = if median_doubled.is_multiple_of(2) { "" } else { ".5" };
        let median = format!("{}{half}", median_doubled / 2);
        let usual = match before.len() {
            1 => format!("the {one} before has {median}"),
            many => format!("the median of the {many} {several} before is {median}"),
        };
        let noun = if *rows == 1 { "row" } else { "rows" };
        let band = match slack {
            0 => format!("{median} +- {percent} %"),
            _ => format!("{median} +- {percent} % or {slack} rows"),
        };
        let message = format!("{what} has {rows} {noun}, but {usual}");
        Some(Finding::warn(message).actual(rows.to_string()).expected(band))
    }
}

/// Twice the median, which is a whole number.
fn median_doubled(counts: &[u64]) -> u64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    low.saturating_add(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(rows: u64, before: &[u64], slack: u64) -> Delivery {
        let (what, before, noun) = ("it".to_owned(), before.to_vec(), ["day", "days"]);
        Delivery { what, rows, before, noun, before_min: 1, percent: 10, slack }
    }

    fn message(delivery: &Delivery) -> Option<String> {
        delivery.outside_band().map(|finding| finding.message)
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median_doubled(&[3, 1, 2]), 4);
        assert_eq!(median_doubled(&[4, 1, 2, 3]), 5);
    }

    #[test]
    fn one_delivery_before_is_told_as_one() {
        assert_eq!(message(&delivery(1, &[100], 0)).unwrap(), "it has 1 row, but the day before has 100");
        let expected = "it has 2 rows, but the median of the 2 days before is 99.5";
        assert_eq!(message(&delivery(2, &[100, 99], 0)).unwrap(), expected);
    }

    #[test]
    fn the_band_is_inclusive_and_slack_widens_it_for_few_rows() {
        for inside in [90, 100, 110] {
            assert_eq!(message(&delivery(inside, &[100], 0)), None, "{inside}");
        }
        assert!(message(&delivery(89, &[100], 0)).is_some() && message(&delivery(111, &[100], 0)).is_some());
        assert_eq!(message(&delivery(1, &[5], 10)), None);
        assert!(message(&delivery(16, &[5], 10)).is_some());
        assert!(message(&delivery(1_000, &[1_200], 10)).is_some());
        assert_eq!(message(&delivery(7, &[], 0)), None, "nothing came before");
        assert_eq!(message(&delivery(7, &[0, 0], 0)), None, "usually there is nothing");
    }
}
