//! A request as a guest makes it: checked before anybody looks where it goes.

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use model::address::Scheme;
use model::{Failure, FailureKind};
use url::Url;

/// Longest address of a request, in bytes.
pub(super) const URL_BYTES_MAX: usize = 8 * 1024;

/// Headers of one request.
pub(crate) const HEADERS_MAX: usize = 100;

/// Bytes of all headers of one request.
pub(crate) const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Headers that belong to the connection, which is the host's.
const OF_THE_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-connection",
];

/// Whether a header is the host's to set.
pub(crate) fn is_of_the_connection(name: &str) -> bool {
    OF_THE_CONNECTION.contains(&name)
}

/// Who follows redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// The host, as often as the grant says.
    #[default]
    Followed,
    /// The guest, which is shown them.
    Shown,
}

/// What a guest asks for, as it said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Less time than the grant gives, in milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) redirects: Redirects,
}

/// A request that can be sent, with placeholders where secrets belong.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
    pub(super) redirects: Redirects,
}

impl Request {
    /// # Errors
    ///
    /// `bad_request`: the guest's mistake.
    pub(super) fn parse(asked: &Asked) -> Result<Self, Failure> {
        if !model::manifest::is_method(&asked.method) || matches!(asked.method.as_str(), "CONNECT" | "TRACE") {
            return Err(bad(format!("`{}` is no method that can be sent", model::brief(&asked.method))));
        }
        let method = asked.method.parse().map_err(|_| bad(format!("`{}` is no method", asked.method)))?;
        let length = asked.body.len().to_string();
        // A client that says what the host says anyway may; any other length would be a second request in the first.
        let own = asked
            .headers
            .iter()
            .filter(|(name, value)| !(name.eq_ignore_ascii_case("content-length") && *value == length));
        let headers = own.map(|(name, value)| header(name, value)).collect::<Result<Vec<_>, _>>()?;
        let bytes: usize = asked.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
            return Err(bad(format!(
                "it has {} headers of {bytes} bytes; there may be {HEADERS_MAX} of {HEADER_BYTES_MAX}",
                headers.len()
            )));
        }
        let (url, body, redirects) = (parse_url(&asked.url)?, asked.body.clone(), asked.redirects);
        Ok(Self { method, url, headers, body, redirects })
    }

    /// Whether some part of it holds this text. Credentials of `Authorization: Basic` are looked into.
    pub(super) fn mentions(&self, text: &str) -> bool {
        self.url.as_str().contains(text)
            || self.headers.iter().any(|(_, value)| header_mentions(value, text))
            || memchr::memmem::find(&self.body, text.as_bytes()).is_some()
    }

    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }
}

pub(super) fn header_mentions(value: &str, text: &str) -> bool {
    use base64::Engine as _;
    let basic = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let credentials = basic.and_then(|(_, text)| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok());
    value.contains(text) || credentials.is_some_and(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
}

fn header(name: &str, value: &str) -> Result<(HeaderName, String), Failure> {
    let parsed: HeaderName =
        name.parse().map_err(|_| bad(format!("`{}` is no name of a header", model::brief(name))))?;
    if is_of_the_connection(parsed.as_str()) {
        return Err(bad(format!("the header `{parsed}` belongs to the connection: the host sets it")));
    }
    if HeaderValue::from_str(value).is_err() {
        return Err(bad(format!("the value of the header `{parsed}` holds what no header may, such as a line end")));
    }
    Ok((parsed, value.to_owned()))
}

/// An address that a request can go to: http or https, with a host and without a user.
///
/// # Errors
///
/// `bad_request`.
pub(super) fn parse_url(text: &str) -> Result<Url, Failure> {
    let shown = || model::brief(text);
    if text.len() > URL_BYTES_MAX {
        return Err(bad(format!("its address has {} bytes and may have {URL_BYTES_MAX}", text.len())));
    }
    let mut url = Url::parse(text).map_err(|error| bad(format!("`{}` is no address: {error}", shown())))?;
    if Scheme::from_name(url.scheme()).is_none() || !url.has_host() {
        return Err(bad(format!("`{}` is no address of http or https", shown())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("its address names a user: send credentials in the header `authorization`".to_owned()));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Scheme, host and port of an address that was parsed.
pub(super) fn target(url: &Url) -> Result<(Scheme, String, u16), Failure> {
    let scheme = Scheme::from_name(url.scheme());
    match (scheme, url.host_str(), url.port_or_known_default()) {
        (Some(scheme), Some(host), Some(port)) => Ok((scheme, host.to_owned(), port)),
        _ => Err(bad(format!("`{}` is no address of http or https", model::brief(url.as_str())))),
    }
}

fn bad(why: String) -> Failure {
    Failure::new(FailureKind::Pipeline, "bad_request", format!("a request cannot be sent: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, url: &str, headers: &[(&str, &str)]) -> Asked {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked { method: method.to_owned(), url: url.to_owned(), headers, ..Asked::default() }
    }

    #[test]
    fn an_address_is_read_as_browsers_do_so_that_no_spelling_of_a_host_slips_through() {
        for (text, host) in [
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://0177.0.0.01/", "127.0.0.1"),
            ("http://017700000001/", "127.0.0.1"),
            ("http://127.1:80/x#y", "127.0.0.1"),
            ("https://EXAMPLE.org", "example.org"),
            ("https://ex%61mple.org/", "example.org"),
            ("http://[::ffff:127.0.0.1]/", "[::ffff:7f00:1]"),
            ("https://ｅxample.org/", "example.org"),
        ] {
            let request = Request::parse(&asked("GET", text, &[])).unwrap();
            assert_eq!(target(&request.url).unwrap().1, host, "{text}");
            assert_eq!(request.url.fragment(), None);
        }
    }

    #[test]
    fn the_length_of_a_body_may_be_said_if_it_is_right_and_the_host_says_it_alone() {
        let request = asked("GET", "http://a.org", &[("Content-Length", "0"), ("content-length", "0"), ("x", "y")]);
        let names: Vec<_> = Request::parse(&request).unwrap().headers.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["x"]);
    }

    #[test]
    fn what_cannot_be_sent_is_the_guests_mistake_and_told() {
        let many: Vec<(&str, &str)> = vec![("a", "b"); 101];
        for (request, why) in [
            (asked("get", "http://a.org", &[]), "method"),
            (asked("CONNECT", "http://a.org", &[]), "method"),
            (asked("GET", "ftp://a.org", &[]), "http or https"),
            (asked("GET", "file:///etc/passwd", &[]), "http or https"),
            (asked("GET", "/v1", &[]), "no address"),
            (asked("GET", "http://me:pw@a.org", &[]), "names a user"),
            (asked("GET", &format!("http://a.org/{}", "x".repeat(9_000)), &[]), "bytes"),
            (asked("GET", "http://a.org", &[("Host", "b.org")]), "`host`"),
            (asked("GET", "http://a.org", &[("transfer-encoding", "chunked")]), "`transfer-encoding`"),
            (asked("GET", "http://a.org", &[("x", "a\r\nhost: b.org")]), "line end"),
            (asked("GET", "http://a.org", &[("x y", "a")]), "name of a header"),
            (asked("GET", "http://a.org", &[("x\r\nhost: b.org", "a")]), "name of a header"),
            (asked("GET", "http://a.org", &[("content-length", "0"), ("content-length", "5")]), "`content-length`"),
            (asked("GET", "http://a.org", &many), "101 headers"),
        ] {
            let failure = Request::parse(&request).unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Pipeline, "bad_request"));
            assert!(failure.message.contains(why), "{failure}");
        }
    }
}
