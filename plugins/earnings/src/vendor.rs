//! The vendor's own percentage, held against ours.
//!
//! A vendor computes from figures with more digits than it prints, so the two need not be equal: they agree if some
//! unrounded figures exist that explain both.

/// How many digits after the point a text shows, and its value; thousands separators and a percent sign may stand in it.
///
/// ```text
/// "+1,234.50% " -> (1234.5, 2)
/// ```
fn number(text: &str) -> Option<(f64, u32)> {
    let plain: String = text.trim().trim_end_matches('%').chars().filter(|character| *character != ',').collect();
    let digits = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let value = plain.parse::<f64>().ok().filter(|value| value.is_finite())?;
    Some((value, u32::try_from(digits).ok()?))
}

/// Returns whether the vendor's printed percentage and ours (from estimate and reported, in millionths) can both be
/// right; none if the vendor's text is no number.
pub(crate) fn agrees(vendor: &str, ours: f64, estimate: i128, reported: i128) -> Option<bool> {
    let (theirs, digits) = number(vendor)?;
    let half_unit = 0.5 / 10_f64.powi(digits.min(18).cast_signed());
    let estimate_micros = estimate.abs() as f64;
    // Each figure may have been rounded by half a unit of its last printed digit.
    let slack = (half_step(estimate) * (1.0 + ours.abs() / 100.0) + half_step(reported)) * 100.0;
    let room = estimate_micros - half_step(estimate);
    // An estimate that may have been zero before rounding explains any percentage.
    if room <= 0.0 {
        return Some(true);
    }
    // The last part allows for floating point itself.
    Some((theirs - ours).abs() <= half_unit + slack / room + ours.abs() * 1e-12)
}

/// Half a unit, in millionths, of the last digit that is not zero, but of a cent at most: amounts are printed with two
/// digits at least.
fn half_step(micros: i128) -> f64 {
    let steps = [10_000, 1_000, 100, 10, 1];
    let step = steps.into_iter().find(|step| micros % step == 0).unwrap_or(1);
    step as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_as_vendors_print_them() {
        assert_eq!(number("+1.75% "), Some((1.75, 2)));
        assert_eq!(number("-1,234.5%"), Some((-1234.5, 1)));
        assert_eq!(number("100"), Some((100.0, 0)));
        for text in ["", "%", "n/a", "inf", "NaN", "1e999"] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn rounding_explains_a_difference_and_a_wrong_figure_does_not() {
        let percent = 100.0 * 10_000.0 / 570_000.0;
        assert_eq!(agrees("+1.75%", percent, 570_000, 580_000), Some(true));
        assert_eq!(agrees("+1.80%", percent, 570_000, 580_000), Some(true), "0.5749 and 0.5850 round to these");
        assert_eq!(agrees("-1.75%", percent, 570_000, 580_000), Some(false));
        assert_eq!(agrees("+17.5%", percent, 570_000, 580_000), Some(false));
        assert_eq!(agrees("--", percent, 570_000, 580_000), None);
    }

    #[test]
    fn an_estimate_near_zero_explains_anything() {
        assert_eq!(agrees("+900%", 100.0, 5_000, 10_000), Some(false), "0.005 is printed with three digits");
        assert_eq!(agrees("+900%", 100.0, 0, 10_000), Some(true));
    }
}
