//! The share of each symbol in the volume of its file.

use spine_sdk::prelude::*;

use crate::tables::{HelloPsv, Totals};

params! {
    pub struct SharesParams {
        /// The file of one day.
        file: File => format::<HelloPsv>(),
    }
}

/// Writes each row of a file with its share of the whole.
#[derive(Debug)]
pub struct Shares;

impl Pipeline for Shares {
    const NAME: &'static str = "hello_rust.shares";
    type Params = SharesParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Computes the share of each symbol in the volume of the file.")
            .output::<Totals>()
            .one_to_one()
    }

    fn run(&self, params: SharesParams, host: &Host) -> Result<Summary, Error> {
        let mut reader = host.read(&params.file)?;
        // A share needs the total of the whole file, so all of it is read first.
        let rows: HelloPsv = reader.read_all()?;
        let total = total(&rows)?;
        let written = write(&rows, 0..rows.volume.len(), total, host)?;
        host.stage("shares", written)?;
        host.log(Level::Info, "shares done", &[("rows", &written.to_string())]);
        let file = reader.info().file_name().unwrap_or(params.file.name()).to_owned();
        Ok(Summary::new().with("file", file).with("rows", written).with("total", total))
    }
}

/// The volume of a file, rows to be rejected left out.
pub(crate) fn total(rows: &HelloPsv) -> Result<i64, Error> {
    let mut volumes = rows.volume.iter().filter(|volume| *volume >= 0);
    volumes
        .try_fold(0_i64, i64::checked_add)
        .ok_or_else(|| Error::validation("overflow", "the total volume of the file does not fit 64 bits"))
}

/// Writes a range of the rows of a file and returns how many; negative volumes are rejects.
pub(crate) fn write(rows: &HelloPsv, range: std::ops::Range<usize>, total: i64, host: &Host) -> Result<u64, Error> {
    let (mut kept, mut rejects) = (Vec::new(), Vec::new());
    for row in range {
        let volume = rows.volume.get(row);
        if volume < 0 {
            let message = format!("volume {volume} of `{}` is negative", rows.symbol.get(row));
            rejects.push(Reject::line(rows.line.get(row), "negative_volume", message));
        } else {
            kept.push(u32::try_from(row).map_err(|_| Error::validation("overflow", "the file has too many rows"))?);
        }
    }
    host.reject_all(rejects)?;
    let volume = rows.volume.take(&kept);
    let share = volume.iter().map(|volume| (total != 0).then(|| volume as f64 / total as f64)).collect();
    let written = Totals { day: rows.day.take(&kept), symbol: rows.symbol.take(&kept), volume, share };
    if !kept.is_empty() {
        host.output::<Totals>()?.write_lines(written, rows.line.take(&kept))?;
    }
    Ok(kept.len() as u64)
}

#[cfg(test)]
mod tests {
    use spine_sdk::testing::MemoryHost;

    use super::*;

    fn run(text: &str) -> (MemoryHost, Result<Summary, Error>) {
        let host = MemoryHost::new().file_text::<HelloPsv>("file", "day.psv", text);
        let summary = host.run(&Shares);
        (host, summary)
    }

    #[test]
    fn each_row_gets_its_share_and_keeps_its_line() {
        let (host, summary) = run("Date|Symbol|Volume\n2025-01-02|GME|300\n2025-01-02|NAN|100\n");
        let written = host.written::<Totals>();
        assert_eq!(written.symbol.iter().collect::<Vec<_>>(), ["GME", "NAN"]);
        assert_eq!(written.share.iter().collect::<Vec<_>>(), [Some(0.75), Some(0.25)]);
        assert_eq!(host.lines::<Totals>(), [2, 3]);
        assert_eq!(host.stages(), [("shares".to_owned(), 2)]);
        assert_eq!(summary.unwrap().to_string(), r#"{"file":"day.psv","rows":2,"total":400}"#);
    }

    #[test]
    fn negative_volumes_are_rejected_and_do_not_count() {
        let (host, _) = run("Date|Symbol|Volume\n2025-01-02|GME|-5\n2025-01-02|AMC|100\n2025-01-02|X|y\n");
        assert_eq!(host.written::<Totals>().share.get(0), Some(1.0));
        let rejects = host.rejects();
        let found: Vec<_> = rejects.iter().map(|it| (it.line.unwrap(), it.code.as_str())).collect();
        assert_eq!(found, [(4, "bad_field"), (2, "negative_volume")]);
        assert_eq!(rejects[1].message, "volume -5 of `GME` is negative");
    }

    #[test]
    fn without_volume_there_are_no_shares() {
        let (host, _) = run("Date|Symbol|Volume\n2025-01-02|GME|0\n");
        assert_eq!(host.written::<Totals>().share.get(0), None);
    }

    #[test]
    fn a_total_that_does_not_fit_is_an_error() {
        let (_, summary) = run("Date|Symbol|Volume\n2025-01-02|A|9223372036854775807\n2025-01-02|B|1\n");
        assert_eq!(summary.unwrap_err().code, "overflow");
    }
}
