//! Whether a delivery has about as many rows as those before it: the only way to see a cut file that has no trailer.

use spine_sdk::prelude::*;

use crate::otc::{self, OtcVenueVolume};
use crate::regsho::{self, RegshoDaily, RegshoFacilityDaily};

/// Deliveries that make the usual number of rows.
pub(crate) const WINDOW: usize = 20;

/// The number of rows is near that of the deliveries before.
#[derive(Debug)]
pub(crate) struct RowCountBand;

impl Check for RowCountBand {
    const NAME: &'static str = "row_count_band";

    fn spec() -> CheckSpec {
        CheckSpec::warn(
            Category::Completeness,
            "The number of rows is near the median of the 20 deliveries before: within 5 percent for a day (from 5 \
             sessions on, or of the revision that it replaces), within 10 percent for a week (from the first on, an earlier revision of the week included).",
        )
        .on::<RegshoDaily>()
        .on::<RegshoFacilityDaily>()
        .on::<OtcVenueVolume>()
    }

    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        let deliveries =
            if dataset == OtcVenueVolume::NAME { otc::deliveries(host)? } else { regsho::deliveries(dataset, host)? };
        Ok(deliveries.iter().filter_map(Delivery::outside_band).collect())
    }
}
