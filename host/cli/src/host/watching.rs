//! Follows the plugins folder while the host serves: what changes there is loaded and takes its place.

use std::time::Duration;

use model::plugin::PluginRecord;
use model::ports::FoundPlugin;
use orchestrator::Orchestrator;
use runtime::{FolderWatch, Look, PluginsFolder, WatchMode};

use super::components::found_at;
use super::wiring::look;

/// When to look again at a file that was changed while it was loaded.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// Looks whenever something may have changed, for as long as it is awaited.
pub(super) async fn follow(orchestrator: Orchestrator, mut folder: PluginsFolder, mode: WatchMode) {
    let mut watch = FolderWatch::new(mode);
    let mut is_due = was_overtaken(&orchestrator.plugins());
    let (mut again_in, mut is_lost) = (is_due.then_some(OVERTAKEN), false);
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
            Ok(records) => {
                is_due = was_overtaken(&records);
                again_in = if is_due { Some(again_in.map_or(OVERTAKEN, |next| next.min(OVERTAKEN))) } else { again_in };
            }
            // The next look tries again, whatever it finds.
            Err(failure) => tracing::warn!(code = %failure.code, "the plugins stay as they are: {failure}"),
        }
    }
}

/// Whether a file changed between being loaded and being kept. It may hold by now what was loaded, so that the next look
/// finds nothing new: what it holds is to be installed all the same.
fn was_overtaken(records: &[PluginRecord]) -> bool {
    records.iter().flat_map(|record| &record.reasons).any(|reason| reason.starts_with("changed: "))
}
