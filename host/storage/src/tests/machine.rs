//! Random commands, legal and not, against a model of what a run may become: after each of them the ledger and the model
//! agree on what was refused and why, on status, attempt, keeper, events, leases and dead letters.
//!
//! The commands are the same each time, 600 of them; with SPINE_SOAK=1 there are 6,000.

mod asking;
mod life;

use model::run::RunStatus;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::places::on_both;
use super::support::Bench;
use life::Life;

on_both! {
    case_x11_whatever_is_asked_for_a_run_is_only_what_it_may_become,
}

/// `run` counts the runs backwards, from the latest.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Pass {
        minutes: i64,
    },
    Submit {
        keeper: Option<u8>,
        key: Option<u8>,
        other: bool,
        rebind: bool,
        slot: Option<u8>,
    },
    Start {
        run: usize,
        worker: u8,
        ahead: u32,
    },
    Requeue {
        run: usize,
        worker: Option<u8>,
        behind: u32,
    },
    /// By nobody, by whoever has it, or by this worker.
    End {
        run: usize,
        by: By,
        behind: u32,
        status: RunStatus,
    },
    GiveUp {
        run: usize,
        worker: u8,
    },
    Beat {
        worker: u8,
    },
    Reap {
        again: bool,
    },
    Adopt {
        worker: u8,
    },
    Repeat {
        run: usize,
    },
    Resolve {
        run: usize,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Nobody,
    WhoHasIt,
    Worker(u8),
}

/// Mostly what follows, or few runs would come far.
fn asks() -> impl Strategy<Value = Ask> {
    let run = || prop_oneof![3 => 0_usize..3, 1 => 0_usize..8];
    let who = || 1_u8..=3;
    let maybe = || prop_oneof![1 => Just(None), 1 => (1_u8..=3).prop_map(Some)];
    let seldom = || (0_u8..8).prop_map(|dice| dice == 0);
    let behind = || prop_oneof![6 => Just(0_u32), 1 => 1_u32..3];
    let ahead = prop_oneof![6 => Just(1_u32), 1 => 0_u32..3];
    let by = prop_oneof![4 => Just(By::WhoHasIt), 1 => who().prop_map(By::Worker), 1 => Just(By::Nobody)];
    let ends = vec![
        RunStatus::Completed,
        RunStatus::Failed,
        RunStatus::Failed,
        RunStatus::Cancelled,
        RunStatus::TimedOut,
        RunStatus::Running,
        RunStatus::DeadLettered,
    ];
    let submit =
        (maybe(), prop_oneof![2 => Just(None), 1 => (0_u8..3).prop_map(Some)], seldom(), any::<bool>(), maybe());
    prop_oneof![
        2 => select(vec![1, 20, 61]).prop_map(|minutes| Ask::Pass { minutes }),
        5 => submit.prop_map(|(keeper, key, other, rebind, slot)| Ask::Submit { keeper, key, other, rebind, slot }),
        10 => (run(), who(), ahead).prop_map(|(run, worker, ahead)| Ask::Start { run, worker, ahead }),
        4 => (run(), maybe(), behind()).prop_map(|(run, worker, behind)| Ask::Requeue { run, worker, behind }),
        8 => (run(), by, behind(), select(ends))
            .prop_map(|(run, by, behind, status)| Ask::End { run, by, behind, status }),
        1 => (run(), who()).prop_map(|(run, worker)| Ask::GiveUp { run, worker }),
        2 => who().prop_map(|worker| Ask::Beat { worker }),
        2 => any::<bool>().prop_map(|again| Ask::Reap { again }),
        1 => who().prop_map(|worker| Ask::Adopt { worker }),
        5 => run().prop_map(|run| Ask::Repeat { run }),
        1 => run().prop_map(|run| Ask::Resolve { run }),
    ]
}

#[expect(clippy::disallowed_methods, reason = "the environment says whether the long form is wanted")]
fn count() -> usize {
    if std::env::var_os("SPINE_SOAK").is_some() { 6_000 } else { 600 }
}

async fn case_x11_whatever_is_asked_for_a_run_is_only_what_it_may_become(bench: Bench) {
    let (mut runner, asks) = (TestRunner::deterministic(), asks());
    let mut life = Life::default();
    for _ in 0..count() {
        let ask = asks.new_tree(&mut runner).unwrap().current();
        bench.ask(&mut life, &ask).await;
        bench.agree(&mut life, &ask).await;
    }
    life.all_touched();
    bench.agree(&mut life, &Ask::Pass { minutes: 0 }).await;
    life.holds_enough();
}
