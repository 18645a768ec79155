//! Instants, and the clock as a parameter.

use std::fmt;
use std::pin::Pin;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC, in whole microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `micros` later; saturates at the ends of time.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Parses RFC 3339, a time without a zone (UTC) or a date alone (the last microsecond of that UTC day).
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(at) = DateTime::parse_from_rfc3339(text) {
            return Some(Self(at.timestamp_micros()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
            if let Ok(at) = chrono::NaiveDateTime::parse_from_str(text, format) {
                return Some(Self(at.and_utc().timestamp_micros()));
            }
        }
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        let next = day.succ_opt()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros();
        Some(Self(next - 1))
    }

    fn datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// `YYYY-MM-DD HH:MM:SS.ffffff+00:00`, the text form of the catalog.
    pub fn catalog_text(self) -> String {
        self.datetime().format("%Y-%m-%d %H:%M:%S%.6f+00:00").to_string()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not a time")))
    }
}

/// Waits for a time. Production sleeps in `cli`; tests move the hands of their clock.
pub trait Timer: Send + Sync + fmt::Debug {
    /// Ends when the clock shows `at`, at once if it does already.
    fn until(&self, at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Where the time comes from. Production reads the system clock in `cli`; tests set it by hand.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_zone_are_utc_and_a_date_means_the_end_of_its_day() {
        let micros = |text| Timestamp::parse(text).map(Timestamp::as_micros);
        assert_eq!(micros("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(micros("1970-01-01T02:00:01+02:00"), Some(1_000_000));
        assert_eq!(micros("1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(micros("1970-01-01"), Some(86_400_000_000 - 1));
        assert_eq!(micros("yesterday"), None);
    }

    #[test]
    fn both_text_forms_show_microseconds() {
        let at = Timestamp::from_micros(1_611_792_000_000_001);
        assert_eq!(at.to_string(), "2021-01-28T00:00:00.000001Z");
        assert_eq!(at.catalog_text(), "2021-01-28 00:00:00.000001+00:00");
    }
}
