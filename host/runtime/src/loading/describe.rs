//! Asks a component for its manifest, in an instance of its own under the usual limits.

use std::sync::mpsc;
use std::time::Duration;

use model::limits::Limits;
use model::plugin::Finding;
use model::ports::{
    Blob, Cancel, FileEntry, Finished, InputBytes, LogSink, RejectedRow, TableReader, TableWriter, Workbench,
};
use model::{DatasetName, Failure, FailureKind, Timestamp};
use wasmtime::Engine;

use super::Loader;
use crate::attempt::{Facts, HostState, Journal, Stopped, Watch, cut};
use crate::capabilities::http::Egress;
use crate::failures;
use crate::plugin::Linked;

/// Longest time a component gets to describe itself, whatever an attempt may take: a host that starts waits for it, and so
/// does whatever else changes in its folder.
const WALL_CLOCK_MAX: Duration = Duration::from_secs(30);

/// Processor time it gets for that; an interpreter that starts takes a part of a second.
const CPU_TIME_MAX: Duration = Duration::from_secs(3);

/// How much longer than the deadline to wait for an answer.
const GRACE: Duration = Duration::from_secs(5);

/// Runs `describe` on the guests' threads and waits for it. May be called from any thread that may block.
pub(super) fn blocking(loader: &Loader<'_>, component: &Linked, name: &str) -> Result<String, Vec<Finding>> {
    let (answer, answered) = mpsc::channel();
    let (engine, mut limits) = (loader.engine.clone(), loader.limits.clone());
    limits.wall_clock = limits.wall_clock.min(WALL_CLOCK_MAX);
    limits.cpu_time = limits.cpu_time.min(CPU_TIME_MAX);
    let (component, name) = (component.clone(), name.to_owned());
    let wait = limits.wall_clock.saturating_add(GRACE);
    loader.guests.spawn(async move {
        // The receiver is gone only if it waited too long; nobody needs the answer then.
        let _ = answer.send(describe(&engine, &component, &name, limits).await);
    });
    answered.recv_timeout(wait).unwrap_or_else(|_| Err(vec![failed("it did not answer")]))
}

async fn describe(engine: &Engine, component: &Linked, name: &str, limits: Limits) -> Result<String, Vec<Finding>> {
    let journal = Journal::new(Timestamp::from_micros(0), &limits, LogSink::none());
    let watch = Watch::starting_now(&limits, journal.clone(), Cancel::default());
    let facts = Facts { plugin: name.to_owned(), run_id: String::new(), attempt: 0, params: "{}".to_owned() };
    let state = HostState::new(facts, limits, (0, [0; 32]), journal.clone(), Box::new(NoRun), Egress::closed(), None);
    let mut store = state.into_store(engine, watch.clone());
    let of_engine = |error: wasmtime::Error| failed(&failures::of_engine(name, "describe", &error, &journal).message);
    let asked = watch
        .until_stopped(async {
            let instance = component.instantiate(&mut store).await.map_err(|error| vec![of_engine(error)])?;
            let mistyped = component.exports.check_types(&mut store, &instance);
            if !mistyped.is_empty() {
                return Err(mistyped.iter().map(|error| mistyped_export(error)).collect());
            }
            let plugin = component.exports.plugin.load(&mut store, &instance);
            let plugin = plugin.map_err(|error| vec![of_engine(error)])?;
            plugin.call_describe(&mut store).await.map_err(|error| vec![of_engine(error)])
        })
        .await;
    match asked {
        // These limits are of describing itself: no key of the configuration has them.
        Err(stopped @ (Stopped::WallClock { .. } | Stopped::CpuTime { .. })) => Err(vec![failed(&stopped.to_string())]),
        Err(stopped) => Err(vec![failed(&failures::stopped_failure(name, stopped).message)]),
        Ok(Err(findings)) => Err(findings),
        Ok(Ok(Err(reason))) => Err(vec![failed(&format!("`describe` says: {}", cut(&reason, 4_096)))]),
        Ok(Ok(Ok(json))) => Ok(json),
    }
}

fn failed(why: &str) -> Finding {
    Finding::error(
        "describe_failed",
        format!("the component was asked for its manifest and failed: {why}"),
        "`describe` must return the manifest without doing anything else",
    )
}

fn mistyped_export(error: &str) -> Finding {
    Finding::error(
        "missing_export",
        format!("an export has another type than the contract: {error}"),
        "rebuild the plugin with an SDK of this host's contract",
    )
}

/// What a guest finds that asks for tables while it is only described.
#[derive(Debug)]
struct NoRun;

impl NoRun {
    fn refuse<T>() -> Result<T, Failure> {
        Err(Failure::new(FailureKind::Pipeline, "no_run", "`describe` runs outside of any run: nothing can be opened"))
    }
}

impl Workbench for NoRun {
    fn input(&mut self, _name: &str, _select: &str) -> Result<Box<dyn TableReader>, Failure> {
        Self::refuse()
    }

    fn open(&mut self, _name: &str) -> Result<Box<dyn Blob>, Failure> {
        Self::refuse()
    }

    fn output(&mut self, _dataset: &str) -> Result<Box<dyn TableWriter>, Failure> {
        Self::refuse()
    }

    fn files(&mut self, _folder: &str) -> Result<Vec<FileEntry>, Failure> {
        Self::refuse()
    }

    fn save(&mut self, _folder: &str, _name: &str, _bytes: Vec<u8>) -> Result<(), Failure> {
        Self::refuse()
    }

    fn keep(&mut self, _exchange: InputBytes) {}

    fn reject(&mut self, _rows: Vec<RejectedRow>) -> Result<(), Failure> {
        Self::refuse()
    }

    fn begin_partition(&mut self) {}

    fn end_partition(&mut self) {}

    fn written(&self) -> Vec<DatasetName> {
        Vec::new()
    }

    fn finish(self: Box<Self>) -> Result<Finished, Failure> {
        Self::refuse()
    }
    fn abandon(self: Box<Self>) -> Result<Finished, Failure> {
        Self::refuse()
    }
}
