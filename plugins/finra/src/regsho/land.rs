//! From the rows of one file to the dataset of its feed. The pipeline and the source share it.
//!
//! Rows keep their order and their exact volumes. A row with a negative volume, or a symbol that cannot be read, is a
//! reject; everything else is for the checks to judge, which find here what was seen on the way.

use std::cell::RefCell;
use std::collections::BTreeMap;

use spine_sdk::date::{all_in_file_name, in_file_name};
use spine_sdk::prelude::*;

use super::facility::{Facility, Layout, Whose};
use super::markets::Markets;
use super::part::{Contradictions, Part, Shares};
use super::tables::{RegshoDaily, RegshoFacilityDaily};
use crate::evidence::{self, Evidence};
use crate::not_empty::NotEmpty;

/// What is known of one file that this attempt has landed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Landed {
    pub(super) file: String,
    pub(super) facility: Facility,
    /// Nothing but the number of its columns says that it is that facility's.
    pub(super) assumed: bool,
    /// The facility in the file's name.
    pub(super) named_facility: Option<Facility>,
    /// The date in the file's name, the last of several.
    pub(super) named: Option<NaiveDate>,
    /// Rows written.
    pub(super) rows: u64,
    /// Rows written of each date in the rows.
    pub(super) dates: BTreeMap<NaiveDate, u64>,
    /// Rows written with more short volume than total volume.
    pub(super) short_over_total: Contradictions,
    /// Rows written with more short-exempt volume than short volume.
    pub(super) exempt_over_short: Contradictions,
    /// Of the files of FINRA; the exchanges use its letters for others.
    pub(super) markets: Markets,
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
        named_facility: Facility::from_file_name(file),
        named: in_file_name(file),
        rows: 0,
        dates: BTreeMap::new(),
        short_over_total: Contradictions::default(),
        exempt_over_short: Contradictions::default(),
        markets: Markets::default(),
        data_lines: 0,
        says_empty: false,
    };
    while let Some(batch) = reader.next()? {
        let part = Part::read(&batch, facility.layout())?;
        let rejects = part.rejects(&batch)?;
        if rejects.is_empty() {
            landed.note(&batch, &part)?;
            output.write(&batch, &part)?;
        } else {
            let mut keep = vec![true; part.rows()];
            rejects.iter().for_each(|(row, _)| keep[*row] = false);
            host.reject_all(rejects.into_iter().map(|(_, reject)| reject).collect())?;
            let batch = batch.filter(&keep)?;
            let part = Part::read(&batch, facility.layout())?;
            landed.note(&batch, &part)?;
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
    /// Notes what the checks want to know of rows that are written.
    fn note(&mut self, batch: &Batch, part: &Part) -> Result<(), Error> {
        self.count(part);
        part.short_over_total(batch, &mut self.short_over_total)?;
        part.exempt_over_short(batch, &mut self.exempt_over_short)?;
        match self.facility.layout() {
            Layout::Six => self.markets.add(batch),
            Layout::Five => Ok(()),
        }
    }

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
                if !part.has_exempt() {
                    let unknown = Column::<Option<Shares>>::repeat(None, part.rows());
                    batch = batch.with_column("short_exempt_volume", unknown)?;
                }
                writer.write_batch(&batch)?
            }
        };
        Ok(())
    }

    /// Says that the file is the whole, empty, day. Without one date in its name nobody could say which.
    fn declare(&mut self, landed: &Landed) -> Result<(), Error> {
        let [day] = all_in_file_name(&landed.file)[..] else {
            let dates = if landed.named.is_some() { "several dates" } else { "no date" };
            let message = format!(
                "`{}` has no rows, and {dates} in its name that would say which day is empty: take the file under its \
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
