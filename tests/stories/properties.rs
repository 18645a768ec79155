//! Whatever was published, every reader shows the same rows: DuckDB, which leaves files out because of the catalog's
//! statistics; our own queries, which leave them out because of what the ledger knows; and a full scan in memory, which
//! has no statistics to be misled by.
//!
//! The data is made to mislead: NaN, nulls, extremes, texts that differ after a thousand characters; partitions that
//! become empty, lose rows, come again; a clock that stands still and steps back. The comparisons use values of the
//! data and their neighbours, where a bound that is off by one shows.

mod bounds;
mod lab;
mod model;
mod plan;
mod predicate;
mod readers;
mod values;

use std::cell::RefCell;

use ::model::ports::AsOf;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use tests::Duck;

use self::lab::Lab;
use self::model::{Capture, Row, State, rows};
use self::plan::{Plan, plan};
use self::predicate::Predicate;
use self::readers::{Source, Texts};
use self::values::Value;

/// The same lives every time in the short form, new ones in the long form.
fn runner() -> TestRunner {
    let config = |cases| Config { cases, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    if std::env::var_os("SPINE_SOAK").is_some() {
        return TestRunner::new(config(600));
    }
    TestRunner::new_with_rng(config(16), TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

#[test]
fn every_reader_shows_the_rows_of_a_full_scan() {
    let duck = Duck::start().map(RefCell::new);
    if duck.is_none() {
        eprintln!("only our own queries are held against the full scan");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runner().run(&plan(), |plan| {
        runtime.block_on(live(&plan, duck.as_ref()));
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, plan)) => panic!("{why}\nthe smallest plan that fails: {plan:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Lives one life of a lake and compares all that can be seen of it.
async fn live(plan: &Plan, duck: Option<&RefCell<Duck>>) {
    let mut lab = Lab::new().await;
    for step in &plan.steps {
        lab.carry_out(step).await;
    }
    if let Some(duck) = duck {
        duck.borrow_mut().attach(&lab.database());
    }
    let questions: Vec<Predicate> =
        plan.questions.iter().filter_map(|question| Predicate::new(question, &lab.expected)).collect();
    if let Some(&last) = lab.expected.states.last() {
        compare_latest(&lab, last, &questions, duck).await;
        let (index, late) = plan.earlier;
        compare_earlier(&lab, index.index(lab.expected.states.len()), late, &questions, duck).await;
        unaltered(&lab, last).await;
    }
    if let Some(duck) = duck {
        // Before its files go.
        duck.borrow_mut().try_rows(".detach").unwrap();
    }
    lab.storage.close().await;
}

async fn compare_latest(lab: &Lab, last: State, questions: &[Predicate], duck: Option<&RefCell<Duck>>) {
    let latest = lab.expected.latest(last);
    let view = lab.view(AsOf::Latest).await;
    let captures = &lab.captures();
    compare(&Source::Ours { captures, view: view.clone(), table: "lab.samples" }, &latest, questions).await;
    let history = Source::Ours { captures, view, table: "lab.samples_history" };
    compare(&history, &lab.expected.history(last), questions).await;
    if let Some(duck) = duck {
        compare(&Source::Duck { duck, table: "lake.lab.samples".to_owned() }, &latest, questions).await;
    }
}

/// A state that was, asked for by its number, and by its time or the last instant before the next state.
async fn compare_earlier(lab: &Lab, at: usize, late: bool, questions: &[Predicate], duck: Option<&RefCell<Duck>>) {
    let states = &lab.expected.states;
    let state = states[at];
    let instant = match states.get(at + 1) {
        Some(next) if late => next.at.plus_micros(-1),
        _ => state.at,
    };
    let view = lab.view(AsOf::Instant(instant)).await;
    assert_eq!((view.snapshot.id, view.snapshot.at), (state.snapshot, state.at), "as of {instant}");
    let (captures, latest) = (&lab.captures(), lab.expected.latest(state));
    compare(&Source::Ours { captures, view: view.clone(), table: "lab.samples" }, &latest, questions).await;
    let history = Source::Ours { captures, view, table: "lab.samples_history" };
    compare(&history, &lab.expected.history(state), &[]).await;
    let Some(duck) = duck else { return };
    let version = format!("VERSION => {}", state.snapshot);
    let timestamp = format!("TIMESTAMP => TIMESTAMPTZ '{instant}'");
    for point in [version, timestamp] {
        compare(&Source::Duck { duck, table: format!("lake.lab.samples AT ({point})") }, &latest, questions).await;
    }
}

async fn compare(source: &Source<'_>, captures: &[&Capture], questions: &[Predicate]) {
    let rows = rows(captures);
    let mut expected: Vec<Texts> = rows.iter().map(|row| texts(row)).collect();
    expected.sort();
    assert_eq!(source.contents().await, expected, "all rows of {source:?}");
    let found = source.stamps(questions).await;
    for (question, found) in questions.iter().zip(found) {
        let mut fit: Vec<i64> = rows.iter().filter(|row| question.fits(row)).map(|row| row.stamp()).collect();
        fit.sort_unstable();
        let differ = |row: &&&Row| found.contains(&row.stamp()) != fit.contains(&row.stamp());
        let differ: Vec<_> = rows.iter().filter(differ).collect();
        assert_eq!(found, fit, "{question:?} in {source:?}; they differ about {differ:?}");
    }
}

fn texts(row: &Row) -> Texts {
    row.0.iter().map(|cell| cell.as_ref().map(Value::text)).collect()
}

/// Nothing that was published is ever altered, and the ledger still says what it said.
async fn unaltered(lab: &Lab, last: State) {
    let view = lab.view(AsOf::Latest).await;
    let published = &view.datasets[0].captures;
    assert_eq!(published.len(), last.known);
    for capture in &lab.expected.captures {
        let now = published.iter().find(|now| now.capture_id == capture.capture_id).unwrap();
        assert_eq!((now.revision, now.content_hash), (capture.revision, capture.content_hash));
        let path = now.file.as_ref().map(|file| &file.path);
        assert_eq!(path, capture.file.as_ref().map(|(path, _)| path));
        if let Some((path, hash)) = &capture.file {
            assert_eq!(&lab.file_hash(path), hash, "{path} is not what was published");
        }
    }
    let first = lab.expected.states[0].at;
    let before = lab.view(AsOf::Instant(first.plus_micros(-1))).await;
    assert!(before.datasets[0].captures.is_empty(), "nothing is there before the first capture");
}
