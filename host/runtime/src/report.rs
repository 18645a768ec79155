//! The report of a trap, as far as the runtime knows: where the guest was, what it said, what it asked of the host.

use model::Timestamp;
use model::failure::{TrapCall, TrapFrame, TrapLine, TrapReport};
use wasmtime::{FrameInfo, WasmBacktrace};

use crate::attempt::{Journal, cut};

/// Frames that are kept: a recursion has thousands, which say the same.
const FRAMES_MAX: usize = 32;

/// Bytes of the name of a function, a module or a file.
const NAME_BYTES_MAX: usize = 256;

/// What `journal` and the engine have of a guest that was stopped. Plugin, inputs and commands are for others to add.
pub(crate) fn of(journal: &Journal, backtrace: Option<&WasmBacktrace>) -> TrapReport {
    let frames = backtrace.map(WasmBacktrace::frames).unwrap_or_default();
    TrapReport {
        frames: frames.iter().flat_map(frames_of).take(FRAMES_MAX).collect(),
        log: journal
            .tail()
            .into_iter()
            .map(|said| TrapLine { level: said.level.to_owned(), origin: said.origin, message: said.message })
            .collect(),
        stderr: journal.stderr_tail(),
        host_calls: journal
            .last_calls()
            .into_iter()
            .map(|call| TrapCall {
                name: call.name.to_owned(),
                arguments: call.arguments,
                at: Timestamp::from_micros(call.at_us),
            })
            .collect(),
        ..TrapReport::default()
    }
}

/// One for each function that was compiled into this one; debug information tells them apart.
fn frames_of(frame: &FrameInfo) -> Vec<TrapFrame> {
    let module = frame.module().name().map(|name| cut(name, NAME_BYTES_MAX).to_owned());
    let offset = frame.module_offset().map(|offset| offset as u64);
    let itself = || match frame.func_name() {
        Some(name) => demangled(name),
        None => format!("function {}", frame.func_index()),
    };
    if frame.symbols().is_empty() {
        return vec![TrapFrame { function: itself(), module, offset, at: None }];
    }
    let symbols = frame.symbols().iter().map(|symbol| TrapFrame {
        function: symbol.name().map_or_else(itself, demangled),
        module: module.clone(),
        offset,
        at: symbol.file().map(|file| {
            let line = symbol.line().map(|line| format!(":{line}")).unwrap_or_default();
            format!("{}{line}", cut(file, NAME_BYTES_MAX))
        }),
    });
    symbols.collect()
}

fn demangled(name: &str) -> String {
    // Without the hash at the end, which says nothing to a reader.
    cut(&format!("{:#}", rustc_demangle::demangle(name)), NAME_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_functions_are_as_their_authors_wrote_them() {
        assert_eq!(demangled("_ZN9misbehave5panic17h0123456789abcdefE"), "misbehave::panic");
        assert_eq!(demangled("memory.grow"), "memory.grow");
    }
}
