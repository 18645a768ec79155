//! What people and other programs change in a ledger besides runs of the orchestrator: captures that wait for somebody,
//! leases, what is old, versions of a plugin. Their runs are made by hand, so nobody else is at them.

use std::time::Duration;

use model::capture::StagedCapture;
use model::plugin::PluginRef;
use model::ports::{DeadLetters, Entropy, Keeper, LeaseRequest, Leases, Ledger, NewRun, Page, RetentionLedger, Start};
use model::retention::Cutoffs;
use model::run::{CaptureOutcome, Claim, Conclusion, Conditions, RunKind, RunStatus};
use model::work::WorkSpec;
use model::{CaptureId, Clock, Digest, Failure, FailureKind, RunId, WorkerId};
use storage::Storage;

use crate::body::WORK;
use crate::host::{FIRST, Host, LEASE};
use crate::kill::KillAt;
use crate::system::{System, after};

const HELD: &str = "by hand";

/// Nobody takes a run up that is ended sooner.
const ALONE: Duration = Duration::from_secs(60);

fn random() -> [u8; 10] {
    let mut random = [0; 10];
    System.fill(&mut random);
    random
}

/// A run at work, of a worker that is heard of no more.
async fn at_work(storage: &Storage, key: &str, lease: Duration) -> Result<(RunId, Claim), Failure> {
    let (run_id, created_at) = (RunId::new(System.now(), random()), System.now());
    let params = serde_json::json!({ "key": format!("{key}-{run_id}"), "beats": 0 });
    let retry = model::policy::RetryPolicy { attempts_max: 50, ..model::policy::RetryPolicy::default() };
    let spec = WorkSpec { params, retry, ..WorkSpec::new(WORK, RunKind::Task) };
    let claim = Claim { worker: WorkerId::new(System.now(), random()), attempt: 1 };
    let keeper = Some(Keeper { worker: claim.worker, until: Some(after(lease)) });
    storage.submit(NewRun { run_id, spec, request_hash: None, rebind: None, keeper, created_at }).await?;
    let nothing = Digest::new([0; 32]);
    let start = Start {
        run_id,
        attempt: claim.attempt,
        plugin: Some(PluginRef { name: "k".to_owned(), version: "1.0.0".to_owned(), digest: FIRST }),
        conditions: Conditions {
            host_version: "kills".to_owned(),
            wasmtime_version: "none".to_owned(),
            grants_hash: nothing,
        },
        input_hash: None,
        inputs: Vec::new(),
        snapshot: 0,
        worker: claim.worker,
        keeper: Some(claim.worker),
        lease_until: after(lease),
        exclusive: Vec::new(),
        started_at: System.now(),
    };
    storage.start(start).await?;
    Ok((run_id, claim))
}

async fn fail(storage: &Storage, (run, claim): (RunId, Claim), captures: Vec<CaptureOutcome>) -> Result<(), Failure> {
    let failure = Failure::new(FailureKind::Validation, "bad", "it is bad");
    let nothing = Conclusion::nothing(run, RunStatus::Failed, Some(failure), System.now());
    storage.conclude(Conclusion { claim: Some(claim), captures, ..nothing }).await?;
    storage.leave(claim.worker).await
}

/// Releases a capture that waits, and those that were left waiting, or discards them.
pub(crate) async fn judges(storage: &Storage, kill: &KillAt, releases: bool) -> Result<(), Failure> {
    let run = at_work(storage, "held", ALONE).await?;
    let staged = StagedCapture {
        capture_id: CaptureId::new(System.now(), random()),
        dataset: "k.t".parse().unwrap(),
        partition: [("day", "2021-01-28")].into_iter().collect(),
        rows: 0,
        content_hash: Digest::new([9; 32]),
        file: None,
    };
    fail(storage, run, vec![CaptureOutcome::Quarantine { staged }]).await?;
    kill.arm();
    for capture in storage.quarantined().await? {
        match releases {
            true => storage.release(capture.capture_id).await?,
            false => storage.discard(capture.capture_id).await?,
        };
    }
    assert_eq!(storage.quarantined().await?, []);
    Ok(())
}

/// Takes a lease for a run, extends it, and takes it away from it: the run is nobody's then, and is queued again.
pub(crate) async fn holds(storage: &Storage, kill: &KillAt) -> Result<(), Failure> {
    let (run, Claim { worker, .. }) = at_work(storage, "holds", 3 * LEASE).await?;
    kill.arm();
    let request = LeaseRequest { key: HELD.to_owned(), slots: 64, run, worker, until: after(3 * LEASE) };
    let taken = storage.acquire(request).await?;
    assert!(taken.is_ok(), "{taken:?}");
    storage.extend(HELD, run, worker, after(4 * LEASE)).await?;
    storage.release_lease(HELD, Some(run), true).await.map(drop)
}

/// Forgets what was resolved, and the runs that nothing refers to then.
pub(crate) async fn forgets(storage: &Storage, kill: &KillAt) -> Result<(), Failure> {
    let gone = at_work(storage, "gone", ALONE).await?;
    fail(storage, gone, Vec::new()).await?;
    storage.resolve(gone.0, "ann", None).await?;
    kill.arm();
    let now = Some(after(Duration::from_secs(1)));
    let cutoffs = Cutoffs { runs_before: now, dead_letters_before: now };
    while storage.forget_dead_letters(cutoffs).await? > 0 {}
    loop {
        let Page { runs, .. } = storage.forgettable_runs(cutoffs, None).await?;
        if runs.is_empty() {
            break;
        }
        while storage.forget_runs(cutoffs, runs.clone()).await?.more {}
    }
    assert_eq!(storage.report(gone.0).await?, None);
    Ok(())
}

/// Another version of the plugin takes the place of the one that is there.
pub(crate) async fn registers(host: &Host, kill: &KillAt) -> Result<(), Failure> {
    kill.arm();
    let newer = Digest::new([8; 32]);
    host.install(newer).await?;
    let standing = host.storage.plugin_standing().await?;
    let active: Vec<Digest> = standing.incumbents.iter().map(|incumbent| incumbent.digest).collect();
    assert_eq!(active, [newer]);
    Ok(())
}
