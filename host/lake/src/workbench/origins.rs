//! Which files a dataset came from, as far as the host can see: those that were read in the same part of the work in
//! which the dataset was written.
//!
//! Each partition that a source fetches is a part of its own; everything else (a whole pipeline, the discovery of a
//! source) belongs to all parts, since a guest may use later what it read there. A guest that keeps rows of one
//! partition to itself and writes them in another is not seen.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::DatasetName;

use super::staging::Staged;
use crate::read::OpenInput;
use crate::rejects::Place;

/// The part that belongs to all.
const SHARED: usize = 0;

#[derive(Debug, Default)]
pub(super) struct Origins {
    current: usize,
    /// Partitions begun.
    begun: usize,
    read: BTreeSet<(Place, usize)>,
    written: HashMap<DatasetName, Written>,
}

#[derive(Debug, Default)]
struct Written {
    parts: BTreeSet<usize>,
    /// Rows and declared partitions when it was last looked at.
    size: (u64, usize),
}

impl Origins {
    /// Begins the part of another partition.
    pub(super) fn begin(&mut self) {
        self.begun += 1;
        self.current = self.begun;
    }

    /// Notes what the part that ends here has read and written; what comes belongs to all parts.
    pub(super) fn end<'a>(
        &mut self,
        inputs: impl Iterator<Item = &'a Arc<OpenInput>>,
        staged: &[(DatasetName, Staged)],
    ) {
        let part = std::mem::replace(&mut self.current, SHARED);
        self.read.extend(inputs.filter(|input| input.was_touched()).map(|input| (input.place, part)));
        for (dataset, staged) in staged {
            let size = staged.lock().size();
            let written = self.written.entry(dataset.clone()).or_default();
            if written.size != size {
                written.size = size;
                written.parts.insert(part);
            }
        }
    }

    /// Whether rows of the dataset may come from the input.
    pub(super) fn may_feed(&self, input: &OpenInput, dataset: &DatasetName) -> bool {
        let Some(written) = self.written.get(dataset) else { return false };
        let read_in = |part| self.read.contains(&(input.place, part));
        written.parts.contains(&SHARED) || read_in(SHARED) || written.parts.iter().any(|part| read_in(*part))
    }
}
