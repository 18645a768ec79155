//! How long a text of a file may be.

/// Most characters of a text where its column declares no `max_chars`.
///
/// Far beyond any name or note, and short enough that a broken file cannot make one value of megabytes.
pub const TEXT_CHARS_MAX: u32 = 4_096;

/// Returns whether a UTF-8 text has more than `chars_max` characters.
///
/// ```
/// use spine_primitives::is_longer;
///
/// assert!(!is_longer("ABRpD".as_bytes(), 5));
/// assert!(is_longer("ABRpD".as_bytes(), 4));
/// assert!(!is_longer("ÄÖÜ".as_bytes(), 3));
/// ```
pub fn is_longer(text: &[u8], chars_max: u32) -> bool {
    let chars_max = usize::try_from(chars_max).unwrap_or(usize::MAX);
    // No text has more characters than bytes, and almost every text is short. Only the first byte of a character is
    // none of the form 10xxxxxx.
    text.len() > chars_max && text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() > chars_max
}
