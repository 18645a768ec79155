//! Follows the plugins folder while the host serves: what changes there is loaded and takes its place.

use model::ports::FoundPlugin;
use orchestrator::Orchestrator;
use runtime::{FolderWatch, Look, PluginsFolder, WatchMode};

use super::components::found_at;
use super::wiring::look;

/// Looks whenever something may have changed, for as long as it is awaited.
pub(super) async fn follow(orchestrator: Orchestrator, mut folder: PluginsFolder, mode: WatchMode) {
    let mut watch = FolderWatch::new(mode);
    let (mut again_in, mut is_due, mut is_lost) = (None, false, false);
    loop {
        watch.follow(folder.folders());
        watch.changed(again_in).await;
        let looked;
        (folder, looked) = look(folder).await;
        let Look { loaded, is_new, again_in: next } = match looked {
            Ok(look) => look,
            Err(failure) => {
                // Told once, and the plugins are as they were.
                if !std::mem::replace(&mut is_lost, true) {
                    tracing::warn!(code = %failure.code, "the plugins stay as they are: {failure}");
                }
                continue;
            }
        };
        if std::mem::replace(&mut is_lost, false) {
            tracing::info!("the plugins folder can be read again");
        }
        again_in = next;
        is_due |= is_new;
        if !is_due {
            continue;
        }
        let found: Vec<FoundPlugin> = loaded.into_iter().map(|(place, loaded)| found_at(place, loaded)).collect();
        match orchestrator.install(found).await {
            Ok(_) => is_due = false,
            // The next look tries again, whatever it finds.
            Err(failure) => tracing::warn!(code = %failure.code, "the plugins stay as they are: {failure}"),
        }
    }
}
