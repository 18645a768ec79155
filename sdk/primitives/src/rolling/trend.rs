//! Whether values rise or fall.

/// Change in percent up to which a trend is flat, where nobody says another.
pub const THRESHOLD_PERCENT: f64 = 5.0;

/// Which way values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Up,
    Down,
    Flat,
}

impl Direction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Flat => "FLAT",
        }
    }
}

/// How the values of a later time stand to those of an earlier one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    pub direction: Direction,
    /// Rounded to two digits after the point, half away from zero; the direction was decided before.
    pub percent: f64,
}

/// Compares the mean of `last` with the mean of `first`.
///
/// Up is a change of more than `threshold_percent`, down one of less than minus it; a threshold below zero is zero.
/// Where no change can be told (a side is empty, the base is zero, a value is not finite) the trend is flat, 0.0.
///
/// ```
/// use spine_primitives::rolling::{Direction, THRESHOLD_PERCENT, trend};
///
/// let trend = trend(&[100.0, 100.0], &[110.0, 130.0], THRESHOLD_PERCENT);
/// assert_eq!((trend.direction, trend.percent), (Direction::Up, 20.0));
/// ```
pub fn trend(first: &[f64], last: &[f64], threshold_percent: f64) -> Trend {
    let change = mean(first).zip(mean(last)).and_then(|(first, last)| change_percent(first, last));
    let Some(change) = change else { return Trend { direction: Direction::Flat, percent: 0.0 } };
    let threshold = threshold_percent.max(0.0);
    let direction = if change > threshold {
        Direction::Up
    } else if change < -threshold {
        Direction::Down
    } else {
        Direction::Flat
    };
    Trend { direction, percent: two_digits(change) }
}

/// The change from `first` to `last` in percent of the size of `first`, so that a debt which shrinks goes up.
///
/// None if `first` is zero or the change is not finite.
pub fn change_percent(first: f64, last: f64) -> Option<f64> {
    // A hundred first: 100 to 107 is 7 percent, while 0.07 * 100 is a little more.
    let change = (last - first) * 100.0 / first.abs();
    (first != 0.0 && change.is_finite()).then_some(change)
}

/// None for no values.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|&count| count > 0)?;
    Some(sum(values) / f64::from(count))
}

/// Adds in order: another order may give other bits.
pub(super) fn sum(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |sum, value| sum + value)
}

fn two_digits(value: f64) -> f64 {
    let rounded = (value * 100.0).round() / 100.0;
    // What is too large to be shifted has no digits after the point. Adding zero takes the sign from a negative zero.
    if rounded.is_finite() { rounded + 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: &[f64], last: &[f64], threshold: f64) -> (&'static str, f64) {
        let trend = trend(first, last, threshold);
        (trend.direction.name(), trend.percent)
    }

    fn from_to(first: f64, last: f64) -> (&'static str, f64) {
        of(&[first], &[last], THRESHOLD_PERCENT)
    }

    #[test]
    fn case_t1_t2_means_are_compared() {
        assert_eq!(of(&[100.0; 3], &[120.0; 3], 5.0), ("UP", 20.0));
        assert_eq!(of(&[100.0; 3], &[80.0; 3], 5.0), ("DOWN", -20.0));
        assert_eq!(of(&[100.0; 3], &[102.0; 3], 5.0), ("FLAT", 2.0));
    }

    #[test]
    fn case_t3_the_threshold_itself_is_flat() {
        assert_eq!(from_to(100.0, 105.0), ("FLAT", 5.0));
        assert_eq!(from_to(100.0, 105.01), ("UP", 5.01));
        assert_eq!(from_to(100.0, 95.0), ("FLAT", -5.0));
        assert_eq!(from_to(100.0, 94.99), ("DOWN", -5.01));
        assert_eq!(of(&[100.0], &[107.0], 7.0), ("FLAT", 7.0));
    }

    #[test]
    fn case_t4_percent_has_two_digits_and_is_rounded_after_the_direction() {
        assert_eq!(from_to(3.0, 4.0), ("UP", 33.33));
        assert_eq!(from_to(100.0, 105.001), ("UP", 5.0));
        assert_eq!(from_to(1e6, 999_999.0).1.to_bits(), 0.0_f64.to_bits(), "no negative zero");
    }

    #[test]
    fn case_t5_without_a_base_there_is_no_change() {
        let flat = ("FLAT", 0.0);
        assert_eq!(of(&[], &[1.0], 5.0), flat);
        assert_eq!(of(&[1.0], &[], 5.0), flat);
        assert_eq!(of(&[0.0, 0.0], &[100.0, 200.0], 5.0), flat);
        for odd in [f64::NAN, f64::INFINITY, f64::MAX] {
            assert_eq!(of(&[1.0], &[odd, odd], 5.0), flat, "{odd}");
            assert_eq!(of(&[odd, odd], &[1.0], 5.0), flat, "{odd}");
        }
    }

    #[test]
    fn case_t6_the_threshold_decides() {
        assert_eq!(of(&[100.0], &[108.0], 10.0), ("FLAT", 8.0));
        assert_eq!(of(&[100.0], &[108.0], 5.0), ("UP", 8.0));
        assert_eq!(of(&[100.0], &[100.5], -5.0), ("UP", 0.5));
        assert_eq!(of(&[100.0], &[99.5], f64::NAN), ("DOWN", -0.5));
    }

    #[test]
    fn case_t7_a_negative_base_does_not_turn_the_direction_round() {
        assert_eq!(from_to(-100.0, -50.0), ("UP", 50.0));
        assert_eq!(from_to(-100.0, -150.0), ("DOWN", -50.0));
    }
}
