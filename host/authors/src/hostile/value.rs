//! Values of one column: as a publisher writes them, and at the ends of what their type holds.

use model::DataType;
use model::manifest::FormatColumn;

/// Texts that programs are wrong about: words that mean null elsewhere, quotes, delimiters, line ends, signs of two bytes
/// and more, signs that combine or turn the direction, a byte order mark, a zero, and texts that are commands elsewhere.
pub(super) const TEXTS: &[&str] = &[
    "",
    " ",
    "NA",
    "NaN",
    "null",
    "TRUE",
    "0",
    "-",
    "\"",
    "\"\"",
    "a\"b",
    "'",
    "a,b",
    "a|b",
    "a;b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\\",
    "\\n",
    "é",
    "e\u{301}",
    "\u{1F600}",
    "\u{1F468}\u{200D}\u{1F469}",
    "\u{202E}abc",
    "\u{feff}a",
    "a\0b",
    "\u{7f}",
    "\u{2028}",
    "=1+1",
    "'; DROP TABLE x; --",
    "../../etc/passwd",
    "${HOME}",
    "%s%n",
    "<script>",
    "a ",
    " a",
];

/// What the `row`th ordinary row has in this column. Keys differ from row to row, unless the column is steady.
pub(super) fn ordinary(column: &FormatColumn, row: u64, is_steady: bool) -> String {
    let turn = if is_steady { 0 } else { row };
    match column.data_type {
        DataType::Bool => (turn.is_multiple_of(2)).to_string(),
        DataType::Int64 => (turn + 1).to_string(),
        DataType::Float64 => format!("{}.5", turn % 1_000),
        DataType::Utf8 if column.key => word(turn, column.max_chars),
        DataType::Utf8 => word(turn % 26, column.max_chars),
        DataType::Date => date(column, "2025-01-03"),
        DataType::Timestamp => date(column, "2025-01-03T14:30:00Z"),
        DataType::Decimal { precision, scale } => {
            let most = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) - 1;
            decimal((i128::from(turn % 1_000) * 10_i128.pow(u32::from(scale.min(6))) + 5).min(most), scale)
        }
    }
}

/// The ends of the type, and what lies just beyond them.
pub(super) fn extremes(column: &FormatColumn) -> Vec<String> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    match column.data_type {
        DataType::Bool => texts(&["true", "false", "TRUE", "2"]),
        DataType::Int64 => {
            texts(&["9223372036854775807", "-9223372036854775808", "0", "-1", "9223372036854775808", "1.5"])
        }
        DataType::Float64 => {
            texts(&["1.7976931348623157e308", "-1.7976931348623157e308", "5e-324", "0", "-0.0", "NaN", "inf"])
        }
        DataType::Utf8 => TEXTS[..4].iter().map(|text| (*text).to_owned()).collect(),
        DataType::Date => {
            let days =
                ["0001-01-01", "9999-12-31", "1970-01-01", "1969-12-31", "2024-02-29", "2023-02-29", "0000-00-00"];
            days.iter().map(|day| date(column, day)).collect()
        }
        DataType::Timestamp => {
            let times =
                ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2023-02-29T00:00:00Z"];
            times.iter().map(|time| date(column, time)).collect()
        }
        DataType::Decimal { precision, scale } => {
            let beyond = 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX);
            let most = [beyond - 1, 1 - beyond, 1, -1, 0, beyond];
            most.iter()
                .map(|unscaled| decimal(*unscaled, scale))
                .chain(texts(&["1e400", "0.0000000000000001"]))
                .collect()
        }
    }
}

/// A word of letters, another for each number; short enough for its column.
fn word(number: u64, chars_max: Option<u32>) -> String {
    let mut letters = vec![b'A' + u8::try_from(number % 26).unwrap_or(0)];
    let mut rest = number / 26;
    while rest > 0 {
        letters.push(b'A' + u8::try_from(rest % 26).unwrap_or(0));
        rest /= 26;
    }
    letters.reverse();
    letters.truncate(chars_max.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)));
    letters.into_iter().map(char::from).collect()
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let (sign, digits) = (if unscaled < 0 { "-" } else { "" }, unscaled.unsigned_abs().to_string());
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{part}")
}

/// A date or time in the format of its column. The parts that formats of publishers have are known; others stay as they
/// are, and the host rejects the line.
fn date(column: &FormatColumn, iso: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let Some(format) = &column.date_format else { return iso.to_owned() };
    let (year, month, day) = (&iso[..4], &iso[5..7], &iso[8..10]);
    let time = iso.get(11..19).unwrap_or("00:00:00");
    let month_name = month.parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"May");
    let parts = [
        ("%F", format!("{year}-{month}-{day}")),
        ("%T", time.to_owned()),
        ("%Y", year.to_owned()),
        ("%y", year[2..].to_owned()),
        ("%m", month.to_owned()),
        ("%-m", month.trim_start_matches('0').to_owned()),
        ("%d", day.to_owned()),
        ("%-d", day.trim_start_matches('0').to_owned()),
        ("%b", month_name[..3].to_owned()),
        ("%B", (*month_name).to_owned()),
        ("%H", time[..2].to_owned()),
        ("%M", time[3..5].to_owned()),
        ("%S", time[6..].to_owned()),
    ];
    parts.iter().fold(format.clone(), |text, (part, value)| text.replace(part, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_numbers_differ_and_decimals_keep_their_digits() {
        let words: std::collections::BTreeSet<String> = (0..20_000).map(|number| word(number, None)).collect();
        assert_eq!(words.len(), 20_000);
        assert_eq!(["5", "0.000005", "-1.500"].map(str::to_owned), [decimal(5, 0), decimal(5, 6), decimal(-1500, 3)]);
    }
}
