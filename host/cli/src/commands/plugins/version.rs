//! A version as people name it: its digest, or as much of it as tables show.

use std::collections::BTreeSet;
use std::str::FromStr;

use model::failure::FailureKind;
use model::ports::Ledger as _;
use model::{Digest, Failure};

use crate::args::Global;
use crate::commands::ledger;
use crate::host;

/// Fewest digits that name a version.
const DIGITS_MIN: usize = 6;

/// The first hex digits of a digest, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VersionName(String);

impl FromStr for VersionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = hex.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'));
        match is_hex && (DIGITS_MIN..=64).contains(&hex.len()) {
            true => Ok(Self(hex.to_owned())),
            false => Err(format!(
                "a version is named by its digest, sha256: and 64 hex digits, or the first {DIGITS_MIN} of them or more, \
                 as `plugins list` and `plugins history` show them"
            )),
        }
    }
}

impl VersionName {
    /// The version that is meant: of the plugin `name`, or of any.
    ///
    /// # Errors
    ///
    /// `not_kept` if none is called so, `usage` if several are; those of the ledger.
    pub(super) async fn resolve(&self, global: &Global, name: Option<&str>) -> Result<Digest, Failure> {
        match self.0.parse() {
            Ok(digest) => Ok(digest),
            Err(_) => self.among(&known(global, name).await?),
        }
    }

    fn among(&self, known: &BTreeSet<Digest>) -> Result<Digest, Failure> {
        let mut meant = known.iter().filter(|digest| digest.hex().starts_with(&self.0));
        match (meant.next(), meant.next()) {
            (Some(digest), None) => Ok(*digest),
            (None, _) => {
                let message = format!(
                    "no version's digest begins with `{}`; `spine-host plugins history NAME` shows those of a plugin",
                    self.0
                );
                Err(Failure::new(FailureKind::Validation, "not_kept", message))
            }
            (Some(one), Some(other)) => {
                let message = format!("`{}` begins several digests, {one} and {other} among them: add digits", self.0);
                Err(Failure::new(FailureKind::Config, "usage", message))
            }
        }
    }
}

/// The versions that were found, or that something ever happened to.
async fn known(global: &Global, name: Option<&str>) -> Result<BTreeSet<Digest>, Failure> {
    let is_meant = |plugin: &str| name.is_none_or(|name| name == plugin);
    let found = host::plugins(global).await?;
    let mut known: BTreeSet<Digest> =
        found.iter().filter(|plugin| is_meant(&plugin.name)).filter_map(|plugin| plugin.digest).collect();
    let ledger = ledger(global).await?;
    for plugin in ledger.plugin_names().await?.iter().filter(|plugin| is_meant(plugin)) {
        known.extend(ledger.plugin_history(plugin).await?.into_iter().map(|event| event.digest));
        known.extend(ledger.plugin_versions(plugin).await?.into_iter().map(|version| version.digest));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_named_by_as_many_digits_as_tell_it_from_others() {
        let known = BTreeSet::from([Digest::new([0xab; 32]), Digest::new([0xcd; 32])]);
        let among = |text: &str| text.parse::<VersionName>().unwrap().among(&known);
        assert_eq!(among("sha256:ababababab"), Ok(Digest::new([0xab; 32])));
        assert_eq!(among("cdcdcdcdcdcd"), Ok(Digest::new([0xcd; 32])));
        assert_eq!(among("abcdef").unwrap_err().code, "not_kept");
        let mut close = [0xab; 32];
        close[31] = 0;
        let known = BTreeSet::from([Digest::new([0xab; 32]), Digest::new(close)]);
        let failure = "abababab".parse::<VersionName>().unwrap().among(&known).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit_code()), ("usage", 2));
        for wrong in ["", "ab", "sha256:", "xyzxyz", "ABABABAB", &"a".repeat(65)] {
            assert!(wrong.parse::<VersionName>().is_err(), "{wrong}");
        }
    }
}
