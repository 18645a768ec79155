//! How far a report was from its estimate.
//!
//! Every decision is made on exact integers; the percentage is rounded once, at the end. An estimate of zero has no
//! percentage, and an absent estimate or report is no zero.

/// Digits after the point of an amount per share.
pub const SCALE: u8 = 6;

/// An amount of money per share, in millionths of a dollar.
pub type Micros = i128;

/// Estimates smaller than this make percentages that mean little: 0.05 dollars.
const UNSTABLE_BELOW: Micros = 50_000;

/// Surprises of at most this many percent are none.
const INLINE_PERCENT: i128 = 1;
/// Surprises of fewer percent are small.
const MODERATE_PERCENT: i128 = 3;
/// Surprises of this many percent or more are large.
const LARGE_PERCENT: i128 = 10;

/// Which way a report went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Beat,
    Miss,
    /// Within one percent of the estimate, that included.
    Inline,
    NoEstimate,
    NotReported,
}

impl Direction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Beat => "beat",
            Self::Miss => "miss",
            Self::Inline => "inline",
            Self::NoEstimate => "no_estimate",
            Self::NotReported => "not_reported",
        }
    }
}

/// How large a surprise is, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magnitude {
    /// Below 3 percent.
    Small,
    /// From 3 to below 10 percent.
    Moderate,
    /// From 10 percent.
    Large,
}

impl Magnitude {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Moderate => "moderate",
            Self::Large => "large",
        }
    }
}

/// A report against its estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surprise {
    /// Reported minus estimated; none unless both are known.
    pub amount: Option<Micros>,
    /// 100 x amount / |estimate|; none without an amount or with an estimate of zero.
    pub percent: Option<f64>,
    pub direction: Direction,
    /// None where the percentage is none.
    pub magnitude: Option<Magnitude>,
    /// The estimate is so small that the percentage means little.
    pub unstable: bool,
}

impl Surprise {
    /// Amounts must be below 10^18 in magnitude, as those of the tables are.
    pub fn of(estimate: Option<Micros>, reported: Option<Micros>) -> Self {
        let unstable = estimate.is_some_and(|estimate| estimate.abs() < UNSTABLE_BELOW);
        let unknown = |direction| Self { amount: None, percent: None, direction, magnitude: None, unstable };
        let (estimate, reported) = match (estimate, reported) {
            (None, _) => return unknown(Direction::NoEstimate),
            (Some(_), None) => return unknown(Direction::NotReported),
            (Some(estimate), Some(reported)) => (estimate, reported),
        };
        let amount = reported - estimate;
        if estimate == 0 {
            let direction = by_sign(amount);
            return Self { amount: Some(amount), percent: None, direction, magnitude: None, unstable };
        }
        let (size, base) = (amount.abs() * 100, estimate.abs());
        let inline = size <= base * INLINE_PERCENT;
        let magnitude = if size < base * MODERATE_PERCENT {
            Magnitude::Small
        } else if size < base * LARGE_PERCENT {
            Magnitude::Moderate
        } else {
            Magnitude::Large
        };
        Self {
            amount: Some(amount),
            percent: Some((amount * 100) as f64 / base as f64),
            direction: if inline { Direction::Inline } else { by_sign(amount) },
            magnitude: Some(magnitude),
            unstable,
        }
    }
}

fn by_sign(amount: Micros) -> Direction {
    match amount {
        1.. => Direction::Beat,
        0 => Direction::Inline,
        _ => Direction::Miss,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(estimate: &str, reported: &str) -> Surprise {
        let micros = |text: &str| (text != "--").then(|| spine_sdk::prelude::Decimal::<18, 6>::parse(text).unwrap());
        Surprise::of(micros(estimate), micros(reported))
    }

    #[test]
    fn case_96_a_small_beat() {
        let surprise = of("2.35", "2.42");
        assert_eq!(surprise.amount, Some(70_000));
        assert!((surprise.percent.unwrap() - 2.9787).abs() < 1e-4);
        assert_eq!((surprise.direction, surprise.magnitude), (Direction::Beat, Some(Magnitude::Small)));
        assert!(!surprise.unstable);
    }

    #[test]
    fn case_97_a_large_miss() {
        let surprise = of("2.80", "2.50");
        assert_eq!(surprise.amount, Some(-300_000));
        assert!((surprise.percent.unwrap() + 10.7143).abs() < 1e-4);
        assert_eq!((surprise.direction, surprise.magnitude), (Direction::Miss, Some(Magnitude::Large)));
    }

    #[test]
    fn case_98_one_percent_exactly_is_inline_and_a_hair_more_is_not() {
        assert_eq!(of("1.00", "1.01").direction, Direction::Inline);
        assert_eq!(of("1.00", "1.0101").direction, Direction::Beat);
        assert_eq!(of("1.00", "0.99").direction, Direction::Inline);
        assert_eq!(of("-1.00", "-1.010001").direction, Direction::Miss);
    }

    #[test]
    fn case_99_without_an_estimate_or_with_zero_there_is_no_percentage() {
        for (reported, direction) in [("0.27", Direction::Beat), ("-0.01", Direction::Miss), ("0", Direction::Inline)] {
            let surprise = of("0.00", reported);
            assert_eq!((surprise.percent, surprise.magnitude, surprise.direction), (None, None, direction));
            assert!(surprise.amount.is_some() && surprise.unstable);
        }
        assert_eq!(of("--", "0.5").direction, Direction::NoEstimate);
        assert_eq!(of("--", "--").direction, Direction::NoEstimate);
        assert_eq!(of("0.5", "--").direction, Direction::NotReported);
        assert_eq!(of("--", "0.5").amount, None);
        assert!(!of("--", "0.5").unstable);
    }

    #[test]
    fn the_percentage_is_of_the_absolute_estimate() {
        let surprise = of("-0.40", "-0.39");
        assert_eq!((surprise.percent, surprise.direction), (Some(2.5), Direction::Beat));
        assert!(of("-0.049999", "1").unstable && !of("0.05", "1").unstable);
    }

    #[test]
    fn magnitudes_begin_at_three_and_at_ten_percent() {
        let magnitude = |reported| of("1", reported).magnitude.unwrap();
        assert_eq!([magnitude("1.029999"), magnitude("0.970001")], [Magnitude::Small; 2]);
        assert_eq!([magnitude("1.03"), magnitude("0.900001")], [Magnitude::Moderate; 2]);
        assert_eq!([magnitude("1.1"), magnitude("0.9")], [Magnitude::Large; 2]);
    }

    #[test]
    fn the_greatest_amounts_do_not_overflow() {
        let most = 10_i128.pow(18) - 1;
        let surprise = Surprise::of(Some(-most), Some(most));
        assert_eq!((surprise.amount, surprise.percent), (Some(2 * most), Some(200.0)));
    }
}
