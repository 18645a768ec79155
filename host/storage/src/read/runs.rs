//! Runs as rows, and what they report.

use std::collections::{BTreeSet, HashSet};

use model::failure::Failure;
use model::plugin::PluginRef;
use model::ports::{RunFilter, RunPage};
use model::quality::CheckResult;
use model::run::{Conditions, LogLine, RunCapture, RunEvent, RunInput, RunKind, RunReport, RunStatus, RunSummary};
use model::{RunId, Timestamp};
use sqlx::{AnyConnection, Connection, FromRow};

use super::work::WorkRow;
use super::{captures, count, findings};
use crate::commands::json;
use crate::dialect::sql;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;
use crate::usage::UsageColumns;
use crate::writer::{Statement, Value};

/// A run as it stands in the ledger.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct RunRow {
    pub(crate) run_id: String,
    pub(crate) name: String,
    kind: String,
    pub(crate) status: String,
    params: String,
    pub(crate) attempt: i64,
    pub(crate) plugin_name: Option<String>,
    plugin_version: Option<String>,
    pub(crate) plugin_digest: Option<String>,
    input_hash: Option<String>,
    rows_in: i64,
    rows_out: i64,
    rejected: i64,
    unchanged: i64,
    error: Option<String>,
    result: Option<String>,
    created_at_us: i64,
    started_at_us: Option<i64>,
    finished_at_us: Option<i64>,
    #[sqlx(flatten)]
    pub(crate) work: WorkRow,
    /// Who carries it out, and how many leases its attempt took; a list leaves them out.
    #[sqlx(default)]
    pub(crate) worker_id: Option<String>,
    #[sqlx(default)]
    pub(crate) leases: i64,
    /// Of the latest attempt; a list leaves them out.
    #[sqlx(default)]
    host_version: Option<String>,
    #[sqlx(default)]
    wasmtime_version: Option<String>,
    #[sqlx(default)]
    grants_hash: Option<String>,
    #[sqlx(flatten)]
    usage: UsageColumns,
}

impl RunRow {
    pub(crate) fn status(&self) -> Option<RunStatus> {
        RunStatus::from_name(&self.status)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.status() == Some(RunStatus::Running)
    }

    pub(crate) fn into_report(
        self,
        captures: Vec<RunCapture>,
        quality: Vec<CheckResult>,
    ) -> Result<RunReport, Failure> {
        let RunSummary {
            run_id,
            name,
            kind,
            status,
            unchanged,
            attempt,
            rows_in,
            rows_out,
            rejected,
            created_at,
            duration_ms,
            error,
        } = self.summary()?;
        Ok(RunReport {
            run_id,
            name,
            kind,
            status,
            unchanged,
            attempt,
            rows_in,
            rows_out,
            rejected,
            rejects: None,
            captures,
            quality,
            plugin: self.plugin()?,
            conditions: self.conditions()?,
            input_hash: match &self.input_hash {
                None => None,
                Some(hash) => Some(hash.parse().map_err(|_| corrupt("an input hash", hash))?),
            },
            duration_ms,
            usage: self.usage.usage(),
            error,
            params: serde_json::from_str(&self.params).map_err(|_| corrupt("the parameters of a run", &self.params))?,
            routing: self.work.routing()?,
            lineage: self.work.lineage()?,
            attempts_max: self.work.attempts_max()?,
            not_before: self.work.not_before(),
            created_at,
            started_at: self.started_at_us.map(Timestamp::from_micros),
            finished_at: self.finished_at_us.map(Timestamp::from_micros),
            result: match &self.result {
                None => None,
                Some(result) => Some(serde_json::from_str(result).map_err(|_| corrupt("the result of a run", result))?),
            },
        })
    }

    fn summary(&self) -> Result<RunSummary, Failure> {
        let started_at = self.started_at_us.map(Timestamp::from_micros);
        let finished_at = self.finished_at_us.map(Timestamp::from_micros);
        Ok(RunSummary {
            run_id: self.run_id.parse().map_err(|_| corrupt("a run id", &self.run_id))?,
            name: self.name.clone(),
            kind: RunKind::from_name(&self.kind).ok_or_else(|| corrupt("the kind of a run", &self.kind))?,
            status: self.status().ok_or_else(|| corrupt("a status", &self.status))?,
            unchanged: self.unchanged == 1,
            attempt: u32::try_from(self.attempt).unwrap_or(u32::MAX),
            rows_in: count(self.rows_in),
            rows_out: count(self.rows_out),
            rejected: count(self.rejected),
            created_at: Timestamp::from_micros(self.created_at_us),
            duration_ms: started_at.zip(finished_at).map(|(started, finished)| duration_ms(started, finished)),
            error: match &self.error {
                None => None,
                Some(error) => Some(serde_json::from_str(error).map_err(|_| corrupt("the error of a run", error))?),
            },
        })
    }

    /// None for an attempt of a version that did not keep them.
    fn conditions(&self) -> Result<Option<Conditions>, Failure> {
        let (Some(host_version), Some(wasmtime_version), Some(grants_hash)) =
            (&self.host_version, &self.wasmtime_version, &self.grants_hash)
        else {
            return Ok(None);
        };
        Ok(Some(Conditions {
            host_version: host_version.clone(),
            wasmtime_version: wasmtime_version.clone(),
            grants_hash: grants_hash.parse().map_err(|_| corrupt("the hash of grants", grants_hash))?,
        }))
    }

    fn plugin(&self) -> Result<Option<PluginRef>, Failure> {
        let Some(digest) = &self.plugin_digest else { return Ok(None) };
        Ok(Some(PluginRef {
            name: self.plugin_name.clone().unwrap_or_default(),
            version: self.plugin_version.clone().unwrap_or_default(),
            digest: digest.parse().map_err(|_| corrupt("a digest", digest))?,
        }))
    }
}

/// Whole milliseconds; 0 if the clock stepped back meanwhile.
pub(crate) fn duration_ms(started: Timestamp, finished: Timestamp) -> u64 {
    count(finished.as_micros().saturating_sub(started.as_micros()) / 1000)
}

pub(crate) async fn row(connection: &mut AnyConnection, run: RunId) -> Result<Option<RunRow>, Failure> {
    Ok(rows(connection, &[run]).await?.pop())
}

/// The runs of the ids in `$1` that exist, in no order.
const BY_ID: &str = r#"
        SELECT
            runs.run_id, name, kind, status, params, attempt, runs.plugin_name, runs.plugin_version,
            runs.plugin_digest, runs.input_hash,
            runs.rows_in, runs.rows_out, rejected, unchanged, error, result, created_at_us, runs.started_at_us,
            runs.finished_at_us, priority, lane, deadline_us, not_before_us, asked_by, correlation_id, parent_run_id,
            retry_of, work, worker_id, leases, host_version, wasmtime_version, grants_hash, cpu_us, wall_us,
            memory_bytes_peak, host_calls, bytes_in, bytes_out, attempts.rows_in AS rows_read,
            attempts.rows_out AS rows_written
        FROM runs
        LEFT JOIN attempts ON attempts.run_id = runs.run_id AND attempts.number = runs.attempt
        WHERE runs.run_id IN (SELECT value FROM {texts $1} AS asked)
        "#;

pub(crate) async fn rows(connection: &mut AnyConnection, runs: &[RunId]) -> Result<Vec<RunRow>, Failure> {
    sqlx::query_as(sql(connection, BY_ID)).bind(json(runs)?).fetch_all(connection).await.map_err(failed("read a run"))
}

/// Asks for the runs of a JSON array of ids.
pub(crate) fn by_id(ids: &Value) -> Statement {
    Statement::new("read a run", BY_ID).bind(ids)
}

/// The statement of a list. One run more than was asked for tells whether there is another page.
macro_rules! listing {
    ($parent:literal) => {
        concat!(
            "SELECT run_id, name, kind, status, params, attempt, plugin_name, plugin_version, plugin_digest, ",
            "input_hash, rows_in, rows_out, rejected, unchanged, error, result, created_at_us, started_at_us, ",
            "finished_at_us FROM runs WHERE ($1 IS NULL OR status = $1) AND ($2 IS NULL OR name = $2) ",
            "AND ($3 IS NULL OR run_id < $3) AND ($5 IS NULL OR kind = $5) AND ",
            $parent,
            " ORDER BY run_id DESC LIMIT $4 + 1"
        )
    };
}

impl Storage {
    /// Runs, newest first, and where the next page begins.
    pub async fn runs(&self, filter: &RunFilter) -> Result<RunPage, Failure> {
        let limit = filter.limit.get() as usize;
        let listing = match filter.parent {
            None => listing!("$6 IS NULL"),
            // Apart, so that children are found by their index.
            Some(_) => listing!("parent_run_id = $6"),
        };
        let mut rows: Vec<RunRow> = sqlx::query_as(listing)
            .bind(filter.status.map(RunStatus::name))
            .bind(filter.name.as_deref())
            .bind(filter.before.map(|before| before.to_string()))
            .bind(i64::from(filter.limit.get()))
            .bind(filter.kind.map(RunKind::name))
            .bind(filter.parent.map(|parent| parent.to_string()))
            .fetch_all(&mut *self.reader("list the runs").await?)
            .await
            .map_err(failed("list the runs"))?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let runs: Result<Vec<RunSummary>, Failure> = rows.iter().map(RunRow::summary).collect();
        let runs = runs?;
        let next = runs.last().filter(|_| more).map(|run| run.run_id);
        Ok(RunPage { runs, next })
    }

    /// Those of the runs that the ledger knows and that have ended.
    pub async fn ended_runs(&self, runs: &[RunId]) -> Result<HashSet<RunId>, Failure> {
        if runs.is_empty() {
            return Ok(HashSet::new());
        }
        let ended: Vec<String> = sqlx::query_scalar(self.sql(
            r#"
            SELECT run_id
            FROM runs
            WHERE run_id IN (SELECT value FROM {texts $1} AS asked) AND finished_at_us IS NOT NULL
            "#,
        ))
        .bind(json(runs)?)
        .fetch_all(&mut *self.reader("look for runs that have ended").await?)
        .await
        .map_err(failed("look for runs that have ended"))?;
        ended.iter().map(|run| run.parse().map_err(|_| corrupt("a run id", run))).collect()
    }

    /// What `run` may name, as far as this ledger knows: what ran, and what the plugins that were found offer.
    pub async fn run_names(&self) -> Result<Vec<String>, Failure> {
        let action = "list the names of runs";
        let mut reader = self.reader(action).await?;
        let ran: Vec<String> = sqlx::query_scalar("SELECT DISTINCT name FROM runs")
            .fetch_all(&mut *reader)
            .await
            .map_err(failed(action))?;
        let exports: Vec<String> =
            sqlx::query_scalar("SELECT exports FROM plugins").fetch_all(&mut *reader).await.map_err(failed(action))?;
        let mut names: BTreeSet<String> = ran.into_iter().collect();
        for text in &exports {
            let exports: Vec<String> = serde_json::from_str(text).map_err(|_| corrupt("what a plugin offers", text))?;
            // `pipeline finra.regsho_daily`: the kind, then the name.
            names.extend(exports.iter().filter_map(|export| export.split_once(' ')).map(|(_, name)| name.to_owned()));
        }
        Ok(names.into_iter().collect())
    }

    /// What happened to a run, in order; empty for a run that does not exist.
    pub async fn events(&self, run: RunId) -> Result<Vec<RunEvent>, Failure> {
        let rows: Vec<(i64, i64, String, String)> =
            sqlx::query_as("SELECT seq, at_us, event, data FROM run_events WHERE run_id = $1 ORDER BY seq")
                .bind(run.to_string())
                .fetch_all(&mut *self.reader("read the events of a run").await?)
                .await
                .map_err(failed("read the events of a run"))?;
        let events = rows.into_iter().map(|(seq, at, event, data)| {
            let data = serde_json::from_str(&data).map_err(|_| corrupt("the data of an event", &data))?;
            Ok(RunEvent { seq: count(seq), at: Timestamp::from_micros(at), event, data })
        });
        events.collect()
    }

    /// The files that the last attempt of a run read, in order of parameter; empty for a run that read none.
    pub async fn inputs(&self, run: RunId) -> Result<Vec<RunInput>, Failure> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            r#"
            SELECT file_name, digest
            FROM run_inputs
            WHERE run_id = $1 AND attempt = (SELECT MAX(attempt) FROM run_inputs WHERE run_id = $1)
            ORDER BY position
            "#,
        )
        .bind(run.to_string())
        .fetch_all(&mut *self.reader("read the inputs of a run").await?)
        .await
        .map_err(failed("read the inputs of a run"))?;
        let inputs = rows.into_iter().map(|(file_name, digest)| {
            Ok(RunInput { digest: digest.parse().map_err(|_| corrupt("a digest", &digest))?, file_name })
        });
        inputs.collect()
    }

    /// The log of a run, in order, as far as it was written; while the run goes on that is up to a moment ago.
    pub async fn logs(&self, run: RunId) -> Result<Vec<LogLine>, Failure> {
        self.logs_after(run, 0).await
    }

    /// The log of a run without its first lines.
    pub async fn logs_after(&self, run: RunId, lines: u64) -> Result<Vec<LogLine>, Failure> {
        let rows: Vec<(i64, String, String, String, String)> = sqlx::query_as(
            r#"
            SELECT at_us, level, origin, message, fields
            FROM run_logs
            -- Numbered from 1 without a gap.
            WHERE run_id = $1 AND seq > $2
            ORDER BY seq
            "#,
        )
        .bind(run.to_string())
        .bind(crate::commands::int(lines))
        .fetch_all(&mut *self.reader("read the log of a run").await?)
        .await
        .map_err(failed("read the log of a run"))?;
        let lines = rows.into_iter().map(|(at, level, origin, message, fields)| {
            let fields = serde_json::from_str(&fields).map_err(|_| corrupt("the fields of a log line", &fields))?;
            Ok(LogLine { at: Timestamp::from_micros(at), level, origin, message, fields })
        });
        lines.collect()
    }

    /// Everything a run reports, from one state of the ledger.
    pub(crate) async fn read_report(&self, run: RunId) -> Result<Option<RunReport>, Failure> {
        let mut reader = self.reader("read a run").await?;
        let mut transaction = reader.begin().await.map_err(failed("read a run"))?;
        let Some(row) = row(&mut transaction, run).await? else { return Ok(None) };
        let captures = captures::of_run(&mut transaction, run).await?;
        let quality = findings::quality(&mut transaction, None, Some(run)).await?;
        let quality = quality.into_iter().map(|found| found.result).collect();
        row.into_report(captures, quality).map(Some)
    }
}
