//! Tells that something may have changed in the plugins folder.
//!
//! The system's notices are only a hint to look: they are lost on network file systems, for the targets of links, and when
//! there are too many. So the folder is looked at from time to time whatever they say, and more often where there are none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// How often to look although nothing tells of a change.
const ANYWAY: Duration = Duration::from_secs(2);

/// How often to look where nothing ever tells.
const POLLING: Duration = Duration::from_millis(200);

/// Notices come in swarms: nothing is looked at until there was none for this long.
const QUIET: Duration = Duration::from_millis(30);

/// ... but no longer than this, however many come.
const SWARM: Duration = Duration::from_millis(150);

/// How changes of the plugins folder are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// By the notices of the operating system.
    Notify,
    /// By looking often.
    Poll,
}

/// Waits for changes.
#[derive(Debug)]
pub struct FolderWatch {
    told: Arc<Notify>,
    /// None where the folder is polled.
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
}

impl FolderWatch {
    /// Where the system cannot tell of changes the folder is polled; that is logged.
    pub fn new(mode: WatchMode) -> Self {
        let told: Arc<Notify> = Arc::default();
        let tell = Arc::clone(&told);
        let watcher = match mode {
            WatchMode::Poll => None,
            WatchMode::Notify => notify::recommended_watcher(move |_: notify::Result<notify::Event>| tell.notify_one())
                .inspect_err(
                    |error| tracing::warn!(%error, "the plugins folder is polled: the system does not tell of changes"),
                )
                .ok(),
        };
        Self { told, watcher, watched: Vec::new() }
    }

    /// Watches these folders, and no others, from now on. One that cannot be watched is polled.
    pub fn follow(&mut self, folders: Vec<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.iter().filter(|folder| !folders.contains(folder)) {
            // It may be gone, and with it what watched it.
            drop(watcher.unwatch(gone));
        }
        self.watched = folders.into_iter().filter(|folder| watch(watcher, folder)).collect();
    }

    /// Returns when something may have changed, after `at_most` at the latest.
    pub async fn changed(&mut self, at_most: Option<Duration>) {
        let longest = if self.watched.is_empty() { POLLING } else { ANYWAY };
        let longest = at_most.map_or(longest, |at_most| at_most.min(longest));
        if tokio::time::timeout(longest, self.told.notified()).await.is_err() {
            return;
        }
        let swarm = async { while tokio::time::timeout(QUIET, self.told.notified()).await.is_ok() {} };
        drop(tokio::time::timeout(SWARM, swarm).await);
    }
}

/// Watching a folder again is harmless, and mends a watch whose folder was replaced.
fn watch(watcher: &mut RecommendedWatcher, folder: &Path) -> bool {
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .inspect_err(|error| tracing::debug!(folder = %folder.display(), %error, "a folder is polled"))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_told_long_before_anybody_would_look() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::new(WatchMode::Notify);
        watch.follow(vec![folder.path().to_owned()]);
        let path = folder.path().join("a.wasm");
        let changed = watch.changed(None);
        std::fs::write(path, b"a").unwrap();
        let began = std::time::Instant::now();
        changed.await;
        assert!(began.elapsed() < ANYWAY, "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn without_notices_the_folder_is_looked_at_often() {
        let mut watch = FolderWatch::new(WatchMode::Poll);
        watch.follow(vec!["nowhere".into()]);
        let began = std::time::Instant::now();
        watch.changed(None).await;
        assert!(began.elapsed() >= POLLING && began.elapsed() < ANYWAY, "{:?}", began.elapsed());
        watch.changed(Some(Duration::from_millis(5))).await;
    }
}
