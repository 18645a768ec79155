//! What must be there before a window is computed.

use std::collections::{BTreeMap, BTreeSet};

use super::Window;
use crate::WeekEnding;

/// Whether a window may be computed, and what it waits for, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// Weeks of the window that are not there at all.
    Missing(Vec<WeekEnding>),
    /// All are there, but these are not ready yet.
    NotReady(Vec<WeekEnding>),
}

impl Window {
    /// Whether all weeks of the window are among the `present` ones.
    pub fn history(self, present: &BTreeSet<WeekEnding>) -> Gate {
        let missing = self.absent_from(present);
        if missing.is_empty() { Gate::Open } else { Gate::Missing(missing) }
    }

    /// Whether all weeks of the window are `present` and all of them are `ready`.
    pub fn readiness(self, present: &BTreeSet<WeekEnding>, ready: &BTreeSet<WeekEnding>) -> Gate {
        let history = self.history(present);
        let waited_for = self.absent_from(ready);
        if history != Gate::Open || waited_for.is_empty() { history } else { Gate::NotReady(waited_for) }
    }

    /// The symbols that have a row in every week of the window. Rows of other weeks do not count, and several rows of a
    /// week count once.
    pub fn eligible_symbols<'a>(self, rows: impl IntoIterator<Item = (&'a str, WeekEnding)>) -> BTreeSet<&'a str> {
        let weeks: BTreeSet<WeekEnding> = self.weeks().into_iter().collect();
        let mut seen: BTreeMap<&str, BTreeSet<WeekEnding>> = BTreeMap::new();
        for (symbol, week) in rows {
            if weeks.contains(&week) {
                seen.entry(symbol).or_default().insert(week);
            }
        }
        let expected = usize::try_from(self.size.get()).unwrap_or(usize::MAX);
        seen.into_iter().filter(|(_, weeks)| weeks.len() == expected).map(|(symbol, _)| symbol).collect()
    }

    fn absent_from(self, weeks: &BTreeSet<WeekEnding>) -> Vec<WeekEnding> {
        self.weeks().into_iter().filter(|week| !weeks.contains(week)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window { as_of: "2026-01-09".parse().unwrap(), size: 6.try_into().unwrap() }
    }

    fn weeks(texts: &[&str]) -> Vec<WeekEnding> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn case_t13_missing_weeks_close_the_gate_and_are_named() {
        let present = weeks(&["2025-12-26", "2026-01-02", "2026-01-09"]).into_iter().collect();
        let missing = Gate::Missing(weeks(&["2025-12-05", "2025-12-12", "2025-12-19"]));
        assert_eq!(window().history(&present), missing);
        assert_eq!(window().readiness(&present, &present), missing, "history comes first");
        assert_eq!(window().history(&window().weeks().into_iter().collect()), Gate::Open);
    }

    #[test]
    fn case_t14_weeks_that_are_not_ready_close_the_gate_and_are_named() {
        let present: BTreeSet<_> = window().weeks().into_iter().collect();
        let ready = window().weeks().into_iter().take(4).collect();
        assert_eq!(window().readiness(&present, &ready), Gate::NotReady(weeks(&["2026-01-02", "2026-01-09"])));
        assert_eq!(window().readiness(&present, &present), Gate::Open);
    }

    #[test]
    fn case_t15_a_symbol_needs_every_week_of_the_window() {
        let all = window().weeks();
        let rows = |symbol: &'static str, weeks: &[WeekEnding]| -> Vec<(&'static str, WeekEnding)> {
            weeks.iter().map(|week| (symbol, *week)).collect()
        };
        let older = all[0].window(9);
        let rows = [rows("AAPL", &all), rows("GOOGL", &all), rows("MSFT", &all[2..]), rows("MSFT", &older[..8])];
        let twice = rows.iter().flatten().chain(&rows[2]).copied();
        assert_eq!(window().eligible_symbols(twice), BTreeSet::from(["AAPL", "GOOGL"]));
    }
}
