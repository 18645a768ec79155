//! Adding lines to the log of a run that goes on.

use std::collections::HashMap;

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::run::LogLine;

use super::{distinct, findings, unknown_run};
use crate::failure::corrupt;
use crate::lock::Needs;
use crate::read::runs::{self, RunRow};
use crate::writer::{Command, Scribe};

/// Lines that come after those the log has.
#[derive(Debug)]
pub(crate) struct AppendLog {
    pub(crate) run: RunId,
    pub(crate) lines: Vec<LogLine>,
}

impl Command for AppendLog {
    const LANE: &'static str = "append_log";
    type Answer = ();

    fn needs(&self, needs: &mut Needs) {
        needs.runs.insert(self.run);
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<(), Failure>>, Failure> {
        distinct(commands.iter().map(|append| append.run))?;
        let ids: Vec<RunId> = commands.iter().map(|append| append.run).collect();
        let rows: Vec<RunRow> = scribe.rows(runs::by_id(&super::json(&ids)?.into())).await?;
        let rows: HashMap<String, RunRow> = rows.into_iter().map(|run| (run.run_id.clone(), run)).collect();
        let mut answers = Vec::with_capacity(commands.len());
        let mut open = Vec::with_capacity(commands.len());
        for append in commands {
            let answer = check(append.run, rows.get(&append.run.to_string()));
            if answer.is_ok() {
                open.push((append.run, append.lines.as_slice()));
            }
            answers.push(answer);
        }
        findings::logs(scribe, &open)?;
        Ok(answers)
    }
}

/// The log of a run ends with it.
fn check(id: RunId, run: Option<&RunRow>) -> Result<(), Failure> {
    let run = run.ok_or_else(|| unknown_run(id))?;
    let status = run.status().ok_or_else(|| corrupt("a status", &run.status))?;
    if !status.is_terminal() {
        return Ok(());
    }
    let message = format!("run `{id}` is {}: nothing more comes into its log, and nothing was changed", status.name());
    Err(Failure::new(FailureKind::Orchestration, "illegal_transition", message))
}
