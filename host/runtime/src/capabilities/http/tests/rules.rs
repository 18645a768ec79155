//! The rules of a server: tried again, left alone, asked in turn.

use model::grants::Upstream;
use model::ports::UpstreamCall;

use super::*;

/// Allows `tries` calls, refuses the next with `circuit_open`, and remembers what it was told.
#[derive(Debug, Default)]
struct Rules {
    tries: usize,
    told: Mutex<Vec<String>>,
}

impl Rules {
    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Upstreams for Rules {
    async fn begin(&self, upstream: &str, _: &Upstream) -> Result<UpstreamCall, Failure> {
        let mut told = self.told.lock().unwrap();
        if told.iter().filter(|line| line.starts_with("begin")).count() == self.tries {
            return Err(Failure::new(FailureKind::Orchestration, "circuit_open", "left alone"));
        }
        told.push(format!("begin {}", upstream.rsplit_once(':').unwrap().0));
        Ok(UpstreamCall { id: "x".to_owned(), is_probe: false })
    }

    async fn end(&self, _: &str, _: &Upstream, _: UpstreamCall, failure: Option<&Failure>) {
        let text =
            failure.map_or_else(|| "ok".to_owned(), |failure| format!("{} {:?}", failure.code, failure.retry_after_ms));
        self.told.lock().unwrap().push(text);
    }

    fn retry_after(&self, _: &Upstream, failure: &Failure, calls: u32) -> Option<Duration> {
        (failure.retryable && calls < 3).then_some(Duration::ZERO)
    }

    async fn pause(&self, _: Duration) {
        self.told.lock().unwrap().push("pause".to_owned());
    }
}

async fn unwell(status: &'static str, headers: &'static str) -> (Server, String) {
    let server = Server::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/hangs-up" => Some(Vec::new()),
        _ => response(status, headers, "unwell"),
    })
    .await;
    let base = format!("http://127.0.0.1:{}", server.at.port());
    (server, base)
}

fn setup(base: &str, tries: usize) -> (Arc<Rules>, Egress) {
    let rules = Arc::new(Rules { tries, ..Rules::default() });
    let setup = Setup { upstreams: rules.clone(), ..Setup::new(&[base]) };
    (rules, setup.egress())
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_the_last_answer_is_the_guests() {
    let (server, base) = unwell("503 Busy", "retry-after: 7\r\n").await;
    let (rules, mut egress) = setup(&base, 9);
    let fetched = get(&mut egress, &base).await.unwrap();
    assert_eq!((fetched.status, server.asked().len()), (503, 3));
    let once = ["begin http://127.0.0.1", "unavailable Some(7000)"];
    assert_eq!(rules.told(), [&once[..], &["pause"], &once[..], &["pause"], &once[..]].concat());

    let (rules, mut egress) = setup(&base, 9);
    assert_eq!(code(get(&mut egress, &format!("{base}/hangs-up")).await), "network");
    assert_eq!(rules.told().iter().filter(|line| *line == "network None").count(), 3);
}

#[tokio::test]
async fn what_would_be_done_twice_or_does_not_pass_is_tried_once() {
    let (server, base) = unwell("503 Busy", "").await;
    let (_, mut egress) = setup(&base, 9);
    assert_eq!(egress.fetch(asked("POST", &base)).await.0.unwrap().status, 503);
    assert_eq!(server.asked().len(), 1);
    let (server, base) = unwell("500 Broken", "").await;
    let (rules, mut egress) = setup(&base, 9);
    assert_eq!(get(&mut egress, &base).await.unwrap().status, 500);
    assert_eq!((server.asked().len(), rules.told()[1].as_str()), (1, "unavailable None"), "it counts all the same");
    let (_, base) = unwell("404 Not there", "").await;
    let (rules, mut egress) = setup(&base, 9);
    assert_eq!(get(&mut egress, &base).await.unwrap().status, 404);
    assert_eq!(rules.told()[1], "ok", "the server works");
}

#[tokio::test]
async fn a_server_that_is_left_alone_is_not_asked() {
    let (server, base) = unwell("503 Busy", "").await;
    let (_, mut egress) = setup(&base, 2);
    assert_eq!(code(get(&mut egress, &base).await), "circuit_open");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(code(get(&mut egress, &base).await), "circuit_open");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn servers_say_when_to_come_again_in_seconds_or_as_a_time_of_their_own() {
    let after = |headers: &[(&str, &str)]| {
        retry_after(|wanted| headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value))
    };
    assert_eq!(after(&[("retry-after", "120")]), Some(120_000));
    let (date, later) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:29:30 GMT");
    assert_eq!(after(&[("retry-after", later), ("date", date)]), Some(90_000));
    assert_eq!(after(&[("retry-after", date), ("date", later)]), Some(0));
    assert_eq!(after(&[("retry-after", later)]), None, "the clock of this machine is not asked");
    assert_eq!(after(&[("retry-after", "soon")]), None);
    assert_eq!(after(&[]), None);
}

#[tokio::test]
async fn a_server_that_another_redirects_to_has_its_own_rules() {
    let there = Server::start(|_| response("503 Busy", "retry-after: 7\r\n", "busy")).await;
    let elsewhere = format!("http://localhost:{}/", there.at.port());
    let location = format!("location: {elsewhere}\r\n");
    let here = Server::start(move |_| response("302 Go", &location, "")).await;
    let base = format!("http://127.0.0.1:{}", here.at.port());
    let rules = Arc::new(Rules { tries: 9, ..Rules::default() });
    let setup = Setup { upstreams: rules.clone(), ..Setup::new(&[&base, &elsewhere[..elsewhere.len() - 1]]) };
    let setup = setup.named(&[("localhost", &["127.0.0.1"])]);
    let post = asked("POST", &base);
    assert_eq!(setup.egress().fetch(post).await.0.unwrap().status, 503);
    let told = ["begin http://127.0.0.1", "begin http://localhost", "unavailable Some(7000)", "ok"];
    assert_eq!(rules.told(), told);
}
