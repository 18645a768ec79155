//! Durable no-op runs through the ledger alone: submitted, started and concluded, each answered once it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::plugin::PluginRef;
use model::ports::{Ledger, NewRun, Start, Submission};
use model::run::{Claim, Conclusion, Conditions, RunKind, RunStatus};
use model::work::WorkSpec;
use model::{Clock, Digest, RunId, WorkerId};
use storage::Storage;

use crate::commits::Times;
use crate::hands::{Counter, Stopwatch};

/// Something that can be run again and again, by many at one time.
pub(crate) trait Runs: Send + Sync + 'static {
    /// Carries one run out, to its durable end.
    fn run(&self) -> impl Future<Output = ()> + Send;

    /// Carries runs out, so many at one time.
    fn measure(this: &Arc<Self>, in_flight: usize, runs: usize) -> impl Future<Output = Times> + Send {
        let left = Arc::new(AtomicUsize::new(runs));
        async move {
            let began = Instant::now();
            let takers = (0..in_flight).map(|_| tokio::spawn(take(Arc::clone(this), Arc::clone(&left))));
            let takers: Vec<_> = takers.collect();
            let mut each = Vec::with_capacity(runs);
            for taker in takers {
                each.extend(taker.await.unwrap());
            }
            Times::new(each, began.elapsed())
        }
    }
}

/// Takes one run after another until none is left.
async fn take<R: Runs + ?Sized>(runs: Arc<R>, left: Arc<AtomicUsize>) -> Vec<Duration> {
    let mut times = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let began = Instant::now();
        runs.run().await;
        times.push(began.elapsed());
    }
    times
}

#[derive(Debug)]
pub(crate) struct LedgerRuns {
    storage: Arc<Storage>,
    clock: Stopwatch,
    entropy: Counter,
    worker: WorkerId,
}

impl LedgerRuns {
    pub(crate) fn new(storage: Arc<Storage>) -> Self {
        let clock = Stopwatch::start();
        Self { storage, clock, entropy: Counter::default(), worker: WorkerId::new(clock.now(), [1; 10]) }
    }

    fn new_run(&self) -> NewRun {
        let mut random = [0; 10];
        model::ports::Entropy::fill(&self.entropy, &mut random);
        let now = self.clock.now();
        let spec = WorkSpec { params: serde_json::json!({}), ..WorkSpec::new("bench.nothing", RunKind::Task) };
        NewRun {
            run_id: RunId::new(now, random),
            spec,
            request_hash: None,
            rebind: None,
            keeper: None,
            created_at: now,
        }
    }

    fn start(&self, run_id: RunId) -> Start {
        let now = self.clock.now();
        let digest = Digest::new([7; 32]);
        Start {
            run_id,
            attempt: 1,
            plugin: Some(PluginRef { name: "bench".to_owned(), version: "1.0.0".to_owned(), digest }),
            conditions: Conditions {
                host_version: "0.1.0".to_owned(),
                wasmtime_version: "48.0.8".to_owned(),
                grants_hash: digest,
            },
            input_hash: None,
            inputs: Vec::new(),
            snapshot: 0,
            worker: self.worker,
            keeper: None,
            lease_until: now.plus_micros(3_600_000_000),
            exclusive: Vec::new(),
            started_at: now,
        }
    }
}

impl Runs for LedgerRuns {
    async fn run(&self) {
        let new = self.new_run();
        let run = new.run_id;
        assert_eq!(self.storage.submit(new).await.unwrap(), Submission::New);
        self.storage.start(self.start(run)).await.unwrap();
        let claim = Some(Claim { worker: self.worker, attempt: 1 });
        let nothing = Conclusion::nothing(run, RunStatus::Completed, None, self.clock.now());
        let report = self.storage.conclude(Conclusion { claim, ..nothing }).await.unwrap();
        assert_eq!(report.status, RunStatus::Completed);
    }
}
