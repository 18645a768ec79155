//! Runs with the work they carry out, as another process needs them to carry it out again.

use std::collections::BTreeMap;

use model::failure::Failure;
use model::plugin::PluginRef;
use model::policy::RetryPolicy;
use model::ports::{RecordedAttempt, RecordedRun};
use model::run::{RunKind, RunStatus};
use model::work::{Lineage, Routing, WorkInput, WorkSpec};
use model::{Digest, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, FromRow};

use crate::dialect::sql;
use crate::failure::{corrupt, failed};
use crate::storage::Storage;

/// What the row of a run has no column of its own for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptWork {
    inputs: BTreeMap<String, WorkInput>,
    force: bool,
    retry: RetryPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
}

impl KeptWork {
    pub(crate) fn of(spec: &WorkSpec) -> Self {
        let WorkSpec { inputs, force, retry, idempotency_key, .. } = spec.clone();
        Self { inputs, force, retry, idempotency_key }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|_| corrupt("the work of a run", text))
    }

    /// The kept inputs that it names.
    fn digests(&self) -> Vec<Digest> {
        self.inputs.values().filter_map(WorkInput::digest).collect()
    }

    /// Those of work as it stands in the ledger, if it does.
    pub(crate) fn digests_of(work: Option<&str>) -> Result<Vec<Digest>, Failure> {
        work.map_or(Ok(Vec::new()), |work| Self::parse(work).map(|work| work.digests()))
    }

    /// Calls in all that the policy allows.
    pub(crate) fn calls_max(&self) -> u32 {
        self.retry.calls_max()
    }
}

/// Where a run waits and comes from, as it stands in the ledger. Absent in a list.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct WorkRow {
    #[sqlx(default)]
    priority: Option<String>,
    #[sqlx(default)]
    lane: Option<String>,
    #[sqlx(default)]
    deadline_us: Option<i64>,
    #[sqlx(default)]
    not_before_us: Option<i64>,
    #[sqlx(default)]
    asked_by: Option<String>,
    #[sqlx(default)]
    correlation_id: Option<String>,
    #[sqlx(default)]
    parent_run_id: Option<String>,
    #[sqlx(default)]
    retry_of: Option<String>,
    #[sqlx(default)]
    work: Option<String>,
}

impl WorkRow {
    pub(crate) fn routing(&self) -> Result<Routing, Failure> {
        Ok(Routing {
            priority: word(self.priority.as_deref(), "a priority")?,
            lane: word(self.lane.as_deref(), "a lane")?,
            deadline: self.deadline_us.map(Timestamp::from_micros),
        })
    }

    pub(crate) fn lineage(&self) -> Result<Lineage, Failure> {
        Ok(Lineage {
            trigger: word(self.asked_by.as_deref(), "who asked for a run")?,
            correlation_id: self.correlation_id.clone(),
            parent_run_id: id(self.parent_run_id.as_deref())?,
            retry_of: id(self.retry_of.as_deref())?,
        })
    }

    /// Calls in all that its policy allows. Runs of versions without policies had one.
    pub(crate) fn attempts_max(&self) -> Result<u32, Failure> {
        match &self.work {
            None => Ok(1),
            Some(text) => Ok(KeptWork::parse(text)?.calls_max()),
        }
    }

    pub(crate) fn not_before(&self) -> Option<Timestamp> {
        self.not_before_us.map(Timestamp::from_micros)
    }

    pub(crate) fn is_repetition(&self) -> bool {
        self.retry_of.is_some()
    }
}

fn word<T: std::str::FromStr + Default>(text: Option<&str>, what: &'static str) -> Result<T, Failure> {
    text.map_or(Ok(T::default()), |text| text.parse().map_err(|_| corrupt(what, text)))
}

fn id(text: Option<&str>) -> Result<Option<RunId>, Failure> {
    text.map(|text| text.parse().map_err(|_| corrupt("a run id", text))).transpose()
}

impl Storage {
    pub(crate) async fn completed_by(&self, version: Digest, at_most: u32) -> Result<Vec<RunId>, Failure> {
        let ids: Vec<String> = sqlx::query_scalar(
            r#"
            SELECT run_id
            FROM runs
            WHERE plugin_digest = $1 AND status = 'completed'
            ORDER BY run_id DESC
            LIMIT $2
            "#,
        )
        .bind(version.to_string())
        .bind(i64::from(at_most))
        .fetch_all(&mut *self.reader("find the runs of a version").await?)
        .await
        .map_err(failed("find the runs of a version"))?;
        ids.iter().map(|id| id.parse().map_err(|_| corrupt("a run id", id))).collect()
    }

    pub(crate) async fn recorded_attempt(&self, run: RunId, number: u32) -> Result<Option<RecordedAttempt>, Failure> {
        let row: Option<AttemptRow> = sqlx::query_as(
            r#"
            SELECT plugin_name, plugin_version, plugin_digest, snapshot_id, started_at_us
            FROM attempts
            WHERE run_id = $1 AND number = $2
            "#,
        )
        .bind(run.to_string())
        .bind(i64::from(number))
        .fetch_optional(&mut *self.reader("read an attempt").await?)
        .await
        .map_err(failed("read an attempt"))?;
        let Some(row) = row else { return Ok(None) };
        let inputs: Vec<(String, String)> = sqlx::query_as(
            "SELECT file_name, digest FROM run_inputs WHERE run_id = $1 AND attempt = $2 ORDER BY position",
        )
        .bind(run.to_string())
        .bind(i64::from(number))
        .fetch_all(&mut *self.reader("read an attempt").await?)
        .await
        .map_err(failed("read an attempt"))?;
        let input = |(name, digest): (String, String)| {
            let digest = digest.parse().map_err(|_| corrupt("a digest", &digest))?;
            Ok((name, digest))
        };
        row.attempt(inputs.into_iter().map(input).collect::<Result<_, Failure>>()?).map(Some)
    }
}

#[derive(FromRow)]
struct AttemptRow {
    plugin_name: Option<String>,
    plugin_version: Option<String>,
    plugin_digest: Option<String>,
    snapshot_id: i64,
    started_at_us: i64,
}

impl AttemptRow {
    fn attempt(self, inputs: Vec<(String, Digest)>) -> Result<RecordedAttempt, Failure> {
        let Self { plugin_name, plugin_version, plugin_digest, snapshot_id, started_at_us } = self;
        let plugin = match (plugin_name, plugin_version, plugin_digest) {
            (Some(name), Some(version), Some(digest)) => {
                let digest = digest.parse().map_err(|_| corrupt("a digest", &digest))?;
                Some(PluginRef { name, version, digest })
            }
            _ => None,
        };
        let started_at = Timestamp::from_micros(started_at_us);
        Ok(RecordedAttempt { plugin, snapshot: super::count(snapshot_id), started_at, inputs })
    }
}

#[derive(FromRow)]
struct Whole {
    run_id: String,
    name: String,
    kind: String,
    status: String,
    params: String,
    attempt: i64,
    created_at_us: i64,
    started_at_us: Option<i64>,
    #[sqlx(flatten)]
    waits: WorkRow,
}

impl Whole {
    /// None for a run of a version that did not keep its work.
    fn recorded(self) -> Result<Option<RecordedRun>, Failure> {
        let Some(text) = &self.waits.work else { return Ok(None) };
        let KeptWork { inputs, force, retry, idempotency_key } = KeptWork::parse(text)?;
        let spec = WorkSpec {
            kind: RunKind::from_name(&self.kind).ok_or_else(|| corrupt("the kind of a run", &self.kind))?,
            params: serde_json::from_str(&self.params).map_err(|_| corrupt("the parameters of a run", &self.params))?,
            routing: self.waits.routing()?,
            lineage: self.waits.lineage()?,
            name: self.name,
            inputs,
            force,
            idempotency_key,
            retry,
        };
        Ok(Some(RecordedRun {
            run_id: self.run_id.parse().map_err(|_| corrupt("a run id", &self.run_id))?,
            spec,
            status: RunStatus::from_name(&self.status).ok_or_else(|| corrupt("a status", &self.status))?,
            attempt: u32::try_from(self.attempt).unwrap_or(u32::MAX),
            not_before: self.waits.not_before(),
            created_at: Timestamp::from_micros(self.created_at_us),
            started_at: self.started_at_us.map(Timestamp::from_micros),
        }))
    }
}

/// The columns of [`Whole`].
macro_rules! whole {
    ($condition:literal) => {
        concat!(
            "SELECT run_id, name, kind, status, params, attempt, created_at_us, started_at_us, priority, lane, ",
            "deadline_us, not_before_us, asked_by, correlation_id, parent_run_id, retry_of, work FROM runs WHERE ",
            $condition
        )
    };
}

/// The runs of a JSON array of ids, the oldest first, but for those whose work was not kept.
pub(crate) async fn these(connection: &mut AnyConnection, ids: &str) -> Result<Vec<RecordedRun>, Failure> {
    let these = sql(connection, whole!("run_id IN (SELECT value FROM {texts $1} AS asked) ORDER BY run_id"));
    let rows: Vec<Whole> =
        sqlx::query_as(these).bind(ids).fetch_all(connection).await.map_err(failed("read queued runs"))?;
    rows.into_iter().filter_map(|row| row.recorded().transpose()).collect()
}

/// The runs that one asked for, the oldest first.
pub(crate) async fn children(connection: &mut AnyConnection, parent: RunId) -> Result<Vec<RecordedRun>, Failure> {
    let rows: Vec<Whole> = sqlx::query_as(whole!("parent_run_id = $1 ORDER BY run_id"))
        .bind(parent.to_string())
        .fetch_all(connection)
        .await
        .map_err(failed("read the runs that a run asked for"))?;
    rows.into_iter().filter_map(|row| row.recorded().transpose()).collect()
}

/// One run; none if there is none, or if its work was not kept.
pub(crate) async fn recorded(connection: &mut AnyConnection, run: RunId) -> Result<Option<RecordedRun>, Failure> {
    let row: Option<Whole> = sqlx::query_as(whole!("run_id = $1"))
        .bind(run.to_string())
        .fetch_optional(connection)
        .await
        .map_err(failed("read a run"))?;
    row.map_or(Ok(None), Whole::recorded)
}
