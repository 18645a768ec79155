//! An exchange as it is kept with the inputs of a run, and as it is served to a replay.
//!
//! A line that says what it is, a line of JSON with request and outcome, and then the body of the response, byte for byte as
//! the guest saw it. Values of secrets are in none of them. Of the body of a request only length and SHA-256 are kept.

use model::ports::{EXCHANGE, InputBytes};
use model::secret::Secrets;
use model::{Failure, FailureKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::request::Asked;
use crate::capabilities::secrets::{Vault, replaced};

/// The first line.
const FIRST_LINE: &str = "spine exchange 1\n";

/// What the guest gets for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The address that answered in the end.
    pub(crate) url: String,
}

/// The second line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    request: RequestHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<ResponseHead>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct RequestHead {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body_bytes: usize,
    body_sha256: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct ResponseHead {
    status: u16,
    url: String,
    headers: Vec<(String, String)>,
}

/// Writes and reads exchanges of one attempt.
#[derive(Debug)]
pub(super) struct Recorder<'a> {
    pub(super) vault: &'a Vault,
    /// All that nobody but the guest may see, parameters among them.
    pub(super) secrets: &'a Secrets,
}

impl Recorder<'_> {
    /// The name of the `number`-th exchange of this request.
    pub(super) fn name(&self, asked: &Asked, number: u64) -> String {
        format!("{EXCHANGE}{}#{number}", self.key(asked))
    }

    /// What tells requests apart, as it may be shown.
    pub(super) fn key(&self, asked: &Asked) -> String {
        format!("{} {}", self.text(&asked.method), self.text(&asked.url))
    }

    /// What is kept of an exchange.
    pub(super) fn write(&self, name: String, asked: &Asked, outcome: &Result<Fetched, Failure>) -> InputBytes {
        let mut head = Head { request: self.request(asked), response: None, failure: None };
        let mut body = Vec::new();
        match outcome {
            Ok(fetched) => {
                let Fetched { status, headers, url, .. } = fetched;
                head.response =
                    Some(ResponseHead { status: *status, url: self.text(url), headers: self.headers(headers) });
                body = self.bytes(fetched.body.clone());
            }
            Err(failure) => {
                let mut failure = failure.clone();
                failure.texts_mut().for_each(|text| *text = self.text(text));
                head.failure = Some(failure);
            }
        }
        // Plain texts and numbers always have a JSON.
        let head = serde_json::to_string(&head).unwrap_or_default();
        let bytes = [FIRST_LINE.as_bytes(), head.as_bytes(), b"\n", &body].concat();
        InputBytes { file_name: name, bytes: bytes.into() }
    }

    /// What the guest got then for the same request.
    ///
    /// # Errors
    ///
    /// The failure that was kept; `not_recorded` if the request was another, or if these bytes are no exchange.
    pub(super) fn read(&self, bytes: &[u8], asked: &Asked) -> Result<Fetched, Failure> {
        let rest = bytes.strip_prefix(FIRST_LINE.as_bytes());
        let (head, body) = rest
            .and_then(|rest| {
                let end = rest.iter().position(|byte| *byte == b'\n')?;
                let head: Head = serde_json::from_slice(&rest[..end]).ok()?;
                Some((head, &rest[end + 1..]))
            })
            .ok_or_else(|| not_recorded(&self.key(asked), "what was kept of it cannot be read"))?;
        let request = self.request(asked);
        if (request.body_bytes, &request.body_sha256) != (head.request.body_bytes, &head.request.body_sha256) {
            return Err(not_recorded(&self.key(asked), "it had another body then"));
        }
        match (head.response, head.failure) {
            (_, Some(failure)) => Err(failure),
            (Some(ResponseHead { status, url, headers }), None) => {
                let show = |text: String| String::from_utf8_lossy(&self.vault.unmask(text.into_bytes())).into_owned();
                let headers = headers.into_iter().map(|(name, value)| (name, show(value))).collect();
                Ok(Fetched { status, headers, body: self.vault.unmask(body.to_vec()), url: show(url) })
            }
            (None, None) => Err(not_recorded(&self.key(asked), "what was kept of it has no outcome")),
        }
    }

    fn request(&self, asked: &Asked) -> RequestHead {
        let body = self.bytes(asked.body.clone());
        RequestHead {
            method: self.text(&asked.method),
            url: self.text(&asked.url),
            headers: self.headers(&asked.headers),
            body_bytes: body.len(),
            body_sha256: hex::encode(Sha256::digest(&body)),
        }
    }

    fn headers(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| (self.text(name), self.text(value))).collect()
    }

    fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text.as_bytes().to_vec())).into_owned()
    }

    fn bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        let masked = self.vault.mask_all(bytes);
        let hide = |bytes, secret: &str| replaced(bytes, secret.as_bytes(), model::secret::PLACEHOLDER.as_bytes());
        self.secrets.texts().fold(masked, hide)
    }
}

/// There is no answer to this request among those that were kept.
pub(super) fn not_recorded(key: &str, why: &str) -> Failure {
    let message =
        format!("the request `{}` is not among those of the run that is done again: {why}", model::brief(key));
    Failure::new(FailureKind::Pipeline, "not_recorded", message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(body: &str) -> Asked {
        Asked {
            method: "POST".to_owned(),
            url: "https://a.org/?k=hunter2".to_owned(),
            headers: vec![("x-key".to_owned(), "hunter2".to_owned())],
            body: body.as_bytes().to_vec(),
            ..Asked::default()
        }
    }

    fn fetched(body: &str) -> Fetched {
        let headers = vec![("x-echo".to_owned(), "hunter2".to_owned())];
        Fetched { status: 200, headers, body: body.as_bytes().to_vec(), url: "https://a.org/".to_owned() }
    }

    #[test]
    fn an_exchange_is_served_as_it_was_and_holds_no_secret() {
        let (vault, secrets) = (Vault::default(), Secrets::new([&json!("hunter2")]));
        let recorder = Recorder { vault: &vault, secrets: &secrets };
        let name = recorder.name(&asked("x"), 3);
        assert_eq!(name, "http:POST https://a.org/?k=(secret)#3");
        let kept = recorder.write(name, &asked("x"), &Ok(fetched("a\nb\0hunter2")));
        assert!(memchr::memmem::find(&kept.bytes, b"hunter2").is_none());
        let served = recorder.read(&kept.bytes, &asked("x")).unwrap();
        assert_eq!((served.status, served.body.as_slice()), (200, &b"a\nb\0(secret)"[..]));
        assert_eq!(recorder.read(&kept.bytes, &asked("y")).unwrap_err().code, "not_recorded");
        assert_eq!(recorder.read(b"something else", &asked("x")).unwrap_err().code, "not_recorded");
    }

    #[test]
    fn a_failure_is_served_again_too() {
        let (vault, secrets) = (Vault::default(), Secrets::default());
        let recorder = Recorder { vault: &vault, secrets: &secrets };
        let failure = Failure::new(FailureKind::Network, "timeout", "no answer").retryable(true);
        let kept = recorder.write("x".to_owned(), &asked(""), &Err(failure.clone()));
        assert_eq!(recorder.read(&kept.bytes, &asked("")), Err(failure));
    }
}
