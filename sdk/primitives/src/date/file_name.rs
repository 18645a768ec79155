//! The dates that a publisher writes into a file's name.

use super::NaiveDate;

/// The last run of exactly eight digits, or of the shape `YYYY-MM-DD`, in `name` that is a date.
///
/// ```
/// use spine_primitives::date::in_file_name;
///
/// assert_eq!(in_file_name("CNMSshvol20210127.txt").unwrap().to_string(), "2021-01-27");
/// assert_eq!(in_file_name("export_120210127.txt"), None, "nine digits are no date");
/// ```
pub fn in_file_name(name: &str) -> Option<NaiveDate> {
    from_the_end(name).next()
}

/// The different dates in `name`, the last of the name first. Of several, nobody can say which is meant.
///
/// ```
/// use spine_primitives::date::all_in_file_name;
///
/// assert_eq!(all_in_file_name("otc_20251215_copy_of_20251222.csv").len(), 2);
/// assert_eq!(all_in_file_name("20251215/otc_2025-12-15.csv").len(), 1, "one date in two shapes");
/// ```
pub fn all_in_file_name(name: &str) -> Vec<NaiveDate> {
    let mut all = Vec::new();
    for date in from_the_end(name) {
        if !all.contains(&date) {
            all.push(date);
        }
    }
    all
}

fn from_the_end(name: &str) -> impl Iterator<Item = NaiveDate> {
    let bytes = name.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let alone = move |start: usize, length: usize| (start == 0 || !digit(start - 1)) && !digit(start + length);
    (0..bytes.len()).rev().filter_map(move |start| match &bytes[start..] {
        [y1, y2, y3, y4, m1, m2, d1, d2, ..] if alone(start, 8) && digit(start + 4) => {
            date(&[*y1, *y2, *y3, *y4], &[*m1, *m2], &[*d1, *d2])
        }
        [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ..] if alone(start, 10) => {
            date(&[*y1, *y2, *y3, *y4], &[*m1, *m2], &[*d1, *d2])
        }
        _ => None,
    })
}

fn date(year: &[u8], month: &[u8], day: &[u8]) -> Option<NaiveDate> {
    let number = |digits: &[u8]| {
        let all_digits = digits.iter().all(u8::is_ascii_digit);
        all_digits.then(|| digits.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    };
    NaiveDate::from_ymd_opt(number(year)?.cast_signed(), number(month)?, number(day)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_found_wherever_it_stands() {
        let named = |name| in_file_name(name).map(|day| day.to_string());
        assert_eq!(named("CNMSshvol20210127.txt").as_deref(), Some("2021-01-27"));
        assert_eq!(named("otc_week_2026-01-02.psv").as_deref(), Some("2026-01-02"));
        assert_eq!(named("v20200101_finra_otc_weekly_otc_20251215.csv").as_deref(), Some("2025-12-15"));
        assert_eq!(named("20210127x8").as_deref(), Some("2021-01-27"));
        assert_eq!(named("день20210127").as_deref(), Some("2021-01-27"));
    }

    #[test]
    fn every_different_date_is_told_and_what_is_none_is_not() {
        let all = |name| all_in_file_name(name).iter().map(NaiveDate::to_string).collect::<Vec<_>>();
        assert_eq!(all("v20200101_finra_otc_weekly_otc_20251215.csv"), ["2025-12-15", "2020-01-01"]);
        assert_eq!(all("otc_20251215_(2025-12-15).csv"), ["2025-12-15"]);
        assert_eq!(all("otc_20251215_20259999_120251222.csv"), ["2025-12-15"]);
        assert_eq!(all("otc.csv"), [""; 0]);
    }

    #[test]
    fn what_is_no_date_is_not_taken_for_one() {
        for name in ["", "day.txt", "export_120251215.csv", "x20251399.csv", "2025-02-30.csv", "2021-1-27"] {
            assert_eq!(in_file_name(name), None, "{name}");
        }
    }
}
