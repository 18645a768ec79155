//! The files that work reads: kept by digest before the run is recorded, and found again by whoever carries it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::ports::{GivenFile, InputBytes, KeptInput, Lake};
use model::work::WorkInput;

use crate::blocking::blocking;
use crate::identity;

/// What an attempt reads by name, or why there is nothing to read.
pub(crate) type Inputs = Result<BTreeMap<String, KeptInput>, Failure>;

/// Keeps files that somebody has read; a dry run only names them. A file that could not be read or kept is no reason
/// not to make the run: it fails with that.
pub(crate) async fn keep(
    lake: &Arc<dyn Lake>,
    files: BTreeMap<String, GivenFile>,
    dry_run: bool,
) -> (BTreeMap<String, WorkInput>, Inputs) {
    let mut described = BTreeMap::new();
    let mut inputs: Inputs = Ok(BTreeMap::new());
    for (name, GivenFile { file_name, bytes }) in files {
        let kept = match bytes {
            Ok(bytes) => keep_one(lake, InputBytes { file_name: file_name.clone(), bytes }, dry_run).await,
            Err(failure) => Err(failure),
        };
        match kept {
            Ok(kept) => {
                described.insert(name.clone(), WorkInput::Kept { file_name, digest: kept.digest });
                if let Ok(inputs) = &mut inputs {
                    inputs.insert(name, kept);
                }
            }
            Err(failure) => {
                described.insert(name, WorkInput::Unreadable { file_name, failure: failure.clone() });
                inputs = inputs.and(Err(failure));
            }
        }
    }
    (described, inputs)
}

async fn keep_one(lake: &Arc<dyn Lake>, input: InputBytes, dry_run: bool) -> Result<KeptInput, Failure> {
    let lake = Arc::clone(lake);
    let keep = move || match dry_run {
        true => {
            let digest = identity::digest(&input.bytes);
            Ok(KeptInput { file_name: input.file_name, digest, bytes: input.bytes })
        }
        false => lake.keep_input(input),
    };
    blocking("keep an input", keep).await
}

/// Waits until these inputs are durable: who is told that work will be done may leave then. One that could not be kept
/// fails its run, not the answer.
pub(crate) async fn settle(lake: &Arc<dyn Lake>, described: &BTreeMap<String, WorkInput>) {
    for digest in described.values().filter_map(WorkInput::digest) {
        let lake = Arc::clone(lake);
        if let Err(failure) = blocking("keep an input", move || lake.settle_input(digest)).await {
            tracing::warn!(code = %failure.code, "an input is not kept: {failure}");
        }
    }
}

/// Reads again what was kept when the work was asked for.
///
/// # Errors
///
/// `interrupted` if the process that was asked died before an input was durable: whoever asked may ask again.
pub(crate) async fn read_again(lake: &Arc<dyn Lake>, described: &BTreeMap<String, WorkInput>) -> Inputs {
    let mut inputs = BTreeMap::new();
    for (name, input) in described {
        let (file_name, digest) = match input {
            WorkInput::Kept { file_name, digest } => (file_name.clone(), *digest),
            WorkInput::Unreadable { failure, .. } => return Err(failure.clone()),
        };
        let lake = Arc::clone(lake);
        let kept = blocking("read an input again", move || lake.kept_input(&file_name, digest)).await;
        let kept =
            kept.map_err(|failure| if failure.code == "not_found" { not_kept(input, failure) } else { failure })?;
        inputs.insert(name.clone(), kept);
    }
    Ok(inputs)
}

fn not_kept(input: &WorkInput, failure: Failure) -> Failure {
    let file_name = match input {
        WorkInput::Kept { file_name, .. } | WorkInput::Unreadable { file_name, .. } => file_name,
    };
    let message =
        format!("the host stopped before the input `{file_name}` was kept; nothing was published, run it again");
    let interrupted = Failure::new(FailureKind::Orchestration, "interrupted", message).retryable(true);
    Failure { causes: vec![failure.message], ..interrupted }
}
