//! The work: one file in, one row out for each line, or a reject that says why not.

use spine_sdk::prelude::*;

use crate::tables::{Prices, PricesCsv};

params! {
    pub struct LoadParams {
        /// The file of one day.
        file: File => format::<PricesCsv>().example("prices.csv"),
        /// Lines with less volume than this are rejected.
        min_volume: i64 => default(0),
    }
}

/// Loads a day of prices.
#[derive(Debug)]
pub struct Load;

impl Pipeline for Load {
    const NAME: &'static str = "@NAME@.load";
    type Params = LoadParams;

    fn spec() -> PipelineSpec {
        // One to one: the host holds this pipeline to it that rows written and rejected are the lines read.
        PipelineSpec::new("Loads a day of prices.").output::<Prices>().one_to_one()
    }

    fn run(&self, params: LoadParams, host: &Host) -> Result<Summary, Error> {
        let mut reader = host.read(&params.file)?;
        let mut out = host.output::<Prices>()?;
        // Batch by batch, so that a file of any size needs little memory.
        while let Some(batch) = reader.next()? {
            let rows: PricesCsv = batch.read()?;
            let kept = enough_volume(&rows, params.min_volume, host)?;
            let (open, close) = (rows.open.take(&kept), rows.close.take(&kept));
            let change_pct = open.iter().zip(&close).map(|(open, close)| change_pct(open, close)).collect();
            let prices = Prices {
                day: rows.day.take(&kept),
                symbol: rows.symbol.take(&kept),
                open,
                close,
                volume: rows.volume.take(&kept),
                change_pct,
            };
            // With the lines, a check can name the one that it does not like.
            out.write_lines(prices, rows.line.take(&kept))?;
        }
        Ok(Summary::new().with("file", params.file.name()))
    }
}

/// The rows of the batch that are kept; the others are rejected, each with its line.
fn enough_volume(rows: &PricesCsv, least: i64, host: &Host) -> Result<Vec<u32>, Error> {
    let (mut kept, mut rejects) = (Vec::new(), Vec::new());
    for (row, volume) in (0..).zip(rows.volume.iter()) {
        match volume {
            Some(volume) if volume < least => {
                let message = format!("volume {volume} is below {least}");
                rejects.push(Reject::line(rows.line.get(row as usize), "low_volume", message));
            }
            Some(_) | None => kept.push(row),
        }
    }
    host.reject_all(rejects)?;
    Ok(kept)
}

/// Both are unscaled: 1.5 with 6 digits after the point is 1,500,000. A ratio does not care.
fn change_pct(open: i128, close: i128) -> Option<f64> {
    (open != 0).then(|| 100.0 * (close - open) as f64 / open as f64)
}
