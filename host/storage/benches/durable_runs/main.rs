//! What a durable run costs: no-op runs through the ledger and through the orchestrator, against a plain loop of
//! commits on the same disk.
//!
//! Every round measures all of it in turns, so that what else happens on the machine happens to everything. Medians of
//! the rounds are printed, and the best round. `sqlite` or `postgres` as an argument leaves the other out. A bar that is
//! missed is said, and fails nothing: times on a shared machine prove little. `docs/benchmarks.md` has the figures.

#![expect(clippy::unwrap_used, reason = "a bench stops where something is wrong")]

mod commits;
mod hands;
mod ledger;
mod place;
mod say;
mod whole;

use std::sync::Arc;

use commits::Commits;
use ledger::{LedgerRuns, Runs};
use place::Place;
use say::{Bar, say};
use whole::WholeRuns;

/// How often everything is measured, after one round that does not count.
const ROUNDS: usize = 5;

/// Runs at one time where the machine is to be busy.
const IN_FLIGHT: usize = 64;

/// Per round: commits of the plain loop, runs with one in flight, runs with many.
const COMMITS: usize = 300;
const RUNS_ALONE: usize = 100;
const RUNS_TOGETHER: usize = 6_000;

fn main() {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // Cargo has an argument of its own for benches.
    let asked: Vec<String> = std::env::args().skip(1).filter(|asked| !asked.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    threads.block_on(async {
        if is_asked("sqlite") {
            measure(Place::sqlite()).await;
        }
        if is_asked("postgres") {
            match Place::postgres() {
                Ok(place) => measure(place).await,
                Err(absent) => say(&format!("skipped: PostgreSQL: {}", absent.0)),
            }
        }
    });
}

/// What one round came to, by what was measured.
#[derive(Default)]
struct Rounds {
    commit_p50_us: Vec<f64>,
    commit_p99_us: Vec<f64>,
    commits: Vec<f64>,
    alone: Vec<f64>,
    alone_times: Vec<f64>,
    together: Vec<f64>,
    whole_alone_times: Vec<f64>,
    whole_together: Vec<f64>,
}

async fn measure(place: Place) {
    let name = place.name();
    let storage = Arc::new(place.open().await);
    let mut commits = Commits::begin(&place).await;
    say(&format!("{name}: {}", commits.settings().await));
    let ledger = Arc::new(LedgerRuns::new(Arc::clone(&storage)));
    let whole = Arc::new(WholeRuns::new(Arc::clone(&storage)).await);
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let loop_ = commits.measure(COMMITS).await;
        let alone = Runs::measure(&ledger, 1, RUNS_ALONE).await;
        let together = Runs::measure(&ledger, IN_FLIGHT, RUNS_TOGETHER).await;
        let whole_alone = Runs::measure(&whole, 1, RUNS_ALONE).await;
        let whole_together = Runs::measure(&whole, IN_FLIGHT, RUNS_TOGETHER / 2).await;
        if round == 0 {
            continue;
        }
        rounds.commits.push(loop_.per_second());
        rounds.commit_p50_us.push(loop_.p50_us());
        rounds.commit_p99_us.push(loop_.p99_us());
        rounds.alone.push(alone.p50_us());
        rounds.alone_times.push(alone.p50_us() / loop_.p50_us());
        rounds.together.push(together.per_second());
        rounds.whole_alone_times.push(whole_alone.p50_us() / loop_.p50_us());
        rounds.whole_together.push(whole_together.per_second());
    }
    report(&place, &rounds);
    drop((ledger, whole));
    storage.close().await;
}

fn report(place: &Place, rounds: &Rounds) {
    let name = place.name();
    // The bars are those of the file that one process owns.
    let (rate, times) = match place {
        Place::Sqlite(_) => (Bar::AtLeast(5_000.0), Bar::AtMost(4.0)),
        Place::Postgres(_) => (Bar::None, Bar::None),
    };
    say::rate(&format!("{name}: one fsynced commit after another"), &rounds.commits, Bar::None);
    say::micros(&format!("{name}: one fsynced commit, p50"), &rounds.commit_p50_us);
    say::micros(&format!("{name}: one fsynced commit, p99"), &rounds.commit_p99_us);
    say::rate(&format!("{name}: durable no-op runs, {IN_FLIGHT} in flight"), &rounds.together, rate);
    say::micros(&format!("{name}: a durable no-op run alone, p50"), &rounds.alone);
    say::ratio(&format!("{name}: a durable no-op run alone / one fsynced commit"), &rounds.alone_times, times);
    let what = "no-op runs through the orchestrator";
    say::rate(&format!("{name}: {what}, {IN_FLIGHT} in flight"), &rounds.whole_together, Bar::None);
    say::ratio(&format!("{name}: {what}, alone / one fsynced commit"), &rounds.whole_alone_times, Bar::None);
}
