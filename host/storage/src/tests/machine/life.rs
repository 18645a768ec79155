//! The model: what runs, workers, leases, keys and dead letters are, in as few words as possible.

use std::collections::{BTreeMap, BTreeSet};

use model::RunId;
use model::ports::DEAD_LETTER_RETRIES_MAX;
use model::run::RunStatus;

use super::By;

/// How long everything lasts, in minutes.
pub(super) const LASTS: i64 = 60;

/// Calls of a run.
pub(super) const CALLS: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) status: RunStatus,
    pub(super) attempt: u32,
    pub(super) worker: Option<u8>,
    pub(super) keeper: Option<u8>,
    /// What it holds alone while it is at work.
    pub(super) slot: Option<u8>,
    /// Whether its parameters are the usual ones.
    pub(super) other: bool,
    /// The first of its chain, if it is a repetition.
    pub(super) first: Option<usize>,
    pub(super) events: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) run: usize,
    pub(super) worker: u8,
    pub(super) until: i64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Letter {
    pub(super) retries: u64,
    pub(super) resolved: bool,
}

#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) now: i64,
    pub(super) runs: Vec<Run>,
    /// Until when each worker is alive.
    pub(super) workers: BTreeMap<u8, i64>,
    pub(super) slots: BTreeMap<u8, Lease>,
    pub(super) keys: BTreeMap<u8, usize>,
    pub(super) letters: BTreeMap<usize, Letter>,
    /// Those that the last command may have changed.
    pub(super) touched: BTreeSet<usize>,
}

pub(super) type Answer = Result<(), &'static str>;

impl Life {
    pub(super) fn place(&self, back: usize) -> Option<usize> {
        self.runs.len().checked_sub(back + 1)
    }

    pub(super) fn all_touched(&mut self) {
        self.touched = (0..self.runs.len()).collect();
    }

    pub(super) fn is_alive(&self, worker: u8) -> bool {
        self.workers.get(&worker).is_some_and(|until| *until > self.now)
    }

    /// A worker does something; false if it counts as dead. It is not brought back while it has runs at work.
    fn live(&mut self, worker: u8) -> bool {
        let is_at_work = self.runs.iter().any(|run| run.status == RunStatus::Running && run.worker == Some(worker));
        let may = self.workers.get(&worker).is_none_or(|until| *until > self.now) || !is_at_work;
        if may {
            self.workers.insert(worker, self.now + LASTS);
        }
        may
    }

    fn has_leases(&self, place: usize, worker: u8) -> bool {
        let run = &self.runs[place];
        run.slot.is_none_or(|slot| self.slots.get(&slot).is_some_and(|it| it.run == place && it.worker == worker))
    }

    fn free(&mut self, place: usize) {
        self.slots.retain(|_, lease| lease.run != place);
    }

    pub(super) fn submit(&mut self, id: RunId, keeper: Option<u8>, slot: Option<u8>, other: bool) -> usize {
        keeper.map(|keeper| self.live(keeper));
        let events = vec!["created", "queued"];
        let (status, place) = (RunStatus::Queued, self.runs.len());
        self.runs.push(Run { id, status, attempt: 0, worker: None, keeper, slot, other, first: None, events });
        self.touched.insert(place);
        place
    }

    pub(super) fn start(&mut self, place: usize, by: u8, ahead: u32) -> Answer {
        let is_alive = self.live(by);
        let run = &self.runs[place];
        let is_kept = run.keeper.is_some_and(|keeper| keeper != by && self.is_alive(keeper));
        match run.status {
            RunStatus::Queued | RunStatus::Running if ahead != 1 => return Err("illegal_transition"),
            RunStatus::Queued if is_kept => return Err("kept"),
            RunStatus::Running if run.worker != Some(by) => return Err("lost"),
            RunStatus::Queued | RunStatus::Running if !is_alive => return Err("lost"),
            RunStatus::Queued | RunStatus::Running => {}
            _ => return Err("illegal_transition"),
        }
        if let Some(slot) = run.slot {
            let until = self.now + LASTS;
            match self.slots.get_mut(&slot).filter(|lease| lease.until > self.now) {
                Some(own) if own.run == place && own.worker == by => own.until = until,
                Some(_) => return Err("lease_held"),
                None => drop(self.slots.insert(slot, Lease { run: place, worker: by, until })),
            }
        }
        let run = &mut self.runs[place];
        (run.status, run.attempt, run.worker, run.keeper) = (RunStatus::Running, run.attempt + 1, Some(by), None);
        run.events.push("started");
        Ok(())
    }

    fn is_at_it(&self, place: usize, by: u8, attempt: u32) -> bool {
        let run = &self.runs[place];
        run.status == RunStatus::Running
            && run.worker == Some(by)
            && run.attempt == attempt
            && self.has_leases(place, by)
    }

    pub(super) fn requeue(&mut self, place: usize, by: u8, attempt: u32) -> Answer {
        if self.is_at_it(place, by, attempt) {
            self.free(place);
            let run = &mut self.runs[place];
            (run.status, run.worker, run.keeper) = (RunStatus::Queued, None, Some(by));
            run.events.push("retry_scheduled");
            return Ok(());
        }
        let run = &self.runs[place];
        let is_latest = run.status == RunStatus::Running && run.attempt == attempt;
        Err(if is_latest { "lost" } else { "illegal_transition" })
    }

    /// Who says that it ended: a worker and an attempt, or nobody.
    pub(super) fn claim(&self, place: usize, by: By, behind: u32) -> Option<(u8, u32)> {
        let run = &self.runs[place];
        let attempt = run.attempt.saturating_sub(behind);
        match by {
            By::Nobody => None,
            By::WhoHasIt => run.worker.map(|worker| (worker, attempt)),
            By::Worker(worker) => Some((worker, attempt)),
        }
    }

    pub(super) fn end(&mut self, place: usize, claim: Option<(u8, u32)>, status: RunStatus) -> Answer {
        let from = self.runs[place].status;
        let never_ran = from == RunStatus::Queued && status == RunStatus::Failed;
        let is_end = status.is_terminal() && status != RunStatus::DeadLettered;
        if !(is_end && (from.may_become(status) || never_ran)) {
            return Err("illegal_transition");
        }
        let is_at_it = match claim {
            // Whoever takes a run away from its worker may only cancel it.
            None => from != RunStatus::Running || status == RunStatus::Cancelled,
            Some((by, attempt)) => self.is_at_it(place, by, attempt),
        };
        if !is_at_it {
            return Err("lost");
        }
        self.ended(place, status);
        Ok(())
    }

    fn ended(&mut self, place: usize, status: RunStatus) {
        self.free(place);
        let run = &mut self.runs[place];
        (run.status, run.worker, run.keeper) = (status, None, None);
        run.events.push(status.name());
        let first = run.first;
        match (first, status) {
            (None, RunStatus::Failed) => drop(self.letters.insert(place, Letter::default())),
            (Some(first), RunStatus::Completed) => {
                self.letters.entry(first).and_modify(|letter| letter.resolved = true);
            }
            (Some(first), RunStatus::Failed) => {
                let open = self.letters.get(&first).filter(|letter| !letter.resolved);
                let is_used_up = open.is_some_and(|letter| letter.retries >= u64::from(DEAD_LETTER_RETRIES_MAX));
                if is_used_up && self.runs[first].status == RunStatus::Failed {
                    self.runs[first].status = RunStatus::DeadLettered;
                    self.runs[first].events.push("dead_lettered");
                    self.touched.insert(first);
                }
            }
            _ => {}
        }
    }

    pub(super) fn give_up(&mut self, place: usize, by: u8) {
        let run = &mut self.runs[place];
        run.keeper = run.keeper.filter(|keeper| *keeper != by);
    }

    pub(super) fn beat(&mut self, worker: u8) {
        if self.live(worker) {
            let (now, until) = (self.now, self.now + LASTS);
            let own = self.slots.values_mut().filter(|lease| lease.worker == worker && lease.until > now);
            own.for_each(|lease| lease.until = until);
        }
    }

    /// The runs that nobody carries out, and what became of them.
    pub(super) fn reap(&mut self, again: bool) -> BTreeMap<RunId, RunStatus> {
        let now = self.now;
        self.workers.retain(|_, until| *until > now);
        let is_orphan = |place: &usize| {
            let run = &self.runs[*place];
            let worker = run.worker.filter(|worker| self.workers.contains_key(worker));
            run.status == RunStatus::Running && !worker.is_some_and(|worker| self.has_leases(*place, worker))
        };
        let orphans: Vec<usize> = (0..self.runs.len()).filter(is_orphan).collect();
        for place in &orphans {
            self.touched.insert(*place);
            if again && self.runs[*place].attempt < CALLS {
                self.free(*place);
                let run = &mut self.runs[*place];
                (run.status, run.worker, run.keeper) = (RunStatus::Queued, None, None);
                run.events.push("requeued");
            } else {
                self.ended(*place, RunStatus::Failed);
            }
        }
        // Of a chain whose first run was used up in between, a run may have become more than what is told.
        let became = |place: &usize| match self.runs[*place].status {
            RunStatus::Queued => RunStatus::Queued,
            _ => RunStatus::Failed,
        };
        orphans.iter().map(|place| (self.runs[*place].id, became(place))).collect()
    }

    pub(super) fn adopt(&mut self, by: u8) -> BTreeSet<RunId> {
        let is_free = |run: &Run| run.keeper.is_none_or(|keeper| keeper == by || !self.is_alive(keeper));
        let is_found = |place: &usize| self.runs[*place].status == RunStatus::Queued && is_free(&self.runs[*place]);
        let found: Vec<usize> = (0..self.runs.len()).filter(is_found).collect();
        if found.is_empty() || !self.live(by) {
            return BTreeSet::new();
        }
        self.touched.extend(&found);
        found.iter().for_each(|place| self.runs[*place].keeper = Some(by));
        found.iter().map(|place| self.runs[*place].id).collect()
    }

    pub(super) fn may_repeat(&self, place: usize) -> Answer {
        let run = &self.runs[place];
        match self.letters.get(&run.first.unwrap_or(place)) {
            Some(letter) if letter.retries >= u64::from(DEAD_LETTER_RETRIES_MAX) => Err("retries_used_up"),
            Some(letter) if letter.resolved => Err("not_repeatable"),
            // A run that was cancelled has none, so its repetitions count against nothing.
            None if run.first.is_some() => Err("not_repeatable"),
            Some(_) | None if !run.status.may_be_repeated() => Err("not_repeatable"),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn repeated(&mut self, place: usize, id: RunId) {
        let slot = self.runs[place].slot;
        let again = self.submit(id, None, slot, false);
        let first = self.runs[place].first.unwrap_or(place);
        self.runs[again].first = Some(first);
        self.letters.entry(first).and_modify(|letter| letter.retries += 1);
        self.runs[place].events.push("retried");
    }

    /// Whether it was open.
    pub(super) fn resolve(&mut self, place: usize) -> Result<bool, &'static str> {
        let letter = self.letters.get_mut(&place).ok_or("bad_id")?;
        let was_open = !std::mem::replace(&mut letter.resolved, true);
        if was_open {
            self.runs[place].events.push("resolved");
        }
        Ok(was_open)
    }

    /// The commands were such that everything happened.
    pub(super) fn holds_enough(&self) {
        for status in RunStatus::ALL.into_iter().filter(|status| *status != RunStatus::Pending) {
            assert!(self.runs.iter().any(|run| run.status == status), "no run is {status:?}");
        }
        for event in ["requeued", "retry_scheduled", "retried", "resolved"] {
            assert!(self.runs.iter().any(|run| run.events.contains(&event)), "nothing was {event}");
        }
        assert!(self.letters.values().any(|letter| letter.resolved), "no dead letter was resolved");
    }
}
