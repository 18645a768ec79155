//! Start-up cleaning: removes what a dead owner of this ledger left, and nothing else.
//!
//! A file goes only if it is ours by its exact name and place, and unfinished beyond doubt: it has the name of a file
//! that never became whole, or it says itself which run wrote it and the ledger knows that run as one that ended
//! without it. Everything else stays where it is and is counted, since it may be all that is left of something: an
//! older copy of `spine.db` knows nothing of the captures that were published after it was made.
//!
//! One case looks the same from here and cannot be told apart: a copy of `spine.db` that was made while a run was at
//! work, and restored after that run, and no later one, was published. Its captures are taken for leftovers. And a power
//! cut may leave a file without its end under its final name: it says nothing of itself, and stays.
//!
//! Where several hosts share a lake, others may be writing meanwhile. A run that has ended writes nothing that anybody
//! reads, and what it published the ledger has named since then; so a file is asked for again after its run was seen to
//! have ended. Files without their end are left alone while another host lives.

use std::collections::{BTreeMap, HashSet};

use cap_std::fs::Dir;
use model::failure::Reading;
use model::{Failure, RunId};

use super::shelves::{CAPTURES, Kind, SHELVES, Shelf};
use super::{KnownFiles, LocalLake};

/// Folders within folders are looked at so far down: domain, dataset, partition columns.
const DEPTH_MAX: usize = 64;

/// Files that no row of the ledger names. Nothing was removed yet: the ledger must say first which runs have ended.
#[derive(Debug, Default)]
#[must_use]
pub struct Strays {
    unfinished: Vec<Stray>,
    delivered: Vec<(RunId, Stray)>,
    /// By folder, whatever no run of ours is known to have written.
    others: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Stray {
    shelf: &'static Shelf,
    path: String,
}

/// What the ledger says after the strays were found, and after it said which runs have ended.
#[derive(Clone, Copy, Debug)]
pub struct Afterwards<'a> {
    pub known: &'a KnownFiles,
    /// Whether another host is alive that shares the lake.
    pub has_neighbours: bool,
}

/// What came of cleaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Relative to the data folder.
    pub removed: Vec<String>,
    /// How many files of each folder this ledger knows nothing of. They are where they were.
    pub unknown: BTreeMap<&'static str, u64>,
}

impl Strays {
    /// The runs that wrote some of the files.
    pub fn runs(&self) -> Vec<RunId> {
        let runs: HashSet<RunId> = self.delivered.iter().map(|(run, _)| *run).collect();
        runs.into_iter().collect()
    }

    fn add(&mut self, lake: &LocalLake, shelf: &'static Shelf, known: &KnownFiles) -> Result<(), Failure> {
        let (dir, named) = ((shelf.dir)(lake), (shelf.known)(known));
        let Files { paths, mut others } = files(shelf, dir)?;
        for path in paths.into_iter().filter(|path| named.is_none_or(|named| !named.contains(path))) {
            match (shelf.kind)(&path) {
                Kind::Kept => {}
                Kind::Foreign => others += 1,
                Kind::Unfinished => self.unfinished.push(Stray { shelf, path }),
                Kind::Delivered => match (shelf.writer)(dir, &path) {
                    Some(run) => self.delivered.push((run, Stray { shelf, path })),
                    None => others += 1,
                },
            }
        }
        if others > 0 {
            self.others.insert(shelf.folder, others);
        }
        Ok(())
    }
}

/// Looks through all folders.
pub(super) fn strays(lake: &LocalLake, known: &KnownFiles) -> Result<Strays, Failure> {
    let mut strays = Strays::default();
    SHELVES.iter().try_for_each(|shelf| strays.add(lake, shelf, known))?;
    Ok(strays)
}

/// Removes what is nobody's.
pub(super) fn remove(
    lake: &LocalLake,
    strays: Strays,
    ended: &HashSet<RunId>,
    afterwards: Afterwards<'_>,
) -> Result<Cleaned, Failure> {
    let Strays { mut unfinished, mut delivered, others } = strays;
    delivered.retain(|(_, stray)| {
        let named = (stray.shelf.known)(afterwards.known);
        named.is_none_or(|named| !named.contains(&stray.path))
    });
    if afterwards.has_neighbours {
        unfinished.retain(|stray| !stray.shelf.is_shared);
        // Runs that others have at work are neither strays nor unknown.
        delivered.retain(|(run, _)| ended.contains(run));
    }
    // A ledger that does not know a run of its own folder is older than that run, and what it takes for interrupted
    // may have been published since.
    let newest_unknown = delivered.iter().map(|(run, _)| *run).filter(|run| !ended.contains(run)).max();
    let mut cleaned = Cleaned { removed: Vec::new(), unknown: others };
    let mut leftovers = unfinished;
    for (run, stray) in delivered {
        if ended.contains(&run) && newest_unknown.is_none_or(|unknown| run > unknown) {
            leftovers.push(stray);
        } else {
            *cleaned.unknown.entry(stray.shelf.folder).or_default() += 1;
        }
    }
    for Stray { shelf, path } in leftovers {
        let below = format!("{}/{path}", shelf.folder);
        (shelf.dir)(lake)
            .remove_file(&path)
            .map_err(|error| Failure::io(Reading::Own, "remove a leftover", &below, &error))?;
        cleaned.removed.push(below);
    }
    cleaned.removed.sort();
    Ok(cleaned)
}

/// Whether there is a file that would be a capture, by its place and name.
pub(super) fn holds_captures(lake: &LocalLake) -> Result<bool, Failure> {
    let files = files(&CAPTURES, (CAPTURES.dir)(lake))?;
    Ok(files.paths.iter().any(|path| (CAPTURES.kind)(path) == Kind::Delivered))
}

/// What lies on a shelf.
#[derive(Debug, Default)]
struct Files {
    paths: Vec<String>,
    /// What cannot be ours: a name that is no text, a link or a pipe, a folder that is closed to this user.
    others: u64,
}

fn files(shelf: &Shelf, dir: &Dir) -> Result<Files, Failure> {
    let mut files = Files::default();
    walk(shelf.folder, dir, "", 0, &mut files)?;
    Ok(files)
}

fn walk(shelf: &str, dir: &Dir, path: &str, depth: usize, files: &mut Files) -> Result<(), Failure> {
    let failed = |action: &str, path: &str, error: &std::io::Error| {
        Failure::io(Reading::Own, action, &format!("{shelf}/{path}"), error)
    };
    for entry in dir.entries().map_err(|error| failed("list", path, &error))? {
        let entry = entry.map_err(|error| failed("list", path, &error))?;
        let Ok(name) = entry.file_name().into_string() else {
            files.others += 1;
            continue;
        };
        let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().map_err(|error| failed("look at", &below, &error))?;
        if kind.is_dir() && depth < DEPTH_MAX {
            match dir.open_dir(&name) {
                Ok(folder) => walk(shelf, &folder, &below, depth + 1, files)?,
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => files.others += 1,
                Err(error) => return Err(failed("open", &below, &error)),
            }
        } else if kind.is_file() {
            files.paths.push(below);
        } else {
            files.others += 1;
        }
    }
    Ok(())
}
