//! The guest `documents` with another schema: a column more between the others, and one of a wider type, which is meant.

use spine_sdk::prelude::*;

file_format! {
    /// One document.
    pub struct Document = "document" {
        day: Date => key(),
        symbol: Utf8 => key(),
        volume: Int64,
    }
    json { records: "data" }
}

dataset! {
    /// What was read.
    pub struct Rows = "documents.rows" {
        day: Date,
        /// Where the row came from.
        venue: Option<Utf8>,
        symbol: Utf8,
        volume: Decimal<25, 6>,
    }
    key [symbol, day]
    partition_by [day]
    migration Migration { retypes: vec!["volume"], ..Migration::default() }
}

params! {
    pub struct WholeParams {
        /// The file to copy.
        file: File => format::<Document>(),
    }
}

/// Copies the rows of one document, all of one venue.
#[derive(Debug)]
pub struct CopyWhole;

impl Pipeline for CopyWhole {
    const NAME: &'static str = "documents.whole";
    type Params = WholeParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes what it reads, and a venue.").output::<Rows>().one_to_one()
    }

    fn run(&self, params: WholeParams, host: &Host) -> Result<Summary, Error> {
        let mut reader = host.read(&params.file)?;
        let mut output = host.output::<Rows>()?;
        let mut rows = 0;
        while let Some(batch) = reader.next()? {
            let Document { line, day, symbol, volume } = batch.read()?;
            let venue = symbol.iter().map(|_| Some("Q")).collect();
            let volume = volume.iter().map(|value| i128::from(value) * 1_000_000).collect();
            rows = output.write_lines(Rows { day, venue, symbol, volume }, line)?;
        }
        Ok(Summary::new().with("rows", rows))
    }
}

spine_sdk::plugin! {
    name: "documents",
    version: "0.3.0",
    description: "Copies the rows of JSON files, and says where they came from.",
    datasets: [Rows],
    formats: [Document],
    pipelines: [CopyWhole],
}
