//! Quality checks of earnings announcements.

use spine_sdk::prelude::*;

use crate::pipeline::compared;
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
        let Some(compared) = compared() else {
            let message = "this check judges what its own attempt has compared, but this instance has run no \
                           pipeline: run it after the pipeline, in the same instance";
            return Err(Error::internal("no_evidence", message));
        };
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
