//! `kill -9` of this process, at one step of the ledger's writer.

use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use storage::{Faults, Point};

/// A step of the writer, for a group that has commands of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Begin,
    /// After the statements of the lane, inside the transaction.
    Lane,
    Commit,
    Committed,
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Begin, Self::Lane, Self::Commit, Self::Committed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Lane => "lane",
            Self::Commit => "commit",
            Self::Committed => "committed",
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|step| step.name() == name).ok_or_else(|| format!("no step is called {name}"))
    }
}

/// Dies the `nth` time that the writer is there after [`KillAt::arm`].
#[derive(Debug)]
pub struct KillAt {
    lane: String,
    step: Step,
    nth: u32,
    is_armed: AtomicBool,
    seen: AtomicU32,
}

impl KillAt {
    pub fn new(lane: &str, step: Step, nth: u32) -> Self {
        let (is_armed, seen) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { lane: lane.to_owned(), step, nth, is_armed, seen }
    }

    pub fn arm(&self) {
        self.is_armed.store(true, Ordering::SeqCst);
    }
}

impl Faults for KillAt {
    /// Until then the writer goes its usual way.
    fn awaits(&self, point: Point, lanes: &[&'static str]) -> bool {
        let is_here = match (self.step, point) {
            (Step::Begin, Point::Begin) | (Step::Commit, Point::Commit) | (Step::Committed, Point::Committed) => {
                lanes.contains(&self.lane.as_str())
            }
            (Step::Lane, Point::Lane(lane)) => lane == self.lane,
            (Step::Begin | Step::Lane | Step::Commit | Step::Committed, _) => false,
        };
        is_here && self.is_armed.load(Ordering::SeqCst)
    }

    fn at(&self, _point: Point, _lanes: &[&'static str]) {
        if self.seen.fetch_add(1, Ordering::SeqCst) + 1 == self.nth {
            die();
        }
    }
}

/// Nothing is flushed, closed or told.
fn die() -> ! {
    drop(Command::new("sh").args(["-c", "kill -9 $PPID"]).spawn().unwrap());
    loop {
        std::thread::park();
    }
}
