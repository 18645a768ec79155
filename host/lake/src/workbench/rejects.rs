//! Rows that the guest rejects.

use model::ports::RejectedRow;
use model::reject::Reject;

use super::inputs::Inputs;

/// Most bytes of a message; a code is shorter still.
const MESSAGE_BYTES_MAX: usize = 1024;
const CODE_BYTES_MAX: usize = 64;

/// Most bytes that all kept rejects of a guest hold together; those after are kept without their line's text.
const TEXT_BYTES_TOTAL: usize = 64 * 1024 * 1024;

/// Rejects with the place of their input among the inputs.
#[derive(Debug)]
pub(super) struct GuestRejects {
    pub(super) kept: Vec<(usize, Reject)>,
    pub(super) count: u64,
    kept_max: usize,
    text_bytes: usize,
}

impl GuestRejects {
    pub(super) fn new(kept_max: u64) -> Self {
        let kept_max = usize::try_from(kept_max).unwrap_or(usize::MAX);
        Self { kept: Vec::new(), count: 0, kept_max, text_bytes: 0 }
    }

    /// Counts the rows and keeps them, up to the limit. The line's text is added where it is clear which input is
    /// meant: the only one, or the one that the detail `input` names.
    pub(super) fn add(&mut self, rows: Vec<RejectedRow>, inputs: &Inputs) {
        for row in rows {
            self.count += 1;
            if self.kept.len() >= self.kept_max {
                continue;
            }
            let named = row.details.iter().find(|(name, _)| name == "input").map(|(_, value)| value.as_str());
            let input = inputs.meant(named);
            let at = input.map_or(usize::MAX, |(at, _)| at);
            let room = self.text_bytes < TEXT_BYTES_TOTAL;
            let raw = row.line.filter(|_| room).and_then(|line| input.and_then(|(_, input)| input.raw(line)));
            let code = if row.code.is_empty() { "rejected".to_owned() } else { cut(row.code, CODE_BYTES_MAX) };
            let message = cut(row.message, MESSAGE_BYTES_MAX);
            self.text_bytes += message.len() + raw.as_ref().map_or(0, String::len);
            self.kept.push((at, Reject { code, message, line: row.line, raw }));
        }
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}
