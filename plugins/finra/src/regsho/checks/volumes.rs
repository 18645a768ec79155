//! The volumes of a row among each other. Short-exempt volume is a part of short volume, so the two are not added.
//!
//! Both are judged from what was seen while the rows were written, so that volumes cross the boundary once.

use spine_sdk::prelude::*;

use super::super::land::landed_in;
use super::super::part::Contradictions;
use super::super::tables::{RegshoDaily, RegshoFacilityDaily};

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

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let what = "more short volume than total volume";
        Ok(landed_in(dataset)?.iter().filter_map(|file| finding(&file.file, &file.short_over_total, what)).collect())
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

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let what = "more short-exempt volume than short volume";
        Ok(landed_in(dataset)?.iter().filter_map(|file| finding(&file.file, &file.exempt_over_short, what)).collect())
    }
}

fn finding(file: &str, found: &Contradictions, what: &str) -> Option<Finding> {
    let Contradictions { rows, lines } = found;
    let first = lines.first()?;
    let count = if *rows == 1 { "1 row has".to_owned() } else { format!("{rows} rows have") };
    let message = format!("{count} {what}, the first in line {first} of `{file}`");
    Some(Finding::fail(message).actual(rows.to_string()).expected("0").sample_rows(lines.iter().copied()))
}
