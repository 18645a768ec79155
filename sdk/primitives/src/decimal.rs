//! Exact decimals: unscaled 128-bit integers with a scale that the column declares.

use std::fmt;

/// Why a text is not a decimal of the wanted shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not digits with at most one point and one leading sign.
    Malformed,
    /// More digits after the point than the scale holds; zeros at the end do not count.
    TooPrecise,
    /// More digits than the precision holds.
    TooLarge,
}

impl fmt::Display for DecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a decimal number",
            Self::TooPrecise => "more digits after the point than the column holds",
            Self::TooLarge => "more digits than the column holds",
        })
    }
}

impl std::error::Error for DecimalError {}

/// Parses `text` into an unscaled integer; nothing is ever rounded.
///
/// ```
/// use spine_primitives::decimal::parse;
///
/// assert_eq!(parse("1.0299", 18, 6), Ok(1_029_900));
/// assert_eq!(parse("-5", 18, 6), Ok(-5_000_000));
/// assert!(parse("0.0000001", 18, 6).is_err());
/// assert!(parse("1e3", 18, 6).is_err());
/// ```
pub fn parse(text: &str, precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let point = digits.iter().position(|&byte| byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &[][..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DecimalError::Malformed);
    }
    if !whole.iter().chain(fraction).all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    let kept = fraction.len().min(usize::from(scale));
    if fraction[kept..].iter().any(|&digit| digit != b'0') {
        return Err(DecimalError::TooPrecise);
    }
    let mut value: i128 = 0;
    let zeros = usize::from(scale) - kept;
    for digit in whole.iter().chain(&fraction[..kept]).copied().chain(std::iter::repeat_n(b'0', zeros)) {
        value = value
            .checked_mul(10)
            .and_then(|shifted| shifted.checked_add(i128::from(digit - b'0')))
            .ok_or(DecimalError::TooLarge)?;
    }
    if value >= limit(precision) {
        return Err(DecimalError::TooLarge);
    }
    Ok(if negative { -value } else { value })
}

/// Writes an unscaled integer with exactly `scale` digits after the point.
///
/// ```
/// assert_eq!(spine_primitives::decimal::format(-1_029_900, 6), "-1.029900");
/// ```
pub fn format(value: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The first magnitude that does not fit `precision` digits (1 to 38).
pub fn limit(precision: u8) -> i128 {
    10_i128.pow(u32::from(precision.min(38)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_and_malformed_texts() {
        assert_eq!(parse(".5", 18, 6), Ok(500_000));
        assert_eq!(parse("5.", 18, 6), Ok(5_000_000));
        assert_eq!(parse("007.10", 4, 1), Ok(71));
        assert_eq!(parse("999999999999.999999", 18, 6), Ok(999_999_999_999_999_999));
        assert_eq!(parse("1000000000000", 18, 6), Err(DecimalError::TooLarge));
        for text in ["", ".", "-", "+", "1.2.3", "1,000", " 1", "NaN", "1e5", "--1", "１"] {
            assert_eq!(parse(text, 18, 6), Err(DecimalError::Malformed), "{text}");
        }
    }

    #[test]
    fn formatting_pads_small_values() {
        assert_eq!(format(5, 6), "0.000005");
        assert_eq!(format(0, 0), "0");
        assert_eq!(format(-12, 0), "-12");
    }
}
