//! The volumes of a row among each other. Short-exempt volume is a part of short volume, so the two are not added.

use spine_sdk::prelude::*;

use super::super::tables::{RegshoDaily, RegshoFacilityDaily};

/// Lines named in a finding.
const SAMPLES: usize = 10;

columns! {
    struct Traded {
        short_volume: Decimal<18, 6>,
        total_volume: Decimal<18, 6>,
    }
}

columns! {
    struct SoldShort {
        short_volume: Decimal<18, 6>,
        short_exempt_volume: Option<Decimal<18, 6>>,
    }
}

/// No more is sold short than is traded.
#[derive(Debug)]
pub struct ShortLeTotal;

impl Check for ShortLeTotal {
    const NAME: &'static str = "short_le_total";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::BusinessRule, "Short volume is at most total volume.")
            .on::<RegshoDaily>()
            .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        none(dataset, host, "more short volume than total volume", |batch| {
            let Traded { short_volume, total_volume } = batch.read()?;
            let wrong = short_volume.iter().zip(&total_volume).map(|(short, total)| short > total);
            Ok(places(wrong))
        })
    }
}

/// The exempt part is not more than the whole.
#[derive(Debug)]
pub struct ExemptLeShort;

impl Check for ExemptLeShort {
    const NAME: &'static str = "exempt_le_short";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::BusinessRule, "Short-exempt volume is at most short volume.")
            .on::<RegshoDaily>()
            .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        none(dataset, host, "more short-exempt volume than short volume", |batch| {
            let SoldShort { short_volume, short_exempt_volume } = batch.read()?;
            let pairs = short_volume.iter().zip(&short_exempt_volume);
            Ok(places(pairs.map(|(short, exempt)| exempt.is_some_and(|exempt| exempt > short))))
        })
    }
}

/// The rows for which it is so. There hardly ever is one, so they are looked for only if there is.
fn places(wrong: impl Iterator<Item = bool> + Clone) -> Vec<usize> {
    if !wrong.clone().fold(false, |found, wrong| found | wrong) {
        return Vec::new();
    }
    wrong.enumerate().filter_map(|(row, wrong)| wrong.then_some(row)).collect()
}

/// A finding if `wrong` names any row of a staged batch. Line numbers are fetched only then: most files are in order.
fn none(
    dataset: &str,
    host: &Host,
    what: &str,
    wrong: impl Fn(&Batch) -> Result<Vec<usize>, Error>,
) -> Result<Vec<Finding>, Error> {
    let mut reader = host.staged_of(dataset)?;
    let (mut count, mut lines): (usize, Vec<i64>) = (0, Vec::new());
    while let Some(batch) = reader.next()? {
        let rows = wrong(&batch)?;
        count += rows.len();
        let more = SAMPLES.saturating_sub(lines.len()).min(rows.len());
        if more > 0 {
            let numbers: Column<Int64> = batch.column("_line")?;
            lines.extend(rows[..more].iter().map(|&row| numbers.get(row)));
        }
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let message = format!("{count} rows have {what}, the first in line {}", lines[0]);
    Ok(vec![Finding::fail(message).actual(count.to_string()).expected("0").sample_rows(lines)])
}
