//! Carrying a query out, on a thread of its own.
//!
//! SQL can keep a processor busy for long without ever yielding, and deep expressions need a deep stack. So each query
//! has a thread with a small runtime; the caller waits for the answer or the deadline, whichever comes first, and the
//! caller's runtime stays free. A query that nobody waits for any more stops at its next yield, which is at most some
//! batches later.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use model::catalog::CatalogView;
use model::{Failure, FailureKind};
use tokio::sync::oneshot;

use super::catalog::ViewCatalog;
use super::statement::Planned;
use super::{QueryAnswer, QueryLimits, errors, session, statement};

/// Enough for the deepest tree that fits in the SQL a query may have; only what is used is ever backed by memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Answers `sql` from `view`, whose files lie below `captures_dir`.
///
/// Runs for `limits.wall_clock` at most. Must be called where tokio's timers run.
///
/// # Errors
///
/// `bad_sql` if the SQL is at fault; `too_many_rows`, `query_timeout` or `query_memory` with the limit named;
/// `capture_unreadable` or an I/O code if a file of the view is; `query_failed` for a defect of the engine.
pub async fn query(
    captures_dir: &Path,
    view: Arc<CatalogView>,
    sql: &str,
    limits: QueryLimits,
) -> Result<QueryAnswer, Failure> {
    let work = Work { captures_dir: captures_dir.to_owned(), view, sql: sql.to_owned(), limits: limits.clone() };
    let (sender, answer) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("query".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || work.serve(sender))
        .map_err(|error| engine_failed(&format!("no thread could be started: {error}")))?;
    match tokio::time::timeout(limits.wall_clock, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(panicked(thread, &limits)),
        Err(_) => Err(errors::too_slow(&limits)),
    }
}

/// The failure of a query whose thread ended without an answer.
fn panicked(thread: JoinHandle<()>, limits: &QueryLimits) -> Failure {
    // What the thread would have answered through is gone already, so it is about to end.
    let Err(panic) = thread.join() else { return engine_failed("its thread ended without an answer") };
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    match text {
        // Arrow's way to say that the texts of one column of one batch are more than 2 GiB.
        Some(text) if text.contains("offset overflow") => limits.out_of_memory(),
        Some(text) => engine_failed(text),
        None => engine_failed("its thread panicked"),
    }
}

fn engine_failed(why: &str) -> Failure {
    Failure::new(FailureKind::Internal, "query_failed", format!("the query engine failed: {why}"))
}

struct Work {
    captures_dir: PathBuf,
    view: Arc<CatalogView>,
    sql: String,
    limits: QueryLimits,
}

impl Work {
    /// Answers, unless nobody waits any more.
    fn serve(self, mut sender: oneshot::Sender<Result<QueryAnswer, Failure>>) {
        let answer = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Err(error) => Err(engine_failed(&format!("no runtime could be started: {error}"))),
            Ok(runtime) => {
                let answer = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        () = sender.closed() => None,
                        answer = self.answer() => Some(answer),
                    }
                });
                let Some(answer) = answer else { return };
                answer
            }
        };
        // The receiver may have gone in this moment; then there is nobody to tell.
        drop(sender.send(answer));
    }

    async fn answer(&self) -> Result<QueryAnswer, Failure> {
        let catalog = ViewCatalog(Arc::clone(&self.view));
        let state = session::session(&self.captures_dir, &catalog, &self.limits)?;
        let Planned { plan, names } = statement::plan(&state, &catalog, &self.sql, &self.limits).await?;
        let (schema, batches) = self.collect(&state, &plan).await?;
        QueryAnswer::new(schema.fields(), &names, batches, self.view.snapshot)
    }

    /// The rows, with the types that they have after all rules: a plan as it was written may have others.
    async fn collect(
        &self,
        state: &SessionState,
        plan: &LogicalPlan,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), Failure> {
        let failed = |error| errors::failure(&error, &self.limits);
        let plan = state.create_physical_plan(plan).await.map_err(failed)?;
        let mut stream = execute_stream(plan, state.task_ctx()).map_err(failed)?;
        let held = MemoryConsumer::new("answer").register(&state.runtime_env().memory_pool);
        let (mut batches, mut rows) = (Vec::new(), 0);
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            rows += batch.num_rows() as u64;
            if rows > self.limits.rows {
                return Err(errors::too_many_rows(&self.limits));
            }
            held.try_grow(memory(&batch)).map_err(failed)?;
            batches.push(batch);
        }
        Ok((stream.schema(), batches))
    }
}

/// Bytes of the rows of `batch`. Batches of one answer are often slices of one buffer, which counts once this way.
fn memory(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    columns
        .map(|column| column.to_data().get_slice_memory_size().unwrap_or_else(|_| column.get_array_memory_size()))
        .sum()
}
