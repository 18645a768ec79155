//! `runs stats`: how many runs there are, and how they ended.

use model::Failure;
use model::health::FAILURE_WINDOW;
use model::ports::{Vitals, WorkCounts};
use serde_json::json;
use storage::Storage;

use crate::output::{Output, Rows, number, text};

/// Counts all runs that the ledger keeps, what waits in each lane, and the ends of the last hour.
pub(super) async fn show(ledger: &Storage, output: Output) -> Result<(), Failure> {
    let counts = ledger.work_counts().await?;
    let hour = ledger.ends(FAILURE_WINDOW).await?;
    let open = ledger.open_dead_letters().await?;
    let value = json!({
        "total": counts.total(),
        "completed": counts.of(model::run::RunStatus::Completed),
        "failed": counts.failed(),
        "failure_percent": counts.failure_percent(),
        "runs": counts.runs,
        "lanes": counts.lanes,
        "last_hour": { "completed": hour.completed, "failed": hour.failed },
        "dead_letters_open": open,
    });
    output.show(&value, || rows(&counts))
}

fn rows(counts: &WorkCounts) -> Rows {
    let mut rows = Rows::new([text("what"), number("runs")], "");
    for (status, runs) in &counts.runs {
        rows.push([status.name().into(), (*runs).into()]);
    }
    for (lane, waiting) in &counts.lanes {
        rows.push([format!("queued in lane {lane}").into(), waiting.queued.into()]);
        rows.push([format!("running in lane {lane}").into(), waiting.running.into()]);
    }
    let total = counts.total();
    rows.footer = Some(match counts.failure_percent() {
        None => format!("{total} runs"),
        Some(percent) => format!("{total} runs; {percent:.1} % of those that ended well or badly failed"),
    });
    rows
}
