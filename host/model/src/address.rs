//! Patterns of addresses on the network: what a plugin asks for and an operator grants.
//!
//! `https://api.example.com:8443`, `api.example.com` (https, and the port of the scheme), `*.example.com` (every host
//! below, not `example.com` itself), `*` (every host), `api.example.com:*` (every port). A pattern has no path: who may
//! reach a server may ask it for anything.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Addresses: a scheme, a port, and one host or many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub scheme: Scheme,
    pub host: HostPattern,
    /// None: every port.
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that an address without one has.
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }
}

/// Hosts, in lower case; an address of IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    Any,
    Only(String),
    /// Every name that ends with a dot and this.
    Below(String),
}

impl HostPattern {
    /// Whether this host, written as in a URL and in lower case, is one of them.
    pub fn holds(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only == host,
            Self::Below(domain) => is_below(host, domain),
        }
    }

    /// Whether every host of `other` is one of these.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (_, Self::Only(host)) => self.holds(host),
            (Self::Below(domain), Self::Below(other)) => domain == other || is_below(other, domain),
            (Self::Only(_) | Self::Below(_), Self::Any | Self::Below(_)) => false,
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl Address {
    /// Whether a request to this scheme, host and port goes to one of these addresses. `host` is written as in a URL and
    /// in lower case.
    pub fn holds(&self, scheme: Scheme, host: &str, port: u16) -> bool {
        self.scheme == scheme && self.port.is_none_or(|own| own == port) && self.host.holds(host)
    }

    /// Whether every address of `other` is one of these.
    pub fn covers(&self, other: &Self) -> bool {
        let port = self.port.is_none() || self.port == other.port;
        self.scheme == other.scheme && port && self.host.covers(&other.host)
    }

    /// Whether some address belongs to both.
    pub fn meets(&self, other: &Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        let hosts = self.host.covers(&other.host) || other.host.covers(&self.host);
        self.scheme == other.scheme && ports && hosts
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Only(host) => f.write_str(host)?,
            HostPattern::Below(domain) => write!(f, "*.{domain}")?,
        }
        match self.port {
            Some(port) if port == self.scheme.port() => Ok(()),
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address such as \"https://api.example.com:443\", \"api.example.com\" or \"*.example.com\": {why}"
)]
pub struct BadAddress {
    text: String,
    why: &'static str,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: text.to_owned(), why };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => {
                (Scheme::from_name(scheme).ok_or_else(|| bad("the scheme is http or https"))?, rest)
            }
            None => (Scheme::Https, text),
        };
        let port_at = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
        let (host, port) = match port_at {
            Some(at) => {
                let port = match &rest[at + 1..] {
                    "*" => None,
                    text => {
                        let port = text.parse().ok().filter(|port| *port > 0);
                        Some(port.ok_or_else(|| bad("the port is a number from 1 to 65535, or `*`"))?)
                    }
                };
                (&rest[..at], port)
            }
            None => (rest, Some(scheme.port())),
        };
        let host = host.to_ascii_lowercase();
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => HostPattern::Any,
            Some(domain) if is_name(domain) => HostPattern::Below(domain.to_owned()),
            Some(_) => return Err(bad("what follows `*.` is a domain")),
            None => HostPattern::Only(one_host(&host).ok_or_else(|| bad("the host is a name or an IP address"))?),
        };
        Ok(Self { scheme, host, port })
    }
}

/// One host as a URL writes it.
fn one_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    (is_name(host) || host.parse::<Ipv4Addr>().is_ok()).then(|| host.to_owned())
}

/// Whether this is a name of the DNS: labels of letters, digits, `-` and `_`, the last of them not a number.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit()) || label.starts_with("0x");
    host.len() <= 253 && host.split('.').all(is_label) && host.rsplit('.').next().is_some_and(|last| !is_number(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_read_with_the_defaults_of_its_scheme_and_written_without_them() {
        for (text, written) in [
            ("API.example.com", "https://api.example.com"),
            ("https://api.example.com:443", "https://api.example.com"),
            ("http://api.example.com", "http://api.example.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:8443", "https://[::1]:8443"),
            ("[0:0::1]", "https://[::1]"),
            ("*.example.com", "https://*.example.com"),
            ("http://*:80", "http://*"),
            ("http://a.org:*", "http://a.org:*"),
        ] {
            assert_eq!(address(text).to_string(), written, "{text}");
            assert_eq!(address(written), address(text));
        }
    }

    #[test]
    fn what_is_no_address_is_told_why() {
        for text in [
            "",
            "ftp://x.org",
            "x.org:0",
            "x.org:99999",
            "x.org/path",
            "user@x.org",
            "*x.org",
            "*.",
            "a.*.org",
            "::1",
            "[x]",
            "1.2.3",
            "0x7f.0x1",
            "*.0x1",
            "x..org",
            "https://",
            "[::1",
            "é.org",
        ] {
            let told = text.parse::<Address>().unwrap_err().to_string();
            assert!(told.contains(&format!("`{text}`")), "{told}");
        }
    }

    #[test]
    fn hosts_below_a_domain_are_many_and_the_domain_is_none_of_them() {
        let below = address("*.example.com");
        assert!(below.holds(Scheme::Https, "a.example.com", 443) && below.holds(Scheme::Https, "a.b.example.com", 443));
        for (scheme, host, port) in [
            (Scheme::Https, "example.com", 443),
            (Scheme::Https, ".example.com", 443),
            (Scheme::Https, "badexample.com", 443),
            (Scheme::Https, "a.example.com.evil.org", 443),
            (Scheme::Https, "a.example.com", 8443),
            (Scheme::Http, "a.example.com", 443),
        ] {
            assert!(!below.holds(scheme, host, port), "{scheme:?} {host} {port}");
        }
    }

    #[test]
    fn one_pattern_covers_another_if_every_address_of_it_is_its_own() {
        let covers = |one: &str, other: &str| address(one).covers(&address(other));
        assert!(covers("*", "a.org") && covers("*", "*.a.org") && covers("*.a.org", "*.b.a.org"));
        assert!(covers("*.a.org", "*.a.org") && covers("a.org", "https://a.org:443"));
        assert!(!covers("*.a.org", "a.org") && !covers("a.org", "*") && !covers("*.b.a.org", "*.a.org"));
        assert!(!covers("http://*", "a.org") && covers("a.org:*", "a.org:8443") && !covers("a.org", "a.org:*"));
        assert!(address("*.a.org").meets(&address("b.a.org:*")) && !address("*.a.org:80").meets(&address("b.a.org")));
        assert!(address("b.a.org").meets(&address("*.a.org")) && !address("a.org").meets(&address("b.org")));
    }
}
