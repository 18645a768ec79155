//! What a group of commands needs for itself, and waiting for it.
//!
//! On a server the writers of several processes meet in rows. A group says beforehand what it will change, over all of
//! its commands, and waits for all of that before the first of them does anything. The order is the same for everybody:
//!
//! 1. the catalog, 2. idempotency keys, 3. names (of shared states, of cursors, of inputs under which work was done),
//! 4. workers, 5. runs, 6. the counters of leases, 7. leases.
//!
//! Within each, rows are taken in the order of their keys. Whoever waits has nothing that comes later in this order, so
//! nobody waits in a circle. From then on a group never waits again: what it changes it has, and what it looks for among
//! the rows of others (`{lock_free}`) it takes only where nobody has it. A foreign key may make it wait for somebody who
//! deletes a run; that is the last thing a group does, and it waits for nobody.
//!
//! One command cannot say beforehand what it will change: the reaper finds its runs. It goes alone, passes by the
//! workers and runs that others have, and waits for the leases of those that it got; that is the last in the order.
//!
//! With a run goes what hangs on it: its events, attempts, findings and its dead letter. A repetition writes to the dead
//! letter of the first run of its chain, so that one is waited for too.

use std::collections::BTreeSet;

use model::failure::Failure;
use model::{CaptureId, RunId, WorkerId};

use crate::commands::{json, leases};
use crate::dialect::Dialect;
use crate::lock::{self, KEYS, NAMES};
use crate::writer::{Scribe, Statement};

/// What the commands of a group change, but for what they find.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Makes a snapshot, counts on the latest ones, or fixes the schema of a dataset.
    pub(crate) catalog: bool,
    pub(crate) keys: BTreeSet<String>,
    /// With a word before that says of what.
    pub(crate) names: BTreeSet<String>,
    pub(crate) workers: BTreeSet<WorkerId>,
    /// Those whose leases are extended.
    pub(crate) beating: BTreeSet<WorkerId>,
    /// Those who give up every run that they keep.
    pub(crate) leaving: BTreeSet<WorkerId>,
    /// With the first run of the chain of each, and their leases.
    pub(crate) runs: BTreeSet<RunId>,
    /// Those whose runs hear of it.
    pub(crate) captures: BTreeSet<CaptureId>,
    /// Keys of leases.
    pub(crate) slots: BTreeSet<String>,
}

impl Needs {
    /// Waits until the transaction has all of it, until its end. On SQLite it has everything already.
    pub(crate) async fn take(&self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        if scribe.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        if self.catalog {
            lock::catalog(scribe.connection().await?).await?;
        }
        lock::named(scribe, KEYS, &self.keys).await?;
        lock::named(scribe, NAMES, &self.names).await?;
        self.take_workers(scribe)?;
        self.take_runs(scribe)?;
        self.take_counters(scribe)?;
        self.take_leases(scribe)?;
        scribe.flush().await
    }

    fn take_workers(&self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        if !self.workers.is_empty() {
            let statement = Statement::new(
                "wait for others with the same worker",
                r#"
                SELECT worker_id
                FROM workers
                WHERE worker_id = ANY (ARRAY(SELECT value FROM {texts $1} AS asked))
                ORDER BY worker_id
                {lock}
                "#,
            );
            scribe.later(statement.bind(json(&self.workers)?));
        }
        Ok(())
    }

    /// Arrays keep the server from reading the whole table.
    fn take_runs(&self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        if !self.runs.is_empty() || !self.captures.is_empty() || !self.leaving.is_empty() {
            let statement = Statement::new(
                "wait for others with the same run",
                r#"
                SELECT run_id
                FROM runs
                WHERE run_id = ANY (ARRAY(
                    SELECT value FROM {texts $1} AS asked
                    UNION ALL
                    SELECT dead_letter_of
                    FROM runs
                    WHERE run_id = ANY (ARRAY(SELECT value FROM {texts $1} AS repeating))
                        AND dead_letter_of IS NOT NULL
                    UNION ALL
                    SELECT run_id FROM captures WHERE capture_id = ANY (ARRAY(SELECT value FROM {texts $2} AS judged))
                    UNION ALL
                    SELECT run_id FROM runs WHERE keeper_id = ANY (ARRAY(SELECT value FROM {texts $3} AS leaving))
                ))
                ORDER BY run_id
                {lock}
                "#,
            );
            let statement = statement.bind(json(&self.runs)?).bind(json(&self.captures)?);
            scribe.later(statement.bind(json(&self.leaving)?));
        }
        Ok(())
    }

    fn take_counters(&self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        if !self.slots.is_empty() {
            let statement = Statement::new(
                "wait for others with the same lease",
                r#"
                SELECT counter
                FROM lease_counters
                WHERE counter IN (SELECT CAST(value AS BIGINT) FROM {texts $1} AS asked)
                ORDER BY counter
                {lock}
                "#,
            );
            let counters: BTreeSet<i64> = self.slots.iter().map(|key| leases::counter(key)).collect();
            scribe.later(statement.bind(json(&counters)?));
        }
        Ok(())
    }

    /// After the counters: whoever had them before may have added leases.
    fn take_leases(&self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        if !self.slots.is_empty() || !self.runs.is_empty() || !self.beating.is_empty() {
            let statement = Statement::new(
                "wait for others with the same lease",
                r#"
                SELECT lease_key
                FROM leases
                WHERE lease_key = ANY (ARRAY(SELECT value FROM {texts $1} AS wanted))
                    OR run_id = ANY (ARRAY(SELECT value FROM {texts $2} AS ending))
                    OR worker_id = ANY (ARRAY(SELECT value FROM {texts $3} AS beating))
                ORDER BY lease_key, run_id
                {lock}
                "#,
            );
            let statement = statement.bind(scribe.json(&self.slots)?).bind(json(&self.runs)?);
            scribe.later(statement.bind(json(&self.beating)?));
        }
        Ok(())
    }
}
