//! Whether a file that was taken for the consolidated feed looks like the feed of a single facility.

use spine_sdk::prelude::*;

use super::super::facility::Facility;
use super::super::land::landed_in;
use super::super::tables::RegshoDaily;

columns! {
    struct Markets { market: Utf8 }
}

/// A file that nothing but its columns makes consolidated has rows of more than one facility.
#[derive(Debug)]
pub struct FacilityAssumed;

impl Check for FacilityAssumed {
    const NAME: &'static str = "facility_assumed";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::BusinessRule,
            "A file that is taken for the consolidated feed only because it has six columns is not all of one facility.",
        )
        .on::<RegshoDaily>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let assumed = landed_in(dataset)?.into_iter().find(|file| file.assumed);
        // Only such a file is worth reading its markets again, and an attempt that has one has no other.
        let Some(file) = assumed else { return Ok(Vec::new()) };
        let market = only_market(host.staged_of(dataset)?)?;
        let facility = market.as_deref().and_then(Facility::from_market);
        Ok(facility.map(|facility| finding(&file.file, facility, &market.unwrap_or_default())).into_iter().collect())
    }
}

/// The market of all rows; none if there are several, or no rows.
fn only_market(mut staged: Reader) -> Result<Option<String>, Error> {
    let mut only: Option<String> = None;
    while let Some(batch) = staged.next()? {
        let rows: Markets = batch.read()?;
        for market in rows.market.iter() {
            if only.get_or_insert_with(|| market.to_owned()) != market {
                return Ok(None);
            }
        }
    }
    Ok(only)
}

fn finding(file: &str, facility: Facility, market: &str) -> Finding {
    let name = facility.name();
    let message = format!(
        "`{file}` was taken for the consolidated feed (CNMS), since neither its name nor `facility` says whose it is, but \
         every row has the market `{market}`, which is {name} alone: if it is that facility's file, run it again with \
         `-p facility={name}`, and the right file for this day"
    );
    Finding::warn(message).actual(market).expected("rows of several facilities")
}
