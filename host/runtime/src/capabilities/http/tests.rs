//! Requests of an attempt, against a server on loopback and names that lead where a test says.

mod limits;
mod redirects;
mod rules;

use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use model::grants::{Grants, SecretGrant, SecretSource};
use model::manifest::{CapabilityKind, CapabilitySpec};
use model::ports::Upstreams;
use model::secret::SecretValue;
use serde_json::json;

use super::connect::Resolver;
use super::*;
use crate::testing::server::{Server, response};

/// Names that lead where the test says, and how often each was asked for.
#[derive(Debug, Default)]
struct Names {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<IpAddr>> {
        self.asked.lock().unwrap().push(host.to_owned());
        let found = self.addresses.get(host).cloned();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))
    }
}

/// What a test changes of an attempt that may send everything to loopback.
struct Setup {
    names: Arc<Names>,
    http: Vec<HttpGrant>,
    secret: Option<SecretGrant>,
    exchanges: Exchanges,
    upstreams: Arc<dyn Upstreams>,
    budget: Budget,
    dry_run: bool,
}

impl Setup {
    fn new(grants: &[&str]) -> Self {
        let methods = ["GET", "POST", "PUT", "HEAD"].map(str::to_owned).to_vec();
        let grant = |address: &&str| HttpGrant {
            private: true,
            methods: methods.clone(),
            ..HttpGrant::to(address.parse().unwrap())
        };
        Self {
            names: Arc::default(),
            http: grants.iter().map(grant).collect(),
            secret: None,
            exchanges: Exchanges::Live,
            upstreams: Arc::new(Patient),
            budget: Budget { calls: 100, bytes: 1 << 20 },
            dry_run: false,
        }
    }

    fn named(mut self, names: &[(&str, &[&str])]) -> Self {
        let parsed = |addresses: &[&str]| addresses.iter().map(|it| it.parse().unwrap()).collect();
        let addresses = names.iter().map(|(name, addresses)| ((*name).to_owned(), parsed(addresses)));
        self.names = Arc::new(Names { addresses: addresses.collect(), asked: Mutex::default() });
        self
    }

    fn change(mut self, change: impl Fn(&mut HttpGrant)) -> Self {
        self.http.iter_mut().for_each(change);
        self
    }

    fn egress(&self) -> Egress {
        self.egress_trusting(Vec::new())
    }

    fn egress_trusting(&self, roots: Vec<tokio_rustls::rustls::pki_types::CertificateDer<'static>>) -> Egress {
        let methods = ["GET", "POST", "PUT", "HEAD"].map(str::to_owned).to_vec();
        let asked = self.http.iter().map(|grant| CapabilitySpec {
            kind: CapabilityKind::Http { address: grant.address.clone(), methods: methods.clone() },
            name: "a".to_owned(),
            required: false,
            reason: String::new(),
        });
        let asked: Vec<CapabilitySpec> = asked.collect();
        let secrets = self.secret.iter().map(|grant| ("key".to_owned(), grant.clone())).collect();
        let outside = Outside {
            grants: Grants { http: self.http.clone(), secrets, ..Grants::default() },
            secrets: BTreeMap::from([("key".to_owned(), SecretValue::new("hunter2!"))]),
            exchanges: self.exchanges.clone(),
            upstreams: Arc::clone(&self.upstreams),
            dry_run: self.dry_run,
        };
        let vault = Arc::new(Vault::new(&outside, &[1; 32]));
        let hidden = Secrets::new([&json!("parameter")]).and(outside.secrets.values());
        let network = Arc::new(Network::with(self.names.clone(), roots));
        Egress::new(("p", &asked), outside, (vault, hidden), (network, Handle::current()), self.budget)
    }
}

fn secret(hosts: &[&str]) -> Option<SecretGrant> {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    Some(SecretGrant { source: SecretSource::Env("KEY".to_owned()), reveal: false, hosts })
}

fn asked(method: &str, url: &str) -> Asked {
    Asked { method: method.to_owned(), url: url.to_owned(), ..Asked::default() }
}

async fn get(egress: &mut Egress, url: &str) -> Result<Fetched, Failure> {
    egress.fetch(asked("GET", url)).await.0
}

fn code(outcome: Result<Fetched, Failure>) -> String {
    outcome.unwrap_err().code
}

#[tokio::test]
async fn allowed_a_request_goes_to_its_server_and_the_answer_comes_back() {
    let server = Server::start(|_| response("201 Made", "x-Test: 1\r\n", "hello")).await;
    let (host, port) = ("a.test", server.at.port());
    let setup = Setup::new(&[&format!("http://{host}:{port}")]).named(&[(host, &["127.0.0.1"])]);
    let mut egress = setup.egress();
    let url = format!("http://{host}:{port}/v1?x=1");
    let request =
        Asked { body: b"body".to_vec(), headers: vec![("X-Mine".to_owned(), "2".to_owned())], ..asked("POST", &url) };
    let (fetched, kept) = egress.fetch(request).await;
    let fetched = fetched.unwrap();
    assert_eq!((fetched.status, fetched.body.as_slice(), fetched.url.as_str()), (201, &b"hello"[..], url.as_str()));
    assert!(fetched.headers.contains(&("x-test".to_owned(), "1".to_owned())));
    let seen = server.asked()[0].to_lowercase();
    assert!(seen.starts_with("post /v1?x=1 http/1.1\r\n") && seen.ends_with("\r\n\r\nbody"), "{seen}");
    for expected in [&format!("host: {host}:{port}\r\n"), "x-mine: 2\r\n", "user-agent: spine-host\r\n"] {
        assert!(seen.contains(expected), "{seen}");
    }
    assert_eq!(kept.unwrap().file_name, format!("http:POST {url}#1"));
}

#[tokio::test]
async fn denied_are_names_and_numbers_that_lead_to_private_addresses() {
    let server = Server::start(|_| response("200 OK", "", "secret of the intranet")).await;
    let port = server.at.port();
    let names: &[(&str, &[&str])] = &[
        ("local.test", &["127.0.0.1"]),
        ("mixed.test", &["1.1.1.1", "127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("cloud.test", &["169.254.169.254"]),
    ];
    let setup = Setup::new(&[&format!("http://*:{port}")]).named(names).change(|grant| grant.private = false);
    let mut egress = setup.egress();
    let hosts = [
        "local.test",
        "mixed.test",
        "mapped.test",
        "cloud.test",
        "127.0.0.1",
        "2130706433",
        "[::1]",
        "[::ffff:7f00:1]",
    ];
    for host in hosts {
        let failure = get(&mut egress, &format!("http://{host}:{port}/")).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Auth, "address_denied"), "{host}: {failure}");
        assert!(failure.message.contains("private = true"), "{failure}");
    }
    assert_eq!(server.asked().len(), 0);
    let setup = Setup::new(&[&format!("http://*:{port}")])
        .named(&[("nowhere.test", &["0.0.0.0"]), ("local.test", &["127.0.0.1"])]);
    let mut egress = setup.egress();
    assert_eq!(
        code(get(&mut egress, &format!("http://nowhere.test:{port}/")).await),
        "address_denied",
        "whatever is granted"
    );
    assert_eq!(get(&mut egress, &format!("http://local.test:{port}/")).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_the_connection_goes_to_what_was_checked() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let port = server.at.port();
    // The machine knows no such name: whoever resolved it again would get nowhere.
    let setup = Setup::new(&[&format!("http://only.invalid:{port}")]).named(&[("only.invalid", &["127.0.0.1"])]);
    assert_eq!(get(&mut setup.egress(), &format!("http://only.invalid:{port}/")).await.unwrap().status, 200);
    assert_eq!(*setup.names.asked.lock().unwrap(), ["only.invalid"]);
}

/// A name that leads to loopback once, and then to where nobody may go.
#[derive(Debug, Default)]
struct Rebound(Mutex<u32>);

#[async_trait::async_trait]
impl Resolver for Rebound {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<IpAddr>> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        Ok(vec![if *asked == 1 { [127, 0, 0, 1].into() } else { [0, 0, 0, 0].into() }])
    }
}

#[tokio::test]
async fn denied_is_a_name_that_leads_elsewhere_later_by_a_new_request_or_by_a_redirect() {
    let server = Server::start(|request| match request.split(' ').nth(1).unwrap() {
        "/on" => response("302 Go", "location: /there\r\n", ""),
        _ => response("200 OK", "", ""),
    })
    .await;
    let base = format!("http://a.test:{}", server.at.port());
    for paths in [["/", "/"].as_slice(), &["/on"]] {
        let mut egress = Setup::new(&[&base]).egress();
        egress.line.network = Arc::new(Network::with(Arc::new(Rebound::default()), Vec::new()));
        let mut last = None;
        for path in paths {
            last = Some(get(&mut egress, &format!("{base}{path}")).await);
        }
        assert_eq!(code(last.unwrap()), "address_denied", "{paths:?}");
    }
    assert_eq!(server.asked().len(), 2, "what was checked was reached");
}

#[tokio::test]
async fn denied_are_addresses_methods_and_ports_that_are_not_granted() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let url = format!("http://127.0.0.1:{}/", server.at.port());
    let mut egress = Setup::new(&[&url[..url.len() - 1]]).egress();
    for request in [asked("DELETE", &url), asked("GET", "http://127.0.0.1:1/"), asked("GET", "https://a.test/")] {
        let (outcome, kept) = egress.fetch(request).await;
        assert_eq!(code(outcome), "not_granted");
        assert!(kept.is_some(), "a replay sees the same refusal");
    }
    assert_eq!(server.asked().len(), 0);
    assert_eq!(code(Egress::closed().fetch(asked("GET", &url)).await.0), "http_limit");
}

#[tokio::test]
async fn a_dry_run_sends_what_changes_nothing() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let url = format!("http://127.0.0.1:{}/", server.at.port());
    let mut egress = Setup { dry_run: true, ..Setup::new(&[&url[..url.len() - 1]]) }.egress();
    assert!(egress.fetch(asked("GET", &url)).await.0.is_ok());
    let (outcome, _) = egress.fetch(asked("POST", &url)).await;
    assert_eq!(code(outcome), "dry_run");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn servers_have_to_show_who_they_are() {
    let server = Server::start_secured(|_| response("200 OK", "", "hello")).await;
    let port = server.at.port();
    let names: &[(&str, &[&str])] = &[("a.test", &["127.0.0.1"]), ("b.test", &["127.0.0.1"])];
    let setup = Setup::new(&[&format!("https://*:{port}")]).named(names);
    let url = |host: &str| format!("https://{host}:{port}/");
    let mut egress = setup.egress_trusting(vec![Server::authority()]);
    assert_eq!(get(&mut egress, &url("a.test")).await.unwrap().body, b"hello");
    let other = get(&mut egress, &url("b.test")).await.unwrap_err();
    assert_eq!((other.kind, other.retryable), (FailureKind::Network, false), "{other}");
    let unknown = get(&mut setup.egress(), &url("a.test")).await.unwrap_err();
    assert!(unknown.message.contains("no encrypted connection to `a.test`"), "{unknown}");
}

#[tokio::test]
async fn servers_that_speak_tls_1_2_alone_are_reached_too() {
    use tokio_rustls::rustls::version::{TLS12, TLS13};
    for version in [&TLS12, &TLS13] {
        let server = Server::start_speaking(&[version], |_| response("200 OK", "", "hello")).await;
        let url = format!("https://a.test:{}", server.at.port());
        let setup = Setup::new(&[&url]).named(&[("a.test", &["127.0.0.1"])]);
        let fetched = get(&mut setup.egress_trusting(vec![Server::authority()]), &url).await.unwrap();
        assert_eq!(fetched.body, b"hello", "{version:?}");
    }
}

#[tokio::test]
async fn a_secret_leaves_with_the_request_and_does_not_come_back() {
    let server = Server::start(|request| {
        let key = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        response("200 OK", &format!("x-echo: {key}\r\n"), format!("{key} {request} parameter"))
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let setup = Setup { secret: secret(&[]), ..Setup::new(&[&base]) };
    let mut egress = setup.egress();
    let shown = egress.vault().show("p", "key").unwrap();
    let headers = vec![("authorization".to_owned(), format!("Bearer {shown}"))];
    let request = Asked { headers, body: shown.clone().into_bytes(), ..asked("POST", &format!("{base}/?key={shown}")) };
    let (fetched, kept) = egress.fetch(request).await;
    let seen = server.asked()[0].clone();
    assert!(
        seen.contains("Bearer hunter2!") && seen.contains("/?key=hunter2%21") && seen.ends_with("hunter2!"),
        "{seen}"
    );
    let fetched = fetched.unwrap();
    assert!(!format!("{fetched:?} {}", String::from_utf8_lossy(&fetched.body)).contains("hunter2"));
    assert!(fetched.headers.contains(&("x-echo".to_owned(), format!("Bearer {shown}"))));
    let kept = kept.unwrap();
    let text = String::from_utf8_lossy(&kept.bytes);
    assert!(!text.contains("hunter2") && !text.contains("parameter") && text.contains(&shown), "{text}");
    assert!(kept.file_name.contains(&shown), "{}", kept.file_name);
}

#[tokio::test]
async fn a_secret_that_may_not_go_to_a_server_is_not_sent_there() {
    let server = Server::start(|_| response("200 OK", "", "")).await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    let setup = Setup { secret: secret(&["https://a.test"]), ..Setup::new(&[&base]) };
    let mut egress = setup.egress();
    let shown = egress.vault().show("p", "key").unwrap();
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("me:{shown}"));
    for value in [format!("Bearer {shown}"), format!("Basic {basic}")] {
        let headers = vec![("authorization".to_owned(), value)];
        let request = Asked { headers, ..asked("GET", &base) };
        assert_eq!(code(egress.fetch(request).await.0), "not_granted");
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_replay_gets_the_same_answers_without_the_network() {
    let answers = Mutex::new(vec!["second", "first"]);
    let server = Server::start(move |_| response("200 OK", "", answers.lock().unwrap().pop()?)).await;
    let url = format!("http://127.0.0.1:{}/", server.at.port());
    let setup = Setup::new(&[&url[..url.len() - 1]]);
    let mut live = setup.egress();
    let mut kept = Vec::new();
    let mut outcomes = Vec::new();
    for request in [asked("GET", &url), asked("GET", &url), asked("DELETE", &url)] {
        let (outcome, exchange) = live.fetch(request).await;
        let InputBytes { file_name, bytes } = exchange.unwrap();
        kept.push(KeptInput { file_name, digest: model::Digest::new([0; 32]), bytes });
        outcomes.push(outcome);
    }
    drop(server);
    let mut again = Setup { exchanges: Exchanges::Recorded(kept.clone()), ..setup }.egress();
    for (at, request) in [asked("GET", &url), asked("GET", &url), asked("DELETE", &url)].into_iter().enumerate() {
        let (outcome, exchange) = again.fetch(request).await;
        assert_eq!(outcome, outcomes[at]);
        assert_eq!(exchange.unwrap().bytes, kept[at].bytes, "and keeps them again");
    }
    assert_eq!(outcomes[1].as_ref().unwrap().body, b"second");
    assert_eq!(code(get(&mut again, &url).await), "not_recorded", "it was made twice, not three times");
}
