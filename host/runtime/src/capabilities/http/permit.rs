//! Whether a request may go where it wants to: asked for by the manifest, and granted by the operator.

use hyper::Method;
use model::grants::HttpGrant;
use model::manifest::{CapabilityKind, CapabilitySpec};
use model::{Failure, FailureKind, Grants};
use url::Url;

use super::request::target;

/// What one plugin may send.
#[derive(Clone, Debug, Default)]
pub(super) struct Permits {
    pub(super) plugin: String,
    pub(super) asked: Vec<CapabilitySpec>,
    pub(super) grants: Grants,
}

impl Permits {
    /// The grant under which a request is sent.
    ///
    /// # Errors
    ///
    /// `not_granted`, with what is missing.
    pub(super) fn check(&self, method: &Method, url: &Url) -> Result<HttpGrant, Failure> {
        let (scheme, host, port) = target(url)?;
        let is_asked = self.asked.iter().any(|asked| match &asked.kind {
            CapabilityKind::Http { address, methods } => {
                address.holds(scheme, &host, port) && methods.iter().any(|asked| asked == method.as_str())
            }
            CapabilityKind::Folder { .. } | CapabilityKind::Secret => false,
        });
        let default = if scheme.port() == port { String::new() } else { format!(":{port}") };
        let (plugin, place) = (&self.plugin, format!("{}://{host}{default}", scheme.name()));
        if !is_asked {
            return Err(denied(format!(
                "plugin `{plugin}` may not send {method} to `{place}`: its manifest does not ask for it"
            )));
        }
        self.grants.request(method.as_str(), scheme, &host, port).cloned().ok_or_else(|| {
            let granted: Vec<&str> =
                self.grants.to(scheme, &host, port).flat_map(|grant| &grant.methods).map(String::as_str).collect();
            let but = match granted.as_slice() {
                [] => "it is not granted".to_owned(),
                methods => format!("granted are {} only", methods.join(", ")),
            };
            denied(format!(
                "plugin `{plugin}` may not send {method} to `{place}`: {but}; an operator grants it in spine.toml: \
                 [plugins.{plugin}.grants] http = [{{ host = \"{place}\", methods = [\"{method}\"] }}]"
            ))
        })
    }
}

fn denied(message: String) -> Failure {
    Failure::new(FailureKind::Auth, "not_granted", message)
}

#[cfg(test)]
mod tests {
    use model::Manifest;

    use super::*;

    fn permits(grants: &[(&str, &[&str])]) -> Permits {
        let manifest = r#"{"contract": "0.1.0", "name": "p", "version": "1", "capabilities": [
            {"kind": "http", "name": "a", "address": "*.a.org", "methods": ["GET", "POST"]},
            {"kind": "http", "name": "b", "address": "http://b.org:8080"}]}"#;
        let http = grants.iter().map(|(address, methods)| HttpGrant {
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            ..HttpGrant::to(address.parse().unwrap())
        });
        let grants = Grants { http: http.collect(), ..Grants::default() };
        Permits { plugin: "p".to_owned(), asked: Manifest::parse(manifest).unwrap().capabilities, grants }
    }

    fn check(permits: &Permits, method: &str, url: &str) -> Result<String, String> {
        let checked = permits.check(&method.parse().unwrap(), &url.parse().unwrap());
        checked.map(|grant| grant.address.to_string()).map_err(|failure| {
            assert_eq!(failure.code, "not_granted");
            failure.message
        })
    }

    #[test]
    fn allowed_is_what_both_sides_name() {
        let permits = permits(&[("x.a.org", &["GET"]), ("*", &["POST"]), ("http://*:8080", &["GET"])]);
        assert_eq!(check(&permits, "GET", "https://x.a.org/v1").as_deref(), Ok("https://x.a.org"));
        assert_eq!(check(&permits, "POST", "https://x.a.org/v1").as_deref(), Ok("https://*"));
        assert_eq!(check(&permits, "GET", "http://b.org:8080").as_deref(), Ok("http://*:8080"));
    }

    #[test]
    fn denied_is_everything_else_and_the_guest_learns_why() {
        let permits = permits(&[("x.a.org", &["GET"]), ("http://*:8080", &["GET", "POST"])]);
        for (method, url, why) in [
            ("GET", "https://c.org/", "does not ask for it"),
            ("GET", "https://x.a.org:8443/", "does not ask for it"),
            ("GET", "http://x.a.org/", "does not ask for it"),
            ("PUT", "https://x.a.org/", "does not ask for it"),
            ("POST", "http://b.org:8080/", "does not ask for it"),
            ("GET", "https://y.a.org/", "it is not granted"),
            ("POST", "https://x.a.org/", "granted are GET only"),
        ] {
            let told = check(&permits, method, url).unwrap_err();
            assert!(told.contains(why), "{method} {url}: {told}");
        }
        let told = check(&permits, "GET", "https://y.a.org/").unwrap_err();
        assert!(told.contains(r#"http = [{ host = "https://y.a.org", methods = ["GET"] }]"#), "{told}");
    }
}
