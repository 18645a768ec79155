//! What a guest sees of granted folders: noted while it looks, or in a replay handed out as it was noted.

use std::collections::BTreeMap;

use model::ports::{FileEntry, KeptInput, Outlook, Sight};
use model::{Digest, Failure, FailureKind};

#[derive(Debug)]
pub(super) struct Seeing {
    sight: Sight,
    /// In a replay how often each folder and each file was looked at so far; none while it is noted.
    again: Option<BTreeMap<String, u64>>,
    is_source: bool,
}

impl Seeing {
    pub(super) fn new(outlook: &Outlook) -> Self {
        match outlook.clone() {
            Outlook::Live { cursor, is_source } => {
                Self { sight: Sight { cursor, ..Sight::default() }, again: None, is_source }
            }
            Outlook::Recorded(sight) => Self { sight, again: Some(BTreeMap::new()), is_source: false },
        }
    }

    /// What is to be kept; none if there is nothing that a replay would need.
    pub(super) fn to_keep(&self) -> Option<Vec<u8>> {
        let is_needed = self.is_source || self.sight != Sight::default();
        (is_needed && self.again.is_none()).then(|| self.sight.to_bytes())
    }

    /// In a replay: what the folder held when the guest asked then. Else none, and the folder is to be looked at.
    pub(super) fn listing(&mut self, folder: &str) -> Option<Result<Vec<FileEntry>, Failure>> {
        let number = count(self.again.as_mut()?, folder);
        let seen = self.sight.folders.get(folder).and_then(|seen| seen.nth(number)).cloned();
        Some(seen.unwrap_or_else(|| Err(unseen(&format!("the folder `{folder}` was not looked into")))))
    }

    /// Notes what a folder held.
    pub(super) fn listed(&mut self, folder: &str, found: &Result<Vec<FileEntry>, Failure>) {
        self.sight.folders.entry(folder.to_owned()).or_default().add(found.clone());
    }

    /// In a replay: what `folder/file` held then. Else none, and the file is to be read.
    pub(super) fn content(&mut self, path: &str) -> Option<Result<Digest, Failure>> {
        let number = count(self.again.as_mut()?, path);
        let seen = self.sight.files.get(path).and_then(|seen| seen.nth(number)).cloned();
        Some(seen.unwrap_or_else(|| Err(unseen(&format!("the file `{path}` was not read")))))
    }

    /// Notes what a file held.
    pub(super) fn read(&mut self, path: &str, found: &Result<KeptInput, Failure>) {
        let found = found.as_ref().map(|kept| kept.digest).map_err(Clone::clone);
        self.sight.files.entry(path.to_owned()).or_default().add(found);
    }
}

/// Counts one more look, and returns how many there were before.
fn count(looks: &mut BTreeMap<String, u64>, at: &str) -> u64 {
    let looks = looks.entry(at.to_owned()).or_default();
    *looks += 1;
    *looks - 1
}

fn unseen(what: &str) -> Failure {
    let message = format!("{what} by the run that is done again, so nobody knows what was there then");
    Failure::new(FailureKind::Pipeline, "not_recorded", message)
}
