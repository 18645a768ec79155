//! Values of others in messages: a megabyte that somebody sent is named by its beginning and its length.

use std::borrow::Cow;

/// Most characters of a value that a message repeats.
const VALUE_CHARS: usize = 80;

/// Most characters of a message that quotes what cannot be told apart from it; both ends of it say something.
const MESSAGE_CHARS: usize = 2_000;

/// The value as a message may repeat it.
pub fn brief(value: &str) -> Cow<'_, str> {
    match value.char_indices().nth(VALUE_CHARS) {
        None => Cow::Borrowed(value),
        Some((end, _)) => Cow::Owned(format!("{}... ({} characters)", &value[..end], value.chars().count())),
    }
}

/// A message of somebody else's making, without its middle if it is long.
pub fn brief_message(message: &str) -> Cow<'_, str> {
    let chars = message.chars().count();
    if chars <= MESSAGE_CHARS {
        return Cow::Borrowed(message);
    }
    let half = MESSAGE_CHARS / 2;
    let place = |at: usize| message.char_indices().nth(at).map_or(message.len(), |(byte, _)| byte);
    let (head, tail) = (&message[..place(half)], &message[place(chars - half)..]);
    Cow::Owned(format!("{head} ... ({} characters left out) ... {tail}", chars - 2 * half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_are_repeated_whole_and_long_ones_by_their_beginning_and_length() {
        let eighty = "é".repeat(80);
        assert!(matches!(brief(&eighty), Cow::Borrowed(_)));
        assert_eq!(brief(&"é".repeat(1_000_000)), format!("{eighty}... (1000000 characters)"));
    }

    #[test]
    fn a_long_message_keeps_both_ends() {
        assert!(matches!(brief_message(&"x".repeat(2_000)), Cow::Borrowed(_)));
        let long = format!("unknown field `{}`, expected `name` at line 1", "é".repeat(1_000_000));
        let shown = brief_message(&long);
        assert!(shown.starts_with("unknown field `éé") && shown.ends_with("expected `name` at line 1"), "{shown}");
        assert!(shown.contains("characters left out") && shown.chars().count() < 2_100, "{shown}");
    }
}
