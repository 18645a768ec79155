//! What the orchestrator adds to the report of a trap: the component, what it was given, and how to see it again.

use model::failure::Failure;
use model::run::{RunInput, RunStatus};
use model::{Digest, RunId};
use serde_json::Value;

use crate::verdict::status;

/// Completes the report of a failure that has one.
pub(crate) fn complete(failure: &mut Failure, of: &TrappedRun<'_>) {
    let is_stopped = status(failure, true) != RunStatus::Failed;
    let Some(trap) = &mut failure.trap else { return };
    trap.plugin = Some(of.plugin);
    trap.inputs = of
        .inputs
        .iter()
        .map(|(file_name, digest)| RunInput { file_name: file_name.clone(), digest: *digest })
        .collect();
    // What is recorded nowhere, or has no end of its own, is not replayed.
    let replay = (of.is_replayable && !is_stopped).then(|| format!("spine-host replay {}", of.run));
    trap.reproduce = replay.into_iter().chain([run_again(of.name, of.params)]).collect();
}

/// The run whose guest was stopped.
#[derive(Debug)]
pub(crate) struct TrappedRun<'a> {
    pub(crate) run: RunId,
    pub(crate) name: &'a str,
    /// Without secrets.
    pub(crate) params: &'a Value,
    pub(crate) plugin: Digest,
    /// Whether the run has a record.
    pub(crate) is_replayable: bool,
    /// File name and digest of each.
    pub(crate) inputs: &'a [(String, Digest)],
}

/// The command that does the same as a new run. Files are named without their folders, which nobody kept.
fn run_again(name: &str, params: &Value) -> String {
    let given = params.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let given = given.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(" -p {}", quoted(&format!("{name}={value}")))
    });
    format!("spine-host run {}{}", quoted(name), given.collect::<String>())
}

/// The word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_command_gives_every_parameter_in_words_that_a_shell_takes() {
        let params = json!({ "file": "a b's.txt", "rows": 3, "tier": null, "trailer": "none" });
        assert_eq!(
            run_again("finra.regsho_daily", &params),
            r"spine-host run finra.regsho_daily -p 'file=a b'\''s.txt' -p rows=3 -p trailer=none"
        );
        assert_eq!(run_again("p.run", &json!({})), "spine-host run p.run");
    }
}
