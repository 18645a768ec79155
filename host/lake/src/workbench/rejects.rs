//! Rows that the guest rejects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::ports::RejectedRow;
use model::reject::Reject;
use model::secret::Secrets;

use super::inputs::Inputs;
use crate::rejects::{Collector, NOWHERE, Place};

/// Most bytes of a message; a code is shorter still.
const MESSAGE_BYTES_MAX: usize = 1024;
const CODE_BYTES_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct GuestRejects {
    rejects: Arc<Collector>,
    secrets: Secrets,
    /// By input; as many as are kept.
    lines: HashMap<Place, Vec<u64>>,
}

impl GuestRejects {
    pub(super) fn new(rejects: Arc<Collector>, secrets: Secrets) -> Self {
        Self { rejects, secrets, lines: HashMap::new() }
    }

    /// Adds the rows to the rejects of the attempt. The line's text is added where it is clear which input is meant: the
    /// only one, or the one that the detail `input` names.
    pub(super) fn add(&mut self, rows: Vec<RejectedRow>, inputs: &Inputs) {
        for row in rows {
            let named = row.details.iter().find(|(name, _)| name == "input").map(|(_, value)| value.as_str());
            let input = inputs.meant(named);
            let raw = match (input, row.line) {
                (Some(input), Some(line)) if self.rejects.has_room() => {
                    self.lines.entry(input.place).or_default().push(line);
                    input.raw(line)
                }
                _ => None,
            };
            let code = self.secrets.hide(&row.code).into_owned();
            let code = if code.is_empty() { "rejected".to_owned() } else { cut(code, CODE_BYTES_MAX) };
            let message = cut(self.secrets.hide(&row.message).into_owned(), MESSAGE_BYTES_MAX);
            let place = input.map_or(NOWHERE, |input| input.place);
            self.rejects.add(place, Reject { code, message, line: row.line, raw });
        }
    }

    /// The lines of one input that were rejected here.
    pub(super) fn lines(&self, place: Place) -> HashSet<u64> {
        self.lines.get(&place).into_iter().flatten().copied().collect()
    }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}
