//! Runs a source: finds what there is from a cursor on and fetches all of it, page by page, in one instance.
//!
//! The cursor that comes back never passes a partition that was not ready: the page that found it is looked at again
//! next time, and what it delivers again is then found unchanged.

use model::ports::Answer;
use model::{Failure, FailureKind};

use super::Guest;
use crate::bindings::source;

pub(super) async fn run(guest: &mut Guest<'_>, name: &str, cursor: Option<&[u8]>) -> Result<Answer, Failure> {
    let indices = guest.exported(guest.plugin.component.exports.source.as_ref(), "source")?;
    let source = indices.load(&mut *guest.store, &guest.instance);
    let source = guest.loaded("source", source)?;
    let mut answer = Answer::default();
    let mut since = cursor.map(<[u8]>::to_vec);
    loop {
        let found = source.call_discover(&mut *guest.store, name, since.as_deref()).await;
        let found = guest.returned("discover", found)?;
        let mut all_ready = true;
        for partition in &found.partitions {
            guest.store.data_mut().workbench.begin_partition();
            let fetched = fetch(guest, &source, name, partition).await;
            guest.store.data_mut().workbench.end_partition();
            all_ready &= fetched?;
        }
        if !all_ready {
            return Ok(answer);
        }
        if found.more && (found.cursor.is_none() || found.cursor == since) {
            return Err(no_progress(guest, "discover"));
        }
        if found.cursor.is_some() {
            since.clone_from(&found.cursor);
            answer.cursor = found.cursor;
        }
        if !found.more {
            return Ok(answer);
        }
    }
}

/// Fetches a partition page by page; false if the publisher has not finished it yet.
async fn fetch(
    guest: &mut Guest<'_>,
    source: &source::Guest,
    name: &str,
    partition: &source::Partition,
) -> Result<bool, Failure> {
    let mut cursor: Option<Vec<u8>> = None;
    loop {
        let page = source.call_fetch(&mut *guest.store, name, partition, cursor.as_deref()).await;
        let page = guest.returned("fetch", page)?;
        match page.status.as_str() {
            "done" | "unchanged" => return Ok(true),
            "not-ready" => return Ok(false),
            "more" if page.cursor.is_some() && page.cursor != cursor => cursor = page.cursor,
            "more" => return Err(no_progress(guest, "fetch")),
            other => {
                let message = format!(
                    "plugin `{}` returned the status `{other}` from `fetch`; known are more, done, unchanged, not-ready",
                    guest.name()
                );
                return Err(Failure::new(FailureKind::Pipeline, "bad_answer", message));
            }
        }
    }
}

/// A source that asks to be called again with nothing new to go on would never end.
fn no_progress(guest: &Guest<'_>, function: &str) -> Failure {
    let message = format!("plugin `{}` asked for another `{function}` without moving its cursor", guest.name());
    Failure::new(FailureKind::Pipeline, "no_progress", message)
}
