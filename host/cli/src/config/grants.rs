//! `[plugins.NAME.grants]`: folders, addresses and secrets.
//!
//! ```toml
//! [plugins.finra.grants]
//! folders = { drop = "/data/drop", out = { path = "/data/out", access = "write" } }
//! http = [{ host = "cdn.finra.org", methods = ["GET"], response_bytes = "64MiB", timeout = "30s" }]
//! digest = "sha256:..."                          # only this very component gets them
//! secrets = { api_key = { env = "FINRA_KEY" }, other = { file = "/run/secrets/x", reveal = true } }
//! ```
//!
//! Paths are relative to the configuration file. A secret is not read here: only where it is.

use std::collections::BTreeMap;
use std::time::Duration;

use model::grants::{FolderGrant, Grants, HttpGrant, SecretGrant, SecretSource, Upstream};
use model::manifest::{Access, is_method};
use model::policy::{Policy, PolicySpec, PolicyTable};
use model::{Address, Digest};
use toml::{Table, Value};

use super::Reader;

/// Most redirects that one request may follow.
const REDIRECTS_MAX: u64 = 20;

/// Keys of a grant of addresses that say how the server is treated; the same as those of a policy.
const UPSTREAM_KEYS: [&str; 3] = ["breaker", "rate_limit", "retry"];

impl Reader {
    pub(super) fn grants(&mut self, place: &str, value: Option<&Value>) -> Grants {
        let table = self.table(place, value);
        self.known_keys(place, &table, &["digest", "folders", "http", "secrets"]);
        Grants {
            digest: self.digest(place, &table),
            folders: self.folders(&format!("{place}.folders"), table.get("folders")),
            http: self.http(&format!("{place}.http"), table.get("http")),
            secrets: self.secrets(&format!("{place}.secrets"), table.get("secrets")),
        }
    }

    fn digest(&mut self, place: &str, table: &Table) -> Option<Digest> {
        let digest = table.get("digest")?.as_str().and_then(|text| text.parse().ok());
        if digest.is_none() {
            self.problems.push(format!(
                "`{place}.digest` must be the digest of a component, sha256: and 64 hex digits, as `plugins list` shows it"
            ));
        }
        digest
    }

    fn folders(&mut self, place: &str, value: Option<&Value>) -> BTreeMap<String, FolderGrant> {
        let mut granted = BTreeMap::new();
        for (name, value) in self.table(place, value) {
            let place = format!("{place}.{name}");
            let (path, access) = match &value {
                Value::Table(table) => {
                    self.known_keys(&place, table, &["access", "path"]);
                    let access = match table.get("access").map(Value::as_str) {
                        None | Some(Some("read")) => Some(Access::Read),
                        Some(Some("write")) => Some(Access::Write),
                        Some(_) => None,
                    };
                    if access.is_none() {
                        self.problems.push(format!("`{place}.access` must be \"read\" or \"write\""));
                    }
                    (table.get("path").and_then(Value::as_str), access.unwrap_or_default())
                }
                other => (other.as_str(), Access::Read),
            };
            match path.filter(|path| !path.is_empty()) {
                Some(path) => drop(granted.insert(name, FolderGrant { path: self.folder.join(path), access })),
                None => self.problems.push(format!(
                    "`{place}` must be the path of a folder, or {{ path = \"/data\", access = \"write\" }}"
                )),
            }
        }
        granted
    }

    fn http(&mut self, place: &str, value: Option<&Value>) -> Vec<HttpGrant> {
        let Some(value) = value else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.problems.push(format!("`{place}` must be a list such as [{{ host = \"api.example.com\" }}]"));
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(at, item)| self.http_grant(&format!("{place}[{at}]"), item)).collect()
    }

    fn http_grant(&mut self, place: &str, value: &Value) -> Option<HttpGrant> {
        let table = self.table(place, Some(value));
        let keys = [
            "connect_timeout",
            "host",
            "methods",
            "private",
            "redirects",
            "request_bytes",
            "response_bytes",
            "timeout",
        ];
        self.known_keys(place, &table, &[&keys[..], &UPSTREAM_KEYS].concat());
        let mut grant = HttpGrant::to(self.address(&format!("{place}.host"), table.get("host"))?);
        if let Some(methods) = table.get("methods") {
            grant.methods =
                self.texts(&format!("{place}.methods"), methods, "methods such as [\"GET\", \"POST\"]", is_method);
        }
        grant.private = self.flag(place, &table, "private");
        self.amount(place, &table, "request_bytes", &mut grant.request_bytes, 0);
        self.amount(place, &table, "response_bytes", &mut grant.response_bytes, 1);
        let mut redirects = u64::from(grant.redirects);
        self.amount(place, &table, "redirects", &mut redirects, 0);
        if redirects > REDIRECTS_MAX {
            self.problems.push(format!("`{place}.redirects` is {redirects}; allowed: 0 to {REDIRECTS_MAX}"));
        }
        grant.redirects = u32::try_from(redirects).unwrap_or(u32::MAX);
        self.millis(place, &table, "timeout", &mut grant.timeout_ms);
        self.millis(place, &table, "connect_timeout", &mut grant.connect_timeout_ms);
        grant.upstream = self.upstream(place, &table, grant.upstream);
        Some(grant)
    }

    fn upstream(&mut self, place: &str, table: &Table, base: Upstream) -> Upstream {
        let written: Table =
            UPSTREAM_KEYS.iter().filter_map(|key| Some(((*key).to_owned(), table.get(*key)?.clone()))).collect();
        let spec: PolicySpec = self.written(PolicyTable::Policy, place, Some(&Value::Table(written)));
        let Upstream { retry, breaker, rate_limit } = base.clone();
        match (Policy { retry, breaker, rate_limit, ..Policy::default() }).under(&[(place, &spec)]) {
            Ok(Policy { retry, breaker, rate_limit, .. }) => Upstream { retry, breaker, rate_limit },
            Err(problems) => {
                self.problems.extend(problems.iter().map(ToString::to_string));
                base
            }
        }
    }

    fn secrets(&mut self, place: &str, value: Option<&Value>) -> BTreeMap<String, SecretGrant> {
        let mut granted = BTreeMap::new();
        for (name, value) in self.table(place, value) {
            let place = format!("{place}.{name}");
            let table = self.table(&place, Some(&value));
            self.known_keys(&place, &table, &["command", "env", "file", "hosts", "reveal"]);
            let hosts = table.get("hosts").map_or_else(Vec::new, |hosts| {
                let items = hosts.as_array().cloned().unwrap_or_default();
                if items.is_empty() {
                    self.problems.push(format!("`{place}.hosts` must be a list of addresses"));
                }
                let addresses = items.iter().enumerate();
                addresses.filter_map(|(at, item)| self.address(&format!("{place}.hosts[{at}]"), Some(item))).collect()
            });
            let reveal = self.flag(&place, &table, "reveal");
            if let Some(source) = self.source(&place, &table) {
                granted.insert(name, SecretGrant { source, reveal, hosts });
            }
        }
        granted
    }

    fn source(&mut self, place: &str, table: &Table) -> Option<SecretSource> {
        let text = |key: &str| table.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let given: Vec<&str> = ["command", "env", "file"].into_iter().filter(|key| table.contains_key(*key)).collect();
        let source = match given.as_slice() {
            ["env"] => text("env").map(|name| SecretSource::Env(name.to_owned())),
            ["file"] => text("file").map(|path| SecretSource::File(self.folder.join(path))),
            ["command"] => {
                let words = self.texts(
                    &format!("{place}.command"),
                    &table["command"],
                    "a program and its arguments, such as [\"pass\", \"show\", \"x\"]",
                    |_| true,
                );
                return (!words.is_empty()).then_some(SecretSource::Command(words));
            }
            _ => None,
        };
        if source.is_none() {
            self.problems.push(format!(
                "`{place}` must say where the value is, in one way: {{ env = \"VARIABLE\" }}, {{ file = \"/path\" }} or \
                 {{ command = [\"pass\", \"show\", \"x\"] }}"
            ));
        }
        source
    }

    fn address(&mut self, place: &str, value: Option<&Value>) -> Option<Address> {
        let Some(text) = value.and_then(Value::as_str) else {
            self.problems.push(format!("`{place}` must be an address such as \"api.example.com\""));
            return None;
        };
        text.parse().inspect_err(|error| self.problems.push(format!("`{place}`: {error}"))).ok()
    }

    /// A list of texts, not empty, each of which is `good`.
    fn texts(&mut self, place: &str, value: &Value, what: &str, good: impl Fn(&str) -> bool) -> Vec<String> {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<String> =
            items.iter().filter_map(Value::as_str).filter(|it| good(it)).map(str::to_owned).collect();
        if texts.is_empty() || texts.len() < items.len() {
            self.problems.push(format!("`{place}` must be a list of {what}"));
        }
        texts
    }

    fn flag(&mut self, place: &str, table: &Table, key: &str) -> bool {
        let value = table.get(key);
        if value.is_some_and(|value| value.as_bool().is_none()) {
            self.problems.push(format!("`{place}.{key}` must be true or false"));
        }
        value.and_then(Value::as_bool).unwrap_or_default()
    }

    fn millis(&mut self, place: &str, table: &Table, key: &str, target: &mut u64) {
        let mut duration = Duration::from_millis(*target);
        self.duration(place, table, key, &mut duration);
        *target = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use model::policy::{RateLimitPolicy, RetryPolicy, Thousandths};

    use super::super::Config;
    use super::*;

    fn read(grants: &str) -> Result<Grants, Vec<String>> {
        let text = format!("[plugins.d.grants]\n{grants}");
        Config::parse(&text, Path::new("/etc/spine")).map(|config| config.plugins["d"].grants.clone())
    }

    #[test]
    fn everything_that_can_be_granted_is_read() {
        let grants = read(
            r#"
            folders = { drop = "drop", out = { path = "/data/out", access = "write" } }
            secrets = { a = { env = "KEY" }, b = { file = "key", reveal = true }, c = { command = ["pass", "x"], hosts = ["a.org"] } }
            http = [
              { host = "a.org" },
              { host = "http://127.0.0.1:8080", methods = ["GET", "PUT"], private = true, request_bytes = "1KiB",
                response_bytes = "2KiB", timeout = "3s", connect_timeout = "250ms", redirects = 0, breaker = { rule = "none" },
                rate_limit = { token_bucket = { per_second = 2 } }, retry = { attempts_max = 1 } },
            ]
            "#,
        )
        .unwrap();
        let folder = |path: &str, access| FolderGrant { path: path.into(), access };
        assert_eq!(grants.digest, None);
        let bound = read(&format!("digest = \"sha256:{}\"", "ab".repeat(32))).unwrap();
        assert_eq!(bound.digest, Some(Digest::new([0xab; 32])));
        assert_eq!(read("digest = \"finra\"").unwrap_err().len(), 1, "typing errors grant nothing");
        assert_eq!(grants.folders["drop"], folder("/etc/spine/drop", Access::Read));
        assert_eq!(grants.folders["out"], folder("/data/out", Access::Write));
        let address = |text: &str| text.parse::<Address>().unwrap();
        let retry = RetryPolicy { attempts_max: 1, ..RetryPolicy::default() };
        let limit = RateLimitPolicy::TokenBucket { per_second: Thousandths::new(2_000), capacity: 20 };
        let local = HttpGrant {
            address: address("http://127.0.0.1:8080"),
            methods: vec!["GET".to_owned(), "PUT".to_owned()],
            private: true,
            request_bytes: 1_024,
            response_bytes: 2_048,
            timeout_ms: 3_000,
            connect_timeout_ms: 250,
            redirects: 0,
            upstream: Upstream { retry, breaker: None, rate_limit: Some(limit) },
        };
        assert_eq!(grants.http, [HttpGrant::to(address("a.org")), local]);
        let secret = |source| SecretGrant { source, reveal: false, hosts: Vec::new() };
        assert_eq!(grants.secrets["a"], secret(SecretSource::Env("KEY".to_owned())));
        let file = SecretSource::File("/etc/spine/key".into());
        assert_eq!(grants.secrets["b"], SecretGrant { reveal: true, ..secret(file) });
        let command = SecretSource::Command(vec!["pass".to_owned(), "x".to_owned()]);
        assert_eq!(grants.secrets["c"], SecretGrant { hosts: vec![address("a.org")], ..secret(command) });
    }

    #[test]
    fn every_problem_of_a_grant_is_named_at_once() {
        let problems = read(
            r#"
            folder = {}
            folders = { a = 3, b = { path = "x", access = "all" }, c = { pth = "x" } }
            secrets = { a = {}, b = { env = "X", file = "y" }, c = { command = [] }, d = { env = "X", reveal = 1, hosts = "a.org" } }
            http = [{}, { host = "ftp://x" }, { host = "a.org", methods = ["get"], timeout = "0s", private = "yes", redirects = 21,
              retry = { attempts = 3 }, response_byte = 1 }]
            "#,
        )
        .unwrap_err();
        let expected = [
            "unknown key `plugins.d.grants.folder`, did you mean `folders`?",
            "`plugins.d.grants.folders.a` must be the path",
            "`plugins.d.grants.folders.b.access` must be",
            "unknown key `plugins.d.grants.folders.c.pth`, did you mean `path`?",
            "`plugins.d.grants.folders.c` must be the path",
            "`plugins.d.grants.secrets.a` must say where",
            "`plugins.d.grants.secrets.b` must say where",
            "`plugins.d.grants.secrets.c.command` must be a list",
            "`plugins.d.grants.secrets.d.reveal` must be true or false",
            "`plugins.d.grants.secrets.d.hosts` must be a list",
            "`plugins.d.grants.http[0].host` must be an address",
            "`plugins.d.grants.http[1].host`: `ftp://x` is no address",
            "unknown key `plugins.d.grants.http[2].response_byte`, did you mean `response_bytes`?",
            "`plugins.d.grants.http[2].methods` must be a list",
            "`plugins.d.grants.http[2].timeout` must be more than nothing",
            "`plugins.d.grants.http[2].private` must be true or false",
            "`plugins.d.grants.http[2].redirects` is 21",
            "unknown key `plugins.d.grants.http[2].retry.attempts`, did you mean `attempts_max`?",
        ];
        for expected in expected {
            assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{expected} is not in {problems:#?}");
        }
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        assert!(read("http = 3").unwrap_err()[0].contains("must be a list"));
    }
}
