//! What an owner does before it takes work: ends the runs of an owner that died, and removes what that one left.

use lake::{Afterwards, Cleaned, KnownFiles, LocalLake};
use model::failure::{Failure, FailureKind};
use model::ports::Ledger;
use storage::Storage;

use crate::ledger::LedgerPlace;

/// Refuses to begin an empty ledger in a folder whose captures belong to another one.
///
/// # Errors
///
/// `bad_folder` (exit code 2) if there are captures but no ledger.
pub(super) fn check_ledger(place: &LedgerPlace, lake: &LocalLake) -> Result<(), Failure> {
    // A ledger on a server says itself where its captures lie.
    let Some(database) = place.file() else { return Ok(()) };
    // An empty file is a database in which nothing was ever written.
    if database.metadata().is_ok_and(|file| file.len() > 0) || !lake.holds_captures()? {
        return Ok(());
    }
    let message = format!(
        "`{}` is gone, but the captures that it knew are still in `captures/` beside it: nothing was changed; restore the \
         database from a copy, or choose another data folder with --data",
        database.display()
    );
    Err(Failure::new(FailureKind::Config, "bad_folder", message))
}

/// Ends what was in flight and cleans the lake. Nothing may run yet.
pub(super) async fn clean(storage: &Storage, lake: &LocalLake, place: &LedgerPlace) -> Result<(), Failure> {
    for run in storage.recover(place.interrupted()).await? {
        let plugin = storage.report(run).await?.and_then(|report| report.plugin);
        tracing::warn!(
            run.id = %run,
            plugin.name = plugin.as_ref().map(|plugin| plugin.name.as_str()),
            plugin.digest = plugin.as_ref().map(|plugin| tracing::field::display(plugin.digest)),
            "interrupted: the process that carried it out is gone; it may be run again"
        );
    }
    let mut known = known_files(storage).await?;
    let strays = lake.strays(&known)?;
    let ended = storage.ended_runs(&strays.runs()).await?;
    if place.is_shared() {
        known = known_files(storage).await?;
    }
    let has_neighbours = place.is_shared() && storage.has_workers().await?;
    let afterwards = Afterwards { known: &known, has_neighbours };
    let Cleaned { removed, unknown } = lake.clean(strays, &ended, afterwards)?;
    for path in removed {
        tracing::warn!(path, "removed a file that a run left unfinished");
    }
    if !unknown.is_empty() {
        let folders: Vec<String> = unknown.iter().map(|(folder, files)| format!("{files} in {folder}/")).collect();
        tracing::warn!(
            files = folders.join(", "),
            "this ledger does not know some files of its data folder and leaves them where they are: either an older copy \
             of spine.db was restored, and they are captures that were published since, then stop the host and put the \
             newer database back, or run their files again and move these away; or somebody else put them there, then \
             move them to a folder of their own"
        );
    }
    Ok(())
}

async fn known_files(storage: &Storage) -> Result<KnownFiles, Failure> {
    Ok(KnownFiles { captures: storage.capture_files().await?, rejects: storage.reject_files().await? })
}
