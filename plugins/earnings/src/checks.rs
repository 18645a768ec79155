//! Quality checks of earnings announcements.

use spine_sdk::prelude::*;

use crate::pipeline::judged;
use crate::tables::Surprises;

/// A file has rows.
#[derive(Debug)]
pub struct NotEmpty;

impl Check for NotEmpty {
    const NAME: &'static str = "not_empty";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::Completeness, "The file has rows.").on::<Surprises>()
    }

    /// The pipeline blocks a file without rows itself, with this check's name; whatever comes this far has some.
    fn check(&self, _dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        Ok(Vec::new())
    }
}

/// Half of the band of [`RowCountBand`], in percent of the capture that a month replaces.
const PERCENT: u64 = 10;
/// So many rows more or fewer are a correction, however few there were: months at the ends of a file have a handful.
const SLACK: u64 = 10;

/// A month has about as many rows as the capture that it replaces. The formats have no trailer, so nothing else shows
/// a cut file; other months tell nothing, since announcements come in seasons.
#[derive(Debug)]
pub struct RowCountBand;

impl Check for RowCountBand {
    const NAME: &'static str = "row_count_band";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::Completeness,
            "A month has about as many rows as its published capture, which it replaces: within 10 percent, or 10 rows.",
        )
        .on::<Surprises>()
    }

    fn check(&self, _dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let judged = judged()?;
        let captures = host.captures::<Surprises>()?;
        let findings = judged.months.iter().filter_map(|(month, &rows)| {
            let month = month.to_string();
            let is_before = |capture: &&Capture| {
                capture.get("source_format") == Some(judged.source_format)
                    && capture.get("report_month") == Some(month.as_str())
            };
            let before = captures.iter().filter(is_before).map(|capture| capture.rows.unsigned_abs()).collect();
            let what = format!("the month {month} of `{}` ({})", judged.file, judged.source_format);
            let noun = ["capture", "captures"];
            Delivery { what, rows, before, noun, before_min: 1, percent: PERCENT, slack: SLACK }.outside_band()
        });
        Ok(findings.collect())
    }
}

/// The vendor's percentage is ours, as far as rounding lets both be right.
#[derive(Debug)]
pub struct VendorSurprise;

impl Check for VendorSurprise {
    const NAME: &'static str = "vendor_surprise";

    fn spec() -> CheckSpec {
        CheckSpec::warn(Category::BusinessRule, "The vendor's surprise percentage is ours within rounding.")
            .on::<Surprises>()
    }

    fn check(&self, _dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let compared = judged()?.compared;
        if compared.differing == 0 {
            return Ok(Vec::new());
        }
        let message = format!(
            "{} of {} surprise percentages of the vendor do not follow from its own estimate and report",
            compared.differing, compared.rows
        );
        Ok(vec![
            Finding::warn(message).actual(compared.differing.to_string()).expected("0").sample_rows(compared.lines),
        ])
    }
}
