//! What good runs notice of a guest that misbehaves beside them: the suite of misbehaviours in one host, one of them at
//! work at a time and again and again, while a good plugin's runs go on.
//!
//! The same runs without it are taken in turns, so that the machine's drift is on both sides. Names of deeds on the
//! command line (`-- held panic`) choose among them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::bench;
use tests::hostile::HostileHost;

/// Good runs in each turn; 99 of 100 are faster than the slowest of them but a few.
const RUNS: usize = 300;

/// Three ticks of the epoch: what a guest that computes may keep a thread from others.
const TICKS: Duration = Duration::from_millis(30);

const DEEDS: [(&str, &str); 10] = [
    ("misbehave.do", "loop"),
    ("misbehave.do", "calls"),
    ("misbehave.do", "log"),
    ("misbehave.do", "output"),
    ("misbehave.do", "memory"),
    ("misbehave.do", "recursion"),
    ("misbehave.do", "handles"),
    ("misbehave.do", "panic"),
    ("misbehave.write", "endless"),
    ("misbehave.write", "held"),
];

/// How long good runs take, one after the other, from the request to the answer.
fn good_runs(host: &HostileHost) -> Vec<Duration> {
    let text = json!({ "text": "good" });
    let run = |_| {
        let began = Instant::now();
        let report = host.run("hello_rust.echo", &text);
        let took = began.elapsed();
        assert_eq!(report["status"], "completed", "{report}");
        took
    };
    (0..RUNS).map(run).collect()
}

/// The middle, and the one that 99 of 100 are no slower than.
fn percentiles(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn main() {
    let host = HostileHost::start();
    good_runs(&host);
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let mut worst = (0.0_f64, Duration::ZERO);
    for (name, how) in DEEDS.into_iter().filter(|(_, how)| chosen.is_empty() || chosen.iter().any(|it| it == how)) {
        let (alone_p50, alone_p99) = percentiles(good_runs(&host));
        let done = AtomicBool::new(false);
        let (beside_p50, beside_p99) = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let report = host.run(name, &json!({ "how": how }));
                    assert_eq!(report["status"], "failed", "{report}");
                }
            });
            let beside = percentiles(good_runs(&host));
            done.store(true, Ordering::Relaxed);
            beside
        });
        let (slower, later) = (bench::quotient(beside_p50, alone_p50), beside_p99.saturating_sub(alone_p99));
        worst = (worst.0.max(slower), worst.1.max(later));
        bench::say(&format!(
            "beside {how}: p50 {} -> {} ({slower:.2}), p99 {} -> {}",
            bench::readable(alone_p50),
            bench::readable(beside_p50),
            bench::readable(alone_p99),
            bench::readable(beside_p99)
        ));
    }
    bench::ratio("good runs beside a hostile one, p50, the worst of all", worst.0, "<= 2");
    bench::time("good runs beside a hostile one, p99 later by, the worst of all", worst.1, &format!("<= {TICKS:?}"));
    host.serving.assert_no_guest_is_left();
    assert_eq!(host.serving.stop().0, 0);
    drop(host.host);
}
