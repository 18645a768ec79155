//! Ending runs: captures, catalog, findings, cursor, status and events, all or nothing.

mod capture;
mod progress;
mod status;

use std::collections::HashMap;

use model::RunId;
use model::failure::{Failure, FailureKind};
use model::ports::lost;
use model::quality::CheckResult;
use model::run::{Conclusion, RunCapture, RunReport, RunStatus};

use super::leases::{self, Owned};
use super::{dead_letters, distinct, events, findings, illegal, unknown_run};
use crate::failure::{corrupt, is_fatal};
use crate::lock::Needs;
use crate::read::runs::{self, RunRow};
use crate::writer::{Command, Scribe, Value};

/// A run that may end, with what became of its captures.
#[derive(Debug)]
struct Ending<'a> {
    conclusion: &'a Conclusion,
    run: RunRow,
    /// As the report shows them.
    delivered: Vec<RunCapture>,
}

impl Command for Conclusion {
    const LANE: &'static str = "conclude";
    type Answer = RunReport;

    fn needs(&self, needs: &mut Needs) {
        needs.catalog |= !self.captures.is_empty();
        needs.names.extend(self.cursor.iter().map(|cursor| format!("cursor {}", cursor.source)));
        needs.names.extend(self.input_key.map(|key| format!("input {key}")));
        needs.runs.insert(self.run_id);
    }

    async fn execute(scribe: &mut Scribe<'_>, commands: &[&Self]) -> Result<Vec<Result<RunReport, Failure>>, Failure> {
        distinct(commands.iter().map(|conclusion| conclusion.run_id))?;
        let ids: Vec<RunId> = commands.iter().map(|conclusion| conclusion.run_id).collect();
        let asked: Value = super::json(&ids)?.into();
        let (rows, held) = scribe.rows_of_two(runs::by_id(&asked), leases::of_runs(&asked)).await?;
        let held = leases::counted(held);
        let mut rows: HashMap<String, RunRow> = rows.into_iter().map(|run: RunRow| (run.run_id.clone(), run)).collect();
        let mut answers = Vec::with_capacity(commands.len());
        let mut legal = Vec::with_capacity(commands.len());
        for conclusion in commands {
            match may_conclude(conclusion, rows.remove(&conclusion.run_id.to_string()), &held) {
                Ok(run) => {
                    answers.push(None);
                    legal.push((*conclusion, run));
                }
                Err(failure) if is_fatal(&failure) => return Err(failure),
                Err(failure) => answers.push(Some(failure)),
            }
        }
        let ended: Vec<&Conclusion> = legal.iter().map(|(conclusion, _)| *conclusion).collect();
        // What may be long comes first: from the moment a snapshot has its time, readers wait for the commit.
        findings::record(scribe, &ended)?;
        let mut endings = Vec::with_capacity(legal.len());
        for (conclusion, run) in legal {
            endings.push(deliver(scribe, conclusion, run).await?);
        }
        status::record(scribe, &endings)?;
        progress::record(scribe, &endings)?;
        let holders = endings.iter().filter(|it| it.run.leases > 0).map(|it| it.conclusion.run_id);
        leases::free_all(scribe, &holders.collect::<Vec<_>>())?;
        events::append(scribe, endings.iter().flat_map(status::events).collect())?;
        let ends: Vec<_> = endings.iter().map(|it| (it.conclusion.run_id, it.conclusion.finished_at)).collect();
        let any_failed = endings.iter().any(|ending| ending.conclusion.status == RunStatus::Failed);
        let any_repetition = endings.iter().any(|ending| ending.run.work.is_repetition());
        dead_letters::follow(scribe, &ends, any_failed, any_repetition).await?;
        let mut concluded = endings.into_iter().map(concluded);
        let answers = answers.into_iter().filter_map(|failure| match failure {
            Some(failure) => Some(Err(failure)),
            None => concluded.next(),
        });
        Ok(answers.collect())
    }
}

/// Checks that the run may end this way.
fn may_conclude(conclusion: &Conclusion, run: Option<RunRow>, held: &Owned) -> Result<RunRow, Failure> {
    let run = run.ok_or_else(|| unknown_run(conclusion.run_id))?;
    let from = run.status().ok_or_else(|| corrupt("a status", &run.status))?;
    if !may_end(from, conclusion.status) {
        return Err(illegal(conclusion.run_id, from, conclusion.status.name()));
    }
    // An operator may cancel what another host carries out; it has lost the run then.
    let is_revoked = conclusion.claim.is_none() && conclusion.status == RunStatus::Cancelled;
    match is_revoked || leases::is_at_it(conclusion.claim.as_ref(), &run, held) {
        true => Ok(run),
        false => Err(lost(conclusion.run_id)),
    }
}

/// Takes care of the captures of a run. A run whose captures cannot be published fails the whole group, and each is
/// tried alone then.
async fn deliver<'a>(scribe: &mut Scribe<'_>, conclusion: &'a Conclusion, run: RunRow) -> Result<Ending<'a>, Failure> {
    let delivered = match conclusion.captures.is_empty() {
        true => Vec::new(),
        false => capture::deliver(scribe, conclusion, &run).await?,
    };
    Ok(Ending { conclusion, run, delivered })
}

/// Whether a run may end so. Beyond the transitions of [`RunStatus::may_become`], a run that never started may fail:
/// else one whose start could not be recorded would wait for ever.
fn may_end(from: RunStatus, to: RunStatus) -> bool {
    let never_started = matches!(from, RunStatus::Pending | RunStatus::Queued) && to == RunStatus::Failed;
    to.is_terminal() && to != RunStatus::DeadLettered && (from.may_become(to) || never_started)
}

/// The report of a run from what is known here already; the same as the one that is read back.
fn concluded(ending: Ending<'_>) -> Result<RunReport, Failure> {
    let Ending { conclusion, run, delivered } = ending;
    let unchanged = is_unchanged(conclusion, &delivered);
    let quality: Vec<CheckResult> = conclusion.quality.clone();
    let before = run.into_report(delivered, quality)?;
    Ok(RunReport {
        status: conclusion.status,
        unchanged,
        rows_in: conclusion.rows_in,
        rows_out: conclusion.rows_out,
        rejected: conclusion.rejected,
        input_hash: conclusion.input_hash.or(before.input_hash),
        duration_ms: before.started_at.map(|started_at| runs::duration_ms(started_at, conclusion.finished_at)),
        usage: conclusion.usage,
        error: error(conclusion),
        finished_at: Some(conclusion.finished_at),
        not_before: None,
        result: conclusion.result.clone(),
        ..before
    })
}

fn is_unchanged(conclusion: &Conclusion, captures: &[RunCapture]) -> bool {
    conclusion.status == RunStatus::Completed
        && !captures.is_empty()
        && captures.iter().all(|capture| capture.unchanged)
}

/// Why the run ended. A run that failed for a reason nobody gave still has to say so.
fn error(conclusion: &Conclusion) -> Option<Failure> {
    let nobody_said = || Failure::new(FailureKind::Unknown, "unknown", "the run failed, and nothing said why");
    match conclusion.status {
        RunStatus::Failed | RunStatus::TimedOut => Some(conclusion.error.clone().unwrap_or_else(nobody_said)),
        RunStatus::Pending
        | RunStatus::Queued
        | RunStatus::Running
        | RunStatus::Completed
        | RunStatus::Cancelled
        | RunStatus::DeadLettered => conclusion.error.clone(),
    }
}
