//! Looking through the runs of a ledger, page by page.

use std::fmt::{self, Debug};
use std::str::FromStr;

use serde::Serialize;

use crate::brief;
use crate::failure::Failure;
use crate::ids::RunId;
use crate::run::{RunEvent, RunKind, RunStatus, RunSummary};

/// How many entries one page of a list has at most: from 1 to [`ListLimit::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListLimit(u32);

impl ListLimit {
    pub const MAX: u32 = 200;

    /// None for a number out of range.
    pub const fn new(limit: u32) -> Option<Self> {
        if limit >= 1 && limit <= Self::MAX { Some(Self(limit)) } else { None }
    }

    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for ListLimit {
    fn default() -> Self {
        Self(50)
    }
}

impl fmt::Display for ListLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for ListLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = text.parse().ok().and_then(Self::new);
        limit.ok_or_else(|| format!("`{}` is no whole number from 1 to {}", brief(text), Self::MAX))
    }
}

/// Which runs a list shows, newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub status: Option<RunStatus>,
    /// The name of a pipeline, source or task.
    pub name: Option<String>,
    pub kind: Option<RunKind>,
    /// Only runs that this one asked for.
    pub parent: Option<RunId>,
    pub limit: ListLimit,
    /// Only runs before this one: the `next` of the page before.
    pub before: Option<RunId>,
}

/// Some of the runs, newest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPage {
    pub runs: Vec<RunSummary>,
    /// What `before` has to be for the next page; none on the last.
    pub next: Option<RunId>,
}

/// What ran, for who only looks.
#[async_trait::async_trait]
pub trait Runs: Debug + Send + Sync {
    async fn runs(&self, filter: &RunFilter) -> Result<RunPage, Failure>;

    /// What happened to a run after the event with this number, in order.
    async fn events_after(&self, run: RunId, seq: u64) -> Result<Vec<RunEvent>, Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_p8_a_page_has_1_to_200_entries_and_50_if_nobody_says() {
        assert_eq!(ListLimit::default().get(), 50);
        for (text, limit) in [("1", 1), ("200", 200)] {
            assert_eq!(text.parse::<ListLimit>().unwrap().get(), limit);
        }
        for text in ["201", "0", "-1", "4294967297", "99999999999999999999", "ten", "", "1.5"] {
            let error = text.parse::<ListLimit>().unwrap_err();
            assert!(error.contains("from 1 to 200"), "{error}");
        }
    }
}
