//! What a mistyped name most likely meant.

/// A longer word is no slip of the finger, and comparing it is much work.
const WORD_BYTES_MAX: usize = 256;

/// The candidate that `word` most likely meant, if any comes close.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    // Jaro-Winkler favours a common beginning, Damerau-Levenshtein swapped letters in short words.
    let score = |to: &str| strsim::jaro_winkler(word, to).max(strsim::normalized_damerau_levenshtein(word, to) + 0.1);
    let scored = candidates.into_iter().map(|candidate| (score(candidate), candidate));
    scored.filter(|(score, _)| *score >= 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// The end of a message about an unknown `word`: the nearest of the `known` names, else all of them.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(nearest) => format!(", did you mean `{nearest}`?"),
        None if known.is_empty() => "; there is none".to_owned(),
        None => format!("; there are `{}`", known.join("`, `")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word_and_another_word_does_not() {
        let known = ["row_count_band", "session_date", "drop"];
        assert_eq!(nearest("row_count_bnad", known), Some("row_count_band"));
        assert_eq!(nearest("dorp", known), Some("drop"));
        assert_eq!(nearest("qqqqqq", known), None);
        assert_eq!(nearest(&"drop".repeat(1_000_000), known), None);
        assert_eq!(suggestion("dorp", &known), ", did you mean `drop`?");
        assert_eq!(suggestion("qqqqqq", &known[1..]), "; there are `session_date`, `drop`");
        assert_eq!(suggestion("dorp", &[]), "; there is none");
    }
}
