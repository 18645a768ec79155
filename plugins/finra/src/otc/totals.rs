//! What the rows of one tier add up to: by security and by venue.
//!
//! Sums are exact integers (millionths of a share); only the ratios at the end are floating point, added in the order
//! of the mpid, so equal input gives equal bits.

use std::collections::BTreeMap;

use super::tables::WeeklyFile;

/// Millionths of a share in a share.
const MICRO: f64 = 1e6;

/// Shares and trades of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Volume {
    /// In millionths.
    pub(super) shares: i128,
    pub(super) trades: i128,
}

impl Volume {
    pub(super) fn of(file: &WeeklyFile, row: u32) -> Self {
        let row = row as usize;
        Self { shares: file.total_shares.get(row), trades: i128::from(file.total_trades.get(row)) }
    }

    fn add(&mut self, other: Self) {
        // A row holds less than 10^18 and a file less than 2^32 rows: the sums stay far below 2^127.
        self.shares += other.shares;
        self.trades += other.trades;
    }

    /// Shares of an average trade; none without trades.
    pub(super) fn avg_trade_size(self) -> Option<f64> {
        (self.trades != 0).then(|| self.shares as f64 / MICRO / self.trades as f64)
    }

    /// This part of a whole; none of nothing.
    fn fraction_of(self, whole: Self) -> Option<f64> {
        (whole.shares != 0).then(|| self.shares as f64 / whole.shares as f64)
    }
}

/// One security.
#[derive(Debug, PartialEq)]
pub(super) struct SymbolTotal<'f> {
    pub(super) symbol: &'f str,
    pub(super) volume: Volume,
    pub(super) venues: i64,
    pub(super) hhi: Option<f64>,
}

/// One venue.
#[derive(Debug, PartialEq)]
pub(super) struct VenueTotal<'f> {
    pub(super) mpid: &'f str,
    pub(super) name: Option<&'f str>,
    pub(super) volume: Volume,
    pub(super) symbols: i64,
    pub(super) share: Option<f64>,
    /// 1 for the greatest.
    pub(super) rank: i64,
}

/// Totals by security, in order of the symbol. `rows` are of one tier, ordered by symbol and mpid.
pub(super) fn by_symbol<'f>(file: &'f WeeklyFile, rows: &[u32]) -> Vec<SymbolTotal<'f>> {
    let symbol = |row: u32| file.symbol.get(row as usize);
    rows.chunk_by(|one, other| symbol(*one) == symbol(*other)).map(|rows| of_symbol(file, rows)).collect()
}

fn of_symbol<'f>(file: &'f WeeklyFile, rows: &[u32]) -> SymbolTotal<'f> {
    let mut volume = Volume::default();
    rows.iter().for_each(|row| volume.add(Volume::of(file, *row)));
    let mpid = |row: u32| file.mpid.get(row as usize);
    let mut hhi = (volume.shares != 0).then_some(0.0);
    let mut venues = 0;
    for rows in rows.chunk_by(|one, other| mpid(*one) == mpid(*other)) {
        venues += 1;
        let mut venue = Volume::default();
        rows.iter().for_each(|row| venue.add(Volume::of(file, *row)));
        hhi = hhi.zip(venue.fraction_of(volume)).map(|(sum, fraction)| sum + fraction * fraction);
    }
    let symbol = rows.first().map_or("", |row| file.symbol.get(*row as usize));
    SymbolTotal { symbol, volume, venues, hhi }
}

/// Totals by venue, greatest first. `rows` are of one tier, ordered by symbol and mpid.
pub(super) fn by_venue<'f>(file: &'f WeeklyFile, rows: &[u32]) -> Vec<VenueTotal<'f>> {
    let mut venues: BTreeMap<&str, VenueTotal<'f>> = BTreeMap::new();
    let mut whole = Volume::default();
    let mut before = None;
    for &row in rows {
        let at = row as usize;
        let (symbol, mpid) = (file.symbol.get(at), file.mpid.get(at));
        let volume = Volume::of(file, row);
        let name = file.venue_name.get(at);
        let venue = venues.entry(mpid).or_insert_with(|| VenueTotal {
            mpid,
            name,
            volume: Volume::default(),
            symbols: 0,
            share: None,
            rank: 0,
        });
        venue.volume.add(volume);
        whole.add(volume);
        // Of several spellings the first of the alphabet, so that the order of the file does not decide.
        venue.name = match (venue.name, name) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if before.replace((symbol, mpid)) != Some((symbol, mpid)) {
            venue.symbols += 1;
        }
    }
    let mut ranked: Vec<VenueTotal<'f>> = venues.into_values().collect();
    ranked.sort_unstable_by(|one, other| {
        other.volume.shares.cmp(&one.volume.shares).then_with(|| one.mpid.cmp(other.mpid))
    });
    for (rank, venue) in (1..).zip(&mut ranked) {
        venue.rank = rank;
        venue.share = venue.volume.fraction_of(whole);
    }
    ranked
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Duplicates, keep};
    use super::*;

    fn file(rows: &[(&str, &str, i128)]) -> WeeklyFile {
        let mut file = WeeklyFile::default();
        for (symbol, mpid, shares) in rows {
            file.line.push(2);
            file.tier.push(Some("OTC"));
            file.symbol.push(symbol);
            file.issue_name.push(None);
            file.venue_name.push(None);
            file.mpid.push(mpid);
            file.total_shares.push(shares * 1_000_000);
            file.total_trades.push(1);
            file.source_last_update_date.push(None);
        }
        file
    }

    fn totals(file: &WeeklyFile) -> (Vec<SymbolTotal<'_>>, Vec<VenueTotal<'_>>) {
        let rows = keep(file, None, None, Duplicates::Block).rows;
        (by_symbol(file, &rows), by_venue(file, &rows))
    }

    #[test]
    fn cases_74_and_75_shares_and_ranks() {
        let file = file(&[("A", "SCHW", 500), ("A", "ETRD", 1_500)]);
        let (_, venues) = totals(&file);
        let ranked: Vec<_> = venues.iter().map(|venue| (venue.mpid, venue.share, venue.rank)).collect();
        assert_eq!(ranked, [("ETRD", Some(0.75), 1), ("SCHW", Some(0.25), 2)]);
        let file = self::file(&[("A", "X", 600_000), ("A", "Y", 400_000)]);
        assert!((totals(&file).0[0].hhi.unwrap() - 0.52).abs() < 1e-12);
    }

    #[test]
    fn case_76_one_venue_is_all_and_four_equal_ones_a_quarter() {
        let file = file(&[("A", "X", 7), ("B", "W", 5), ("B", "X", 5), ("B", "Y", 5), ("B", "Z", 5)]);
        let (symbols, _) = totals(&file);
        assert_eq!(symbols.iter().map(|total| total.hhi).collect::<Vec<_>>(), [Some(1.0), Some(0.25)]);
        assert_eq!(symbols[1].venues, 4);
    }

    #[test]
    fn equal_volumes_rank_by_mpid_and_nothing_has_no_share() {
        let file = file(&[("A", "Z", 5), ("A", "B", 5), ("C", "Y", 0)]);
        let (symbols, venues) = totals(&file);
        assert_eq!(venues.iter().map(|venue| venue.mpid).collect::<Vec<_>>(), ["B", "Z", "Y"]);
        assert_eq!(symbols[1].hhi, None, "no shares, no concentration");
        assert_eq!(symbols[1].volume.avg_trade_size(), Some(0.0));
        assert_eq!(Volume::default().avg_trade_size(), None);
    }

    #[test]
    fn case_60_the_average_trade_of_a_real_week() {
        let volume = Volume { shares: 3_827_870 * 1_000_000, trades: 64_427 };
        assert!((volume.avg_trade_size().unwrap() - 59.414_065_531_531_81).abs() < 1e-12);
    }
}
