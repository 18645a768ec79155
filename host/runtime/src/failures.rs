//! How an instance that ended badly is told: what stopped it, where, and what it said last.

use model::{Failure, FailureKind};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::attempt::{Journal, MemoryLimitReached, Stopped, cut};
use crate::linking::wasi::Denied;

/// Bytes of a backtrace that are kept.
const BACKTRACE_BYTES_MAX: usize = 8 * 1024;

/// How Wasmtime says that a guest handed over more than `limits.call_bytes`; its type is private. A test notices if a
/// release says it otherwise.
const HOSTCALL_FUEL: &str = "too much data is being copied between the host and the guest: fuel allocated for \
                             hostcalls has been exhausted";

/// The failure behind an error of the engine while `plugin` was at `doing` (`run`, `describe`, ...).
pub(crate) fn of_engine(plugin: &str, doing: &str, error: &wasmtime::Error, journal: &Journal) -> Failure {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return stopped_failure(plugin, *stopped);
    }
    if let Some(reached) = error.downcast_ref::<MemoryLimitReached>() {
        return Failure::new(FailureKind::Pipeline, "memory_limit", reached.to_string());
    }
    if let Some(denied) = error.downcast_ref::<Denied>() {
        let message = format!("plugin `{plugin}` called {denied}");
        return with_evidence(Failure::new(FailureKind::Auth, "not_granted", message), error, journal);
    }
    if error.root_cause().to_string() == HOSTCALL_FUEL {
        let message = format!(
            "plugin `{plugin}` handed over too much in one host call of `{doing}`; write smaller batches, or raise \
             `limits.call_bytes` (for all plugins, or under [plugins.{plugin}.limits])"
        );
        return with_evidence(Failure::new(FailureKind::Pipeline, "call_limit", message), error, journal);
    }
    let said = journal.stderr_tail();
    let what = match (error.downcast_ref::<I32Exit>(), error.downcast_ref::<Trap>()) {
        (Some(exit), _) => format!("it ended itself with exit status {}", exit.0),
        (None, Some(trap)) => trap.to_string(),
        (None, None) => error.root_cause().to_string(),
    };
    let said = telling_line(&said).map_or_else(String::new, |line| format!("; it last wrote: {}", cut(line, 500)));
    let message = format!("plugin `{plugin}` trapped in `{doing}`: {what}{said}");
    with_evidence(Failure::new(FailureKind::Pipeline, "trapped", message), error, journal)
}

/// The failure of an attempt that was stopped from outside.
pub(crate) fn stopped_failure(plugin: &str, stopped: Stopped) -> Failure {
    match stopped {
        Stopped::WallClock { limit } => Failure::new(
            FailureKind::Pipeline,
            "wall_clock_limit",
            format!(
                "plugin `{plugin}` was stopped after {} s, its limit for one attempt; raise `limits.wall_clock` (for \
                 all plugins, or under [plugins.{plugin}.limits], or `timeout_ms` where a policy has one) or give it less to \
                 do",
                limit.as_secs_f64()
            ),
        ),
        Stopped::Cancelled => Failure::new(FailureKind::Orchestration, "cancelled", "the run was cancelled"),
    }
}

/// The line of standard error that says what went wrong: the exception of a Python traceback, or else what was written
/// last (a Rust panic's message comes after its place and before notes).
fn telling_line(said: &[String]) -> Option<&str> {
    let lines = || said.iter().map(|line| line.trim());
    let exception = lines()
        .skip_while(|line| !line.starts_with("Traceback (most recent call last)"))
        .take_while(|line| !line.is_empty())
        .skip(1)
        .last();
    exception.or_else(|| lines().rev().find(|line| !line.is_empty() && !line.starts_with("note: ")))
}

fn with_evidence(mut failure: Failure, error: &wasmtime::Error, journal: &Journal) -> Failure {
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let text = backtrace.to_string();
        let frames = text.split_once('\n').map_or(text.as_str(), |(_, frames)| frames);
        failure = failure.detail("backtrace", cut(frames, BACKTRACE_BYTES_MAX));
    }
    let said = journal.stderr_tail();
    if !said.is_empty() {
        failure = failure.detail("stderr", said.join("\n"));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::telling_line;

    fn told(said: &str) -> Option<String> {
        let lines: Vec<_> = said.lines().map(str::to_owned).collect();
        telling_line(&lines).map(str::to_owned)
    }

    #[test]
    fn panics_and_exceptions_are_quoted_by_their_message() {
        let rust = "thread 'main' panicked at src/lib.rs:1:2:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`";
        assert_eq!(told(rust).as_deref(), Some("index out of bounds"));
        let python =
            "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'\n\nthread panicked:\nPython";
        assert_eq!(told(python).as_deref(), Some("KeyError: 'x'"));
        assert_eq!(told("\n"), None);
    }
}
