//! The folders of a lake as start-up cleaning sees them, one line each.

use std::collections::HashSet;

use cap_std::fs::Dir;
use model::RunId;

use super::{KnownFiles, LocalLake};
use crate::{capture, inputs, rejects, spill};

/// What a file is, as far as its place and name tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Was being written by a process that is gone.
    Unfinished,
    /// Whole, and wanted if a row of the ledger names it.
    Delivered,
    /// Whole, and wanted whatever the ledger says.
    Kept,
    /// Nothing that this program writes.
    Foreign,
}

/// One folder, and how to tell what is in it. Paths are relative to the folder.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Its name in the data folder.
    pub(super) folder: &'static str,
    /// Whether other hosts write there too.
    pub(super) is_shared: bool,
    pub(super) dir: fn(&LocalLake) -> &Dir,
    /// The files that rows of the ledger name, where it names any.
    pub(super) known: fn(&KnownFiles) -> Option<&HashSet<String>>,
    pub(super) kind: fn(&str) -> Kind,
    /// The run that wrote a delivered file; none if nothing proves it.
    pub(super) writer: fn(&Dir, &str) -> Option<RunId>,
}

pub(super) static CAPTURES: Shelf = Shelf {
    folder: "captures",
    is_shared: true,
    dir: |lake| &lake.captures.dir,
    known: |known| Some(&known.captures),
    kind: |path| match capture::capture_at(path) {
        Some(_) => Kind::Delivered,
        None if capture::is_unfinished_capture(path) => Kind::Unfinished,
        None => Kind::Foreign,
    },
    writer: |dir, path| capture::writer(dir.open(path).ok()?.into_std(), capture::capture_at(path)?),
};

static INPUTS: Shelf = Shelf {
    folder: "inputs",
    is_shared: true,
    dir: |lake| lake.inputs.dir(),
    known: |_| None,
    kind: |path| match path {
        _ if inputs::is_input(path) => Kind::Kept,
        _ if inputs::is_unfinished_input(path) => Kind::Unfinished,
        _ => Kind::Foreign,
    },
    writer: |_, _| None,
};

static REJECTS: Shelf = Shelf {
    folder: rejects::FOLDER,
    is_shared: true,
    dir: |lake| &lake.rejects.dir,
    known: |known| Some(&known.rejects),
    kind: |path| match path {
        _ if rejects::run_of(path).is_some() => Kind::Delivered,
        _ if rejects::is_unfinished(path) => Kind::Unfinished,
        _ => Kind::Foreign,
    },
    writer: |_, path| rejects::run_of(path),
};

/// What is here is of use to the process that staged it alone.
static STAGING: Shelf = Shelf {
    folder: "staging",
    is_shared: false,
    dir: |lake| lake.spill.dir(),
    known: |_| None,
    kind: |path| if spill::is_spilled(path) { Kind::Unfinished } else { Kind::Foreign },
    writer: |_, _| None,
};

pub(super) static SHELVES: [&Shelf; 4] = [&CAPTURES, &INPUTS, &REJECTS, &STAGING];
