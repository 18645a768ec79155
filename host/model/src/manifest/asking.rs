//! What a plugin asks for, held against what was approved.

use std::fmt;

use super::{Access, CapabilityKind, CapabilitySpec};

impl CapabilitySpec {
    /// Whether this asks for no more than is among `approved`. Reasons are for people, and one that can be done without
    /// may become one that cannot: what the plugin may do is the same. So it is with the names of addresses.
    pub fn is_within(&self, approved: &[Self]) -> bool {
        match &self.kind {
            CapabilityKind::Folder { access } => approved.iter().any(|other| match &other.kind {
                CapabilityKind::Folder { access: most } => self.name == other.name && access <= most,
                CapabilityKind::Http { .. } | CapabilityKind::Secret => false,
            }),
            CapabilityKind::Http { address, methods } => methods.iter().all(|method| {
                approved.iter().any(|other| match &other.kind {
                    CapabilityKind::Http { address: known, methods } => {
                        known.covers(address) && methods.contains(method)
                    }
                    CapabilityKind::Folder { .. } | CapabilityKind::Secret => false,
                })
            }),
            CapabilityKind::Secret => {
                approved.iter().any(|other| other.kind == CapabilityKind::Secret && self.name == other.name)
            }
        }
    }
}

impl fmt::Display for CapabilitySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.kind {
            CapabilityKind::Folder { access: Access::Read } => write!(f, "the folder `{name}`")?,
            CapabilityKind::Folder { access: Access::Write } => write!(f, "the folder `{name}`, to save files in")?,
            CapabilityKind::Http { address, methods } => write!(f, "{} to `{address}`", methods.join(", "))?,
            CapabilityKind::Secret => write!(f, "the secret `{name}`")?,
        }
        if self.reason.is_empty() { Ok(()) } else { write!(f, " ({})", self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(kind: CapabilityKind, name: &str, reason: &str) -> CapabilitySpec {
        CapabilitySpec { kind, name: name.to_owned(), required: false, reason: reason.to_owned() }
    }

    #[test]
    fn more_is_what_has_another_name_and_not_what_has_another_reason() {
        let folder = |name: &str, reason: &str| asks(CapabilityKind::Folder { access: Access::Read }, name, reason);
        let approved = [folder("drop", "files arrive there")];
        assert!(folder("drop", "").is_within(&approved));
        assert!(CapabilitySpec { required: true, ..folder("drop", "") }.is_within(&approved));
        assert!(!folder("out", "").is_within(&approved));
        assert!(!folder("drop", "").is_within(&[]));
        assert_eq!(approved[0].to_string(), "the folder `drop` (files arrive there)");
    }

    #[test]
    fn more_is_also_to_save_files_another_address_another_method_and_another_secret() {
        let folder = |access| asks(CapabilityKind::Folder { access }, "out", "");
        assert!(folder(Access::Read).is_within(&[folder(Access::Write)]));
        assert!(!folder(Access::Write).is_within(&[folder(Access::Read)]));
        let http = |address: &str, methods: &[&str]| {
            let methods = methods.iter().map(|method| (*method).to_owned()).collect();
            asks(CapabilityKind::Http { address: address.parse().unwrap(), methods }, "api", "")
        };
        let approved = [http("*.a.org", &["GET"]), http("b.org", &["GET", "POST"])];
        assert!(http("x.a.org", &["GET"]).is_within(&approved) && http("b.org", &["POST"]).is_within(&approved));
        assert!(!http("x.a.org", &["POST"]).is_within(&approved) && !http("a.org", &["GET"]).is_within(&approved));
        assert!(!http("*", &["GET"]).is_within(&approved));
        let secret = |name: &str| asks(CapabilityKind::Secret, name, "");
        assert!(secret("key").is_within(&[secret("key")]) && !secret("key").is_within(&[secret("other")]));
        assert!(!secret("out").is_within(&[folder(Access::Write)]));
        let told: Vec<String> = [&folder(Access::Write), &approved[1], &secret("key")].map(ToString::to_string).into();
        assert_eq!(told, ["the folder `out`, to save files in", "GET, POST to `https://b.org`", "the secret `key`"]);
    }
}
