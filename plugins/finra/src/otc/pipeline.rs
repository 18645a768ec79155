//! `finra.otc_weekly`: one weekly file into three datasets.

use std::cell::RefCell;

use spine_sdk::date::{all_in_file_name, from_days};
use spine_sdk::prelude::*;

use super::rows::{Duplicates, keep};
use super::tables::{OtcSymbolSummary, OtcVenueShare, OtcVenueVolume, WeeklyFile};
use super::tier::Tier;
use super::totals::{self, Volume};
use crate::evidence::{self, Evidence};
use crate::not_empty::NotEmpty;

params! {
    pub struct WeeklyParams {
        /// The weekly file as published.
        file: File => format::<WeeklyFile>().example("finra_otc_weekly_otc_20251215.csv"),
        /// The tier of all rows, instead of what the file says.
        tier: Option<String> => one_of(Tier::WORDS).any_spelling().example("OTC"),
        /// The Friday of the week, instead of the one that follows from the publication date in the file's name.
        week_ending: Option<WeekEnding> => required_unless_dated("file").example("2025-11-14"),
        /// What to do with two rows of one symbol and mpid: block, or keep the one with the greater volume.
        duplicates: String => default("block").one_of(["block", "greatest"]),
    }
}

/// What is known of the file beyond its rows.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) file: String,
    pub(super) given: Option<Tier>,
    pub(super) named: Option<Tier>,
    /// How many rows name each tier; tiers that none names are left out.
    pub(super) content: Vec<(Tier, u64)>,
    pub(super) data_lines: u64,
}

thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

const EVIDENCE: &Evidence<Seen> = &SEEN;

/// The file that this attempt has read.
pub(super) fn seen() -> Result<Vec<Seen>, Error> {
    evidence::read(EVIDENCE)
}

/// The files of this attempt that had a header and no rows.
pub(crate) fn empty_files() -> Result<Vec<String>, Error> {
    let empty = seen()?.into_iter().filter(|seen| seen.data_lines == 0);
    Ok(empty.map(|seen| seen.file).collect())
}

/// Lands one weekly file and what it adds up to.
#[derive(Debug)]
pub struct WeeklyPipeline;

impl Pipeline for WeeklyPipeline {
    const NAME: &'static str = "finra.otc_weekly";
    type Params = WeeklyParams;

    fn spec() -> PipelineSpec {
        PipelineSpec::new(
            "Weekly OTC transparency volume: rows by security and venue, and totals by security and by venue.",
        )
        .output::<OtcVenueVolume>()
        .output::<OtcSymbolSummary>()
        .output::<OtcVenueShare>()
        .one_to_one()
        .stages(["normalized", "aggregated"])
    }

    fn run(&self, params: WeeklyParams, host: &Host) -> Result<Summary, Error> {
        evidence::clear(EVIDENCE);
        let name = params.file.name();
        let weeks = Weeks::of(&params, host.now_us())?;
        let given = params.tier.as_deref().map(Tier::from_param).transpose()?;
        let named = Tier::from_file_name(name);
        let duplicates = if params.duplicates == "greatest" { Duplicates::Greatest } else { Duplicates::Block };

        let mut reader = host.read(&params.file)?;
        let file: WeeklyFile = reader.read_all()?;
        let data_lines = reader.info().data_lines().unwrap_or(file.line.len() as u64);
        evidence::add(EVIDENCE, Seen { file: name.to_owned(), given, named, content: content(&file), data_lines });
        let mut kept = keep(&file, given, named, duplicates);
        host.reject_all(std::mem::take(&mut kept.rejects))?;
        host.stage("normalized", kept.rows.len() as u64)?;

        let mut outputs = Outputs { volume: host.output()?, summary: host.output()?, share: host.output()? };
        if data_lines == 0 {
            outputs.declare_empty(&params, &weeks, given.or(named))?;
        }
        let mut summary = Summary::new().with("rows", kept.rows.len());
        for (tier, rows) in kept.by_tier() {
            let week = weeks.of_tier(tier, name)?;
            outputs.write(&file, rows, tier, week)?;
            summary = summary.with(tier.name(), week.to_string());
        }
        host.stage("aggregated", kept.rows.len() as u64)?;
        Ok(summary)
    }
}

/// How many rows name each tier.
fn content(file: &WeeklyFile) -> Vec<(Tier, u64)> {
    let mut counts = Tier::ALL.map(|tier| (tier, 0));
    for tier in file.tier.iter().flatten().filter_map(Tier::parse) {
        counts[tier as usize].1 += 1;
    }
    counts.into_iter().filter(|(_, rows)| *rows > 0).collect()
}

/// The week of each tier: the given one, or the one that follows from the publication.
enum Weeks {
    Given(WeekEnding),
    Published(NaiveDate),
}

impl Weeks {
    fn of(params: &WeeklyParams, now_us: i64) -> Result<Self, Error> {
        if let Some(week) = params.week_ending {
            return Ok(Self::Given(week));
        }
        let name = params.file.name();
        let why = match all_in_file_name(name)[..] {
            [] => format!("the name `{name}` has no publication date (YYYYMMDD)"),
            [day] => match no_publication(day, now_us) {
                None => return Ok(Self::Published(day)),
                Some(why) => format!("the date in `{name}`, {day}, cannot be that of its publication: {why}"),
            },
            [last, other, ..] => format!("the name `{name}` has several dates, {other} and {last}"),
        };
        let message = format!("{why}; so the week is not known: give its Friday with `-p week_ending=YYYY-MM-DD`");
        Err(Error::bad_params(message).detail("param", "week_ending"))
    }

    fn of_tier(&self, tier: Tier, name: &str) -> Result<WeekEnding, Error> {
        match self {
            Self::Given(week) => Ok(*week),
            Self::Published(day) => tier.week_published(*day).ok_or_else(|| {
                let message = format!("no week was published on {day}, the date in `{name}`: give `week_ending`");
                Error::bad_params(message).detail("param", "week_ending")
            }),
        }
    }
}

/// The first year in which FINRA published weekly volume.
const FIRST_YEAR: i32 = 2014;

const DAY_US: i64 = 86_400_000_000;

/// Why nothing can have been published on this day, by the attempt's clock. A day is allowed for zones of time; a clock
/// that stands before the first publication tells nothing.
fn no_publication(day: NaiveDate, now_us: i64) -> Option<String> {
    if day.year() < FIRST_YEAR {
        return Some(format!("FINRA publishes weekly volume since {FIRST_YEAR}"));
    }
    let today = from_days(i32::try_from(now_us.div_euclid(DAY_US)).unwrap_or(i32::MAX));
    let future = today.year() >= FIRST_YEAR && today.succ_opt().is_some_and(|tomorrow| day > tomorrow);
    future.then(|| format!("today is {today}"))
}

struct Outputs {
    volume: Writer<OtcVenueVolume>,
    summary: Writer<OtcSymbolSummary>,
    share: Writer<OtcVenueShare>,
}

impl Outputs {
    fn write(&mut self, file: &WeeklyFile, rows: &[u32], tier: Tier, week: WeekEnding) -> Result<(), Error> {
        let avg_trade_size = rows.iter().map(|row| Volume::of(file, *row).avg_trade_size()).collect();
        let volume = OtcVenueVolume {
            week_ending: Column::repeat(week.days(), rows.len()),
            tier: Column::repeat(tier.name(), rows.len()),
            symbol: file.symbol.take(rows),
            issue_name: file.issue_name.take(rows),
            mpid: file.mpid.take(rows),
            venue_name: file.venue_name.take(rows),
            total_shares: file.total_shares.take(rows),
            total_trades: file.total_trades.take(rows),
            avg_trade_size,
            source_last_update_date: file.source_last_update_date.take(rows),
        };
        self.volume.write_lines(volume, file.line.take(rows))?;
        self.summary.write(summary(file, rows, tier, week)?)?;
        self.share.write(share(file, rows, tier, week)?)?;
        Ok(())
    }

    /// Says that the week is there and empty, for the check `not_empty` to judge.
    fn declare_empty(&mut self, params: &WeeklyParams, weeks: &Weeks, tier: Option<Tier>) -> Result<(), Error> {
        let name = params.file.name();
        let Some(tier) = tier else {
            let message = format!("`{name}` has a header and no rows, and neither its name nor `tier` tells the tier");
            return Err(Error::blocked(NotEmpty::NAME, OtcVenueVolume::NAME, message));
        };
        let week = weeks.of_tier(tier, name)?.to_string();
        let partition = [("week_ending", week.as_str()), ("tier", tier.name())];
        self.volume.declare(&partition)?;
        self.summary.declare(&partition)?;
        self.share.declare(&partition)
    }
}

fn summary(file: &WeeklyFile, rows: &[u32], tier: Tier, week: WeekEnding) -> Result<OtcSymbolSummary, Error> {
    let mut table = OtcSymbolSummary::default();
    for total in totals::by_symbol(file, rows) {
        let (shares, trades) = in_range(total.volume, total.symbol)?;
        table.week_ending.push(week.days());
        table.tier.push(tier.name());
        table.symbol.push(total.symbol);
        table.total_shares.push(shares);
        table.total_trades.push(trades);
        table.venue_count.push(total.venues);
        table.avg_trade_size.push(total.volume.avg_trade_size());
        table.hhi.push(total.hhi);
    }
    Ok(table)
}

fn share(file: &WeeklyFile, rows: &[u32], tier: Tier, week: WeekEnding) -> Result<OtcVenueShare, Error> {
    let mut table = OtcVenueShare::default();
    for total in totals::by_venue(file, rows) {
        let (shares, trades) = in_range(total.volume, total.mpid)?;
        table.week_ending.push(week.days());
        table.tier.push(tier.name());
        table.mpid.push(total.mpid);
        table.venue_name.push(total.name);
        table.total_shares.push(shares);
        table.total_trades.push(trades);
        table.symbol_count.push(total.symbols);
        table.share.push(total.share);
        table.rank.push(total.rank);
    }
    Ok(table)
}

/// A sum as its columns hold it; a file whose sums do not fit is not a week of real trading.
fn in_range(volume: Volume, of: &str) -> Result<(i128, i64), Error> {
    let error = || {
        let message = format!("the volumes of `{of}` add up to more than the tables hold: the file is damaged");
        Error::validation("out_of_range", message)
    };
    let shares = (volume.shares < 10_i128.pow(18)).then_some(volume.shares).ok_or_else(error)?;
    Ok((shares, i64::try_from(volume.trades).map_err(|_| error())?))
}
