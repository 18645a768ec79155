//! Names of plugins, and the nearest good one to a bad one.

use model::Failure;
use model::failure::FailureKind;

/// Most bytes of a word of the contract.
const WORD_BYTES_MAX: usize = 63;

/// Words that a crate, a module or a schema of SQL cannot be called.
const TAKEN: [&str; 50] = [
    "abstract", "as", "async", "await", "become", "box", "break", "build", "const", "continue", "core", "crate",
    "deps", "do", "dyn", "else", "enum", "examples", "extern", "final", "fn", "for", "if", "impl", "import", "in",
    "let", "loop", "macro", "main", "match", "mod", "move", "mut", "plugin", "pub", "ref", "return", "rows", "self",
    "spine", "static", "std", "struct", "super", "test", "trait", "type", "use", "while",
];

/// The name of a plugin that is to be begun: a lower-case word, which is the domain of its datasets too.
///
/// # Errors
///
/// `usage` (exit code 2) with the nearest good name.
pub fn checked_name(name: &str) -> Result<&str, Failure> {
    if model::dataset::is_word(name) && !TAKEN.contains(&name) {
        return Ok(name);
    }
    let why = match TAKEN.contains(&name) {
        true => "is a word that others use",
        false => "is no lower-case word of letters, digits and `_` that starts with a letter",
    };
    let message = format!("a plugin cannot be called `{}`: it {why}; `{}` would do", model::brief(name), nearest(name));
    Err(Failure::new(FailureKind::Config, "usage", message))
}

fn nearest(name: &str) -> String {
    let mut word = String::new();
    for char in name.chars() {
        match char {
            'a'..='z' | '0'..='9' => word.push(char),
            'A'..='Z' => {
                // `myPrices` is two words.
                if word.ends_with(|before: char| before.is_ascii_lowercase()) {
                    word.push('_');
                }
                word.push(char.to_ascii_lowercase());
            }
            _ if !word.is_empty() && !word.ends_with('_') => word.push('_'),
            _ => {}
        }
    }
    word.truncate(WORD_BYTES_MAX);
    let word = word.trim_end_matches('_');
    match word.bytes().next() {
        None => "my_prices".to_owned(),
        Some(first) if first.is_ascii_digit() || TAKEN.contains(&word) => format!("my_{word}"),
        Some(_) => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_is_told_with_the_nearest_good_one() {
        for (bad, good) in [
            ("My-Prices", "my_prices"),
            ("myPrices", "my_prices"),
            ("prices.eu", "prices_eu"),
            ("2024", "my_2024"),
            ("fn", "my_fn"),
            ("..", "my_prices"),
            ("préis", "pr_is"),
            ("", "my_prices"),
        ] {
            let failure = checked_name(bad).unwrap_err();
            assert!(failure.message.ends_with(&format!("`{good}` would do")), "{failure}");
            assert_eq!((checked_name(good).unwrap(), failure.exit_code()), (good, 2));
        }
        assert!(TAKEN.is_sorted());
    }
}
