//! What a plugin asks for, held against what was approved.

use std::fmt;

use super::{CapabilityKind, CapabilitySpec};

impl CapabilitySpec {
    /// Whether this asks for no more than is among `approved`. Reasons are for people, and one that can be done without
    /// may become one that cannot: what the plugin may do is the same.
    pub fn is_within(&self, approved: &[Self]) -> bool {
        approved.iter().any(|other| (self.kind, &self.name) == (other.kind, &other.name))
    }
}

impl fmt::Display for CapabilitySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            CapabilityKind::Folder => "the folder",
        };
        write!(f, "{kind} `{}`", self.name)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({})", self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_what_has_another_name_and_not_what_has_another_reason() {
        let folder = |name: &str, reason: &str| CapabilitySpec {
            kind: CapabilityKind::Folder,
            name: name.to_owned(),
            required: false,
            reason: reason.to_owned(),
        };
        let approved = [folder("drop", "files arrive there")];
        assert!(folder("drop", "").is_within(&approved));
        assert!(CapabilitySpec { required: true, ..folder("drop", "") }.is_within(&approved));
        assert!(!folder("out", "").is_within(&approved));
        assert!(!folder("drop", "").is_within(&[]));
        assert_eq!(approved[0].to_string(), "the folder `drop` (files arrive there)");
    }
}
