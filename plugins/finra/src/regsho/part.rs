//! The columns of one batch that the plugin looks at, and what it sees there; the others stay in the host.
//!
//! Volumes are walked once: for values that no volume has, which make a line a reject, and for volumes that contradict
//! each other, which are for the checks to judge. There hardly ever are any, so rows are named only if there are.

use spine_sdk::prelude::*;

use super::facility::Layout;

pub(super) type Shares = Decimal<18, 6>;

columns! {
    struct Six {
        trade_date: Date,
        symbol: Utf8,
        short_volume: Decimal<18, 6>,
        short_exempt_volume: Decimal<18, 6>,
        total_volume: Decimal<18, 6>,
    }
}

columns! {
    struct Five {
        trade_date: Date,
        symbol: Utf8,
        short_volume: Decimal<18, 6>,
        total_volume: Decimal<18, 6>,
    }
}

/// Some rows of a file.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) trade_date: Column<Date>,
    symbol: Column<Utf8>,
    short: Column<Shares>,
    /// None where the layout does not tell it.
    exempt: Option<Column<Shares>>,
    total: Column<Shares>,
    found: Found,
}

/// What is found anywhere in the volumes.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    negative: bool,
    short_over_total: bool,
    exempt_over_short: bool,
}

/// Rows of a file that contradict themselves in one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Contradictions {
    pub(super) rows: u64,
    /// The lines of the first of them.
    pub(super) lines: Vec<i64>,
}

/// Lines that are remembered.
const SAMPLES: usize = 10;

impl Part {
    pub(super) fn read(batch: &Batch, layout: Layout) -> Result<Self, Error> {
        let mut part = match layout {
            Layout::Six => {
                let Six { trade_date, symbol, short_volume, short_exempt_volume, total_volume } = batch.read()?;
                let (short, exempt, total) = (short_volume, Some(short_exempt_volume), total_volume);
                Self { trade_date, symbol, short, exempt, total, found: Found::default() }
            }
            Layout::Five => {
                let Five { trade_date, symbol, short_volume: short, total_volume: total } = batch.read()?;
                Self { trade_date, symbol, short, exempt: None, total, found: Found::default() }
            }
        };
        part.found = part.look();
        Ok(part)
    }

    pub(super) fn rows(&self) -> usize {
        self.trade_date.len()
    }

    pub(super) fn has_exempt(&self) -> bool {
        self.exempt.is_some()
    }

    /// Without a way out in the middle: there hardly ever is one.
    fn look(&self) -> Found {
        let mut found = Found::default();
        for (short, total) in self.short.iter().zip(&self.total) {
            found.negative |= (short < 0) | (total < 0);
            found.short_over_total |= short > total;
        }
        for (short, exempt) in self.short.iter().zip(self.exempt.iter().flatten()) {
            found.negative |= exempt < 0;
            found.exempt_over_short |= exempt > short;
        }
        found
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

    /// Rows that are no rows of the dataset, with why. The rows are ascending.
    pub(super) fn rejects(&self, batch: &Batch) -> Result<Vec<(usize, Reject)>, Error> {
        let unprintable = self.symbol.unprintable();
        if unprintable.is_empty() && !self.found.negative {
            return Ok(Vec::new());
        }
        let lines: Column<Int64> = batch.column("_line")?;
        let reject = |row: usize| {
            let line = lines.get(row);
            if unprintable.binary_search(&row).is_ok() {
                return Some(Reject::bad_key(line, "symbol", self.symbol.get(row)));
            }
            let column = self.negative(row)?;
            Some(Reject::line(line, "bad_field", format!("`{column}` is negative")).detail("column", column))
        };
        Ok((0..self.rows()).filter_map(|row| Some((row, reject(row)?))).collect())
    }

    /// Adds the rows with more short volume than total volume.
    pub(super) fn short_over_total(&self, batch: &Batch, all: &mut Contradictions) -> Result<(), Error> {
        if !self.found.short_over_total {
            return Ok(());
        }
        let pairs = self.short.iter().zip(&self.total);
        all.add(batch, pairs.map(|(short, total)| short > total))
    }

    /// Adds the rows with more short-exempt volume than short volume, of which it is a part.
    pub(super) fn exempt_over_short(&self, batch: &Batch, all: &mut Contradictions) -> Result<(), Error> {
        if !self.found.exempt_over_short {
            return Ok(());
        }
        let pairs = self.short.iter().zip(self.exempt.iter().flatten());
        all.add(batch, pairs.map(|(short, exempt)| exempt > short))
    }

    /// Short volume as a fraction of all volume; null where there is none.
    pub(super) fn short_ratio(&self) -> Column<Option<Float64>> {
        let pairs = self.short.iter().zip(self.total.iter());
        // Both have the same scale, so their ratio is the ratio of the unscaled integers.
        pairs.map(|(short, total)| (total != 0).then(|| float(short) / float(total))).collect()
    }
}

impl Contradictions {
    fn add(&mut self, batch: &Batch, wrong: impl Iterator<Item = bool>) -> Result<(), Error> {
        let lines: Column<Int64> = batch.column("_line")?;
        for (_, line) in wrong.zip(&lines).filter(|(wrong, _)| *wrong) {
            self.rows += 1;
            if self.lines.len() < SAMPLES {
                self.lines.push(line);
            }
        }
        Ok(())
    }
}

/// The nearest float. Volumes fit 64 bits, whose conversion is one instruction; that of 128 bits is a function.
fn float(volume: i128) -> f64 {
    i64::try_from(volume).map_or(volume as f64, |volume| volume as f64)
}
