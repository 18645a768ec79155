//! Each command to the ledger and to the model, and whether both say the same.

use std::collections::{BTreeMap, BTreeSet};

use model::failure::{Failure, FailureKind};
use model::policy::RetryPolicy;
use model::ports::{
    Adoption, DeadLetterFilter, DeadLetters, Exclusive, Interrupted, Keeper, Leases, Ledger, NewRun, Requeue, Start,
    Submission, Worker,
};
use model::run::{Claim, Conclusion};
use model::work::Lineage;
use model::{RunId, Timestamp};

use super::Ask;
use super::life::{CALLS, LASTS, Life};
use crate::tests::support::{Bench, START_US, worker};

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_micros(START_US + minutes * 60_000_000)
}

fn code<T>(done: Result<T, Failure>) -> Result<(), String> {
    done.map(drop).map_err(|failure| failure.code)
}

fn slot(number: u8) -> String {
    format!("slot {number}")
}

impl Bench {
    fn run_with(&self, other: bool) -> NewRun {
        let mut run = self.new_run();
        run.spec.retry = RetryPolicy { attempts_max: CALLS, ..RetryPolicy::default() };
        if other {
            run.spec.params = serde_json::json!({ "file": "b.csv" });
        }
        run
    }

    pub(super) async fn ask(&self, life: &mut Life, ask: &Ask) {
        life.touched.clear();
        let until = at(life.now + LASTS);
        match *ask {
            Ask::Pass { minutes } => {
                life.now += minutes;
                self.clock.set(at(life.now).as_micros());
            }
            Ask::Submit { keeper, key, other, rebind, slot } => {
                let mut run = self.run_with(other);
                run.keeper = keeper.map(|number| Keeper { worker: worker(number), until: Some(until) });
                run.spec.idempotency_key = key.map(|key| format!("key {key}"));
                let bound = key.and_then(|key| life.keys.get(&key)).copied();
                run.rebind = bound.filter(|_| rebind).map(|place| life.runs[place].id);
                let id = run.run_id;
                let answer = self.storage.submit(run).await;
                let expected = match bound.map(|place| &life.runs[place]) {
                    Some(old) if old.other != other => Err("key_reused".to_owned()),
                    Some(old) if !(rebind && old.status.is_terminal() && old.status.name() != "completed") => {
                        Ok(Submission::Existing(old.id))
                    }
                    Some(_) | None => Ok(Submission::New),
                };
                assert_eq!(answer.map_err(|failure| failure.code), expected, "{ask:?}");
                if expected == Ok(Submission::New) {
                    let place = life.submit(id, keeper, slot, other);
                    key.map(|key| life.keys.insert(key, place));
                }
            }
            Ask::Start { run, worker: by, ahead } => {
                let Some(place) = life.place(run) else { return };
                let it = life.runs[place].clone();
                let exclusive = it.slot.map(|number| Exclusive { key: slot(number), slots: 1 });
                let start = Start {
                    worker: worker(by),
                    lease_until: until,
                    exclusive: exclusive.into_iter().collect(),
                    ..self.start(it.id, it.attempt + ahead)
                };
                let expected = life.start(place, by, ahead).map_err(str::to_owned);
                assert_eq!(code(self.storage.start(start).await), expected, "{ask:?} {it:?}");
                life.touched.insert(place);
            }
            Ask::Requeue { run, worker: by, behind } => {
                let Some(place) = life.place(run) else { return };
                let it = life.runs[place].clone();
                let by = by.or(it.worker).unwrap_or(1);
                let attempt = it.attempt.saturating_sub(behind);
                let requeue = Requeue {
                    run_id: it.id,
                    attempt,
                    worker: worker(by),
                    error: Failure::new(FailureKind::Network, "reset", "connection reset"),
                    usage: None,
                    not_before: at(life.now),
                    logs: Vec::new(),
                    at: at(life.now),
                };
                let expected = life.requeue(place, by, attempt).map_err(str::to_owned);
                assert_eq!(code(self.storage.requeue(requeue).await), expected, "{ask:?} {it:?}");
                life.touched.insert(place);
            }
            Ask::End { run, by, behind, status } => {
                let Some(place) = life.place(run) else { return };
                let it = life.runs[place].clone();
                let claim = life.claim(place, by, behind);
                let claimed = claim.map(|(by, attempt)| Claim { worker: worker(by), attempt });
                let conclusion = Conclusion { claim: claimed, ..self.ended(it.id, status) };
                let expected = life.end(place, claim, status).map_err(str::to_owned);
                assert_eq!(code(self.storage.conclude(conclusion).await), expected, "{ask:?} {it:?}");
                life.touched.insert(place);
            }
            Ask::GiveUp { run, worker: by } => {
                let Some(place) = life.place(run) else { return };
                self.storage.give_up(worker(by), vec![life.runs[place].id]).await.unwrap();
                life.give_up(place, by);
                life.touched.insert(place);
            }
            Ask::Beat { worker: by } => {
                let beating = Worker { id: worker(by), host: "here".to_owned(), started_at: at(0) };
                self.storage.heartbeat(&beating, until).await.unwrap();
                life.beat(by);
            }
            Ask::Reap { again } => {
                let policy = if again { Interrupted::Requeue } else { Interrupted::Fail };
                let reaped = self.storage.reap(policy).await.unwrap();
                let reaped: BTreeMap<_, _> = reaped.into_iter().map(|reaped| (reaped.run, reaped.became)).collect();
                assert_eq!(reaped, life.reap(again), "{ask:?}");
            }
            Ask::Adopt { worker: by } => {
                let names = vec!["shop.sales".to_owned()];
                let adoption = Adoption { worker: worker(by), until, names, but: Vec::new(), most: 1_000_000 };
                let adopted = self.storage.adopt(adoption).await.unwrap();
                let adopted: BTreeSet<RunId> = adopted.into_iter().map(|run| run.run_id).collect();
                assert_eq!(adopted, life.adopt(by), "{ask:?}");
            }
            Ask::Repeat { run } => {
                let Some(place) = life.place(run) else { return };
                let mut again = self.run_with(false);
                again.spec.lineage = Lineage { retry_of: Some(life.runs[place].id), ..Lineage::default() };
                let (id, expected) = (again.run_id, life.may_repeat(place).map_err(str::to_owned));
                let answer = code(self.storage.submit(again).await);
                assert_eq!(answer, expected, "{ask:?} {:?}", life.runs[place]);
                if expected.is_ok() {
                    life.repeated(place, id);
                }
                life.touched.insert(place);
            }
            Ask::Resolve { run } => {
                let Some(place) = life.place(run) else { return };
                let resolved = self.storage.resolve(life.runs[place].id, "ann", None).await;
                let resolved = resolved.map_err(|failure| failure.code);
                let expected = life.resolve(place).map_err(str::to_owned);
                assert_eq!(resolved, expected, "{ask:?} {:?}", life.runs[place]);
                life.touched.insert(place);
            }
        }
    }

    pub(super) async fn agree(&self, life: &mut Life, ask: &Ask) {
        for place in &life.touched {
            let it = &life.runs[*place];
            let report = self.storage.report(it.id).await.unwrap().unwrap();
            assert_eq!((report.status, report.attempt), (it.status, it.attempt), "{ask:?} {it:?}");
            assert_eq!(self.event_names(it.id).await, it.events, "{ask:?} {it:?}");
            let has = it.worker.or(it.keeper).filter(|worker| life.is_alive(*worker)).map(worker);
            assert_eq!(self.storage.kept_by(it.id).await.unwrap(), has, "{ask:?} {it:?}");
        }
        let leases = self.storage.leases().await.unwrap();
        let leases: BTreeSet<_> =
            leases.into_iter().map(|lease| (lease.key, lease.run, lease.worker, lease.expires_at)).collect();
        let live = life.slots.iter().filter(|(_, lease)| lease.until > life.now);
        let live: BTreeSet<_> = live
            .map(|(number, lease)| (slot(*number), life.runs[lease.run].id, worker(lease.worker), at(lease.until)))
            .collect();
        assert_eq!(leases, live, "{ask:?}");
        let changes_letters = matches!(
            ask,
            Ask::End { .. } | Ask::Reap { .. } | Ask::Repeat { .. } | Ask::Resolve { .. } | Ask::Pass { minutes: 0 }
        );
        if changes_letters {
            let filter = DeadLetterFilter { resolved: true, limit: 1_000_000, ..DeadLetterFilter::default() };
            let letters = self.storage.dead_letters(filter).await.unwrap();
            let letters: BTreeMap<_, _> = letters
                .into_iter()
                .map(|letter| (letter.run_id, (letter.retries, letter.resolved_by.is_some())))
                .collect();
            let expected = life.letters.iter();
            let expected: BTreeMap<_, _> =
                expected.map(|(place, letter)| (life.runs[*place].id, (letter.retries, letter.resolved))).collect();
            assert_eq!(letters, expected, "{ask:?}");
        }
    }
}
