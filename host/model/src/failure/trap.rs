//! What is known of a guest that was stopped in the middle of its work: enough to find the line, and to see it again.
//!
//! Bounded: its parts have limits in `runtime`, which fills it in; some 40 KB at most. No secret of the run is in it.

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::run::RunInput;
use crate::time::Timestamp;

/// The report of a trap, kept with the error of the attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrapReport {
    /// Where the guest was, from the innermost call outwards; empty if it waited in the host.
    pub frames: Vec<TrapFrame>,
    /// What it said last, from the oldest line to the latest.
    pub log: Vec<TrapLine>,
    /// The same of standard error alone.
    pub stderr: Vec<String>,
    /// Its last calls of the host, from the oldest to the latest.
    pub host_calls: Vec<TrapCall>,
    /// The component that was at work.
    pub plugin: Option<Digest>,
    /// What it was given to read. The files are kept under `inputs/` by these digests.
    pub inputs: Vec<RunInput>,
    /// Commands that do the same again.
    pub reproduce: Vec<String>,
}

/// One call of the guest's own code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapFrame {
    /// Demangled; `function N` of a component without names.
    pub function: String,
    /// The core module; none if it has no name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Bytes from the beginning of that module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// `file:line`, of a component with debug information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// One line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapLine {
    pub level: String,
    pub origin: String,
    pub message: String,
}

/// One call of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrapCall {
    /// As the contract has it, such as `reader.next`.
    pub name: String,
    /// Names and numbers; never rows or parameters.
    pub arguments: String,
    /// By the virtual clock of the attempt.
    pub at: Timestamp,
}

impl TrapReport {
    /// Every text that a guest or a caller may have chosen.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { frames, log, stderr, host_calls, plugin: _, inputs, reproduce } = self;
        let frames = frames.iter_mut().map(|frame| &mut frame.function);
        let lines = log.iter_mut().map(|line| &mut line.message).chain(stderr);
        let calls = host_calls.iter_mut().map(|call| &mut call.arguments);
        let files = inputs.iter_mut().map(|input| &mut input.file_name);
        frames.chain(lines).chain(calls).chain(files).chain(reproduce)
    }
}
