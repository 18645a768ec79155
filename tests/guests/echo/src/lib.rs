//! Reads every column of a table and writes it back unchanged: what the bench `boundary` sends rows through.
//!
//! Nothing is computed, so that what is measured is the way there and back. The rows come from `staged:echo.rows`,
//! which whoever runs this has filled. And a task that talks, for stories about logs.

mod talk;

pub use talk::Talk;

use spine_sdk::prelude::*;

dataset! {
    /// What is sent.
    pub struct Rows = "echo.rows" {
        day: Date,
        symbol: Utf8,
        market: Utf8,
        short_volume: Int64,
        total_volume: Int64,
        short_ratio: Float64,
    }
    key [symbol, day]
    partition_by [day]
}

dataset! {
    /// What came back.
    pub struct Back = "echo.back" {
        day: Date,
        symbol: Utf8,
        market: Utf8,
        short_volume: Int64,
        total_volume: Int64,
        short_ratio: Float64,
    }
    key [symbol, day]
    partition_by [day]
}

/// Sends the rows back.
#[derive(Debug)]
pub struct Return;

impl Pipeline for Return {
    const NAME: &'static str = "echo.return";
    type Params = NoParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes what it reads.").output::<Rows>().output::<Back>()
    }

    fn run(&self, _: NoParams, host: &Host) -> Result<Summary, Error> {
        let mut reader = host.staged::<Rows>()?;
        let mut back = host.output::<Back>()?;
        let mut rows = 0;
        while let Some(batch) = reader.next()? {
            let Rows { day, symbol, market, short_volume, total_volume, short_ratio } = batch.read()?;
            rows = back.write(Back { day, symbol, market, short_volume, total_volume, short_ratio })?;
        }
        Ok(Summary::new().with("rows", rows))
    }
}

spine_sdk::plugin! {
    name: "echo",
    version: env!("CARGO_PKG_VERSION"),
    description: "Sends rows back.",
    datasets: [Rows, Back],
    pipelines: [Return],
    tasks: [Talk],
}
