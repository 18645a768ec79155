//! Which rows of a weekly file count, and in which order.
//!
//! Every data line is either kept or a reject with its line number, so the two always add up to the file.

use spine_sdk::prelude::*;

use super::tables::WeeklyFile;
use super::tier::Tier;

/// What to do with two rows of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// Leave them to the check `unique_key`.
    Block,
    /// Keep the row with more shares; of equal ones the first.
    Greatest,
}

/// The rows that count.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Positions in the file, ordered by tier, symbol, mpid and then position.
    pub(super) rows: Vec<u32>,
    /// By position in the file; none for a reject.
    tiers: Vec<Option<Tier>>,
    pub(super) rejects: Vec<Reject>,
}

impl Kept {
    pub(super) fn tier(&self, row: u32) -> Option<Tier> {
        self.tiers.get(row as usize).copied().flatten()
    }

    /// The rows of each tier, which lie together.
    pub(super) fn by_tier(&self) -> impl Iterator<Item = (Tier, &[u32])> {
        self.rows
            .chunk_by(|one, other| self.tier(*one) == self.tier(*other))
            .filter_map(|rows| Some((self.tier(*rows.first()?)?, rows)))
    }
}

/// Sorts the rows of `file` out. A row is of the tier `given`, else of the one it names, else of the one in the
/// file's name.
pub(super) fn keep(file: &WeeklyFile, given: Option<Tier>, named: Option<Tier>, duplicates: Duplicates) -> Kept {
    let mut kept = Kept::default();
    let keys = [("symbol", &file.symbol), ("mpid", &file.mpid)].map(|(name, texts)| (name, texts, texts.unprintable()));
    for row in 0..file.line.len() {
        let bad_key = keys.iter().find(|(.., unprintable)| unprintable.binary_search(&row).is_ok());
        let judged = match bad_key {
            Some((name, texts, _)) => Err(Reject::bad_key(line(file, row), name, texts.get(row))),
            None => {
                judge(file, row, given, named).map_err(|(code, message)| Reject::line(line(file, row), code, message))
            }
        };
        match judged {
            Ok(tier) => {
                kept.tiers.push(Some(tier));
                // A batch of a file never holds 4 billion rows.
                kept.rows.extend(u32::try_from(row));
            }
            Err(reject) => {
                kept.tiers.push(None);
                kept.rejects.push(reject);
            }
        }
    }
    let tiers = &kept.tiers;
    let key = |row: u32| (tiers[row as usize], file.symbol.get(row as usize), file.mpid.get(row as usize));
    // Rows of one key stay in file order.
    kept.rows.sort_unstable_by(|one, other| key(*one).cmp(&key(*other)).then(one.cmp(other)));
    if duplicates == Duplicates::Greatest {
        let (rows, dropped) = greatest(file, &kept.rows, key);
        kept.rows = rows;
        kept.rejects.extend(dropped);
    }
    kept
}

fn line(file: &WeeklyFile, row: usize) -> i64 {
    file.line.get(row)
}

/// The tier of a row, or why it does not count.
fn judge(
    file: &WeeklyFile,
    row: usize,
    given: Option<Tier>,
    named: Option<Tier>,
) -> Result<Tier, (&'static str, String)> {
    let content = match file.tier.get(row) {
        Some(text) => {
            let unknown = || ("unknown_tier", format!("the tier `{text}` is none of NMS Tier 1, NMS Tier 2 and OTC"));
            Some(Tier::parse(text).ok_or_else(unknown)?)
        }
        None => None,
    };
    let (shares, trades) = (file.total_shares.get(row), file.total_trades.get(row));
    if shares < 0 {
        return Err(("bad_field", "`total_shares` is negative".to_owned()));
    }
    if trades < 0 {
        return Err(("bad_field", "`total_trades` is negative".to_owned()));
    }
    if shares == 0 && trades == 0 {
        return Err(("no_volume", "there are neither shares nor trades".to_owned()));
    }
    given.or(content).or(named).ok_or_else(|| {
        let message = "neither the parameter `tier` nor the row nor the file's name tells the tier";
        ("unknown_tier", message.to_owned())
    })
}

/// Of the rows of each key the one with the most shares, and rejects for the others.
fn greatest<'f, K: PartialEq + 'f>(
    file: &'f WeeklyFile,
    sorted: &[u32],
    key: impl Fn(u32) -> K,
) -> (Vec<u32>, Vec<Reject>) {
    let shares = |row: u32| file.total_shares.get(row as usize);
    let (mut kept, mut dropped) = (Vec::with_capacity(sorted.len()), Vec::new());
    for rows in sorted.chunk_by(|one, other| key(*one) == key(*other)) {
        let Some(best) = rows.iter().copied().reduce(|best, row| if shares(row) > shares(best) { row } else { best })
        else {
            continue;
        };
        kept.push(best);
        for &row in rows.iter().filter(|row| **row != best) {
            let message =
                format!("line {} has the same symbol and mpid and at least as many shares", line(file, best as usize));
            dropped.push(Reject::line(line(file, row as usize), "duplicate_dropped", message));
        }
    }
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: &[(Option<&str>, &str, &str, i128, i64)]) -> WeeklyFile {
        let mut file = WeeklyFile::default();
        for (at, (tier, symbol, mpid, shares, trades)) in rows.iter().enumerate() {
            file.line.push(at as i64 + 2);
            file.tier.push(*tier);
            file.symbol.push(symbol);
            file.issue_name.push(None);
            file.venue_name.push(None);
            file.mpid.push(mpid);
            file.total_shares.push(shares * 1_000_000);
            file.total_trades.push(*trades);
            file.source_last_update_date.push(None);
        }
        file
    }

    fn rejects(kept: &Kept) -> Vec<(u64, &str)> {
        kept.rejects.iter().map(|reject| (reject.line.unwrap(), reject.code.as_str())).collect()
    }

    #[test]
    fn rows_that_cannot_count_are_rejects_with_their_line() {
        let file = file(&[
            (Some("OTC"), "A", "V", 5, 1),
            (Some("NMS Tier 9"), "A", "V", 5, 1),
            (Some("OTC"), "B", "V", -5, 1),
            (Some("OTC"), "B", "V", 5, -1),
            (Some("OTC"), "B", "V", 0, 0),
            (Some("OTC"), "C", "V", 0, 3),
            (None, "D", "V", 5, 1),
            (Some("OTC"), "A\u{a0}", "V", 5, 1),
            (Some("OTC"), "A", "V\u{200b}", 5, 1),
        ]);
        let kept = keep(&file, None, None, Duplicates::Block);
        let expected = [
            (3, "unknown_tier"),
            (4, "bad_field"),
            (5, "bad_field"),
            (6, "no_volume"),
            (8, "unknown_tier"),
            (9, "bad_key"),
            (10, "bad_key"),
        ];
        assert_eq!(rejects(&kept), expected);
        assert!(kept.rejects[6].message.contains(r"column `mpid`: `V\u{200b}`"), "{}", kept.rejects[6].message);
        assert_eq!(kept.rows, [0, 5]);
        assert_eq!(kept.rows.len() + kept.rejects.len(), file.line.len());
    }

    #[test]
    fn the_parameter_wins_over_the_row_and_the_row_over_the_name() {
        let file = file(&[(Some("OTC"), "A", "V", 5, 1), (None, "B", "V", 5, 1)]);
        let tiers = |given, named| {
            let kept = keep(&file, given, named, Duplicates::Block);
            [kept.tier(0), kept.tier(1)]
        };
        assert_eq!(tiers(Some(Tier::NmsTier2), None), [Some(Tier::NmsTier2); 2]);
        assert_eq!(tiers(None, Some(Tier::NmsTier1)), [Some(Tier::Otc), Some(Tier::NmsTier1)]);
        assert_eq!(tiers(None, None), [Some(Tier::Otc), None]);
    }

    #[test]
    fn of_duplicates_the_greatest_stays_and_of_equal_ones_the_first() {
        let otc = Some("OTC");
        let file = file(&[
            (otc, "B", "V", 1, 1),
            (otc, "A", "V", 5, 1),
            (otc, "A", "V", 7, 1),
            (otc, "A", "W", 1, 1),
            (otc, "A", "V", 7, 2),
        ]);
        let kept = keep(&file, None, None, Duplicates::Greatest);
        assert_eq!(kept.rows, [2, 3, 0]);
        assert_eq!(rejects(&kept), [(3, "duplicate_dropped"), (6, "duplicate_dropped")]);
        let all = keep(&file, None, None, Duplicates::Block);
        assert_eq!(all.rows, [1, 2, 4, 3, 0]);
    }
}
