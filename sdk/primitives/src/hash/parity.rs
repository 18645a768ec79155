//! The hashes of the original, for who holds our results against its own. Nothing of ours is identified by them:
//! `("a|b", "c")` and `("a", "b|c")` have one hash, and so do a date and its text.

use sha2::{Digest, Sha256};

use super::hex;
use crate::WeekEnding;

/// Hex digits of a hash where nobody says how many.
const LENGTH: usize = 32;

/// The first `length` hex digits (at most 64) of SHA-256 over the texts joined with `|`. No text is one empty text.
///
/// ```
/// use spine_primitives::hash::parity_hash;
///
/// assert_eq!(parity_hash(&["a", "b", "c"], 32), "a52dd81bfd5e4e66d96b9f598382f6cb");
/// ```
pub fn parity_hash(texts: &[&str], length: usize) -> String {
    let mut hasher = Sha256::new();
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            hasher.update(b"|");
        }
        hasher.update(text);
    }
    let mut digits = hex(&hasher.finalize().into());
    digits.truncate(length);
    digits
}

/// The 32 digits by which the original knows a row of the weekly venue volumes.
///
/// With both counts it is a hash of the content, and zero is a count; without one of them, of the natural key alone.
pub fn record_hash(
    week: WeekEnding,
    tier: &str,
    symbol: &str,
    mpid: &str,
    shares: Option<i64>,
    trades: Option<i64>,
) -> String {
    let week = week.to_string();
    let key = [week.as_str(), tier, symbol, mpid];
    match (shares, trades) {
        (Some(shares), Some(trades)) => {
            let [week, tier, symbol, mpid] = key;
            parity_hash(&[week, tier, symbol, mpid, &shares.to_string(), &trades.to_string()], LENGTH)
        }
        _ => parity_hash(&key, LENGTH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_h1_h2_h3_h4_a_record_without_both_counts_is_its_key() {
        let week = "2025-12-26".parse().unwrap();
        let hash = |shares, trades| record_hash(week, "NMS_TIER_1", "AAPL", "NITE", shares, trades);
        let key = "9b09804c32a14aa20aee906807e84652";
        assert_eq!(hash(None, None), key);
        assert_eq!(hash(Some(1000), Some(50)), "520e1a07ab08e3f3cb3a637383b7f0e1");
        assert_eq!(hash(Some(0), Some(0)), "f4991e86e6b8990cd5f7cc65271134fc");
        assert_eq!(hash(Some(1000), None), key);
        assert_eq!(hash(None, Some(50)), key);
    }

    #[test]
    fn case_h5_h7_h8_texts_in_order() {
        assert_eq!(parity_hash(&["a", "b", "c"], 32), "a52dd81bfd5e4e66d96b9f598382f6cb");
        assert_eq!(parity_hash(&["c", "b", "a"], 32), "b05a68870fbe06bf88918a226db3a00e");
        assert_eq!(parity_hash(&["test_value"], 32), "4f7f6a4ae46676d9751fdccdf15ae1e6");
        assert_eq!(parity_hash(&["2025-12-26", "AAPL", "1000"], 32), "769d2a46b2b72ecbb28f9cc203607ea1");
    }

    /// The collision that the typed encoding ends; see the case in [`crate::hash`].
    #[test]
    fn case_h6_the_form_of_the_original_collides() {
        let joined = "a52dd81bfd5e4e66d96b9f598382f6cb";
        assert_eq!(parity_hash(&["a|b", "c"], 32), joined);
        assert_eq!(parity_hash(&["a", "b|c"], 32), joined);
    }

    #[test]
    fn case_h9_the_length_is_a_prefix_of_64_digits() {
        let whole = "cd42404d52ad55ccfa9aca4adc828aa5800ad9d385a0671fbcbf724118320619";
        assert_eq!(parity_hash(&["value"], 16), "cd42404d52ad55cc");
        assert_eq!(parity_hash(&["value"], 64), whole);
        assert_eq!(parity_hash(&["value"], usize::MAX), whole);
        assert_eq!(parity_hash(&["value"], 0), "");
        assert_eq!(parity_hash(&[], 32), parity_hash(&[""], 32));
    }
}
