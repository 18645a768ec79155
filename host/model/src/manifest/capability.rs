//! What a plugin asks for beyond its inputs: folders, addresses, secrets.
//!
//! Asking gives nothing. The operator grants it in `spine.toml` ([`crate::grants::Grants`]), and only what is both asked
//! for and granted is handed to a guest.

use serde::{Deserialize, Serialize};

use super::validate::unique;
use crate::address::Address;
use crate::dataset::is_word;

/// Something the plugin asks for; the operator grants it in `spine.toml` or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapabilitySpec {
    #[serde(flatten)]
    pub kind: CapabilityKind,
    /// The word by which the guest names it: in `host.files`, `host.input` and `host.save` for a folder, in `host.secret`
    /// for a secret. For addresses it is there for people.
    pub name: String,
    /// Whether the plugin is of no use without it: not granted, it is refused. What is optional and not granted is an
    /// error that the guest can read, `not_granted`, when it is used.
    #[serde(default)]
    pub required: bool,
    /// Said to the operator.
    #[serde(default)]
    pub reason: String,
}

/// What is asked for. In JSON the key `kind` names it, beside its other keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum CapabilityKind {
    /// Files of one folder.
    Folder {
        #[serde(default)]
        access: Access,
    },
    /// HTTP requests to addresses of a pattern.
    Http {
        #[serde(with = "crate::text")]
        address: Address,
        #[serde(default = "get")]
        methods: Vec<String>,
    },
    /// A secret by name.
    Secret,
}

/// What may be done with the files of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    #[default]
    Read,
    /// Reading them, and saving files.
    Write,
}

impl Access {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl CapabilityKind {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "folder",
            Self::Http { .. } => "http",
            Self::Secret => "secret",
        }
    }
}

/// Whether this is a method of HTTP as everybody writes them: upper-case letters.
pub fn is_method(method: &str) -> bool {
    !method.is_empty() && method.len() <= 20 && method.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn get() -> Vec<String> {
    vec!["GET".to_owned()]
}

pub(super) fn problems(found: &mut Vec<String>, capabilities: &[CapabilitySpec]) {
    let named = capabilities.iter().map(|asked| format!("{} {}", asked.kind.name(), asked.name));
    unique(found, "capability", named);
    for asked in capabilities {
        let what = format!("{} `{}`", asked.kind.name(), asked.name);
        if !is_word(&asked.name) {
            found.push(format!("the capability {what} is not named by a lower-case word"));
        }
        let CapabilityKind::Http { methods, .. } = &asked.kind else { continue };
        if methods.is_empty() {
            found.push(format!("the capability {what} asks for no method"));
        }
        for method in methods.iter().filter(|method| !is_method(method)) {
            found
                .push(format!("the capability {what} asks for the method `{method}`, which is not in capital letters"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn manifest(capabilities: &str) -> Result<Manifest, String> {
        let manifest =
            format!(r#"{{"contract": "0.1.0", "name": "d", "version": "1", "capabilities": [{capabilities}]}}"#);
        Manifest::parse(&manifest)
    }

    #[test]
    fn each_kind_is_read_with_its_own_keys_and_written_the_same() {
        let asked = r#"{"kind":"folder","access":"read","name":"drop","required":false,"reason":""},
            {"kind":"folder","access":"write","name":"out","required":true,"reason":"reports"},
            {"kind":"http","address":"https://api.example.com:443","methods":["GET","POST"],"name":"api","required":false,"reason":""},
            {"kind":"secret","name":"api_key","required":false,"reason":""}"#;
        let read = manifest(asked).unwrap();
        assert_eq!(read.problems(), Vec::<String>::new());
        let written = serde_json::to_value(&read.capabilities).unwrap();
        let mut expected: serde_json::Value = serde_json::from_str(&format!("[{asked}]")).unwrap();
        expected[2]["address"] = "https://api.example.com".into();
        assert_eq!(written, expected);
        let short = manifest(r#"{"kind":"folder","name":"drop"},{"kind":"http","name":"cdn","address":"cdn.x.org"}"#);
        let short = short.unwrap().capabilities;
        assert_eq!(short[0].kind, CapabilityKind::Folder { access: Access::Read });
        assert!(matches!(&short[1].kind, CapabilityKind::Http { methods, .. } if methods == &["GET"]));
    }

    #[test]
    fn every_problem_of_a_capability_is_named() {
        let problems = manifest(
            r#"{"kind":"secret","name":"Key"},{"kind":"secret","name":"k"},{"kind":"secret","name":"k"},
            {"kind":"http","name":"a","address":"x.org","methods":[]},
            {"kind":"http","name":"b","address":"x.org","methods":["get"]}"#,
        );
        assert_eq!(
            problems.unwrap().problems(),
            [
                "capability `secret k` is declared twice",
                "the capability secret `Key` is not named by a lower-case word",
                "the capability http `a` asks for no method",
                "the capability http `b` asks for the method `get`, which is not in capital letters",
            ]
        );
        let bad = manifest(r#"{"kind":"http","name":"b","address":"ftp://x.org"}"#).unwrap_err();
        assert!(bad.contains("`ftp://x.org`"), "{bad}");
        assert!(manifest(r#"{"kind":"camera","name":"b"}"#).unwrap_err().contains("camera"));
    }
}
