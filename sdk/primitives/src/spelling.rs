//! One word in the many ways that people write it.

/// The letters and digits of `text` in lower case, without the spaces, `_` and `-` among them; none if there is anything
/// else in it, or nothing at all.
///
/// ```
/// use spine_primitives::plain_word;
///
/// assert_eq!(plain_word("NMS Tier 1"), plain_word("nms_tier-1"));
/// assert_eq!(plain_word("O.T.C"), None);
/// ```
pub fn plain_word(text: &str) -> Option<String> {
    let mut word = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            ' ' | '_' | '-' => {}
            letter if letter.is_ascii_alphanumeric() => word.push(letter.to_ascii_lowercase()),
            _ => return None,
        }
    }
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_letters_digits_and_what_stands_between_words_make_a_word() {
        for text in ["NMS_TIER_1", "NMS Tier 1", "nms-tier-1", "NmsTier1"] {
            assert_eq!(plain_word(text).as_deref(), Some("nmstier1"), "{text}");
        }
        for text in ["", " ", "OTC!", "O.T.C", "OTC Öther"] {
            assert_eq!(plain_word(text), None, "{text}");
        }
    }
}
