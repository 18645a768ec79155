//! What an attempt saw of granted folders and of its source's cursor: kept with its inputs, so that a replay sees the same
//! whatever became of the folders since.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tables::FileEntry;
use crate::failure::Failure;
use crate::ids::Digest;

/// The name under which it is kept. No file of a folder has it, and no hash of inputs counts it: it is about the inputs.
pub const SIGHT: &str = "seen:/";

/// Where an attempt looks.
#[derive(Clone, Debug)]
pub enum Outlook {
    /// Into the granted folders as they are, beginning at this cursor. What it sees is kept.
    Live { cursor: Option<Vec<u8>>, is_source: bool },
    /// Into what an earlier attempt saw. A replay reads no folder.
    Recorded(Sight),
}

impl Outlook {
    /// Of an attempt that no source's cursor is handed to.
    pub fn live() -> Self {
        Self::Live { cursor: None, is_source: false }
    }
}

/// What was seen, in the order in which it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Of the source, before the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Vec<u8>>,
    /// What a folder held each time that the guest asked, by the plugin's word for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folders: BTreeMap<String, Glances<Vec<FileEntry>>>,
    /// What a file held, by `folder/file`; the bytes are kept by this digest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Glances<Digest>>,
}

/// The same thing looked at again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Glances<T>(Vec<Glance<T>>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Glance<T> {
    /// How often one after the other.
    times: u64,
    found: Result<T, Failure>,
}

impl<T> Default for Glances<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone + PartialEq> Glances<T> {
    /// Adds one.
    pub fn add(&mut self, found: Result<T, Failure>) {
        match self.0.last_mut() {
            Some(last) if last.found == found => last.times += 1,
            _ => self.0.push(Glance { times: 1, found }),
        }
    }

    /// What the `number`-th glance found, counted from 0. Who looks more often finds what the last one did.
    pub fn nth(&self, number: u64) -> Option<&Result<T, Failure>> {
        let mut before = 0;
        let found = self.0.iter().find(|glance| {
            before += glance.times;
            number < before
        });
        found.or(self.0.last()).map(|glance| &glance.found)
    }
}

impl Sight {
    /// As it is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Texts, numbers and maps by text always have a JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What was kept; none if these bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[test]
    fn what_is_kept_is_read_again() {
        let file = FileEntry { name: "a.txt".to_owned(), bytes: 3, modified_us: 7 };
        let mut sight = Sight { cursor: Some(b"a\xff".to_vec()), ..Sight::default() };
        sight.folders.entry("drop".to_owned()).or_default().add(Ok(vec![file]));
        let gone = Failure::new(FailureKind::Source, "not_found", "gone");
        sight.files.entry("drop/a.txt".to_owned()).or_default().add(Err(gone));
        assert_eq!(Sight::from_bytes(&sight.to_bytes()), Some(sight));
        assert_eq!(Sight::from_bytes(b"spine exchange 1\n"), None);
    }

    #[test]
    fn glances_come_in_their_order_and_the_last_one_stays() {
        let mut glances = Glances::default();
        assert_eq!(glances.nth(0), None);
        for found in [1, 1, 2] {
            glances.add(Ok(found));
        }
        let seen: Vec<u8> = (0..5).map(|number| glances.nth(number).unwrap().clone().unwrap()).collect();
        assert_eq!(seen, [1, 1, 2, 2, 2]);
    }
}
