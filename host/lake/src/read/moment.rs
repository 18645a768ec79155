//! Dates and times in text, by the format that the column declares.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};

use crate::schema::{DAYS, MICROS};

/// How the dates of one column are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DateFormat {
    /// `20210128`.
    Digits,
    /// `2021-01-28`.
    Iso,
    Other(String),
}

impl DateFormat {
    pub(crate) fn new(declared: Option<&str>) -> Self {
        match declared {
            Some("%Y%m%d") => Self::Digits,
            None | Some("%Y-%m-%d" | "%F") => Self::Iso,
            Some(other) => Self::Other(other.to_owned()),
        }
    }

    /// Days since 1970. The text must be exactly what the format would write: `2021128` is not the 28th.
    pub(crate) fn date(&self, text: &[u8]) -> Result<i32, String> {
        let date = match (self, text) {
            (Self::Digits, [year @ .., m1, m2, d1, d2]) if year.len() == 4 => ymd(year, [*m1, *m2], [*d1, *d2]),
            (Self::Iso, [year @ .., b'-', m1, m2, b'-', d1, d2]) if year.len() == 4 => {
                ymd(year, [*m1, *m2], [*d1, *d2])
            }
            (Self::Digits | Self::Iso, _) => None,
            (Self::Other(format), _) => str::from_utf8(text).ok().and_then(|text| strict_date(text, format)),
        };
        let days = date.map(|date| date.to_epoch_days()).filter(|days| DAYS.contains(days));
        days.ok_or_else(|| format!("is not a date of the form {}", self.text()))
    }

    fn text(&self) -> &str {
        match self {
            Self::Digits => "%Y%m%d",
            Self::Iso => "%Y-%m-%d",
            Self::Other(format) => format,
        }
    }
}

fn ymd(year: &[u8], month: [u8; 2], day: [u8; 2]) -> Option<NaiveDate> {
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u32, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u32::from(digit - b'0')))
    };
    NaiveDate::from_ymd_opt(i32::try_from(number(year)?).ok()?, number(&month)?, number(&day)?)
}

fn strict_date(text: &str, format: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    // Chrono takes `1/8/2023` for `%d/%m/%Y` and skips spaces; written back, the difference shows.
    let mut written = String::new();
    std::fmt::Write::write_fmt(&mut written, format_args!("{}", date.format(format))).ok()?;
    (written == text && date.year() > 0).then_some(date)
}

/// Microseconds since 1970 UTC. Without a declared format: RFC 3339, or the same without a zone, which means UTC.
pub(crate) fn timestamp(text: &str, format: Option<&str>) -> Result<i64, String> {
    let at = match format {
        Some(format) => NaiveDateTime::parse_from_str(text, format).ok().map(|at| at.and_utc()),
        None => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()).or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .into_iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
                .map(|at| at.and_utc())
        }),
    };
    let at = at.ok_or_else(|| format!("is not a time of the form {}", format.unwrap_or("RFC 3339")))?;
    if at.timestamp_subsec_nanos() % 1000 != 0 {
        return Err("is finer than a microsecond".to_owned());
    }
    let micros = at.timestamp_micros();
    if MICROS.contains(&micros) { Ok(micros) } else { Err("is outside of the years 1 to 9999".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_exactly_as_the_format_writes_them() {
        let date = |format: Option<&str>, text: &str| DateFormat::new(format).date(text.as_bytes()).ok();
        let day = NaiveDate::from_ymd_opt(2023, 8, 1).unwrap().to_epoch_days();
        assert_eq!(date(Some("%Y%m%d"), "20230801"), Some(day));
        assert_eq!(date(None, "2023-08-01"), Some(day));
        assert_eq!(date(Some("%d/%m/%Y"), "01/08/2023"), Some(day));
        assert_eq!(date(Some("%m/%d/%Y"), "08/01/2023"), Some(day));
        for (format, text) in [
            (Some("%Y%m%d"), "2023801"),
            (Some("%Y%m%d"), "20230229"),
            (Some("%Y%m%d"), "+2023080"),
            (Some("%d/%m/%Y"), "1/8/2023"),
            (Some("%d/%m/%Y"), " 01/08/2023"),
            (Some("%d/%m/%Y"), "13/13/2023"),
            (None, "2023-8-1"),
            (None, ""),
        ] {
            assert_eq!(date(format, text), None, "{text}");
        }
    }

    #[test]
    fn times_are_utc_microseconds() {
        assert_eq!(timestamp("1970-01-01T01:00:00.000001+01:00", None), Ok(1));
        assert_eq!(timestamp("1970-01-01 00:00:01", None), Ok(1_000_000));
        assert_eq!(timestamp("0101197000:01", Some("%m%d%Y%H:%M")), Ok(60_000_000));
        assert!(timestamp("1970-01-01T00:00:00.0000001Z", None).is_err());
        assert!(timestamp("1970-01-01", None).is_err());
    }

    #[test]
    fn a_format_that_chrono_cannot_write_is_an_error_and_no_panic() {
        assert!(DateFormat::new(Some("%Q")).date(b"x").is_err());
        assert!(timestamp("x", Some("%Q")).is_err());
    }
}
