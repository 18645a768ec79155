//! `earnings.surprises`: one vendor's file into monthly partitions.
//!
//! A file replaces whole months of its own format, so two vendors never erase each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use spine_sdk::prelude::*;

use crate::checks::NotEmpty;
use crate::surprise::{Magnitude, Surprise};
use crate::tables::{Russell3000, Surprises, Zacks};
use crate::vendor;

/// Amounts of a column stay below this many millionths.
const AMOUNT_LIMIT: i128 = 10_i128.pow(18);

/// Lines kept for a finding.
const SAMPLES: usize = 10;

params! {
    pub struct SurprisesParams {
        /// The vendor's file, of the format russell3000 or zacks.
        file: File => format::<Russell3000>().format::<Zacks>().example("Russell3000EarningsAnnouncements.csv"),
    }
}

/// What the work saw of its file; left for the checks of the same attempt.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Judged {
    pub(crate) file: String,
    pub(crate) source_format: &'static str,
    pub(crate) compared: Compared,
    /// Rows written of each month.
    pub(crate) months: BTreeMap<Month, u64>,
}

/// A month of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month {
    year: i32,
    month: u32,
}

/// `YYYY-MM`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// How the vendor's percentages compared to ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Compared {
    pub(crate) rows: u64,
    pub(crate) differing: u64,
    /// The first lines that differ.
    pub(crate) lines: Vec<i64>,
}

thread_local! {
    static JUDGED: RefCell<Option<Judged>> = const { RefCell::new(None) };
}

/// What this attempt saw, or the error `no_evidence` if it ran no pipeline.
pub(crate) fn judged() -> Result<Judged, Error> {
    JUDGED.with_borrow(Clone::clone).ok_or_else(|| {
        let message = "this check judges what its own attempt has read, but this instance has run no pipeline: run it \
                       after the pipeline, in the same instance";
        Error::internal("no_evidence", message)
    })
}

/// Lands one file of announcements.
#[derive(Debug)]
pub struct SurprisesPipeline;

impl Pipeline for SurprisesPipeline {
    const NAME: &'static str = "earnings.surprises";
    type Params = SurprisesParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new("Reported against estimated earnings per share, with surprise, direction and magnitude.")
            .output::<Surprises>()
            .one_to_one()
            .stages(["judged"])
    }

    fn run(&self, params: SurprisesParams, host: &Host) -> Result<Summary, Error> {
        JUDGED.set(None);
        let mut reader = host.read(&params.file)?;
        let zacks = reader.info().format() == Some(Zacks::NAME);
        let source_format = if zacks { Zacks::NAME } else { Russell3000::NAME };
        let mut output = host.output::<Surprises>()?;
        let mut judged = Judged { file: params.file.name().to_owned(), source_format, ..Judged::default() };
        let mut written = 0;
        while let Some(batch) = reader.next()? {
            let rows: Announcements = batch.read()?;
            let report_time = if zacks { batch.column("report_time")? } else { Column::repeat(None, batch.rows()) };
            let period_ending =
                if zacks { Column::repeat(None, batch.rows()) } else { batch.column("period_ending")? };
            let part = judge(&rows, report_time, period_ending, &mut judged);
            host.reject_all(part.rejects)?;
            written = output.write_lines(part.rows, part.lines)?;
            host.progress(written, None);
        }
        // The check `not_empty` fails here: a partition needs the month, which a file without rows does not tell.
        if reader.info().data_lines() == Some(0) {
            let message = format!(
                "`{}` has a header and no rows: it is cut, and no month can be told from it",
                params.file.name()
            );
            return Err(Error::blocked(NotEmpty::NAME, Surprises::NAME, message));
        }
        JUDGED.set(Some(judged));
        host.stage("judged", written)?;
        Ok(Summary::new().with("format", source_format).with("rows", written))
    }
}

columns! {
    /// What both formats have.
    struct Announcements {
        line: Int64 => named("_line"),
        ticker: Utf8,
        report_date: Date,
        estimate: Option<Decimal<18, 6>>,
        reported: Option<Decimal<18, 6>>,
        vendor_percent: Option<Utf8>,
    }
}

/// The rows of one batch, judged.
struct Part {
    rows: Surprises,
    lines: Column<Int64>,
    rejects: Vec<Reject>,
}

fn judge(
    rows: &Announcements,
    report_time: Column<Option<Utf8>>,
    period_ending: Column<Option<Date>>,
    judged: &mut Judged,
) -> Part {
    let mut table = Surprises::default();
    let mut rejects = Vec::new();
    let mut kept: Vec<u32> = Vec::with_capacity(rows.line.len());
    let unprintable = rows.ticker.unprintable();
    for row in 0..rows.line.len() {
        let (estimate, reported) = (rows.estimate.get(row), rows.reported.get(row));
        let surprise = Surprise::of(estimate, reported);
        let line = rows.line.get(row);
        if unprintable.binary_search(&row).is_ok() {
            rejects.push(Reject::bad_key(line, "ticker", rows.ticker.get(row)));
            continue;
        }
        if surprise.amount.is_some_and(|amount| amount.abs() >= AMOUNT_LIMIT) {
            rejects.push(Reject::line(line, "bad_field", "the surprise has more digits than its column holds"));
            continue;
        }
        if let (Some(vendor), Some(ours), Some(estimate), Some(reported)) =
            (rows.vendor_percent.get(row), surprise.percent, estimate, reported)
        {
            judged.compared.add(line, vendor::agrees(vendor, ours, estimate, reported) == Some(true));
        }
        // A batch holds at most 65,536 rows.
        kept.extend(u32::try_from(row));
        table.surprise.push(surprise.amount);
        table.surprise_pct.push(surprise.percent);
        table.direction.push(surprise.direction.name());
        table.magnitude.push(surprise.magnitude.map(Magnitude::name));
        table.unstable_pct.push(surprise.unstable);
        let day = spine_sdk::date::from_days(rows.report_date.get(row));
        let month = Month { year: day.year(), month: day.month() };
        table.report_month.push(&month.to_string());
        *judged.months.entry(month).or_default() += 1;
    }
    table.source_format = Column::repeat(judged.source_format, kept.len());
    table.ticker = rows.ticker.take(&kept);
    table.report_date = rows.report_date.take(&kept);
    table.estimate = rows.estimate.take(&kept);
    table.reported = rows.reported.take(&kept);
    table.report_time = report_time.take(&kept);
    table.period_ending = period_ending.take(&kept);
    Part { rows: table, lines: rows.line.take(&kept), rejects }
}

impl Compared {
    fn add(&mut self, line: i64, agrees: bool) {
        self.rows += 1;
        if !agrees {
            self.differing += 1;
            if self.lines.len() < SAMPLES {
                self.lines.push(line);
            }
        }
    }
}
