//! Whether all rows of a file name one market: what the rows themselves say of whose file it is.
//!
//! Rows of the consolidated feed name those of FINRA's facilities that took part, separated by commas; rows of one
//! facility's file all name that one.

use spine_sdk::prelude::*;

use super::facility::Facility;

/// Rows of a batch that are looked at first. Of a consolidated file they settle it, and the others stay in the host.
const FIRST_ROWS: u32 = 64;

/// The markets that the rows of a file name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Markets {
    /// There was no row yet.
    #[default]
    Unknown,
    /// All rows so far have this code.
    One(String),
    /// Rows have different codes, or a list of them.
    Several,
}

impl Markets {
    /// Looks at more rows of the file.
    pub(super) fn add(&mut self, batch: &Batch) -> Result<(), Error> {
        if *self == Self::Several {
            return Ok(());
        }
        let rows = batch.rows();
        let first: Vec<u32> = (0..FIRST_ROWS).take_while(|row| (*row as usize) < rows).collect();
        self.see(&batch.take(&first)?.column("market")?);
        if *self != Self::Several && rows > first.len() {
            self.see(&batch.column("market")?);
        }
        Ok(())
    }

    fn see(&mut self, markets: &Column<Utf8>) {
        for market in markets {
            match self {
                Self::Unknown if !market.contains(',') => *self = Self::One(market.to_owned()),
                Self::One(one) if one == market => {}
                Self::Unknown | Self::One(_) | Self::Several => {
                    *self = Self::Several;
                    return;
                }
            }
        }
    }

    /// The facility of FINRA that all rows name, and its code.
    pub(super) fn only(&self) -> Option<(Facility, &str)> {
        match self {
            Self::One(code) => Some((Facility::from_market(code)?, code)),
            Self::Unknown | Self::Several => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(markets: &[&str]) -> Markets {
        let mut seen = Markets::default();
        seen.see(&markets.iter().copied().collect());
        seen
    }

    #[test]
    fn one_code_in_every_row_is_one_market_and_a_list_is_several() {
        assert_eq!(of(&[]), Markets::Unknown);
        assert_eq!(of(&["Q", "Q"]).only(), Some((Facility::Fnsq, "Q")));
        assert_eq!(of(&["X"]).only(), None, "nobody's code");
        for several in [&["Q", "N"][..], &["Q,N"], &["Q", "Q,N"]] {
            assert_eq!(of(several), Markets::Several, "{several:?}");
        }
    }
}
