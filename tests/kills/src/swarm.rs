//! What a worker of the swarm does: it submits runs of its own, carries out whatever there is, and stops when its input
//! ends.

use std::path::Path;
use std::sync::Arc;

use model::Failure;
use model::ports::{Engine, Interrupted};

use crate::body::WORK;
use crate::host::{Host, Opening, request};
use crate::kill::{KillAt, Step};

/// # Errors
///
/// Those of the ledger.
pub async fn work(ledger: &str, folder: &Path, number: &str, runs: u32) -> Result<(), Failure> {
    let faults = Arc::new(KillAt::new("nothing", Step::Begin, 1));
    let host = Host::open(Opening { ledger, folder, faults, runs: 8, tells: true }).await?;
    host.orchestrator.keep_tending(Interrupted::Requeue);
    for run in 0..runs {
        // A key that an earlier process of this number has used stands for the run that it made.
        host.orchestrator.spawn(request(WORK, &format!("{number}-{run}"))).await?;
    }
    println!("submitted");
    let to_its_end = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    drop(tokio::task::spawn_blocking(to_its_end).await);
    host.orchestrator.hand_over().await;
    host.storage.close().await;
    Ok(())
}
