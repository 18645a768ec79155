//! The check `not_empty`, which both subjects share because a check has one name in a plugin.

use spine_sdk::prelude::*;

use crate::otc::{self, OtcVenueVolume};
use crate::regsho::{self, RegshoDaily, RegshoFacilityDaily};

/// A file has rows; only a single facility may have an empty day, and its file must say so.
#[derive(Debug)]
pub(crate) struct NotEmpty;

impl Check for NotEmpty {
    const NAME: &'static str = "not_empty";

    fn spec() -> CheckSpec {
        CheckSpec::block(
            Category::Completeness,
            "There are rows; only a single facility may have an empty day, and its file must say so with a count of 0.",
        )
        .on::<RegshoDaily>()
        .on::<RegshoFacilityDaily>()
        .on::<OtcVenueVolume>()
    }

    fn check(&self, dataset: &str, _host: &Host) -> Result<Vec<Finding>, Error> {
        let weekly = dataset == OtcVenueVolume::NAME;
        let empty = if weekly { otc::empty_files()? } else { regsho::empty_files(dataset)? };
        let finding = |file: String| {
            let message = format!("`{file}` has a header and no rows: it is cut, or was not published yet");
            Finding::fail(message).actual("0").expected("at least 1 row")
        };
        Ok(empty.into_iter().map(finding).collect())
    }
}
