//! From the rows of one file to the dataset of its feed. The pipeline and the source share it.
//!
//! Rows keep their order and their exact volumes. A row with a negative volume is a reject; everything else is for
//! the checks to judge.

use std::cell::RefCell;
use std::collections::BTreeMap;

use spine_sdk::date::in_file_name;
use spine_sdk::prelude::*;

use super::facility::{Facility, Whose};
use super::tables::{RegshoDaily, RegshoFacilityDaily};
use crate::evidence::{self, Evidence};
use crate::not_empty::NotEmpty;

type Shares = Decimal<18, 6>;

/// What is known of one file that this attempt has landed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Landed {
    pub(super) file: String,
    pub(super) facility: Facility,
    /// Nothing but the number of its columns says that it is that facility's.
    pub(super) assumed: bool,
    /// The date in the file's name.
    pub(super) named: Option<NaiveDate>,
    /// Rows written.
    pub(super) rows: u64,
    /// Rows written of each date in the rows.
    pub(super) dates: BTreeMap<NaiveDate, u64>,
    /// Data lines read, rejected ones included.
    pub(super) data_lines: u64,
    /// The publisher's own statement that there is nothing: a last line of `0`.
    pub(super) says_empty: bool,
}

thread_local! {
    static LANDED: RefCell<Vec<Landed>> = const { RefCell::new(Vec::new()) };
}

const EVIDENCE: &Evidence<Landed> = &LANDED;

/// Forgets the files of an earlier run.
pub(super) fn forget() {
    evidence::clear(EVIDENCE);
}

/// The files that this attempt has landed in the consolidated dataset, or in the one of the facilities.
pub(super) fn landed_in(dataset: &str) -> Result<Vec<Landed>, Error> {
    let consolidated = dataset == RegshoDaily::NAME;
    let mut files = evidence::read(EVIDENCE)?;
    files.retain(|file| file.facility.is_consolidated() == consolidated);
    Ok(files)
}

/// The files of this attempt that are empty and may not be: the consolidated feed never is, and a single facility must
/// say itself, with a count of 0, that it had nothing to report.
pub(crate) fn empty_files(dataset: &str) -> Result<Vec<String>, Error> {
    let may_be_empty = |file: &Landed| file.says_empty && !file.facility.is_consolidated();
    let empty = landed_in(dataset)?.into_iter().filter(|file| file.data_lines == 0 && !may_be_empty(file));
    Ok(empty.map(|file| file.file).collect())
}

/// Reads all of `reader` and writes it to the dataset of its facility.
pub(super) fn land(host: &Host, mut reader: Reader, file: &str, whose: Whose) -> Result<Landed, Error> {
    let Whose { facility, assumed } = whose;
    let mut output = Output::of(host, facility)?;
    let mut landed = Landed {
        file: file.to_owned(),
        facility,
        assumed,
        named: in_file_name(file),
        rows: 0,
        dates: BTreeMap::new(),
        data_lines: 0,
        says_empty: false,
    };
    while let Some(batch) = reader.next()? {
        let part = Part::read(&batch)?;
        let rejects = part.rejects(&batch)?;
        if rejects.is_empty() {
            landed.count(&part);
            output.write(&batch, &part)?;
        } else {
            let keep: Vec<bool> = (0..part.rows()).map(|row| part.negative(row).is_none()).collect();
            host.reject_all(rejects)?;
            let batch = batch.filter(&keep)?;
            let part = Part::read(&batch)?;
            landed.count(&part);
            output.write(&batch, &part)?;
        }
        host.progress(landed.rows, None);
    }
    let info = reader.info();
    landed.data_lines = info.data_lines().unwrap_or(landed.rows);
    landed.says_empty = info.footer().is_some_and(|footer| footer.trim().parse() == Ok(0_u64));
    if landed.data_lines == 0 {
        output.declare(&landed)?;
    }
    evidence::add(EVIDENCE, landed.clone());
    Ok(landed)
}

impl Landed {
    fn count(&mut self, part: &Part) {
        self.rows += part.rows() as u64;
        let Some(first) = part.trade_date.iter().next() else { return };
        let mut count = |day, rows| *self.dates.entry(spine_sdk::date::from_days(day)).or_default() += rows;
        // Files hold one date.
        if part.trade_date.iter().fold(true, |same, day| same & (day == first)) {
            count(first, part.rows() as u64);
        } else {
            part.trade_date.iter().for_each(|day| count(day, 1));
        }
    }
}

/// The columns of one batch that the plugin looks at; the others stay in the host.
struct Part {
    trade_date: Column<Date>,
    short: Column<Shares>,
    exempt: Option<Column<Shares>>,
    total: Column<Shares>,
}

impl Part {
    fn read(batch: &Batch) -> Result<Self, Error> {
        let exempt = batch.has("short_exempt_volume").then(|| batch.column("short_exempt_volume")).transpose()?;
        Ok(Self {
            trade_date: batch.column("trade_date")?,
            short: batch.column("short_volume")?,
            exempt,
            total: batch.column("total_volume")?,
        })
    }

    fn rows(&self) -> usize {
        self.trade_date.len()
    }

    /// The first column of this row that is negative.
    fn negative(&self, row: usize) -> Option<&'static str> {
        if self.short.get(row) < 0 {
            Some("short_volume")
        } else if self.exempt.as_ref().is_some_and(|exempt| exempt.get(row) < 0) {
            Some("short_exempt_volume")
        } else if self.total.get(row) < 0 {
            Some("total_volume")
        } else {
            None
        }
    }

    fn rejects(&self, batch: &Batch) -> Result<Vec<Reject>, Error> {
        // Without a way out in the middle: there hardly ever is one.
        let any_negative = |column: &Column<Shares>| column.iter().fold(false, |found, volume| found | (volume < 0));
        let exempt_negative = self.exempt.as_ref().is_some_and(any_negative);
        if !(any_negative(&self.short) || exempt_negative || any_negative(&self.total)) {
            return Ok(Vec::new());
        }
        let lines: Column<Int64> = batch.column("_line")?;
        let rows = (0..self.rows()).filter_map(|row| Some((row, self.negative(row)?)));
        let reject = |(row, column): (usize, &str)| {
            Reject::line(lines.get(row), "bad_field", format!("`{column}` is negative")).detail("column", column)
        };
        Ok(rows.map(reject).collect())
    }

    /// Short volume as a fraction of all volume; null where there is none.
    fn short_ratio(&self) -> Column<Option<Float64>> {
        let pairs = self.short.iter().zip(self.total.iter());
        // Both have the same scale, so their ratio is the ratio of the unscaled integers.
        pairs.map(|(short, total)| (total != 0).then(|| float(short) / float(total))).collect()
    }
}

/// The nearest float. Volumes fit 64 bits, whose conversion is one instruction; that of 128 bits is a function.
fn float(volume: i128) -> f64 {
    i64::try_from(volume).map_or(volume as f64, |volume| volume as f64)
}

/// The dataset of a feed, open for writing.
enum Output {
    Consolidated(Writer<RegshoDaily>),
    Single(Facility, Writer<RegshoFacilityDaily>),
}

impl Output {
    fn of(host: &Host, facility: Facility) -> Result<Self, Error> {
        Ok(if facility.is_consolidated() {
            Self::Consolidated(host.output()?)
        } else {
            Self::Single(facility, host.output()?)
        })
    }

    /// Writes a batch with what the file does not say added to it; the file's columns never leave the host.
    fn write(&mut self, batch: &Batch, part: &Part) -> Result<(), Error> {
        let batch = batch.with_column("short_ratio", part.short_ratio())?;
        match self {
            Self::Consolidated(writer) => writer.write_batch(&batch)?,
            Self::Single(facility, writer) => {
                let facility = Column::<Utf8>::repeat(facility.name(), part.rows());
                let mut batch = batch.with_column("facility", facility)?;
                if part.exempt.is_none() {
                    let unknown = Column::<Option<Shares>>::repeat(None, part.rows());
                    batch = batch.with_column("short_exempt_volume", unknown)?;
                }
                writer.write_batch(&batch)?
            }
        };
        Ok(())
    }

    /// Says that the file is the whole, empty, day. Without a date in its name nobody could say which.
    fn declare(&mut self, landed: &Landed) -> Result<(), Error> {
        let Some(day) = landed.named else {
            let message = format!(
                "`{}` has no rows, and no date in its name that would say which day is empty: take the file under its \
                 published name",
                landed.file
            );
            let dataset = match self {
                Self::Consolidated(_) => RegshoDaily::NAME,
                Self::Single(..) => RegshoFacilityDaily::NAME,
            };
            return Err(Error::blocked(NotEmpty::NAME, dataset, message));
        };
        let day = day.to_string();
        match self {
            Self::Consolidated(writer) => writer.declare(&[("trade_date", &day)]),
            Self::Single(facility, writer) => writer.declare(&[("trade_date", &day), ("facility", facility.name())]),
        }
    }
}
