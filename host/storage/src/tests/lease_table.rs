//! The lease table against a plain model of it, under whatever several owners do.

use std::collections::BTreeMap;

use model::ports::{LeaseRequest, Leases};
use model::{RunId, Timestamp};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::places::on_both;
use super::support::{Bench, START_US, worker};

on_both! { the_table_does_what_the_model_does }

const SLOTS: u32 = 2;
/// Owners: a run and its worker. One run is under two workers.
const OWNERS: [(usize, u8); 5] = [(0, 1), (1, 1), (2, 2), (3, 2), (0, 2)];
const CASES: u32 = 12;

#[derive(Clone, Debug)]
enum Step {
    Acquire { owner: usize, seconds: i64 },
    Extend { owner: usize, seconds: i64 },
    Free { owner: usize },
    Clean,
    Pass { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let owner = 0..OWNERS.len();
    prop_oneof![
        4 => (owner.clone(), 1..6_i64).prop_map(|(owner, seconds)| Step::Acquire { owner, seconds }),
        2 => (owner.clone(), 1..6_i64).prop_map(|(owner, seconds)| Step::Extend { owner, seconds }),
        1 => owner.prop_map(|owner| Step::Free { owner }),
        1 => Just(Step::Clean),
        3 => (1..4_i64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// One key: who has which token until when, and the last token that there was.
#[derive(Default)]
struct Model {
    held: BTreeMap<usize, (u64, i64)>,
    last: u64,
    now: i64,
}

impl Model {
    fn live(&self) -> impl Iterator<Item = (usize, u64, i64)> {
        let held = self.held.iter().map(|(owner, (token, until))| (*owner, *token, *until));
        held.filter(|(_, _, until)| *until > self.now)
    }

    fn own(&self, owner: usize) -> Option<(u64, i64)> {
        self.live().find(|(its, _, _)| *its == owner).map(|(_, token, until)| (token, until))
    }

    /// The token, or when the first of the others expires.
    fn acquire(&mut self, owner: usize, until: i64) -> Result<u64, i64> {
        let others = || self.live().filter(|(its, _, _)| *its != owner);
        let own = self.own(owner);
        let same_run = others().any(|(its, _, _)| OWNERS[its].0 == OWNERS[owner].0);
        if same_run || (own.is_none() && others().count() >= SLOTS as usize) {
            return Err(others().map(|(_, _, until)| until).min().unwrap());
        }
        let (token, until) = own.map_or((self.last + 1, until), |(token, before)| (token, before.max(until)));
        self.last = self.last.max(token);
        self.held.insert(owner, (token, until));
        Ok(token)
    }
}

async fn the_table_does_what_the_model_does(bench: Bench) {
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(bench.queued().await);
    }
    // Cases follow each other in time, each with a key of its own.
    let mut runner = TestRunner::deterministic();
    let mut now = START_US;
    for case in 0..CASES {
        let steps = proptest::collection::vec(step(), 40).new_tree(&mut runner).unwrap().current();
        let played = play(&bench, &runs, &format!("key {case}"), &mut now, steps.clone()).await;
        played.unwrap_or_else(|failed| panic!("{failed} in {steps:?}"));
    }
}

async fn play(bench: &Bench, runs: &[RunId], key: &str, now: &mut i64, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let leases = &bench.storage;
    let mut model = Model { now: *now, ..Model::default() };
    let at = |model: &Model, seconds: i64| model.now + seconds * 1_000_000;
    for step in steps {
        let last = model.last;
        match step {
            Step::Pass { seconds } => {
                model.now = at(&model, seconds);
                bench.clock.set(model.now);
            }
            Step::Acquire { owner, seconds } => {
                let until = at(&model, seconds);
                let request = LeaseRequest {
                    key: key.to_owned(),
                    slots: SLOTS,
                    run: runs[OWNERS[owner].0],
                    worker: worker(OWNERS[owner].1),
                    until: Timestamp::from_micros(until),
                };
                let had = model.own(owner).is_some();
                let taken = leases.acquire(request).await.unwrap();
                let taken = taken.map(|it| it.token).map_err(|held| held.until.as_micros());
                prop_assert_eq!(&taken, &model.acquire(owner, until));
                prop_assert!(had || taken.is_err() || taken.is_ok_and(|token| token > last), "tokens only grow");
            }
            Step::Extend { owner, seconds } => {
                let (until, own) = (at(&model, seconds), model.own(owner));
                let (run, by) = (runs[OWNERS[owner].0], worker(OWNERS[owner].1));
                let extended = leases.extend(key, run, by, Timestamp::from_micros(until)).await.unwrap();
                prop_assert_eq!(extended, own.is_some());
                if let Some((token, before)) = own {
                    model.held.insert(owner, (token, before.max(until)));
                }
            }
            Step::Free { owner } => {
                let own = model.own(owner);
                let (run, by) = (runs[OWNERS[owner].0], worker(OWNERS[owner].1));
                prop_assert_eq!(leases.free(key, run, by).await.unwrap(), own.is_some());
                if own.is_some() {
                    model.held.remove(&owner);
                }
            }
            Step::Clean => drop(leases.clean_expired().await.unwrap()),
        }
        let shown = leases.leases().await.unwrap().into_iter().filter(|lease| lease.key == key);
        let mut shown: Vec<(u64, i64)> = shown.map(|lease| (lease.token, lease.expires_at.as_micros())).collect();
        let mut expected: Vec<(u64, i64)> = model.live().map(|(_, token, until)| (token, until)).collect();
        shown.sort_unstable();
        expected.sort_unstable();
        prop_assert!(shown.len() <= SLOTS as usize);
        prop_assert_eq!(shown, expected);
    }
    *now = model.now + 100_000_000;
    bench.clock.set(*now);
    Ok(())
}
