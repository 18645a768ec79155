//! `finra.regsho_daily`: one daily file of one feed.

use spine_sdk::prelude::*;

use super::facility::{Facility, Layout};
use super::land::{self, land};
use super::tables::{FiveColumns, RegshoDaily, RegshoFacilityDaily, SixColumns};

params! {
    pub struct DailyParams {
        /// The daily file as published.
        file: File => format::<SixColumns>().format::<FiveColumns>().example("CNMSshvol20210127.txt"),
        /// Whose feed it is, if the name of the file does not begin with it. Six columns that nobody is named for are
        /// taken for the consolidated feed.
        facility: Option<String> => one_of(Facility::NAMES).example("NQBX"),
        /// Whether the file must end in the count of its data lines.
        trailer: String => default("required").one_of(["required", "none"]),
    }
}

/// Lands one daily file in the dataset of its feed.
#[derive(Debug)]
pub struct DailyPipeline;

impl Pipeline for DailyPipeline {
    const NAME: &'static str = "finra.regsho_daily";
    type Params = DailyParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new(
            "Daily short-sale volume: the consolidated feed (CNMS) into finra.regsho_daily, every other feed into \
             finra.regsho_facility_daily.",
        )
        .output::<RegshoDaily>()
        .output::<RegshoFacilityDaily>()
        .one_to_one()
        .stages(["landed"])
    }

    fn run(&self, params: DailyParams, host: &Host) -> Result<Summary, Error> {
        land::forget();
        let reader = host.read(&params.file)?;
        let layout = if reader.info().format() == Some(FiveColumns::NAME) { Layout::Five } else { Layout::Six };
        let whose = Facility::of_file(params.facility.as_deref(), params.file.name(), layout)?;
        let landed = land(host, reader, params.file.name(), whose)?;
        host.stage("landed", landed.rows)?;
        Ok(Summary::new().with("facility", whose.facility.name()).with("rows", landed.rows))
    }
}
