//! Whether the shares of a file are shares of it.

use spine_sdk::prelude::*;

use crate::tables::Totals;

/// How far floating-point sums may be off.
const TOLERANCE: f64 = 1e-6;

columns! {
    struct Staged { share: Option<Float64> }
}

/// The shares of each file sum to one; a run of the source writes several files.
#[derive(Debug)]
pub struct SharesSumToOne;

impl Check for SharesSumToOne {
    const NAME: &'static str = "shares_sum_to_one";

    fn spec() -> CheckSpec {
        CheckSpec::block(Category::BusinessRule, "The shares of each file sum to one.").on::<Totals>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let mut reader = host.staged_of(dataset)?;
        let (mut sum, mut shares) = (0.0, 0_u64);
        while let Some(batch) = reader.next()? {
            for share in batch.read::<Staged>()?.share.iter().flatten() {
                sum += share;
                shares += 1;
            }
        }
        let files = f64::round(sum);
        if shares == 0 || (files >= 1.0 && (sum - files).abs() <= TOLERANCE) {
            return Ok(Vec::new());
        }
        let message = format!("shares sum to {sum}, not to a whole number of files");
        Ok(vec![Finding::fail(message).actual(sum).expected("a whole number")])
    }
}

#[cfg(test)]
mod tests {
    use spine_sdk::testing::MemoryHost;

    use super::*;

    fn findings(shares: &[Option<f64>]) -> Vec<Finding> {
        let rows = Totals {
            day: Column::repeat(0, shares.len()),
            symbol: Column::repeat("A", shares.len()),
            volume: Column::repeat(1, shares.len()),
            share: shares.iter().copied().collect(),
        };
        MemoryHost::new().staged(rows, 2..2 + shares.len() as i64).check(&SharesSumToOne, Totals::NAME).unwrap()
    }

    #[test]
    fn shares_of_one_or_more_whole_files_pass() {
        for shares in [&[][..], &[None], &[Some(0.75), Some(0.25)], &[Some(1.0), Some(0.5), None, Some(0.5)]] {
            assert_eq!(findings(shares), []);
        }
    }

    #[test]
    fn shares_of_a_part_of_a_file_fail() {
        for shares in [&[Some(0.75)][..], &[Some(0.0)], &[Some(f64::NAN)]] {
            let found = findings(shares);
            assert_eq!((found.len(), found[0].status), (1, Status::Fail), "{shares:?}");
        }
    }
}
