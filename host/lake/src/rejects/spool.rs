//! Rejects that are more than memory should hold, on disk until the attempt ends.
//!
//! One unfinished file holds runs of rejects, each in order; reading merges them. A reader's rejects come in order of
//! line anyway, but those of a guest come a batch late and those of the keys at the very end. A reject is a line of
//! JSON: written once, read once, gone when the spool is dropped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use model::RunId;
use model::reject::Reject;

use super::{Entry, Place, RejectStore, Unfinished};

/// Bytes that are read of one run, and written, at a time.
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Spool {
    file: Unfinished,
    /// Where each run is.
    runs: Vec<Range<u64>>,
}

impl Spool {
    pub(super) fn create(store: &Arc<RejectStore>, run: RunId) -> io::Result<Self> {
        Ok(Self { file: store.create(run)?, runs: Vec::new() })
    }

    /// Writes one run; `entries` are in order.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let start = self.runs.last().map_or(0, |run| run.end);
        let mut end = start;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &mut self.file);
        for entry in entries {
            let mut line = serde_json::to_vec(entry)?;
            line.push(b'\n');
            out.write_all(&line)?;
            end += line.len() as u64;
        }
        out.flush()?;
        drop(out);
        self.runs.push(start..end);
        Ok(())
    }

    fn open(&self) -> io::Result<Vec<Run>> {
        let file = Rc::new(self.file.store.dir.open(&self.file.path)?.into_std());
        let run = |run: &Range<u64>| -> Run {
            let stretch = Stretch { file: Rc::clone(&file), at: run.start, end: run.end };
            let lines = BufReader::with_capacity(BUFFER_BYTES, stretch).lines();
            Box::new(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
        };
        Ok(self.runs.iter().map(run).collect())
    }
}

/// A part of a file that several readers share in turn.
struct Stretch {
    file: Rc<File>,
    at: u64,
    end: u64,
}

impl Read for Stretch {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = &*self.file;
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.take(self.end - self.at).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Rejects in order.
type Run = Box<dyn Iterator<Item = io::Result<Entry>>>;

/// Everything in order: what was spooled, and what is `held` still, which is in order too. Of rejects of one line the
/// first that came is first.
pub(super) fn merged(spool: Option<&Spool>, held: Vec<Entry>) -> io::Result<Merged> {
    let mut runs = spool.map_or_else(|| Ok(Vec::new()), Spool::open)?;
    runs.push(Box::new(held.into_iter().map(Ok)));
    let mut merged = Merged { waiting: runs.iter().map(|_| None).collect(), runs, order: BinaryHeap::new() };
    for run in 0..merged.runs.len() {
        merged.advance(run)?;
    }
    Ok(merged)
}

pub(super) struct Merged {
    runs: Vec<Run>,
    /// The next of each run.
    waiting: Vec<Option<Reject>>,
    order: BinaryHeap<Reverse<((Place, u64), usize)>>,
}

impl Merged {
    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some(entry) = self.runs[run].next().transpose()? {
            self.order.push(Reverse((entry.order(), run)));
            self.waiting[run] = Some(entry.reject);
        }
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = io::Result<Reject>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, run)) = self.order.pop()?;
        let next = self.waiting[run].take()?;
        Some(self.advance(run).map(|()| next))
    }
}
