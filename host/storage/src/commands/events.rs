//! Events of runs, numbered as they are written.

use std::collections::HashMap;

use model::failure::Failure;
use model::{RunId, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::writer::{Scribe, Statement};

/// Something that happened to a run.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) run: RunId,
    pub(crate) at: Timestamp,
    pub(crate) event: &'static str,
    pub(crate) data: Value,
}

#[derive(Serialize)]
struct Row {
    run_id: RunId,
    /// Counts the events of this run among those written together, from 1.
    nth: u64,
    at_us: i64,
    event: &'static str,
    data: String,
}

/// Writes events after those the runs have already, before the next statement that is asked something.
pub(crate) fn append(scribe: &mut Scribe<'_>, events: Vec<Event>) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let mut counts: HashMap<RunId, u64> = HashMap::new();
    let rows = events.into_iter().map(|Event { run, at, event, data }| {
        let nth = counts.entry(run).or_default();
        *nth += 1;
        Row { run_id: run, nth: *nth, at_us: at.as_micros(), event, data: data.to_string() }
    });
    let rows: Vec<Row> = rows.collect();
    scribe.later(
        Statement::new(
            "record what happened to a run",
            r#"
            INSERT INTO run_events (run_id, seq, at_us, event, data)
            SELECT
                new.value ->> 'run_id',
                CAST(new.value ->> 'nth' AS BIGINT) + COALESCE(
                    (SELECT MAX(seq) FROM run_events AS old WHERE old.run_id = new.value ->> 'run_id'),
                    0
                ),
                CAST(new.value ->> 'at_us' AS BIGINT),
                new.value ->> 'event',
                new.value ->> 'data'
            FROM {rows $1} AS new
            "#,
        )
        .bind(scribe.json(&rows)?),
    );
    Ok(())
}
