//! The weeks that a run delivers, with the row counts of what was published before, for the check `row_count_band`.

use std::collections::BTreeMap;

use spine_sdk::prelude::*;

use super::tables::OtcVenueVolume;
use crate::row_count::WINDOW;

/// A week is compared from the first on: a weekly file has nothing else that tells how many rows are due.
const WEEKS_MIN: usize = 1;
/// Weeks with a holiday have a tenth less.
const PERCENT: u64 = 10;

columns! {
    struct Unit {
        week_ending: Date,
        tier: Utf8,
    }
}

pub(crate) fn deliveries(host: &Host) -> Result<Vec<Delivery>, Error> {
    let captures = host.captures::<OtcVenueVolume>()?;
    let mut delivered: BTreeMap<(NaiveDate, String), u64> = BTreeMap::new();
    let mut staged = host.staged::<OtcVenueVolume>()?;
    while let Some(batch) = staged.next()? {
        let Unit { week_ending, tier } = batch.read()?;
        for (week, tier) in week_ending.dates().zip(&tier) {
            *delivered.entry((week, tier.to_owned())).or_default() += 1;
        }
    }
    let delivery = |((week, tier), rows): ((NaiveDate, String), u64)| Delivery {
        what: format!("the week of {week} of {tier}"),
        rows,
        before: weeks(&captures, &tier, week),
        noun: ["delivery", "deliveries"],
        before_min: WEEKS_MIN,
        percent: PERCENT,
        slack: 0,
    };
    Ok(delivered.into_iter().map(delivery).collect())
}

/// Rows of the weeks of a tier up to this one, newest first: a correction is compared with what it corrects.
fn weeks(captures: &[Capture], tier: &str, week: NaiveDate) -> Vec<u64> {
    let mut weeks: Vec<(NaiveDate, u64)> = captures
        .iter()
        .filter(|capture| capture.get("tier") == Some(tier))
        .filter_map(|capture| {
            let date = spine_sdk::date::parse(capture.get("week_ending")?).ok()?;
            (date <= week).then_some((date, capture.rows.unsigned_abs()))
        })
        .collect();
    weeks.sort_unstable_by(|one, other| other.cmp(one));
    weeks.into_iter().take(WINDOW).map(|(_, rows)| rows).collect()
}
