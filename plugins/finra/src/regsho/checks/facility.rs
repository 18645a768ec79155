//! Whether everything that tells whose feed a file is tells the same.

use spine_sdk::prelude::*;

use super::super::facility::Facility;
use super::super::land::{Landed, landed_in};
use super::super::markets::Markets;
use super::super::tables::{RegshoDaily, RegshoFacilityDaily};

/// A consolidated day has thousands of rows; a few may well all be of one facility.
const CONSOLIDATED_ROWS_MIN: u64 = 100;

/// The parameter, the file's name and the market of the rows tell the same facility.
#[derive(Debug)]
pub struct FacilityMatches;

impl Check for FacilityMatches {
    const NAME: &'static str = "facility_matches";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::Integrity,
            "The parameter, the name of the file and the market of its rows tell one facility, as far as they tell any.",
        )
        .on::<RegshoDaily>()
        .on::<RegshoFacilityDaily>()
    }

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let files = landed_in(dataset)?;
        Ok(files.iter().flat_map(|file| [other_name(file), other_market(file)]).flatten().collect())
    }
}

/// The file is named for another facility: the parameter said otherwise.
fn other_name(file: &Landed) -> Option<Finding> {
    let named = file.named_facility.filter(|named| *named != file.facility)?.name();
    let (name, facility) = (&file.file, file.facility.name());
    let message = format!(
        "`facility` says that `{name}` is of {facility}, but its name says {named}: if the name is right, run it again \
         without `facility`, and the right file of {facility} for this day"
    );
    Some(Finding::warn(message).actual(facility).expected(named))
}

/// The rows are those of another feed. What was taken for consolidated without anybody's word is for the check
/// [`FacilityAssumed`].
fn other_market(file: &Landed) -> Option<Finding> {
    let (name, facility) = (&file.file, file.facility.name());
    let (actual, expected) = match &file.markets {
        _ if file.facility.is_consolidated() => {
            let (only, market) = file.markets.only()?;
            if file.assumed || file.rows < CONSOLIDATED_ROWS_MIN {
                return None;
            }
            (
                format!("every row has the market `{market}`, which is {} alone", only.name()),
                "rows of several facilities",
            )
        }
        Markets::Unknown => return None,
        Markets::Several => ("its rows have several markets, as the consolidated feed has".to_owned(), "one market"),
        Markets::One(market) => {
            let other = Facility::from_market(market).filter(|other| *other != file.facility)?;
            (format!("every row has the market `{market}`, which is {}", other.name()), "its own market")
        }
    };
    let message = format!("`{name}` was taken for the feed of {facility}, but {actual}: check whose file it is");
    Some(Finding::warn(message).actual(actual).expected(expected))
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

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let files = landed_in(dataset)?;
        let assumed = files.iter().filter(|file| file.assumed);
        Ok(assumed.filter_map(|file| Some(taken_for_consolidated(&file.file, file.markets.only()?))).collect())
    }
}

fn taken_for_consolidated(file: &str, (facility, market): (Facility, &str)) -> Finding {
    let name = facility.name();
    let message = format!(
        "`{file}` was taken for the consolidated feed (CNMS), since neither its name nor `facility` says whose it is, but \
         every row has the market `{market}`, which is {name} alone: if it is that facility's file, run it again with \
         `-p facility={name}`, and the right file for this day"
    );
    Finding::warn(message).actual(market).expected("rows of several facilities")
}
