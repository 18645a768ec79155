//! The weeks of a window and what they add up to.

use std::num::NonZeroU32;

use super::trend::{change_percent, mean, sum};
use crate::WeekEnding;

/// The `size` weeks that end with `as_of`. There is no window of no weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub as_of: WeekEnding,
    pub size: NonZeroU32,
}

/// What a window holds, and how much of it there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolled<A> {
    /// None if no week has a value.
    pub aggregates: Option<A>,
    pub weeks_present: u32,
    pub weeks_expected: u32,
}

impl<A> Rolled<A> {
    /// Whether every week has a value.
    pub fn is_complete(&self) -> bool {
        self.weeks_present == self.weeks_expected
    }
}

impl Window {
    /// The weeks, oldest first.
    pub fn weeks(self) -> Vec<WeekEnding> {
        self.as_of.window(self.size.get())
    }

    /// Asks for the number of each week, oldest first, and gives the usual aggregates of those that are there.
    ///
    /// ```
    /// use spine_primitives::rolling::Window;
    ///
    /// let window = Window { as_of: "2026-01-09".parse().unwrap(), size: 4.try_into().unwrap() };
    /// let rolled = window.aggregates(|week| (week < window.as_of).then_some(100.0));
    /// assert_eq!((rolled.weeks_present, rolled.weeks_expected, rolled.is_complete()), (3, 4, false));
    /// assert_eq!(rolled.aggregates.unwrap().sum, 300.0);
    /// ```
    pub fn aggregates(self, number: impl FnMut(WeekEnding) -> Option<f64>) -> Rolled<Aggregates> {
        let Rolled { aggregates, weeks_present, weeks_expected } = self.aggregate(number, Aggregates::of);
        Rolled { aggregates: aggregates.flatten(), weeks_present, weeks_expected }
    }

    /// Asks for the value of each week, oldest first, and aggregates those that are there, with their weeks and in that
    /// order. `aggregate` is not called for none.
    pub fn aggregate<T, A>(
        self,
        mut value: impl FnMut(WeekEnding) -> Option<T>,
        aggregate: impl FnOnce(&[(WeekEnding, T)]) -> A,
    ) -> Rolled<A> {
        let present = |week| value(week).map(|value| (week, value));
        let values: Vec<(WeekEnding, T)> = self.weeks().into_iter().filter_map(present).collect();
        Rolled {
            weeks_present: u32::try_from(values.len()).unwrap_or(u32::MAX),
            weeks_expected: self.size.get(),
            aggregates: (!values.is_empty()).then(|| aggregate(&values)),
        }
    }
}

/// The usual aggregates of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aggregates {
    /// Added from the oldest week to the newest.
    pub sum: f64,
    pub mean: f64,
    pub min: f64,
    pub max: f64,
    /// From the oldest value to the newest; none where the oldest is zero.
    pub change_percent: Option<f64>,
}

impl Aggregates {
    /// The aggregates of values in the order of their weeks; none of no values. A NaN makes sum and mean NaN.
    pub fn of(values: &[(WeekEnding, f64)]) -> Option<Self> {
        let values: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
        let (first, last) = values.first().zip(values.last())?;
        Some(Self {
            sum: sum(&values),
            mean: mean(&values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            change_percent: change_percent(*first, *last),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn week(text: &str) -> WeekEnding {
        text.parse().unwrap()
    }

    fn rolled(size: u32, values: &[(&str, f64)]) -> Rolled<Aggregates> {
        let values: BTreeMap<WeekEnding, f64> = values.iter().map(|(text, value)| (week(text), *value)).collect();
        let window = Window { as_of: week("2026-01-09"), size: size.try_into().unwrap() };
        window.aggregates(|week| values.get(&week).copied())
    }

    #[test]
    fn case_t8_a_whole_window() {
        let rolled =
            rolled(4, &[("2025-12-19", 100.0), ("2025-12-26", 150.0), ("2026-01-02", 200.0), ("2026-01-09", 250.0)]);
        assert_eq!((rolled.weeks_present, rolled.weeks_expected, rolled.is_complete()), (4, 4, true));
        let aggregates = rolled.aggregates.unwrap();
        assert_eq!((aggregates.sum, aggregates.mean), (700.0, 175.0));
    }

    #[test]
    fn case_t9_weeks_outside_of_the_window_do_not_count() {
        let rolled = rolled(4, &[("2025-12-12", 1e6), ("2025-12-26", 150.0), ("2026-01-09", 250.0)]);
        assert_eq!((rolled.weeks_present, rolled.weeks_expected, rolled.is_complete()), (2, 4, false));
        assert_eq!(rolled.aggregates.unwrap().sum, 400.0);
    }

    #[test]
    fn case_t10_nothing_is_not_aggregated() {
        let window = Window { as_of: week("2026-01-09"), size: 4.try_into().unwrap() };
        let mut asked = Vec::new();
        let rolled = window.aggregate(
            |week| {
                asked.push(week.to_string());
                None::<f64>
            },
            |_| -> () { panic!("called for nothing") },
        );
        assert_eq!(rolled, Rolled { aggregates: None, weeks_present: 0, weeks_expected: 4 });
        assert!(!rolled.is_complete());
        assert_eq!(asked, ["2025-12-19", "2025-12-26", "2026-01-02", "2026-01-09"]);
    }

    #[test]
    fn case_t11_zero_is_not_missing() {
        let rolled = rolled(4, &[("2025-12-19", 0.0), ("2025-12-26", 0.0), ("2026-01-02", 0.0), ("2026-01-09", 0.0)]);
        assert!(rolled.is_complete());
        let aggregates = rolled.aggregates.unwrap();
        assert_eq!((aggregates.sum, aggregates.change_percent), (0.0, None));
    }

    #[test]
    fn case_t12_the_usual_aggregates() {
        let weeks = week("2026-01-09").window(6);
        let volumes: Vec<_> = weeks.into_iter().zip([1e3, 2e3, 3e3, 4e3, 5e3, 6e3]).collect();
        let Aggregates { sum, mean, min, max, change_percent } = Aggregates::of(&volumes).unwrap();
        assert_eq!((sum, mean, min, max, change_percent), (21e3, 3500.0, 1000.0, 6000.0, Some(500.0)));
    }
}
