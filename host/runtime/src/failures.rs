//! How an instance that ended badly is told: what stopped it, where, and what it said last.

use model::{Failure, FailureKind};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::attempt::{Journal, LimitReached, Stopped, cut};
use crate::linking::wasi::Denied;
use crate::report;

/// How Wasmtime says that a guest handed over more than `limits.call_bytes`; its type is private. A test notices if a
/// release says it otherwise.
const HOSTCALL_FUEL: &str = "too much data is being copied between the host and the guest: fuel allocated for \
                             hostcalls has been exhausted";

/// How Wasmtime says that a component has more parts than its limits allow: what of it, and how many; likewise.
const PARTS: [&str; 2] = ["resource limit exceeded: ", " count too high at "];

/// The failure behind an error of the engine while `plugin` was at `doing` (`run`, `describe`, ...).
pub(crate) fn of_engine(plugin: &str, doing: &str, error: &wasmtime::Error, journal: &Journal) -> Failure {
    let failure = what_happened(plugin, doing, error, journal);
    if failure.code == "cancelled" {
        return failure;
    }
    Failure { trap: Some(Box::new(report::of(journal, error.downcast_ref::<WasmBacktrace>()))), ..failure }
}

/// The failure of an attempt that was stopped from outside while it waited in the host.
pub(crate) fn of_stopped(plugin: &str, stopped: Stopped, journal: &Journal) -> Failure {
    match stopped {
        Stopped::Cancelled => stopped_failure(plugin, stopped),
        Stopped::WallClock { .. } | Stopped::CpuTime { .. } | Stopped::HostCalls { .. } => {
            Failure { trap: Some(Box::new(report::of(journal, None))), ..stopped_failure(plugin, stopped) }
        }
    }
}

/// The same without a report, for a guest that was not at work.
pub(crate) fn stopped_failure(plugin: &str, stopped: Stopped) -> Failure {
    let reached = match stopped {
        Stopped::WallClock { limit } => LimitReached::wall_clock(plugin, limit),
        Stopped::CpuTime { limit } => LimitReached::cpu_time(plugin, limit),
        Stopped::HostCalls { limit } => LimitReached::host_calls(plugin, limit),
        Stopped::Cancelled => {
            return Failure::new(FailureKind::Orchestration, "cancelled", "the run was cancelled");
        }
    };
    limit_failure(&reached)
}

fn limit_failure(reached: &LimitReached) -> Failure {
    Failure::new(FailureKind::Pipeline, reached.code, reached.to_string())
}

fn what_happened(plugin: &str, doing: &str, error: &wasmtime::Error, journal: &Journal) -> Failure {
    if let Some(stopped) = error.downcast_ref::<Stopped>() {
        return stopped_failure(plugin, *stopped);
    }
    if let Some(reached) = error.downcast_ref::<LimitReached>() {
        return limit_failure(reached);
    }
    if let Some(denied) = error.downcast_ref::<Denied>() {
        return Failure::new(FailureKind::Auth, "not_granted", format!("plugin `{plugin}` called {denied}"));
    }
    let cause = error.root_cause().to_string();
    if cause == HOSTCALL_FUEL {
        return limit_failure(&LimitReached::call_bytes(plugin, doing));
    }
    if let Some(reached) = too_many_parts(plugin, &cause) {
        return limit_failure(&reached);
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        let message = format!(
            "plugin `{plugin}` called itself too deep in `{doing}`, past the stack of a guest; raise \
             `limits.stack_bytes`, which holds for all plugins, or recurse less"
        );
        return Failure::new(FailureKind::Pipeline, "stack_limit", message);
    }
    let said = journal.stderr_tail();
    let what = match (error.downcast_ref::<I32Exit>(), trap) {
        (Some(exit), _) => format!("it ended itself with exit status {}", exit.0),
        (None, Some(trap)) => trap.to_string(),
        (None, None) => cause,
    };
    let said = telling_line(&said).map_or_else(String::new, |line| format!("; it last wrote: {}", cut(line, 500)));
    let message = format!("plugin `{plugin}` trapped in `{doing}`: {what}{said}");
    Failure::new(FailureKind::Pipeline, "trapped", message)
}

fn too_many_parts(plugin: &str, cause: &str) -> Option<LimitReached> {
    let [before, between] = PARTS;
    let (what, count) = cause.strip_prefix(before)?.split_once(between)?;
    LimitReached::parts(plugin, what, count)
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
