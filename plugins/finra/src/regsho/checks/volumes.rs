//! The volumes of a row among each other. Short-exempt volume is a part of short volume, so the two are not added.

use spine_sdk::prelude::*;

use super::super::tables::{RegshoDaily, RegshoFacilityDaily};

/// Lines named in a finding.
const SAMPLES: usize = 10;

columns! {
    struct Volumes {
        line: Int64 => named("_line"),
        short_volume: Decimal<18, 6>,
        short_exempt_volume: Option<Decimal<18, 6>>,
        total_volume: Decimal<18, 6>,
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
        let wrong = |rows: &Volumes, row: usize| rows.short_volume.get(row) > rows.total_volume.get(row);
        none(dataset, host, wrong, "more short volume than total volume")
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
        let wrong = |rows: &Volumes, row: usize| {
            rows.short_exempt_volume.get(row).is_some_and(|exempt| exempt > rows.short_volume.get(row))
        };
        none(dataset, host, wrong, "more short-exempt volume than short volume")
    }
}

/// A finding if any staged row is wrong.
fn none(
    dataset: &str,
    host: &Host,
    wrong: impl Fn(&Volumes, usize) -> bool,
    what: &str,
) -> Result<Vec<Finding>, Error> {
    let mut reader = host.staged_of(dataset)?;
    let (mut count, mut lines): (u64, Vec<i64>) = (0, Vec::new());
    while let Some(batch) = reader.next()? {
        let rows: Volumes = batch.read()?;
        for row in (0..rows.line.len()).filter(|&row| wrong(&rows, row)) {
            count += 1;
            if lines.len() < SAMPLES {
                lines.push(rows.line.get(row));
            }
        }
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    let message = format!("{count} rows have {what}, the first in line {}", lines[0]);
    Ok(vec![Finding::fail(message).actual(count.to_string()).expected("0").sample_rows(lines)])
}
