//! Leases: who holds a key, until when, and what becomes of what a late owner writes.

use model::ports::{Acquired, Exclusive, Held, LeaseRequest, Leases, Ledger, Requeue, Start, Submission};
use model::run::{Claim, Conclusion, RunStatus};
use model::{Failure, FailureKind, RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, worker};

on_both! {
    case_l1_l2_l3_one_run_holds_a_key_and_may_take_it_again,
    case_l4_l5_expired_at_the_time_itself_a_lease_is_taken_over,
    case_l6_l7_only_its_owner_frees_or_extends_a_lease,
    case_l8_what_has_expired_is_removed,
    case_l9_of_eight_contenders_one_wins,
    case_l10_a_refused_lease_takes_nothing_of_its_group_with_it,
    case_l11_a_late_owner_writes_nothing,
    case_l11_tokens_grow_across_take_overs_and_are_never_used_again,
    keys_that_nobody_holds_leave_nothing_behind,
    tokens_go_on_after_those_of_an_earlier_version,
    a_key_has_as_many_holders_as_slots,
    case_x3_a_start_takes_every_lease_or_none,
    the_end_of_a_run_and_its_way_back_to_the_queue_free_its_leases,
    who_lost_a_run_may_not_say_how_it_ended,
}

const KEY: &str = "shop.sales|day=2021-01-28";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START_US + seconds * 1_000_000)
}

impl Bench {
    fn seconds(&self, seconds: i64) {
        self.clock.set(at(seconds).as_micros());
    }

    /// Asks for [`KEY`] for 60 seconds.
    async fn acquire(&self, run: RunId, number: u8) -> Result<Acquired, Held> {
        let until = self.now().plus_micros(60_000_000);
        let request = LeaseRequest { key: KEY.to_owned(), slots: 1, run, worker: worker(number), until };
        self.storage.acquire(request).await.unwrap()
    }

    fn now(&self) -> Timestamp {
        model::Clock::now(&*self.clock)
    }

    async fn holder(&self) -> Option<RunId> {
        self.storage.holder(KEY).await.unwrap().map(|lease| lease.run)
    }

    /// An attempt under this worker that needs these keys alone, for 60 seconds.
    fn start_alone(&self, run: RunId, attempt: u32, number: u8, keys: &[&str]) -> Start {
        let exclusive = keys.iter().map(|key| Exclusive { key: (*key).to_owned(), slots: 1 }).collect();
        let (worker, lease_until) = (worker(number), self.now().plus_micros(60_000_000));
        Start { worker, lease_until, exclusive, ..self.start(run, attempt) }
    }

    fn ended_by(&self, run: RunId, number: u8, status: RunStatus) -> Conclusion {
        Conclusion { claim: Some(Claim { worker: worker(number), attempt: 1 }), ..self.ended(run, status) }
    }
}

async fn case_l1_l2_l3_one_run_holds_a_key_and_may_take_it_again(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    assert_eq!(bench.acquire(one, 1).await, Ok(Acquired { token: 1 }));
    let held = Held { key: KEY.to_owned(), by: one, until: at(60) };
    assert_eq!(bench.acquire(two, 2).await, Err(held.clone()), "L1");
    assert_eq!(bench.acquire(one, 2).await, Err(held), "another worker is another owner");
    bench.seconds(59);
    assert_eq!(bench.holder().await, Some(one), "L3");
    assert_eq!(bench.acquire(one, 1).await, Ok(Acquired { token: 1 }), "L2");
    bench.seconds(118);
    assert_eq!(bench.acquire(two, 2).await.unwrap_err().until, at(119), "L2");
}

async fn case_l4_l5_expired_at_the_time_itself_a_lease_is_taken_over(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    bench.acquire(one, 1).await.unwrap();
    bench.seconds(60);
    assert_eq!(bench.holder().await, None, "L4");
    assert!(bench.storage.leases().await.unwrap().is_empty(), "L4");
    assert!(!bench.storage.extend(KEY, one, worker(1), at(90)).await.unwrap(), "it is not brought back");
    bench.seconds(61);
    assert_eq!(bench.acquire(two, 2).await, Ok(Acquired { token: 2 }), "L5");
    assert!(!bench.storage.free(KEY, one, worker(1)).await.unwrap(), "L5");
    assert!(!bench.storage.extend(KEY, one, worker(1), at(200)).await.unwrap(), "L5");
    assert_eq!(bench.holder().await, Some(two), "L5");
}

async fn case_l6_l7_only_its_owner_frees_or_extends_a_lease(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    bench.acquire(one, 1).await.unwrap();
    for (run, number) in [(two, 1), (one, 2), (two, 2)] {
        assert!(!bench.storage.free(KEY, run, worker(number)).await.unwrap(), "L6");
        assert!(!bench.storage.extend(KEY, run, worker(number), at(90)).await.unwrap());
    }
    assert_eq!(bench.holder().await, Some(one), "L6");
    assert!(!bench.storage.free("another", one, worker(1)).await.unwrap(), "L7");
    assert!(bench.storage.extend(KEY, one, worker(1), at(90)).await.unwrap());
    assert!(bench.storage.extend(KEY, one, worker(1), at(70)).await.unwrap());
    assert_eq!(bench.storage.leases().await.unwrap()[0].expires_at, at(90), "it never becomes shorter");
    assert!(bench.storage.free(KEY, one, worker(1)).await.unwrap());
    assert_eq!(bench.holder().await, None);
}

async fn case_l8_what_has_expired_is_removed(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    bench.acquire(one, 1).await.unwrap();
    bench.seconds(30);
    let request = LeaseRequest { key: "b".to_owned(), slots: 1, run: two, worker: worker(1), until: at(90) };
    bench.storage.acquire(request).await.unwrap().unwrap();
    let newest_first: Vec<String> = bench.storage.leases().await.unwrap().into_iter().map(|it| it.key).collect();
    assert_eq!(newest_first, ["b", KEY]);
    bench.seconds(60);
    assert_eq!(bench.storage.clean_expired().await.unwrap(), 1);
    assert_eq!(bench.storage.clean_expired().await.unwrap(), 0);
    assert_eq!(bench.storage.leases().await.unwrap().len(), 1);
}

async fn case_l9_of_eight_contenders_one_wins(bench: Bench) {
    let other = match &bench.server {
        Some(_) => Some(bench.another().await),
        None => None,
    };
    let mut runs = Vec::new();
    for _ in 0..8 {
        runs.push(bench.queued().await);
    }
    let (here, there) = (&bench, other.as_ref().unwrap_or(&bench));
    let won = tokio::join!(
        here.acquire(runs[0], 0),
        there.acquire(runs[1], 1),
        here.acquire(runs[2], 2),
        there.acquire(runs[3], 3),
        here.acquire(runs[4], 4),
        there.acquire(runs[5], 5),
        here.acquire(runs[6], 6),
        there.acquire(runs[7], 7),
    );
    let won = [won.0, won.1, won.2, won.3, won.4, won.5, won.6, won.7];
    assert_eq!(won.iter().filter(|won| won.is_ok()).count(), 1);
    let holder = bench.holder().await;
    assert!(won.iter().filter_map(|won| won.as_ref().err()).all(|held| Some(held.by) == holder));
}

async fn case_l10_a_refused_lease_takes_nothing_of_its_group_with_it(bench: Bench) {
    let (one, two, three) = (bench.queued().await, bench.queued().await, bench.queued().await);
    bench.acquire(one, 1).await.unwrap();
    let new = bench.new_run();
    let kept = new.run_id;
    let (submitted, refused, held, started) = tokio::join!(
        bench.storage.submit(new),
        bench.acquire(two, 2),
        bench.storage.start(bench.start_alone(two, 1, 2, &[KEY])),
        bench.storage.start(bench.start_alone(three, 1, 2, &[])),
    );
    assert_eq!(submitted.unwrap(), Submission::New);
    assert!(refused.is_err() && started.is_ok());
    assert_eq!(held.unwrap_err().code, "lease_held");
    let status = async |run| bench.storage.report(run).await.unwrap().unwrap().status;
    assert_eq!((status(kept).await, status(two).await), (RunStatus::Queued, RunStatus::Queued));
    assert_eq!(status(three).await, RunStatus::Running);
}

async fn case_l11_a_late_owner_writes_nothing(bench: Bench) {
    let (late, next) = (bench.queued().await, bench.queued().await);
    bench.storage.start(bench.start_alone(late, 1, 1, &[KEY])).await.unwrap();
    bench.seconds(60);
    bench.storage.start(bench.start_alone(next, 1, 2, &[KEY])).await.unwrap();
    let (report, events) = (bench.storage.report(late).await.unwrap(), bench.event_names(late).await);
    let failure = bench.storage.conclude(bench.ended_by(late, 1, RunStatus::Completed)).await.unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str(), failure.retryable), (FailureKind::Orchestration, "lost", false));
    assert_eq!(bench.storage.requeue(requeue(&bench, late, 1)).await.unwrap_err().code, "lost");
    assert_eq!((bench.storage.report(late).await.unwrap(), bench.event_names(late).await), (report, events));
    let done = bench.storage.conclude(bench.ended_by(next, 2, RunStatus::Completed)).await.unwrap();
    assert_eq!(done.status, RunStatus::Completed);
}

async fn case_l11_tokens_grow_across_take_overs_and_are_never_used_again(bench: Bench) {
    let runs = [bench.queued().await, bench.queued().await];
    let mut tokens = Vec::new();
    for turn in 0..6 {
        let run = runs[turn % 2];
        tokens.push(bench.acquire(run, 1).await.unwrap().token);
        match turn {
            0 | 3 => bench.seconds(60 * (i64::try_from(turn).unwrap() + 1)),
            1 => assert_eq!(bench.storage.free(KEY, run, worker(1)).await, Ok(true)),
            _ => {
                bench.seconds(60 * (i64::try_from(turn).unwrap() + 1));
                bench.storage.clean_expired().await.unwrap();
            }
        }
    }
    assert_eq!(tokens, [1, 2, 3, 4, 5, 6]);
}

async fn keys_that_nobody_holds_leave_nothing_behind(bench: Bench) {
    let run = bench.queued().await;
    let counters = "SELECT COUNT(*) FROM lease_counters";
    assert_eq!(bench.number(counters).await, 64);
    for number in 0..200 {
        let (key, until) = (format!("key {number}"), at(60));
        let request = LeaseRequest { key: key.clone(), slots: 1, run, worker: worker(1), until };
        bench.storage.acquire(request).await.unwrap().unwrap();
        assert!(bench.storage.free(&key, run, worker(1)).await.unwrap());
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM leases").await, 0);
    assert_eq!(bench.number(counters).await, 64);
    let given = bench.value("SELECT CAST(SUM(last_token) AS TEXT) FROM lease_counters").await;
    assert_eq!(given.as_deref(), Some("200"), "every lease counted once");
}

async fn tokens_go_on_after_those_of_an_earlier_version(bench: Bench) {
    let before = "INSERT INTO lease_tokens (lease_key, last_token) VALUES ('shop.sales|day=2021-01-28', 41), ('b', 7)";
    let bench = bench.left_by(20_261_126_200_000, before).await;
    let run = bench.queued().await;
    assert_eq!(bench.acquire(run, 1).await, Ok(Acquired { token: 42 }));
    let request = LeaseRequest { key: "new".to_owned(), slots: 1, run, worker: worker(1), until: at(60) };
    assert_eq!(bench.storage.acquire(request).await.unwrap().unwrap().token, 42, "a counter starts after every token");
}

async fn a_key_has_as_many_holders_as_slots(bench: Bench) {
    let runs = [bench.queued().await, bench.queued().await, bench.queued().await];
    let request =
        |run, seconds| LeaseRequest { key: "k".to_owned(), slots: 2, run, worker: worker(1), until: at(seconds) };
    assert_eq!(bench.storage.acquire(request(runs[0], 60)).await.unwrap(), Ok(Acquired { token: 1 }));
    assert_eq!(bench.storage.acquire(request(runs[1], 30)).await.unwrap(), Ok(Acquired { token: 2 }));
    let held = bench.storage.acquire(request(runs[2], 60)).await.unwrap().unwrap_err();
    assert_eq!((held.by, held.until), (runs[1], at(30)), "the one whose lease expires first");
    bench.seconds(30);
    assert_eq!(bench.storage.acquire(request(runs[2], 60)).await.unwrap(), Ok(Acquired { token: 3 }));
    assert_eq!(bench.storage.leases().await.unwrap().len(), 2);
}

async fn case_x3_a_start_takes_every_lease_or_none(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    bench.storage.start(bench.start_alone(one, 1, 1, &["b"])).await.unwrap();
    let (before, events) = (bench.storage.report(two).await.unwrap(), bench.event_names(two).await);
    let failure = bench.storage.start(bench.start_alone(two, 1, 1, &["a", "b"])).await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.code.as_str(), failure.retryable),
        (FailureKind::Orchestration, "lease_held", true)
    );
    let details = [("lease".to_owned(), "b".to_owned()), ("holder".to_owned(), one.to_string())];
    assert_eq!(failure.details, details);
    assert_eq!((bench.storage.report(two).await.unwrap(), bench.event_names(two).await), (before, events));
    assert_eq!(bench.storage.holder("a").await.unwrap(), None);
    // One that waits for a lease is cancelled in the end, and nobody has to deal with it (case X3).
    let locked = Failure::new(FailureKind::Orchestration, "locked", "held");
    let cancelled = Conclusion { claim: None, error: Some(locked), ..bench.ended(two, RunStatus::Cancelled) };
    let report = bench.storage.conclude(cancelled).await.unwrap();
    assert_eq!((report.status, report.error.unwrap().exit_code()), (RunStatus::Cancelled, 3));
    assert_eq!(bench.number("SELECT COUNT(*) FROM dead_letters").await, 0);
}

async fn the_end_of_a_run_and_its_way_back_to_the_queue_free_its_leases(bench: Bench) {
    let (one, two) = (bench.queued().await, bench.queued().await);
    bench.storage.start(bench.start_alone(one, 1, 1, &["a", "b"])).await.unwrap();
    assert_eq!(bench.storage.leases().await.unwrap().len(), 2);
    bench.storage.requeue(requeue(&bench, one, 1)).await.unwrap();
    assert!(bench.storage.leases().await.unwrap().is_empty());
    bench.storage.start(bench.start_alone(two, 1, 1, &["a"])).await.unwrap();
    bench.storage.conclude(bench.ended_by(two, 1, RunStatus::Failed)).await.unwrap();
    assert!(bench.storage.leases().await.unwrap().is_empty());
    assert_eq!(bench.number("SELECT COUNT(*) FROM runs WHERE worker_id IS NOT NULL OR leases > 0").await, 0);
}

async fn who_lost_a_run_may_not_say_how_it_ended(bench: Bench) {
    let run = bench.queued().await;
    bench.storage.start(bench.start_alone(run, 1, 1, &[])).await.unwrap();
    let claimed = |claim| Conclusion { claim, ..bench.ended(run, RunStatus::Completed) };
    let by = |number, attempt| Some(Claim { worker: worker(number), attempt });
    for claim in [None, by(2, 1), by(1, 2)] {
        assert_eq!(bench.storage.conclude(claimed(claim)).await.unwrap_err().code, "lost", "{claim:?}");
    }
    assert_eq!(bench.storage.start(bench.start_alone(run, 2, 2, &[])).await.unwrap_err().code, "lost");
    bench.storage.requeue(requeue(&bench, run, 1)).await.unwrap();
    let cancelled = Conclusion { claim: by(1, 1), ..bench.ended(run, RunStatus::Cancelled) };
    assert_eq!(bench.storage.conclude(cancelled).await.unwrap_err().code, "lost", "it waits for another worker");
    // A lease that expired but that nobody took over still fences: what was done under it may be written.
    bench.storage.start(bench.start_alone(run, 2, 1, &[KEY])).await.unwrap();
    bench.seconds(120);
    assert_eq!(bench.storage.conclude(claimed(by(1, 2))).await.unwrap().status, RunStatus::Completed);
}

fn requeue(bench: &Bench, run: RunId, attempt: u32) -> Requeue {
    let (at, error) = (bench.now(), Failure::new(FailureKind::Network, "reset", "connection reset"));
    Requeue { run_id: run, attempt, worker: worker(1), error, usage: None, not_before: at, logs: Vec::new(), at }
}

/// Takes the key, has a look at who else has it, and ends, again and again.
async fn contend(bench: &Bench, number: u8, inside: &std::sync::atomic::AtomicUsize) -> Vec<u64> {
    use std::sync::atomic::Ordering::SeqCst;
    let mut tokens = Vec::new();
    while tokens.len() < 8 {
        let run = bench.queued().await;
        let start = bench.start_alone(run, 1, number, &["a", KEY]);
        loop {
            match bench.storage.start(start.clone()).await {
                Ok(()) => break,
                Err(failure) => assert_eq!(failure.code, "lease_held", "{failure}"),
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "nobody else holds it");
        let lease = bench.storage.holder(KEY).await.unwrap().unwrap();
        assert_eq!((lease.run, lease.worker), (run, worker(number)));
        tokens.push(lease.token);
        inside.fetch_sub(1, SeqCst);
        bench.storage.conclude(bench.ended_by(run, number, RunStatus::Completed)).await.unwrap();
    }
    tokens
}

#[tokio::test]
async fn case_l9_l11_several_processes_hold_a_key_one_after_the_other() {
    let Some(one) = Bench::on_postgres().await else { return };
    let (two, three) = (one.another().await, one.another().await);
    let inside = std::sync::atomic::AtomicUsize::new(0);
    let (a, b, c) = tokio::join!(contend(&one, 1, &inside), contend(&two, 2, &inside), contend(&three, 3, &inside));
    for tokens in [&a, &b, &c] {
        assert!(tokens.is_sorted(), "{tokens:?}");
    }
    let mut all = [a, b, c].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=24).collect::<Vec<u64>>());
}
