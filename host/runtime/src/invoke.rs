//! Carries out one attempt: a fresh instance, the work, the plugin's checks, and everything that was said meanwhile.

mod checks;
mod source;

use std::sync::Arc;
use std::time::Duration;

use model::ports::{Answer, Invocation, Invoked, Work, Workbench};
use model::{Failure, FailureKind, Usage};
use tokio::runtime::Handle;
use wasmtime::component::Instance;
use wasmtime::{Engine, Store};

use crate::attempt::{Facts, HostState, Journal, Occupancy, Watch};
use crate::capabilities::http::{Budget, Egress, Network};
use crate::capabilities::secrets::Vault;
use crate::failures;
use crate::hosting::failure_of_guest;
use crate::meters::Meters;
use crate::plugin::Plugin;

/// What all guests of a host have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Among {
    pub(crate) occupancy: Occupancy,
    pub(crate) meters: Meters,
}

/// Runs `invocation` to its end. Everything but the workbench is also found in `journal` or has been handed on by it, in case this never returns.
pub(crate) async fn carry_out(
    engine: Engine,
    plugin: Arc<Plugin>,
    invocation: Invocation,
    host: (Arc<Network>, Handle),
    (watch, journal): (Watch, Journal),
    among: Among,
) -> Invoked {
    let Invocation {
        work,
        checks,
        run_id,
        attempt,
        params,
        started_at,
        seed,
        limits,
        workbench,
        progress,
        outside,
        secrets,
        ..
    } = invocation;
    let facts = Facts { plugin: plugin.manifest.name.clone(), run_id: run_id.to_string(), attempt, params };
    let vault = Arc::new(Vault::new(&outside, &seed));
    let asked = (plugin.manifest.name.as_str(), plugin.manifest.capabilities.as_slice());
    let budget = Budget { calls: limits.http_calls, bytes: limits.http_bytes };
    let egress = Egress::new(asked, outside, (vault, secrets), host, budget);
    let began = (started_at.as_micros(), seed);
    let state = HostState::new(facts, limits, began, journal.clone(), workbench, egress, progress);
    let state = state.among(&among.occupancy, &among.meters);
    let mut store = state.into_store(&engine, watch.clone());
    let done = watch
        .until_stopped(async {
            let mut guest = Guest::start(&plugin, &mut store, &journal).await?;
            let mut answer = guest.work(&work).await?;
            answer.checks = checks::run(&mut guest, &checks).await?;
            Ok(answer)
        })
        .await;
    let mut answer = done.unwrap_or_else(|stopped| Err(failures::of_stopped(&plugin.manifest.name, stopped, &journal)));
    let workbench = {
        let state = store.into_data();
        if let (Err(failure), Some(request)) = (&mut answer, state.wasi_http.failed()) {
            failure.causes.push(format!("the last request that came to nothing: {request}"));
        }
        journal.memory_in_use(state.limiter.used());
        state.workbench
    };
    invoked(answer, Some(workbench), &journal, watch.cpu_used())
}

/// Puts together what came of an attempt. The state must be gone before, so that unfinished output lines are in.
pub(crate) fn invoked(
    answer: Result<Answer, Failure>,
    workbench: Option<Box<dyn Workbench>>,
    journal: &Journal,
    cpu: Duration,
) -> Invoked {
    let usage = Usage {
        cpu_us: u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX),
        wall_us: journal.elapsed_us(),
        memory_bytes_peak: journal.memory_peak(),
        host_calls: journal.host_calls(),
        ..Usage::default()
    };
    Invoked { answer, workbench, stages: journal.end(), usage }
}

/// An instance at work.
struct Guest<'a> {
    plugin: &'a Plugin,
    store: &'a mut Store<HostState>,
    instance: Instance,
    journal: &'a Journal,
}

impl<'a> Guest<'a> {
    async fn start(plugin: &'a Plugin, store: &'a mut Store<HostState>, journal: &'a Journal) -> Result<Self, Failure> {
        let instance = plugin.component.instantiate(store).await;
        let instance = instance.map_err(|error| of_instantiation(plugin, &error, journal))?;
        Ok(Self { plugin, store, instance, journal })
    }

    async fn work(&mut self, work: &Work) -> Result<Answer, Failure> {
        match work {
            Work::Pipeline { name } => {
                let indices = self.exported(self.plugin.component.exports.pipeline.as_ref(), "pipeline")?;
                let pipeline = indices.load(&mut *self.store, &self.instance);
                let pipeline = self.loaded("pipeline", pipeline)?;
                let run = pipeline.call_run(&mut *self.store, name).await;
                let summary = self.returned("run", run)?;
                Ok(Answer { result: self.json("run", &summary)?, ..Answer::default() })
            }
            Work::Source { name, cursor } => source::run(self, name, cursor.as_deref()).await,
            Work::Task { name, input } => {
                let indices = self.exported(self.plugin.component.exports.task.as_ref(), "task")?;
                let task = indices.load(&mut *self.store, &self.instance);
                let task = self.loaded("task", task)?;
                let call = task.call_call(&mut *self.store, name, input).await;
                let output = self.returned("call", call)?;
                Ok(Answer { result: self.json("call", &output)?, ..Answer::default() })
            }
        }
    }

    fn name(&self) -> &str {
        &self.plugin.manifest.name
    }

    /// The indices of an interface that the work needs.
    fn exported<T>(&self, indices: Option<&'a T>, interface: &str) -> Result<&'a T, Failure> {
        indices.ok_or_else(|| {
            let message = format!("plugin `{}` does not export the interface `{interface}`", self.name());
            Failure::new(FailureKind::Pipeline, "missing_export", message)
        })
    }

    fn loaded<T>(&self, interface: &str, loaded: wasmtime::Result<T>) -> Result<T, Failure> {
        loaded.map_err(|error| failures::of_engine(self.name(), interface, &error, self.journal))
    }

    /// What the guest answered, its own error, or what became of it instead.
    fn returned<T>(
        &self,
        function: &str,
        returned: wasmtime::Result<Result<T, crate::bindings::host::Error>>,
    ) -> Result<T, Failure> {
        match returned {
            Ok(answer) => answer.map_err(failure_of_guest),
            Err(error) => Err(failures::of_engine(self.name(), function, &error, self.journal)),
        }
    }

    /// An answer in JSON; none for an empty text.
    fn json(&self, function: &str, text: &str) -> Result<Option<serde_json::Value>, Failure> {
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_str(text).map(Some).map_err(|error| {
            let message =
                format!("plugin `{}` returned something from `{function}` that is not JSON: {error}", self.name());
            Failure::new(FailureKind::Pipeline, "bad_answer", message)
        })
    }
}

fn of_instantiation(plugin: &Plugin, error: &wasmtime::Error, journal: &Journal) -> Failure {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        let message = format!("no room for another instance of plugin `{}` just now: {error}", plugin.manifest.name);
        return Failure::new(FailureKind::Internal, "busy", message).retryable(true);
    }
    failures::of_engine(&plugin.manifest.name, "instantiation", error, journal)
}
