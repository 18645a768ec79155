//! Work: what somebody wants done, apart from what becomes of it. A run carries one piece of work out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::ids::{Digest, RunId};
use crate::nearest::suggestion;
use crate::policy::RetryPolicy;
use crate::run::RunKind;
use crate::time::Timestamp;

/// Most bytes of an idempotency key: it stands in the ledger, in lists and in locks.
pub const KEY_BYTES_MAX: usize = 1_024;

/// An idempotency key as somebody gives it.
///
/// # Errors
///
/// `bad_params` if it names nothing, or is too long.
pub fn idempotency_key(given: String) -> Result<String, Failure> {
    let problem = match given.len() {
        _ if given.trim().is_empty() => "is empty: give the work a name, or leave the key out".to_owned(),
        bytes if bytes > KEY_BYTES_MAX => {
            format!("has {bytes} bytes, and {KEY_BYTES_MAX} at most are kept: give the work a shorter name")
        }
        _ => return Ok(given),
    };
    Err(Failure::new(FailureKind::Validation, "bad_params", format!("the idempotency key {problem}")))
}

/// Declares an enum whose words stand in the ledger, on the command line and in JSON.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident($what:literal) { $($(#[$each:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$each])* $variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|it| it.name() == text).ok_or_else(|| UnknownWord {
                    what: $what,
                    text: text.to_owned(),
                    known: Self::ALL.iter().map(|it| it.name()).collect(),
                })
            }
        }
    };
}

words! {
    /// Which of the queued runs of a lane goes first. Of one priority the older goes first.
    Priority("priority") {
        Realtime = "realtime",
        High = "high",
        #[default]
        Normal = "normal",
        Low = "low",
        Slow = "slow",
    }
}

words! {
    /// A queue with places of its own: work of one lane never waits for that of another.
    Lane("lane") {
        #[default]
        Default = "default",
        Backfill = "backfill",
        Slow = "slow",
    }
}

words! {
    /// When work that was done before is done again, as a pipeline declares it.
    Idempotency("idempotency") {
        /// Always, and each time is a new revision, whatever the content.
        Append = "append",
        /// Not if parameters, inputs and plugin are those of a run whose captures are still the latest.
        Input = "input",
        /// Always; content that is the latest already is no new revision.
        #[default]
        State = "state",
    }
}

words! {
    /// Who asked for the work.
    Trigger("trigger") {
        #[default]
        Cli = "cli",
        Api = "api",
        Schedule = "schedule",
        Retry = "retry",
        Workflow = "workflow",
        Internal = "internal",
    }
}

/// A word that is none of those known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    pub what: &'static str,
    pub text: String,
    pub known: Vec<&'static str>,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown {} `{}`{}", self.what, self.text, suggestion(&self.text, &self.known))
    }
}

impl std::error::Error for UnknownWord {}

/// A piece of work, whole: with it a run can be carried out by a process that did not take the request.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkSpec {
    /// A pipeline, source or task.
    pub name: String,
    pub kind: RunKind,
    /// Validated; files by their names, secrets by a placeholder.
    pub params: serde_json::Value,
    /// What each parameter of type `file` stands for.
    pub inputs: BTreeMap<String, WorkInput>,
    /// Publishes a new revision although the content is identical.
    pub force: bool,
    pub routing: Routing,
    pub lineage: Lineage,
    pub idempotency_key: Option<String>,
    /// How often it is tried, as it was decided when the work was asked for.
    pub retry: RetryPolicy,
}

impl WorkSpec {
    /// Work without parameters, inputs or wishes.
    pub fn new(name: &str, kind: RunKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            params: serde_json::Value::Object(serde_json::Map::new()),
            inputs: BTreeMap::new(),
            force: false,
            routing: Routing::default(),
            lineage: Lineage::default(),
            idempotency_key: None,
            retry: RetryPolicy::default(),
        }
    }
}

/// A file that work reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkInput {
    /// Kept under `inputs/`.
    Kept { file_name: String, digest: Digest },
    /// It could not be read: the run fails with this.
    Unreadable { file_name: String, failure: Failure },
}

impl WorkInput {
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Kept { digest, .. } => Some(*digest),
            Self::Unreadable { .. } => None,
        }
    }
}

/// Where work waits, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    pub priority: Priority,
    pub lane: Lane,
    /// Work that has not ended by then is `timed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
}

/// Where work comes from, and what it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lineage {
    pub trigger: Trigger,
    /// Shared by everything that one cause led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The run that asked for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_run_id: Option<RunId>,
    /// The run that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<RunId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_round_trip_and_unknown_ones_name_the_known() {
        for priority in Priority::ALL {
            assert_eq!(priority.name().parse(), Ok(*priority));
            assert_eq!(serde_json::to_value(priority).unwrap(), priority.name());
        }
        let error = "nomal".parse::<Priority>().unwrap_err().to_string();
        assert_eq!(error, "unknown priority `nomal`, did you mean `normal`?");
    }

    #[test]
    fn realtime_goes_before_everything_else() {
        assert!(Priority::ALL.is_sorted());
        assert_eq!(Priority::ALL.first(), Some(&Priority::Realtime));
        assert_eq!((Priority::default(), Lane::default()), (Priority::Normal, Lane::Default));
    }
}
