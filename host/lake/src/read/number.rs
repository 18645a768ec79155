//! Numbers in text. Nothing is rounded, nothing is guessed; what does not fit is said.

use spine_primitives::decimal::{self, DecimalError};

/// Powers of ten that fit 64 bits.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < 20 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// A decimal of the given shape, as its unscaled integer.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, String> {
    // The shared function multiplies its limit together at each call; up to 19 digits a table has it.
    let limit =
        POWERS.get(usize::from(precision)).map_or_else(|| decimal::limit(precision), |&limit| i128::from(limit));
    if let Some(value) = short_decimal(text, scale)
        && value.unsigned_abs() < limit.unsigned_abs()
    {
        return Ok(value);
    }
    let text = str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?;
    decimal::parse(text, precision, scale).map_err(|error| match error {
        DecimalError::Malformed => "is not a decimal number".to_owned(),
        DecimalError::TooPrecise => format!("has more than {scale} digits after the point"),
        DecimalError::TooLarge => format!("has more than {} digits before the point", precision - scale),
    })
}

/// The common case, up to 18 digits that the scale holds; everything else goes the long way.
fn short_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value: u64 = 0;
    let mut fraction: Option<u8> = None;
    for &byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + u64::from(byte - b'0');
                if let Some(count) = &mut fraction {
                    *count += 1;
                }
            }
            b'.' if fraction.is_none() && digits.len() > 1 => fraction = Some(0),
            _ => return None,
        }
    }
    let missing = scale.checked_sub(fraction.unwrap_or(0))?;
    let value = i128::from(value) * i128::from(*POWERS.get(usize::from(missing))?);
    Some(if negative { -value } else { value })
}

/// A whole number: digits and at most one sign.
pub(crate) fn int64(text: &[u8]) -> Result<i64, String> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("is not a whole number".to_owned());
    }
    let mut value: i64 = 0;
    for &byte in digits {
        // Counted downwards: the smallest number has no positive counterpart.
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_sub(i64::from(byte - b'0')))
            .ok_or("does not fit 64 bits")?;
    }
    if negative { Ok(value) } else { value.checked_neg().ok_or_else(|| "does not fit 64 bits".to_owned()) }
}

/// A finite binary float: digits, a point, an exponent. `NaN` and `inf` are words, not numbers.
pub(crate) fn float64(text: &[u8]) -> Result<f64, String> {
    let malformed = || "is not a number".to_owned();
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return Err(malformed());
    }
    let value: f64 = str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
    if value.is_finite() { Ok(value) } else { Err("is larger than a 64-bit float can be".to_owned()) }
}

/// Removes thousands separators that stand where such separators stand: `168,143`, but not `1,5`.
pub(crate) fn without_thousands(text: &str, separator: char) -> Result<String, String> {
    if !text.contains(separator) {
        return Ok(text.to_owned());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = unsigned.split('.').next().unwrap_or_default();
    let mut groups = whole.split(separator);
    let first = groups.next().unwrap_or_default();
    let rest_fits = groups.all(|group| group.len() == 3);
    let separators = text.matches(separator).count();
    if whole.matches(separator).count() != separators || !rest_fits || first.is_empty() || first.len() > 3 {
        return Err(format!("has `{separator}` where no thousands separator belongs"));
    }
    Ok(text.replace(separator, ""))
}

/// A JSON number as plain digits, so that `1e3` and `1.5E-2` are exact as well. None if it would be absurdly long.
pub(crate) fn without_exponent(text: &str) -> Option<String> {
    let Some(at) = text.find(['e', 'E']) else { return Some(text.to_owned()) };
    let (mantissa, exponent) = (&text[..at], text[at + 1..].parse::<i32>().ok()?);
    if exponent.abs() > 60 {
        return None;
    }
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut digits = format!("{whole}{fraction}");
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    if point < 1 {
        digits.insert_str(0, &"0".repeat(usize::try_from(1 - point).ok()?));
        point = 1;
    }
    let point = usize::try_from(point).ok()?;
    if point > digits.len() {
        digits.push_str(&"0".repeat(point - digits.len()));
    }
    let (whole, fraction) = digits.split_at(point);
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way and the long way give the same answer wherever both give one.
    #[test]
    fn short_decimals_agree_with_the_shared_parser() {
        let mut seed: u64 = 42;
        let mut next = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        const ALPHABET: &[u8] = b"0123456789.-+e,";
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..next(22) {
                let letters = if next(4) == 0 { 15 } else { 11 };
                text.push(ALPHABET[next(letters) as usize]);
            }
            let (precision, scale) = [(18, 6), (38, 0), (5, 2), (38, 38), (9, 9)][next(5) as usize];
            let expected = decimal::parse(str::from_utf8(&text).unwrap(), precision, scale).ok();
            assert_eq!(decimal(&text, precision, scale).ok(), expected, "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn whole_numbers_have_no_point_and_fit() {
        assert_eq!(int64(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(int64(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(int64(b"007"), Ok(7));
        for bad in ["", "-", "1.0", "1e3", " 1", "9223372036854775808", "NaN"] {
            assert!(int64(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn floats_are_finite_numbers_and_never_words() {
        assert_eq!(float64(b"-1.5e3"), Ok(-1500.0));
        for bad in ["", "NaN", "nan", "inf", "-infinity", "1e999", "1_0", ".", "e5"] {
            assert!(float64(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn thousands_separators_stand_before_groups_of_three() {
        assert_eq!(without_thousands("168,143", ',').unwrap(), "168143");
        assert_eq!(without_thousands("-1,234,567.89", ',').unwrap(), "-1234567.89");
        assert_eq!(without_thousands("71", ',').unwrap(), "71");
        assert_eq!(without_thousands("1234.5", ',').unwrap(), "1234.5");
        for bad in ["1,5", "1,2345", ",123", "1.234,567", "12,34,567"] {
            assert!(without_thousands(bad, ',').is_err(), "{bad}");
        }
    }

    #[test]
    fn exponents_are_written_out_exactly() {
        for (text, plain) in
            [("1e3", "1000"), ("1.5E-2", "0.015"), ("-12.34e1", "-123.4"), ("5", "5"), ("0e0", "0"), ("1.25e+2", "125")]
        {
            assert_eq!(without_exponent(text).unwrap(), plain, "{text}");
        }
        assert_eq!(without_exponent("1e999999999"), None);
    }
}
