//! Who keeps queued runs, and who gets those that nobody keeps.

use model::ports::{Adoption, Heard, Interrupted, Keeper, Ledger, NewRun, Requeue, Start, Worker};
use model::run::RunStatus;
use model::{Failure, FailureKind, RunId, Timestamp};

use super::places::on_both;
use super::support::{Bench, START_US, worker};

on_both! {
    who_is_not_the_keeper_begins_nothing_while_the_keeper_lives,
    a_dead_keepers_runs_are_adopted_each_by_one_of_several,
    a_worker_keeps_what_it_queues_again_and_hears_of_it,
    what_is_given_up_is_adopted_at_once_and_what_is_not_kept_is_not_given_up,
    who_leaves_is_forgotten_unless_it_has_runs_at_work,
    only_what_can_be_carried_out_is_adopted_and_no_more_than_is_wanted,
    a_worker_that_counts_as_dead_adopts_nothing,
    a_run_that_its_keeper_does_not_know_is_taken_up_by_it_again,
    who_has_a_run_is_known_while_it_lives,
    a_look_that_finds_nothing_writes_nothing,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(START_US + seconds * 1_000_000)
}

fn named(number: u8) -> Worker {
    Worker { id: worker(number), host: "here".to_owned(), started_at: at(0) }
}

fn adoption(number: u8, until: i64) -> Adoption {
    let names = vec!["shop.sales".to_owned()];
    Adoption { worker: worker(number), until: at(until), names, but: Vec::new(), most: 100 }
}

impl Bench {
    /// Queued, and kept by this worker, which is alive for 30 seconds.
    async fn kept(&self, number: u8) -> RunId {
        let keeper = Some(Keeper { worker: worker(number), until: Some(at(30)) });
        let run = NewRun { keeper, ..self.new_run() };
        let id = run.run_id;
        self.storage.submit(run).await.unwrap();
        id
    }

    async fn adopted(&self, adoption: Adoption) -> Vec<RunId> {
        self.storage.adopt(adoption).await.unwrap().into_iter().map(|run| run.run_id).collect()
    }

    async fn begins(&self, run: RunId, number: u8, keeper: Option<u8>) -> Result<(), Failure> {
        let (worker, keeper) = (worker(number), keeper.map(worker));
        self.storage.start(Start { worker, keeper, ..self.start(run, 1) }).await
    }
}

async fn who_is_not_the_keeper_begins_nothing_while_the_keeper_lives(bench: Bench) {
    let (first, second) = (bench.kept(1).await, bench.kept(1).await);
    for keeper in [None, Some(2)] {
        let refused = bench.begins(first, 2, keeper).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.retryable), ("kept", false));
    }
    assert_eq!(bench.event_names(first).await, ["created", "queued"], "nothing was written");
    bench.begins(first, 1, Some(1)).await.unwrap();
    // Whoever may speak for the keeper may begin under another name.
    bench.begins(second, 3, Some(1)).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM runs WHERE keeper_id IS NOT NULL").await, 0);
    let third = bench.kept(1).await;
    bench.clock.set(at(60).as_micros());
    bench.begins(third, 2, None).await.unwrap();
}

async fn a_dead_keepers_runs_are_adopted_each_by_one_of_several(bench: Bench) {
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(bench.kept(1).await);
    }
    let living = bench.kept(2).await;
    bench.storage.heartbeat(&named(2), at(90)).await.unwrap();
    assert_eq!(bench.adopted(adoption(3, 60)).await, [], "they are kept");
    bench.clock.set(at(30).as_micros());
    let other = match &bench.server {
        Some(_) => Some(bench.another().await),
        None => None,
    };
    let there = other.as_ref().unwrap_or(&bench);
    let wanted = |number| Adoption { most: 7, ..adoption(number, 60) };
    let (one, two, three) = tokio::join!(bench.adopted(wanted(3)), there.adopted(wanted(4)), there.adopted(wanted(5)));
    let rest = bench.adopted(adoption(6, 60)).await;
    let mut adopted = [one, two, three, rest].concat();
    adopted.sort();
    runs.sort();
    assert_eq!(adopted, runs, "each is one's");
    assert_eq!(bench.storage.kept_by(living).await.unwrap(), Some(worker(2)));
    // The former keeper comes back: it has none of them.
    assert_eq!(bench.storage.heartbeat(&named(1), at(60)).await.unwrap(), Heard::default());
    assert_eq!(bench.begins(runs[0], 1, Some(1)).await.unwrap_err().code, "kept");
}

async fn a_worker_keeps_what_it_queues_again_and_hears_of_it(bench: Bench) {
    let (run, waits) = (bench.kept(1).await, bench.kept(1).await);
    bench.begins(run, 1, Some(1)).await.unwrap();
    let heard = bench.storage.heartbeat(&named(1), at(30)).await.unwrap();
    assert_eq!(heard, Heard { at_work: vec![run], kept: vec![waits] });
    let error = Failure::new(FailureKind::Network, "reset", "connection reset");
    let requeue = Requeue {
        run_id: run,
        attempt: 1,
        worker: worker(1),
        error,
        usage: None,
        not_before: at(5),
        logs: Vec::new(),
        at: at(1),
    };
    bench.storage.requeue(requeue).await.unwrap();
    let heard = bench.storage.heartbeat(&named(1), at(30)).await.unwrap();
    assert_eq!((heard.at_work.len(), heard.kept.len()), (0, 2));
    assert_eq!(bench.storage.kept_by(run).await.unwrap(), Some(worker(1)));
    assert_eq!(bench.adopted(adoption(2, 60)).await, []);
}

async fn what_is_given_up_is_adopted_at_once_and_what_is_not_kept_is_not_given_up(bench: Bench) {
    let (first, second, others) = (bench.kept(1).await, bench.kept(1).await, bench.kept(2).await);
    bench.storage.give_up(worker(1), vec![first, others]).await.unwrap();
    assert_eq!(bench.adopted(adoption(3, 60)).await, [first]);
    assert_eq!(bench.storage.kept_by(second).await.unwrap(), Some(worker(1)));
    assert_eq!(bench.storage.kept_by(others).await.unwrap(), Some(worker(2)));
}

async fn who_leaves_is_forgotten_unless_it_has_runs_at_work(bench: Bench) {
    let (at_work, waits) = (bench.kept(1).await, bench.kept(1).await);
    bench.begins(at_work, 1, Some(1)).await.unwrap();
    bench.storage.leave(worker(1)).await.unwrap();
    assert_eq!(bench.number("SELECT COUNT(*) FROM workers").await, 1);
    assert_eq!(bench.adopted(adoption(2, 30)).await, [waits]);
    bench.storage.conclude(bench.ended(at_work, RunStatus::Completed)).await.unwrap();
    for number in [1, 2] {
        bench.storage.leave(worker(number)).await.unwrap();
    }
    assert_eq!(bench.number("SELECT COUNT(*) FROM workers").await, 0);
    assert_eq!(bench.adopted(adoption(3, 30)).await, [waits]);
}

async fn only_what_can_be_carried_out_is_adopted_and_no_more_than_is_wanted(bench: Bench) {
    let runs = [bench.queued().await, bench.queued().await, bench.queued().await];
    let elsewhere = Adoption { names: vec!["other.name".to_owned()], ..adoption(1, 30) };
    assert_eq!(bench.adopted(elsewhere).await, []);
    let wanted = Adoption { but: vec![runs[0]], most: 1, ..adoption(1, 30) };
    assert_eq!(bench.adopted(wanted).await, [runs[1]]);
    assert_eq!(bench.adopted(adoption(2, 30)).await, [runs[0], runs[2]]);
}

async fn a_worker_that_counts_as_dead_adopts_nothing(bench: Bench) {
    let (run, waits) = (bench.kept(1).await, bench.queued().await);
    bench.begins(run, 1, Some(1)).await.unwrap();
    bench.clock.set(at(60).as_micros());
    assert_eq!(bench.adopted(adoption(1, 90)).await, []);
    bench.storage.reap(Interrupted::Requeue).await.unwrap();
    let mut both = [run, waits];
    both.sort();
    assert_eq!(bench.adopted(adoption(1, 90)).await, both, "what was reaped too");
}

async fn a_run_that_its_keeper_does_not_know_is_taken_up_by_it_again(bench: Bench) {
    let (known, unknown) = (bench.kept(1).await, bench.kept(1).await);
    let wanted = |number| Adoption { but: vec![known], ..adoption(number, 30) };
    assert_eq!(bench.adopted(wanted(2)).await, []);
    assert_eq!(bench.adopted(wanted(1)).await, [unknown]);
}

async fn who_has_a_run_is_known_while_it_lives(bench: Bench) {
    let (run, nobodys) = (bench.kept(1).await, bench.queued().await);
    assert_eq!(bench.storage.kept_by(run).await.unwrap(), Some(worker(1)));
    assert_eq!(bench.storage.kept_by(nobodys).await.unwrap(), None);
    bench.begins(run, 1, Some(1)).await.unwrap();
    bench.storage.heartbeat(&named(1), at(70)).await.unwrap();
    bench.clock.set(at(69).as_micros());
    assert_eq!(bench.storage.kept_by(run).await.unwrap(), Some(worker(1)));
    bench.clock.set(at(70).as_micros());
    assert_eq!(bench.storage.kept_by(run).await.unwrap(), None);
}

async fn a_look_that_finds_nothing_writes_nothing(bench: Bench) {
    bench.kept(1).await;
    let before = bench.storage.wal_bytes();
    assert_eq!(bench.adopted(adoption(2, 30)).await, []);
    assert_eq!(bench.storage.reap(Interrupted::Requeue).await.unwrap(), []);
    assert_eq!(bench.number("SELECT COUNT(*) FROM workers").await, 1, "who found nothing is not known");
    assert_eq!(bench.storage.wal_bytes(), before);
}
