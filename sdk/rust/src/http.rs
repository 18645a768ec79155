//! HTTP requests to the addresses that a plugin asks for and its operator grants.
//!
//! The host sends them, follows redirects, tries again where that is safe, and keeps what came back. There is nothing to
//! set up and nothing to wait for: [`Host::fetch`](crate::Host::fetch) returns when the answer is there.

use crate::error::Error;

/// What is sent.
///
/// ```
/// use spine_sdk::http::Request;
///
/// let request = Request::get("https://api.example.com/v1/days").header("authorization", "Bearer ...");
/// assert_eq!((request.method.as_str(), request.headers.len()), ("GET", 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// In capital letters.
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// Less time than the grant gives, in milliseconds.
    pub timeout_ms: Option<u64>,
}

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), ..Self::default() }
    }

    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("POST", url) }
    }

    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        self.timeout_ms = Some(timeout_ms);
        self
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Unpacked.
    pub body: Vec<u8>,
    /// The address that answered after redirects.
    pub url: String,
}

impl Response {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// `not_text` if it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.body)
            .map_err(|error| Error::source("not_text", format!("`{}` sent what is no text: {error}", self.url)))
    }

    /// This response, if its status is one of success.
    ///
    /// # Errors
    ///
    /// `not_found` for 404 and 410, `denied` for 401 and 403, `unavailable` (which may be tried again) for 429 and 5xx,
    /// `bad_status` for others.
    pub fn ok(self) -> Result<Self, Error> {
        let message = format!("`{}` answered {}", self.url, self.status);
        match self.status {
            200..=299 => Ok(self),
            401 | 403 => Err(Error::auth("denied", message)),
            404 | 410 => Err(Error::source("not_found", message).retryable(false)),
            429 | 500..=599 => Err(Error::source("unavailable", message).retryable(true)),
            _ => Err(Error::source("bad_status", message).retryable(false)),
        }
    }
}
