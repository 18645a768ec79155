//! Looks at the plugins folder again and again, and loads what is new in it.
//!
//! What a file is follows from the digest of its bytes alone. Its stamp (inode, size, times) only spares reading bytes
//! that cannot have changed: a stamp is believed once it has been the same for longer than file systems take to tell two
//! writes apart.
//!
//! A file that is being written or replaced is given a moment. One that does not load yet, or that is gone, is as it was
//! before until the moment is over; so nobody sees half a copy, nor the instant between a delete and the file that follows.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Failure;

use crate::{Found, Loaded, Runtime, discover};

/// How long a stamp has to stay the same before it is believed.
const RACY: Duration = Duration::from_secs(2);

/// How long a file may change before it counts as what it is.
const SETTLING: Duration = Duration::from_millis(250);

/// How long a file may be gone before it counts as removed.
const GONE: Duration = Duration::from_secs(1);

/// The plugins folder as it was seen last.
#[derive(Debug)]
pub struct PluginsFolder {
    runtime: Arc<Runtime>,
    folder: PathBuf,
    seen: BTreeMap<PathBuf, Seen>,
    looks: u64,
}

/// What a look found.
#[derive(Debug)]
pub struct Look {
    /// Every component with its place below the folder, in order of path.
    pub loaded: Vec<(String, Loaded)>,
    /// Whether anything of it differs from the look before; true of the first.
    pub is_new: bool,
    /// When to look again, although nothing says that the folder changes.
    pub again_in: Option<Duration>,
}

#[derive(Clone, Debug)]
struct Seen {
    stamp: Option<Stamp>,
    /// When this stamp was seen first.
    since: Instant,
    /// When the bytes were read last.
    read_at: Instant,
    /// None of a new file that has not settled.
    loaded: Option<Loaded>,
    /// What was found last of one that has not settled: the same bytes are not asked again.
    unsettled: Option<Loaded>,
    gone_since: Option<Instant>,
}

/// What changes when bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let it = fs::metadata(file).ok()?;
        let (written, changed) = ((it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec()));
        Some(Self { file: (it.dev(), it.ino()), bytes: it.len(), written, changed })
    }
}

impl PluginsFolder {
    pub fn new(runtime: Arc<Runtime>, folder: PathBuf) -> Self {
        Self { runtime, folder, seen: BTreeMap::new(), looks: 0 }
    }

    /// The folders whose changes matter: this one, and those in it.
    pub fn folders(&self) -> Vec<PathBuf> {
        let inner = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let inner = inner.map(|entry| entry.path()).filter(|path| path.is_dir());
        std::iter::once(self.folder.clone()).chain(inner).collect()
    }

    /// Looks at every file and loads what is new. Blocks for as long as compiling takes.
    ///
    /// # Errors
    ///
    /// `bad_folder` if the folder cannot be read: then nothing is known of its files, and they count as they were.
    pub fn look(&mut self, now: Instant) -> Result<Look, Failure> {
        let found = discover(&self.folder)?;
        let is_first = self.looks == 0;
        self.looks += 1;
        let runtime = Arc::clone(&self.runtime);
        let looked = runtime.several(&found, |found| self.glance(found, now, is_first));
        let mut next = BTreeMap::new();
        let mut again_in: Option<Duration> = None;
        let mut sooner = |after: Duration| again_in = Some(again_in.map_or(after, |it| it.min(after)));
        for (found, seen) in found.into_iter().zip(looked) {
            let age = now.saturating_duration_since(seen.since);
            if seen.loaded.as_ref().is_none_or(|loaded| !loaded.is_usable()) && age < SETTLING {
                sooner(SETTLING.saturating_sub(age));
            } else if seen.stamp.is_some() && age < RACY {
                sooner(RACY.saturating_sub(age));
            }
            next.insert(found.file, seen);
        }
        for (file, seen) in &self.seen {
            if next.contains_key(file) || seen.loaded.is_none() {
                continue;
            }
            let since = *seen.gone_since.as_ref().unwrap_or(&now);
            let gone = now.saturating_duration_since(since);
            if gone < GONE {
                sooner(GONE.saturating_sub(gone));
                next.insert(file.clone(), Seen { gone_since: Some(since), stamp: None, ..seen.clone() });
            }
        }
        let is_new = is_first || !is_same(&self.seen, &next);
        self.seen = next;
        Ok(Look { loaded: self.loaded(), is_new, again_in })
    }

    fn loaded(&self) -> Vec<(String, Loaded)> {
        let loaded = self.seen.iter().filter_map(|(file, seen)| {
            let place = file.strip_prefix(&self.folder).unwrap_or(file).to_string_lossy().into_owned();
            Some((place, seen.loaded.clone()?))
        });
        loaded.collect()
    }

    /// Looks at one file.
    fn glance(&self, found: &Found, now: Instant, is_first: bool) -> Seen {
        let stamp = Stamp::of(&found.file);
        let before = self.seen.get(&found.file);
        let unchanged = before.filter(|before| before.stamp == stamp && before.gone_since.is_none());
        let since = unchanged.map_or(now, |before| before.since);
        if let Some(before) = unchanged
            && stamp.is_some()
            && before.loaded.is_some()
            && before.read_at.saturating_duration_since(before.since) >= RACY
        {
            return before.clone();
        }
        let last = before.and_then(|before| before.loaded.as_ref());
        let known: Vec<&Loaded> = before.and_then(|before| before.unsettled.as_ref()).into_iter().chain(last).collect();
        let loaded = self.runtime.load_found(found, &known);
        let has_settled = is_first || loaded.is_usable() || now.saturating_duration_since(since) >= SETTLING;
        let (loaded, unsettled) = if has_settled { (Some(loaded), None) } else { (last.cloned(), Some(loaded)) };
        Seen { stamp, since, read_at: now, loaded, unsettled, gone_since: None }
    }
}

/// Whether both hold the same files with the same content, or the same reasons against it.
fn is_same(one: &BTreeMap<PathBuf, Seen>, other: &BTreeMap<PathBuf, Seen>) -> bool {
    let told = |seen: &BTreeMap<PathBuf, Seen>| -> Vec<(PathBuf, Option<model::Digest>, Vec<model::plugin::Finding>)> {
        let loaded = seen.iter().filter_map(|(file, seen)| Some((file, seen.loaded.as_ref()?)));
        loaded.map(|(file, loaded)| (file.clone(), loaded.digest, loaded.findings.clone())).collect()
    };
    told(one) == told(other)
}

#[cfg(test)]
mod tests;
