//! Numbers of policies: as they are written, as they are kept, and what is said of one that is out of range.

use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number as somebody wrote it: it may be negative, a fraction, or not a number at all.
///
/// So that such a one is a [`Problem`] beside the others, instead of ending the reading of the document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Number {
    /// As a whole number without a fraction, if it is one that a `f64` holds exactly.
    fn whole(self) -> Option<i64> {
        const EXACT_MAX: f64 = (1_u64 << 53) as f64;
        (self.0.fract() == 0.0 && self.0.abs() <= EXACT_MAX).then_some(self.0 as i64)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.whole() {
            Some(whole) => write!(f, "{whole}"),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.whole() {
            Some(whole) => serializer.serialize_i64(whole),
            None => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

/// A number from 0 with at most three decimals, kept exactly: factors, fractions, percentages, rates.
///
/// In JSON it is the number itself, `1.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thousandths(u64);

impl Thousandths {
    /// `Thousandths::new(1_500)` is 1.5.
    pub const fn new(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// 1500 for 1.5.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// None where `number` is negative, has more decimals, or is too large to be exact.
    pub fn from_number(number: Number) -> Option<Self> {
        let scaled = number.0 * 1_000.0;
        // 0.29 * 1000 is not quite 290: the nearest whole number is meant if it is this near.
        let near = (scaled - scaled.round()).abs() <= 1e-6;
        let thousandths = Number(scaled.round()).whole()?;
        if near { u64::try_from(thousandths).ok().map(Self) } else { None }
    }

    fn number(self) -> Number {
        Number(self.0 as f64 / 1_000.0)
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl Serialize for Thousandths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.number().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Thousandths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        Self::from_number(number)
            .ok_or_else(|| serde::de::Error::custom(format!("{number} is not a number from 0 with three decimals")))
    }
}

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{place}` is {written}; allowed: {allowed}")]
pub struct Problem {
    /// Where it was written: `plugins.finra.retry.attempts_max`.
    pub place: String,
    /// What was written there.
    pub written: String,
    /// What may be written instead: `a whole number from 0 to 100`.
    pub allowed: String,
}

/// Reads the numbers of one table and collects what is wrong with them.
pub(super) struct Checks<'a> {
    place: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(place: &str, problems: &'a mut Vec<Problem>) -> Self {
        Self { place: place.to_owned(), problems }
    }

    /// For the table `key` of this one.
    pub(super) fn of(&mut self, key: &str) -> Checks<'_> {
        Checks { place: self.at(key), problems: self.problems }
    }

    pub(super) fn refuse(&mut self, key: &str, written: impl fmt::Display, allowed: impl Into<String>) {
        let problem = Problem { place: self.at(key), written: written.to_string(), allowed: allowed.into() };
        self.problems.push(problem);
    }

    /// The whole number that was `written`, or `base` where there is none or it is not `allowed`.
    pub(super) fn whole<T>(&mut self, key: &str, written: Option<Number>, base: T, allowed: RangeInclusive<u64>) -> T
    where
        T: TryFrom<u64>,
    {
        let Some(number) = written else { return base };
        let whole = number.whole().and_then(|whole| u64::try_from(whole).ok());
        match whole.filter(|whole| allowed.contains(whole)).and_then(|whole| T::try_from(whole).ok()) {
            Some(value) => value,
            None => {
                let allowed = format!("a whole number from {} to {}", allowed.start(), allowed.end());
                self.refuse(key, number, allowed);
                base
            }
        }
    }

    /// As [`Checks::whole`], for a number with up to three decimals.
    pub(super) fn exact(
        &mut self,
        key: &str,
        written: Option<Number>,
        base: Thousandths,
        allowed: RangeInclusive<Thousandths>,
    ) -> Thousandths {
        let Some(number) = written else { return base };
        match Thousandths::from_number(number).filter(|value| allowed.contains(value)) {
            Some(value) => value,
            None => {
                let allowed = format!("a number from {} to {}, of three decimals", allowed.start(), allowed.end());
                self.refuse(key, number, allowed);
                base
            }
        }
    }

    fn at(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}
