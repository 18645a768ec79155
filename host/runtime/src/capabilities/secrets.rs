//! Secrets: a guest gets a placeholder, and the value leaves the host only with a request to where it may go.
//!
//! A placeholder is unique to the attempt and follows from its seed, so that a replay makes the same one. It is replaced in
//! path, query, headers (inside of `Authorization: Basic` too) and body. What comes back is searched for the value, as it
//! is, escaped for JSON, percent-encoded and in base64, and has the placeholder there again. Only a grant with `reveal` shows a guest
//! the value. Limits: what a server makes of a value is not recognised, nor are values of fewer than four bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use memchr::memmem;
use model::address::Scheme;
use model::grants::SecretGrant;
use model::ports::{Exchanges, Outside};
use model::secret::SecretValue;
use model::{Address, Failure, FailureKind};
use sha2::{Digest as _, Sha256};

/// How every placeholder begins.
const PREFIX: &str = "spine-secret-";

/// Shorter values are not looked for in what comes back.
const VALUE_BYTES_MIN: usize = 4;

/// The secrets of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    name: String,
    placeholder: String,
    value: SecretValue,
    reveal: bool,
    /// Where it may be sent; empty for everywhere that is granted.
    hosts: Vec<Address>,
}

impl Held {
    /// What the guest has of it.
    fn shown(&self) -> &str {
        if self.reveal { self.value.expose() } else { &self.placeholder }
    }

    /// The value in every form that it is looked for.
    fn forms(&self) -> Vec<Vec<u8>> {
        let value = self.value.expose();
        if value.len() < VALUE_BYTES_MIN {
            return Vec::new();
        }
        let json = serde_json::Value::from(value).to_string();
        let mut forms = vec![value.to_owned(), percent_encoded(value), json[1..json.len() - 1].to_owned()];
        // As the host itself sends it in `Authorization: Basic`.
        forms.extend(in_base64(value));
        forms.sort_unstable();
        forms.dedup();
        forms.into_iter().map(String::into_bytes).collect()
    }
}

impl Vault {
    /// The secrets that are granted and were read. In a replay nothing is sent: there is a placeholder without a value too.
    pub(crate) fn new(outside: &Outside, seed: &[u8; 32]) -> Self {
        let held = outside.grants.secrets.iter().filter_map(|(name, grant)| {
            let SecretGrant { reveal, hosts, .. } = grant.clone();
            let is_replay = matches!(outside.exchanges, Exchanges::Recorded(_)) && !reveal;
            let value = outside.secrets.get(name).cloned().or_else(|| is_replay.then(|| SecretValue::new("")))?;
            Some(Held { name: name.clone(), placeholder: placeholder(seed, name), value, reveal, hosts })
        });
        Self { held: held.collect() }
    }

    /// What `host.secret` answers.
    ///
    /// # Errors
    ///
    /// `not_granted`.
    pub(crate) fn show(&self, plugin: &str, name: &str) -> Result<String, Failure> {
        let held = self.held.iter().find(|held| held.name == name);
        held.map(|held| held.shown().to_owned()).ok_or_else(|| {
            let message = format!(
                "the secret `{name}` is not granted to plugin `{plugin}`: its manifest has to ask for it, and spine.toml to \
                 grant it: [plugins.{plugin}.grants] secrets = {{ {name} = {{ env = \"VARIABLE\" }} }}"
            );
            Failure::new(FailureKind::Auth, "not_granted", message)
        })
    }

    /// Refuses to send what mentions a secret to where it may not go.
    pub(super) fn check(&self, mentioned: impl Fn(&str) -> bool, to: (Scheme, &str, u16)) -> Result<(), Failure> {
        let (scheme, host, port) = to;
        let kept_here =
            |held: &&Held| !held.hosts.is_empty() && !held.hosts.iter().any(|it| it.holds(scheme, host, port));
        match self.held.iter().filter(kept_here).find(|held| mentioned(held.shown())) {
            None => Ok(()),
            Some(held) => {
                let hosts: Vec<String> = held.hosts.iter().map(ToString::to_string).collect();
                let message = format!(
                    "the secret `{}` may be sent to {} only, not to `{}://{host}:{port}`",
                    held.name,
                    hosts.join(", "),
                    scheme.name()
                );
                Err(Failure::new(FailureKind::Auth, "not_granted", message))
            }
        }
    }

    /// Whether something mentions any secret, as the guest has it.
    pub(super) fn is_mentioned(&self, mentioned: impl Fn(&str) -> bool) -> bool {
        self.held.iter().any(|held| mentioned(held.shown()))
    }

    /// A path with its query, with the values in it.
    pub(super) fn fill_path(&self, path: &str) -> String {
        self.hidden()
            .fold(path.to_owned(), |path, held| path.replace(&held.placeholder, &percent_encoded(held.value.expose())))
    }

    /// The value of a header, with the values in it.
    pub(super) fn fill_header(&self, value: &str) -> String {
        let fill = |text: &str| {
            self.hidden().fold(text.to_owned(), |text, held| text.replace(&held.placeholder, held.value.expose()))
        };
        let basic = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
        let credentials = basic.and_then(|(_, text)| String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok());
        match credentials {
            Some(credentials) => format!("Basic {}", STANDARD.encode(fill(&credentials))),
            None => fill(value),
        }
    }

    /// A body, with the values in it.
    pub(super) fn fill_body(&self, body: Vec<u8>) -> Vec<u8> {
        self.hidden()
            .fold(body, |body, held| replaced(body, held.placeholder.as_bytes(), held.value.expose().as_bytes()))
    }

    /// What came back, with placeholders for the values that the guest may not see.
    pub(super) fn mask(&self, bytes: Vec<u8>) -> Vec<u8> {
        mask(bytes, self.hidden())
    }

    /// What is kept: with placeholders for all values.
    pub(super) fn mask_all(&self, bytes: Vec<u8>) -> Vec<u8> {
        mask(bytes, self.held.iter())
    }

    /// What was kept, with the values that the guest may see.
    pub(super) fn unmask(&self, bytes: Vec<u8>) -> Vec<u8> {
        let shown = self.held.iter().filter(|held| held.reveal);
        shown.fold(bytes, |bytes, held| replaced(bytes, held.placeholder.as_bytes(), held.value.expose().as_bytes()))
    }

    fn hidden(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().filter(|held| !held.reveal)
    }
}

fn mask<'a>(bytes: Vec<u8>, held: impl Iterator<Item = &'a Held>) -> Vec<u8> {
    let mut forms: Vec<(Vec<u8>, &str)> =
        held.flat_map(|held| held.forms().into_iter().map(|form| (form, held.placeholder.as_str()))).collect();
    // One that holds another goes first, or its rest would stay.
    forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len()));
    forms.iter().fold(bytes, |bytes, (form, placeholder)| replaced(bytes, form, placeholder.as_bytes()))
}

/// What base64 makes of a text that stands anywhere in another: the digits that follow from it alone, for each of the three
/// ways in which it may begin. The digits at its ends, which others have a part in, are not among them.
fn in_base64(text: &str) -> impl Iterator<Item = String> {
    (0..3_usize).filter_map(move |before| {
        let encoded = STANDARD_NO_PAD.encode([&[0; 3][..before], text.as_bytes()].concat());
        let first = (before * 8).div_ceil(6);
        let last = (before + text.len()) * 8 / 6;
        let digits = encoded.get(first..last).unwrap_or_default();
        (digits.len() >= VALUE_BYTES_MIN).then(|| digits.to_owned())
    })
}

/// The bytes, with another text wherever `what` stood.
pub(super) fn replaced(bytes: Vec<u8>, what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut found = memmem::find_iter(&bytes, what).peekable();
    if found.peek().is_none() {
        return bytes;
    }
    let (mut made, mut from) = (Vec::with_capacity(bytes.len()), 0);
    for at in found {
        made.extend_from_slice(&bytes[from..at]);
        made.extend_from_slice(by);
        from = at + what.len();
    }
    made.extend_from_slice(&bytes[from..]);
    made
}

fn placeholder(seed: &[u8; 32], name: &str) -> String {
    let hash = Sha256::new().chain_update("spine secret\0").chain_update(seed).chain_update(name).finalize();
    format!("{PREFIX}{}", hex::encode(&hash[..16]))
}

/// A text as one part of a path or a query.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::grants::{Grants, SecretSource};

    use super::*;

    fn vault(seed: u8, reveal: bool, hosts: &[&str]) -> Vault {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        let grant = SecretGrant { source: SecretSource::Env("KEY".to_owned()), reveal, hosts };
        let grants = Grants { secrets: BTreeMap::from([("key".to_owned(), grant)]), ..Grants::default() };
        let secrets = BTreeMap::from([("key".to_owned(), SecretValue::new("s3cr&t \"x\""))]);
        Vault::new(&Outside { grants, secrets, ..Outside::nothing() }, &[seed; 32])
    }

    #[test]
    fn allowed_a_placeholder_is_replaced_wherever_a_request_carries_it() {
        let vault = vault(1, false, &[]);
        let shown = vault.show("p", "key").unwrap();
        assert!(shown.starts_with(PREFIX), "{shown}");
        assert_eq!(vault.fill_path(&format!("/v1?key={shown}&x=1")), "/v1?key=s3cr%26t%20%22x%22&x=1");
        assert_eq!(vault.fill_header(&format!("Bearer {shown}")), "Bearer s3cr&t \"x\"");
        let basic = format!("basic {}", STANDARD.encode(format!("me:{shown}")));
        assert_eq!(vault.fill_header(&basic), format!("Basic {}", STANDARD.encode("me:s3cr&t \"x\"")));
        assert_eq!(vault.fill_body(format!("<{shown}>").into_bytes()), b"<s3cr&t \"x\">");
    }

    #[test]
    fn what_comes_back_does_not_show_the_value_in_any_form() {
        let vault = vault(1, false, &[]);
        let shown = vault.show("p", "key").unwrap();
        let echo = br#"a s3cr&t "x" b {"k":"s3cr&t \"x\""} c s3cr%26t%20%22x%22"#.to_vec();
        let masked = String::from_utf8(vault.mask(echo)).unwrap();
        assert_eq!(masked, format!("a {shown} b {{\"k\":\"{shown}\"}} c {shown}"));
    }

    #[test]
    fn what_was_sent_in_base64_does_not_come_back_so_wherever_it_stood() {
        let vault = vault(1, false, &[]);
        let shown = vault.show("p", "key").unwrap();
        for before in ["", "m", "me", "me:", "you:"] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}{shown}{after}");
                let sent = vault.fill_header(&format!("Basic {}", STANDARD.encode(text)));
                let echo = String::from_utf8(vault.mask(sent.clone().into_bytes())).unwrap();
                assert!(echo.contains(&shown), "{sent}: {echo}");
                let digits = &STANDARD_NO_PAD.encode("cr&t \"");
                assert!(!echo.contains(&digits[..6]), "{echo}");
            }
        }
    }

    #[test]
    fn a_secret_that_holds_another_is_masked_whole() {
        let grant = || SecretGrant { source: SecretSource::Env("KEY".to_owned()), reveal: false, hosts: Vec::new() };
        let names = ["key", "zkey"].map(str::to_owned);
        let grants = Grants { secrets: names.clone().map(|name| (name, grant())).into(), ..Grants::default() };
        let secrets = names.into_iter().zip(["abcd1234", "PREabcd1234POST"].map(SecretValue::new)).collect();
        let vault = Vault::new(&Outside { grants, secrets, ..Outside::nothing() }, &[1; 32]);
        let masked = String::from_utf8(vault.mask(b"<PREabcd1234POST>".to_vec())).unwrap();
        assert_eq!(masked, format!("<{}>", vault.show("p", "zkey").unwrap()));
    }

    #[test]
    fn a_placeholder_follows_from_the_seed() {
        let show = |seed| vault(seed, false, &[]).show("p", "key").unwrap();
        assert_eq!(show(1), show(1));
        assert_ne!(show(1), show(2));
    }

    #[test]
    fn denied_a_secret_that_is_not_granted_or_may_not_go_there_is_an_error() {
        let failure = vault(1, false, &[]).show("p", "other").unwrap_err();
        assert_eq!(failure.code, "not_granted");
        assert!(failure.message.contains("[plugins.p.grants]"), "{failure}");
        for reveal in [false, true] {
            let vault = vault(1, reveal, &["*.a.org"]);
            let shown = vault.show("p", "key").unwrap();
            let says = |text: &str| text == shown;
            assert!(vault.check(says, (Scheme::Https, "x.a.org", 443)).is_ok());
            let failure = vault.check(says, (Scheme::Https, "b.org", 443)).unwrap_err();
            assert!(failure.message.contains("`key`") && failure.message.contains("https://*.a.org"), "{failure}");
            assert!(vault.check(|_| false, (Scheme::Https, "b.org", 443)).is_ok());
        }
    }

    #[test]
    fn a_revealed_value_is_shown_to_the_guest_and_kept_nowhere() {
        let vault = vault(1, true, &[]);
        assert_eq!(vault.show("p", "key").unwrap(), "s3cr&t \"x\"");
        let body = b"a s3cr&t \"x\" b".to_vec();
        assert_eq!(vault.mask(body.clone()), body);
        let kept = vault.mask_all(body.clone());
        assert!(!kept.windows(5).any(|window| window == b"s3cr&"));
        assert_eq!(vault.unmask(kept), body);
    }
}
