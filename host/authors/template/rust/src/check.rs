//! What has to hold of the rows, before they are published.

use spine_sdk::prelude::*;

use crate::tables::Prices;

columns! {
    /// What the check reads of what was written; only these columns cross into the plugin.
    struct Closes {
        close: Decimal<18, 6>,
    }
}

/// A price of 0 or less is a mistake of the publisher's.
#[derive(Debug)]
pub struct ClosesArePositive;

impl Check for ClosesArePositive {
    const NAME: &'static str = "closes_are_positive";

    fn spec() -> CheckSpec {
        // Blocks: with a failure nothing is published, and the capture waits in quarantine for an operator.
        CheckSpec::block(Category::BusinessRule, "Every close is above 0.").on::<Prices>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let mut reader = host.staged_of(dataset)?;
        let mut bad = 0_u64;
        while let Some(batch) = reader.next()? {
            bad += batch.read::<Closes>()?.close.iter().filter(|close| *close <= 0).count() as u64;
        }
        if bad == 0 {
            return Ok(Vec::new());
        }
        Ok(vec![Finding::fail(format!("{bad} closes are 0 or less")).actual(bad).expected(0)])
    }
}
