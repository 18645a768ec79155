//! What an operator grants a plugin: `[plugins.NAME.grants]`.
//!
//! A guest gets what its manifest asks for **and** this grants: [`Grants::asked_by`]. Everything else is denied where it
//! is used. Values of secrets are in none of these types, so they may be shown, recorded and hashed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::address::{Address, Scheme};
use crate::ids::Digest;
use crate::manifest::{Access, CapabilityKind, CapabilitySpec, Manifest};
use crate::policy::{BreakerPolicy, RateLimitPolicy, RetryPolicy};

/// Everything that one plugin is granted. The default grants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Grants {
    /// The only component that gets them, whatever others call themselves; none: whichever version is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// By the plugin's word for them.
    pub folders: BTreeMap<String, FolderGrant>,
    /// The first that holds an address and a method decides about a request.
    pub http: Vec<HttpGrant>,
    /// By the plugin's word for them.
    pub secrets: BTreeMap<String, SecretGrant>,
}

/// A folder that a plugin may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderGrant {
    pub path: PathBuf,
    pub access: Access,
}

/// Addresses that a plugin may send requests to, and within which limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HttpGrant {
    pub address: Address,
    pub methods: Vec<String>,
    /// Whether its names may lead to addresses that are not on the public internet: loopback, private networks, ...
    pub private: bool,
    /// Most bytes of the body of a request.
    pub request_bytes: u64,
    /// Most bytes of the body of a response, unpacked.
    pub response_bytes: u64,
    /// How long one try may take, its redirects included.
    pub timeout_ms: u64,
    /// How long it may take to connect, TLS included.
    pub connect_timeout_ms: u64,
    /// Redirects that one request follows.
    pub redirects: u32,
    pub upstream: Upstream,
}

impl fmt::Display for FolderGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.access == Access::Write { "to save in" } else { "to read" };
        write!(f, "`{}`, {access}", self.path.display())
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let private = if self.private { ", private addresses too" } else { "" };
        write!(f, "{} by {}{private}", self.address, self.methods.join(", "))
    }
}

impl fmt::Display for SecretGrant {
    /// Where it is, never its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.reveal { ", revealed" } else { "" };
        let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
        let hosts = if hosts.is_empty() { String::new() } else { format!(", for {} only", hosts.join(", ")) };
        write!(f, "{}{shown}{hosts}", self.source.place())
    }
}

impl HttpGrant {
    /// A grant with the defaults: GET and HEAD, no private addresses.
    pub fn to(address: Address) -> Self {
        Self {
            address,
            methods: vec!["GET".to_owned(), "HEAD".to_owned()],
            private: false,
            request_bytes: 8 << 20,
            response_bytes: 64 << 20,
            timeout_ms: 30_000,
            connect_timeout_ms: 10_000,
            redirects: 5,
            upstream: Upstream::default(),
        }
    }
}

/// How the host treats the server at the other end, which all plugins of this host share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    pub retry: RetryPolicy,
    pub breaker: Option<BreakerPolicy>,
    pub rate_limit: Option<RateLimitPolicy>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            breaker: Some(BreakerPolicy::default()),
            rate_limit: Some(RateLimitPolicy::default()),
        }
    }
}

/// A secret that a plugin may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretGrant {
    pub source: SecretSource,
    /// Whether the guest may see the value. Otherwise it gets a placeholder that the host replaces at egress.
    pub reveal: bool,
    /// Where the value may be sent; empty: to every address that is granted.
    pub hosts: Vec<Address>,
}

/// Where the value of a secret is read, each time an attempt begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// A variable of the host's environment.
    Env(String),
    File(PathBuf),
    /// A program and its arguments; what it prints is the value.
    Command(Vec<String>),
}

impl SecretSource {
    /// Where it is, for people: `environment variable X`, `file /run/x`, `command pass`.
    pub fn place(&self) -> String {
        match self {
            Self::Env(name) => format!("the environment variable `{name}`"),
            Self::File(path) => format!("the file `{}`", path.display()),
            Self::Command(words) => format!("the command `{}`", words.first().map_or("", String::as_str)),
        }
    }
}

impl Grants {
    /// Each in words.
    pub fn lines(&self) -> Vec<String> {
        let folders = self.folders.iter().map(|(name, grant)| format!("folder `{name}`: {grant}"));
        let http = self.http.iter().map(|grant| format!("requests to {grant}"));
        let secrets = self.secrets.iter().map(|(name, grant)| format!("secret `{name}`: {grant}"));
        folders.chain(http).chain(secrets).collect()
    }

    /// Whether a part of what is asked for is granted: of addresses, some.
    pub fn touch(&self, asked: &CapabilitySpec) -> bool {
        match &asked.kind {
            CapabilityKind::Http { address, .. } => self.http.iter().any(|grant| address.meets(&grant.address)),
            CapabilityKind::Folder { .. } | CapabilityKind::Secret => self.cover(asked),
        }
    }

    /// These, or nothing if they are bound to another component than this.
    #[must_use]
    pub fn to_component(&self, digest: Digest) -> Self {
        match self.digest {
            Some(bound) if bound != digest => Self::default(),
            _ => self.clone(),
        }
    }

    /// The part of these that the plugin asks for: what its guests get.
    #[must_use]
    pub fn asked_by(&self, manifest: &Manifest) -> Self {
        let asked = &manifest.capabilities;
        let folders = self.folders.iter().filter_map(|(name, grant)| {
            let wanted = asked.iter().filter(|asked| &asked.name == name).filter_map(|asked| match asked.kind {
                CapabilityKind::Folder { access } => Some(access),
                CapabilityKind::Http { .. } | CapabilityKind::Secret => None,
            });
            let access = wanted.max()?.min(grant.access);
            Some((name.clone(), FolderGrant { access, ..grant.clone() }))
        });
        let http = self.http.iter().filter(|grant| {
            asked.iter().any(
                |asked| matches!(&asked.kind, CapabilityKind::Http { address, .. } if address.meets(&grant.address)),
            )
        });
        let secrets = self
            .secrets
            .iter()
            .filter(|(name, _)| asked.iter().any(|asked| asked.kind == CapabilityKind::Secret && &asked.name == *name));
        Self {
            digest: self.digest,
            folders: folders.collect(),
            http: http.cloned().collect(),
            secrets: secrets.map(|(name, grant)| (name.clone(), grant.clone())).collect(),
        }
    }

    /// Whether all of what is asked for is granted.
    pub fn cover(&self, asked: &CapabilitySpec) -> bool {
        match &asked.kind {
            CapabilityKind::Folder { access } => {
                self.folders.get(&asked.name).is_some_and(|grant| *access <= grant.access)
            }
            CapabilityKind::Http { address, methods } => methods.iter().all(|method| {
                self.http.iter().any(|grant| grant.address.covers(address) && grant.methods.contains(method))
            }),
            CapabilityKind::Secret => self.secrets.contains_key(&asked.name),
        }
    }

    /// The grant that lets a request through, if there is one. `host` is written as in a URL and in lower case.
    pub fn request(&self, method: &str, scheme: Scheme, host: &str, port: u16) -> Option<&HttpGrant> {
        self.to(scheme, host, port).find(|grant| grant.methods.iter().any(|granted| granted == method))
    }

    /// Every grant for an address, whatever the method.
    pub fn to(&self, scheme: Scheme, host: &str, port: u16) -> impl Iterator<Item = &HttpGrant> {
        self.http.iter().filter(move |grant| grant.address.holds(scheme, host, port))
    }
}

impl CapabilitySpec {
    /// What it is, for people: `to read the folder \`drop\``.
    pub fn purpose(&self) -> String {
        let name = &self.name;
        match &self.kind {
            CapabilityKind::Folder { access } => format!("to {} the folder `{name}`", access.name()),
            CapabilityKind::Http { address, methods } => format!("to send {} to `{address}`", methods.join(", ")),
            CapabilityKind::Secret => format!("to use the secret `{name}`"),
        }
    }

    /// What to write under `[plugins.NAME.grants]` to grant it.
    pub fn how_to_grant(&self) -> String {
        let name = &self.name;
        match &self.kind {
            CapabilityKind::Folder { access: Access::Read } => format!("folders = {{ {name} = \"/path\" }}"),
            CapabilityKind::Folder { access: Access::Write } => {
                format!("folders = {{ {name} = {{ path = \"/path\", access = \"write\" }} }}")
            }
            CapabilityKind::Http { address, methods } => {
                let methods: Vec<String> = methods.iter().map(|method| format!("\"{method}\"")).collect();
                format!("http = [{{ host = \"{address}\", methods = [{}] }}]", methods.join(", "))
            }
            CapabilityKind::Secret => format!("secrets = {{ {name} = {{ env = \"VARIABLE\" }} }}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::parse(
            r#"{"contract": "0.1.0", "name": "d", "version": "1", "capabilities": [
                {"kind": "folder", "name": "drop"}, {"kind": "folder", "name": "out", "access": "write"},
                {"kind": "http", "name": "api", "address": "*.example.com", "methods": ["GET", "POST"]},
                {"kind": "secret", "name": "key"}]}"#,
        )
        .unwrap()
    }

    fn folder(access: Access) -> FolderGrant {
        FolderGrant { path: "/data".into(), access }
    }

    fn secret() -> SecretGrant {
        SecretGrant { source: SecretSource::Env("KEY".to_owned()), reveal: false, hosts: Vec::new() }
    }

    fn http(address: &str) -> HttpGrant {
        HttpGrant::to(address.parse().unwrap())
    }

    #[test]
    fn a_guest_gets_what_was_both_asked_for_and_granted() {
        let grants = Grants {
            digest: None,
            folders: BTreeMap::from([
                ("drop".to_owned(), folder(Access::Write)),
                ("out".to_owned(), folder(Access::Read)),
                ("etc".to_owned(), folder(Access::Read)),
            ]),
            http: vec![http("api.example.com"), http("other.org")],
            secrets: BTreeMap::from([("key".to_owned(), secret()), ("other".to_owned(), secret())]),
        };
        let got = grants.asked_by(&manifest());
        let folders: Vec<_> = got.folders.iter().map(|(name, grant)| (name.as_str(), grant.access)).collect();
        assert_eq!(folders, [("drop", Access::Read), ("out", Access::Read)], "never more than either side says");
        assert_eq!(got.http, [http("api.example.com")]);
        assert_eq!(got.secrets.keys().collect::<Vec<_>>(), ["key"]);
        assert_eq!(Grants::default().asked_by(&manifest()), Grants::default());
    }

    #[test]
    fn grants_that_are_bound_to_a_component_are_nobody_elses() {
        let (one, other) = (Digest::new([1; 32]), Digest::new([2; 32]));
        let grants = Grants { http: vec![http("a.org")], ..Grants::default() };
        assert_eq!(grants.to_component(one), grants);
        let bound = Grants { digest: Some(one), ..grants };
        assert_eq!((bound.to_component(one), bound.to_component(other)), (bound.clone(), Grants::default()));
    }

    #[test]
    fn what_is_asked_for_is_granted_only_as_a_whole() {
        let manifest = manifest();
        let [drop, out, api, key] = manifest.capabilities.as_slice() else { panic!() };
        let mut grants = Grants::default();
        assert!(![drop, out, api, key].into_iter().any(|asked| grants.cover(asked)));
        grants.folders = BTreeMap::from(["drop", "out"].map(|name| (name.to_owned(), folder(Access::Read))));
        assert!(grants.cover(drop) && !grants.cover(out));
        grants.http = vec![http("*")];
        assert!(!grants.cover(api), "POST is not granted");
        grants.http = vec![HttpGrant { methods: vec!["GET".to_owned(), "POST".to_owned()], ..http("*.example.com") }];
        assert!(grants.cover(api));
        grants.secrets.insert("key".to_owned(), secret());
        assert!(grants.cover(key));
        assert_eq!(out.how_to_grant(), r#"folders = { out = { path = "/path", access = "write" } }"#);
        let expected = r#"http = [{ host = "https://*.example.com", methods = ["GET", "POST"] }]"#;
        assert_eq!((api.how_to_grant().as_str(), key.purpose().as_str()), (expected, "to use the secret `key`"));
    }

    #[test]
    fn the_first_grant_that_holds_address_and_method_decides() {
        let wide = HttpGrant { methods: vec!["POST".to_owned()], ..http("*.example.com") };
        let grants = Grants { http: vec![http("a.example.com"), wide.clone()], ..Grants::default() };
        let found = |method, host| grants.request(method, Scheme::Https, host, 443);
        assert_eq!(found("GET", "a.example.com"), Some(&http("a.example.com")));
        assert_eq!(found("POST", "a.example.com"), Some(&wide));
        assert_eq!((found("GET", "b.example.com"), found("GET", "other.org")), (None, None));
    }
}
