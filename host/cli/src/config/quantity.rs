//! Amounts and durations as people write them.

use std::time::Duration;

use toml::Value;

/// A whole number, or a text such as `256MiB`, `64KiB`, `2GiB`.
pub(super) fn amount(value: &Value) -> Result<u64, String> {
    let problem = || format!("{value} is not a whole number or a size such as \"256MiB\"");
    match value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| problem()),
        Value::String(text) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            let number: u64 = number.parse().map_err(|_| problem())?;
            let factor: u64 = match unit.trim() {
                "" | "B" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return Err(problem()),
            };
            number.checked_mul(factor).ok_or_else(problem)
        }
        _ => Err(problem()),
    }
}

/// A text such as `500ms`, `90s`, `5m`, `2h`; a whole number is seconds.
pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    let problem = || format!("{value} is not a duration such as \"90s\" or \"5m\"");
    let (number, unit) = match value {
        Value::Integer(number) => (u64::try_from(*number).map_err(|_| problem())?, "s"),
        Value::String(text) => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, unit) = text.split_at(digits);
            (number.parse().map_err(|_| problem())?, unit.trim())
        }
        _ => return Err(problem()),
    };
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(problem()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(amount(&Value::from("2GiB")), Ok(2 << 30));
        assert_eq!(amount(&Value::from(7)), Ok(7));
        assert_eq!(duration(&Value::from("250ms")), Ok(Duration::from_millis(250)));
        assert_eq!(duration(&Value::from(3)), Ok(Duration::from_secs(3)));
        for bad in ["", "MiB", "5 parsecs", "-1", "99999999999999999999GiB"] {
            assert!(amount(&Value::from(bad)).is_err() && duration(&Value::from(bad)).is_err(), "{bad}");
        }
        assert!(amount(&Value::from(-1)).is_err());
    }
}
