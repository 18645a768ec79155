//! Whether a day has about as many rows as the days before it.

use spine_sdk::prelude::*;

use super::super::land::{Landed, landed_in};
use super::super::tables::{RegshoDaily, RegshoFacilityDaily};
use crate::calendar::{self, Session};

/// The number of rows is near that of the sessions before.
#[derive(Debug)]
pub struct RowCountBand;

/// Sessions that make the usual number of rows.
const WINDOW: usize = 20;
/// With fewer sessions nothing is usual yet.
const WINDOW_MIN: usize = 5;
/// The band is one part in this many around the median: 5 percent.
const BAND_PART: u64 = 20;

impl Check for RowCountBand {
    const NAME: &'static str = "row_count_band";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::Completeness,
            "The number of rows is within 5 percent of the median of the 20 sessions before (5 at least).",
        )
        .on::<RegshoDaily>()
        .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let captures = if dataset == RegshoDaily::NAME {
            host.captures::<RegshoDaily>()?
        } else {
            host.captures::<RegshoFacilityDaily>()?
        };
        let mut findings = Vec::new();
        for file in landed_in(dataset)? {
            let empty_day = file.named.filter(|_| file.data_lines == 0).map(|day| (day, 0));
            for (day, rows) in file.dates.iter().map(|(day, rows)| (*day, *rows)).chain(empty_day) {
                findings.extend(outside_band(&file, day, rows, &history(&captures, &file, day)));
            }
        }
        Ok(findings)
    }
}

/// Rows of the sessions before `day` in the same feed, newest first.
fn history(captures: &[Capture], file: &Landed, day: NaiveDate) -> Vec<u64> {
    let same_feed = |capture: &&Capture| capture.get("facility").is_none_or(|name| name == file.facility.name());
    let mut days: Vec<(NaiveDate, u64)> = captures
        .iter()
        .filter(same_feed)
        .filter_map(|capture| {
            let date = spine_sdk::date::parse(capture.get("trade_date")?).ok()?;
            (date < day).then_some((date, capture.rows.unsigned_abs()))
        })
        .collect();
    days.sort_unstable_by(|one, other| other.cmp(one));
    days.into_iter().take(WINDOW).map(|(_, rows)| rows).collect()
}

fn outside_band(file: &Landed, day: NaiveDate, rows: u64, history: &[u64]) -> Option<Finding> {
    if history.len() < WINDOW_MIN {
        return None;
    }
    let median_doubled = median_doubled(history);
    // A feed that is usually empty has no band.
    if median_doubled == 0 {
        return None;
    }
    let off = (2 * rows).abs_diff(median_doubled);
    if off.saturating_mul(BAND_PART) <= median_doubled {
        return None;
    }
    let half = if median_doubled.is_multiple_of(2) { "" } else { ".5" };
    let median = format!("{}{half}", median_doubled / 2);
    let early = if calendar::session(day) == Session::EarlyClose { " (the session closed early)" } else { "" };
    let message = format!(
        "`{}` has {rows} rows for {day}{early}, but the median of the {} sessions before is {median}",
        file.file,
        history.len()
    );
    Some(Finding::warn(message).actual(rows.to_string()).expected(format!("{median} +- 5 %")))
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
