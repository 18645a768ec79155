//! The last calls that a guest made of its host, for the report of a trap.
//!
//! Recorded with every call, so it costs some tens of nanoseconds and no allocation once the ring is full. Arguments are
//! those that are names or numbers, and cut: rows, messages and parameters are not among them.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

/// Calls that are remembered.
const CALLS_MAX: usize = 32;

/// Bytes of the arguments of one call that are remembered.
const ARGUMENTS_BYTES_MAX: usize = 96;

/// One call of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// As the contract has it, such as `reader.next`.
    pub(crate) name: &'static str,
    pub(crate) arguments: String,
    /// By the virtual clock.
    pub(crate) at_us: i64,
}

/// The latest of them.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<Call>);

impl Calls {
    pub(super) fn push(&mut self, name: &'static str, at_us: i64, arguments: fmt::Arguments<'_>) {
        let mut call = match self.0.len() {
            CALLS_MAX => self.0.pop_front().unwrap_or_default(),
            _ => Call::default(),
        };
        (call.name, call.at_us) = (name, at_us);
        call.arguments.clear();
        // An error only says that there is no more room.
        let _ = Cut(&mut call.arguments).write_fmt(arguments);
        self.0.push_back(call);
    }

    /// From the oldest to the latest.
    pub(super) fn all(&self) -> Vec<Call> {
        self.0.iter().cloned().collect()
    }
}

/// Takes as much text as there is room for.
struct Cut<'a>(&'a mut String);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = ARGUMENTS_BYTES_MAX.saturating_sub(self.0.len());
        self.0.push_str(super::cut(text, room));
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_calls_are_kept_and_long_arguments_are_cut() {
        let mut calls = Calls::default();
        for at in 0..40 {
            calls.push("open", at, format_args!("{}{}", "é".repeat(30), "x".repeat(50)));
        }
        calls.push("now-us", 40, format_args!(""));
        let all = calls.all();
        assert_eq!((all.len(), all[0].at_us), (CALLS_MAX, 9));
        assert_eq!(all[0].arguments.len(), ARGUMENTS_BYTES_MAX);
        assert_eq!(all.last(), Some(&Call { name: "now-us", arguments: String::new(), at_us: 40 }));
    }
}
