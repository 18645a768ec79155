//! What a failure is about, in the words that cross the boundary and stand in the ledger.

use std::fmt;
use std::str::FromStr;

/// What a failure is about. Decides, unless the failure says otherwise, whether trying again may help: only
/// [`FailureKind::Network`] does. Written in lower case everywhere.
///
/// ```
/// use spine_primitives::FailureKind;
///
/// assert_eq!(FailureKind::from_name("parse"), FailureKind::Parse);
/// assert_eq!(FailureKind::from_name("quantum"), FailureKind::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    Network,
    Database,
    Storage,
    /// The publisher's file or service: absent, unreadable, not what was expected.
    Source,
    /// Bytes that are not in the declared format.
    Parse,
    /// Well-formed data that breaks a rule.
    Validation,
    /// Parameters or configuration; the caller has to change something.
    Config,
    Auth,
    /// The plugin itself.
    Pipeline,
    Orchestration,
    Internal,
    Unknown,
}

impl FailureKind {
    pub const ALL: [Self; 12] = [
        Self::Network,
        Self::Database,
        Self::Storage,
        Self::Source,
        Self::Parse,
        Self::Validation,
        Self::Config,
        Self::Auth,
        Self::Pipeline,
        Self::Orchestration,
        Self::Internal,
        Self::Unknown,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Database => "database",
            Self::Storage => "storage",
            Self::Source => "source",
            Self::Parse => "parse",
            Self::Validation => "validation",
            Self::Config => "config",
            Self::Auth => "auth",
            Self::Pipeline => "pipeline",
            Self::Orchestration => "orchestration",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }

    /// The kind of this name; a name from a newer contract is [`FailureKind::Unknown`].
    pub fn from_name(name: &str) -> Self {
        name.parse().unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no kind of failure has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFailureKind(pub String);

impl fmt::Display for UnknownFailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown kind of failure `{}`: use {}", self.0, FailureKind::ALL.map(FailureKind::name).join(", "))
    }
}

impl std::error::Error for UnknownFailureKind {}

impl FromStr for FailureKind {
    type Err = UnknownFailureKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| UnknownFailureKind(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_a_round_trip_and_new_ones_are_unknown() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!(FailureKind::from_name("quantum"), FailureKind::Unknown);
        assert!("Network".parse::<FailureKind>().unwrap_err().to_string().contains("`Network`"));
    }
}
