//! The next version of the guest `documents`, as the stories about candidates want it: one row of its data differs.

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

file_format! {
    /// One document a line.
    pub struct Lines = "lines" {
        day: Date => key(),
        symbol: Utf8 => key(),
        volume: Int64,
    }
    json_lines {}
}

dataset! {
    /// What was read.
    pub struct Rows = "documents.rows" {
        day: Date,
        symbol: Utf8,
        volume: Int64,
    }
    key [symbol, day]
    partition_by [day]
}

params! {
    pub struct WholeParams {
        /// The file to copy.
        file: File => format::<Document>(),
    }
}

params! {
    pub struct LinesParams {
        /// The file to copy.
        file: File => format::<Lines>(),
    }
}

/// Copies the rows of one document, and counts the first of them twice.
#[derive(Debug)]
pub struct CopyWhole;

impl Pipeline for CopyWhole {
    const NAME: &'static str = "documents.whole";
    type Params = WholeParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes what it reads, nearly.").output::<Rows>().one_to_one()
    }

    fn run(&self, params: WholeParams, host: &Host) -> Result<Summary, Error> {
        copy(&params.file, host)
    }
}

/// The same of a file that has a row in each line.
#[derive(Debug)]
pub struct CopyLines;

impl Pipeline for CopyLines {
    const NAME: &'static str = "documents.lines";
    type Params = LinesParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Writes what it reads, nearly.").output::<Rows>().one_to_one()
    }

    fn run(&self, params: LinesParams, host: &Host) -> Result<Summary, Error> {
        copy(&params.file, host)
    }
}

fn copy(file: &File, host: &Host) -> Result<Summary, Error> {
    let mut reader = host.read(file)?;
    let mut output = host.output::<Rows>()?;
    let mut rows = 0;
    while let Some(batch) = reader.next()? {
        let Document { line, day, symbol, volume } = batch.read()?;
        let values = volume.iter().enumerate();
        let volume = values.map(|(at, value)| if at == 0 { value * 2 } else { value }).collect();
        rows = output.write_lines(Rows { day, symbol, volume }, line)?;
    }
    Ok(Summary::new().with("rows", rows))
}

spine_sdk::plugin! {
    name: "documents",
    version: "0.2.0",
    description: "Copies the rows of JSON files, nearly.",
    datasets: [Rows],
    formats: [Document, Lines],
    pipelines: [CopyWhole, CopyLines],
}
