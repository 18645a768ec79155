//! The commands of one group, sorted by kind, and the answers they get after the commit.

use model::failure::Failure;
use model::ports::{Adoption, LeaseRequest, NewRun, Requeue, Start};
use model::run::Conclusion;
use tokio::sync::oneshot;

use super::{Command, Scribe};
use crate::commands::append_log::AppendLog;
use crate::commands::dead_letters::Resolve;
use crate::commands::judge::Judgement;
use crate::commands::keepers::GiveUp;
use crate::commands::leases::LeaseChange;
use crate::commands::reap::Reap;
use crate::commands::register::Registration;
use crate::commands::release::ReleaseLease;
use crate::commands::retention::{ForgetDeadLetters, ForgetRuns};
use crate::commands::shared_states::Swap;
use crate::commands::workers::Heartbeat;
use crate::faults::Point;

/// What the commands of one kind are undone to if they fail together.
const SAVEPOINT: &str = "SAVEPOINT command";

type Answers<C> = Vec<Result<<C as Command>::Answer, Failure>>;

/// One group. The order of the fields is the order in which a group is carried out; callers wait for an answer before
/// they ask for what depends on it, so commands of one group do not depend on each other.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    pub(crate) heartbeat: Lane<Heartbeat>,
    pub(crate) reap: Lane<Reap>,
    pub(crate) give_up: Lane<GiveUp>,
    pub(crate) adopt: Lane<Adoption>,
    pub(crate) register: Lane<Registration>,
    pub(crate) submit: Lane<NewRun>,
    pub(crate) change_lease: Lane<LeaseChange>,
    pub(crate) acquire: Lane<LeaseRequest>,
    pub(crate) start: Lane<Start>,
    pub(crate) append_log: Lane<AppendLog>,
    pub(crate) requeue: Lane<Requeue>,
    pub(crate) conclude: Lane<Conclusion>,
    pub(crate) judge: Lane<Judgement>,
    pub(crate) resolve: Lane<Resolve>,
    pub(crate) swap: Lane<Swap>,
    pub(crate) release: Lane<ReleaseLease>,
    pub(crate) forget_dead_letters: Lane<ForgetDeadLetters>,
    pub(crate) forget_runs: Lane<ForgetRuns>,
}

impl Lanes {
    pub(super) fn count(&self) -> usize {
        self.heartbeat.commands.len()
            + self.reap.commands.len()
            + self.give_up.commands.len()
            + self.adopt.commands.len()
            + self.register.commands.len()
            + self.submit.commands.len()
            + self.change_lease.commands.len()
            + self.acquire.commands.len()
            + self.start.commands.len()
            + self.append_log.commands.len()
            + self.requeue.commands.len()
            + self.conclude.commands.len()
            + self.judge.commands.len()
            + self.resolve.commands.len()
            + self.swap.commands.len()
            + self.release.commands.len()
            + self.forget_dead_letters.commands.len()
            + self.forget_runs.commands.len()
    }

    /// The lanes that have commands.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let names = [
            self.heartbeat.name(),
            self.reap.name(),
            self.give_up.name(),
            self.adopt.name(),
            self.register.name(),
            self.submit.name(),
            self.change_lease.name(),
            self.acquire.name(),
            self.start.name(),
            self.append_log.name(),
            self.requeue.name(),
            self.conclude.name(),
            self.judge.name(),
            self.resolve.name(),
            self.swap.name(),
            self.release.name(),
            self.forget_dead_letters.name(),
            self.forget_runs.name(),
        ];
        names.into_iter().flatten().collect()
    }

    /// Whether anything here makes a snapshot, counts on the latest ones, or fixes the schema of a dataset.
    pub(super) fn touch_catalog(&self) -> bool {
        !self.register.commands.is_empty()
            || !self.judge.commands.is_empty()
            || self.conclude.commands.iter().any(|conclusion| !conclusion.captures.is_empty())
    }

    /// Carries everything out inside the open transaction. Nobody is told yet.
    pub(super) async fn work(&mut self, scribe: &mut Scribe<'_>) -> Result<(), Failure> {
        let alone = self.count() == 1;
        self.heartbeat.work(scribe, alone).await?;
        self.reap.work(scribe, alone).await?;
        self.give_up.work(scribe, alone).await?;
        self.adopt.work(scribe, alone).await?;
        self.register.work(scribe, alone).await?;
        self.submit.work(scribe, alone).await?;
        self.change_lease.work(scribe, alone).await?;
        self.acquire.work(scribe, alone).await?;
        self.start.work(scribe, alone).await?;
        self.append_log.work(scribe, alone).await?;
        self.requeue.work(scribe, alone).await?;
        self.conclude.work(scribe, alone).await?;
        self.judge.work(scribe, alone).await?;
        self.resolve.work(scribe, alone).await?;
        self.swap.work(scribe, alone).await?;
        self.release.work(scribe, alone).await?;
        self.forget_dead_letters.work(scribe, alone).await?;
        self.forget_runs.work(scribe, alone).await
    }

    /// Tells everybody, after the commit or after it failed.
    pub(super) fn answer(self, committed: Result<(), Failure>) {
        self.heartbeat.answer(&committed);
        self.reap.answer(&committed);
        self.give_up.answer(&committed);
        self.adopt.answer(&committed);
        self.register.answer(&committed);
        self.submit.answer(&committed);
        self.change_lease.answer(&committed);
        self.acquire.answer(&committed);
        self.start.answer(&committed);
        self.append_log.answer(&committed);
        self.requeue.answer(&committed);
        self.conclude.answer(&committed);
        self.judge.answer(&committed);
        self.resolve.answer(&committed);
        self.swap.answer(&committed);
        self.release.answer(&committed);
        self.forget_dead_letters.answer(&committed);
        self.forget_runs.answer(&committed);
    }
}

/// The commands of one kind in a group.
#[derive(Debug)]
pub(crate) struct Lane<C: Command> {
    commands: Vec<C>,
    waiting: Vec<oneshot::Sender<Result<C::Answer, Failure>>>,
    answers: Answers<C>,
}

impl<C: Command> Default for Lane<C> {
    fn default() -> Self {
        Self { commands: Vec::new(), waiting: Vec::new(), answers: Vec::new() }
    }
}

impl<C: Command> Lane<C> {
    pub(super) fn push(&mut self, command: C, answer: oneshot::Sender<Result<C::Answer, Failure>>) {
        self.commands.push(command);
        self.waiting.push(answer);
    }

    async fn work(&mut self, scribe: &mut Scribe<'_>, alone: bool) -> Result<(), Failure> {
        let commands: Vec<&C> = self.commands.iter().collect();
        self.answers = match commands.as_slice() {
            [] => Vec::new(),
            // The whole transaction is rolled back if it fails, so it needs no savepoint.
            [_] if alone => C::execute(scribe, &commands).await?,
            commands => together(scribe, commands).await?,
        };
        let faults = scribe.lead.faults.as_ref().filter(|_| !self.commands.is_empty());
        if let Some(faults) = faults {
            // What is to be interrupted has come to the database.
            scribe.flush().await?;
            faults.at(Point::Lane(C::LANE), &[C::LANE]);
        }
        Ok(())
    }

    fn name(&self) -> Option<&'static str> {
        (!self.commands.is_empty()).then_some(C::LANE)
    }

    fn answer(self, committed: &Result<(), Failure>) {
        let mut answers = self.answers.into_iter();
        for waiting in self.waiting {
            let answer = match committed {
                Ok(()) => answers.next().unwrap_or_else(|| Err(crate::failure::closed())),
                Err(failure) => Err(failure.clone()),
            };
            // Whoever asked may have given up waiting; the change stands all the same.
            drop(waiting.send(answer));
        }
    }
}

async fn together<C: Command>(scribe: &mut Scribe<'_>, commands: &[&C]) -> Result<Answers<C>, Failure> {
    match guarded(scribe, commands).await {
        Err(failure) if commands.len() > 1 && !scribe.is_end_of_group(&failure) => {}
        Err(failure) if !scribe.is_end_of_group(&failure) => return Ok(vec![Err(failure)]),
        done => return done,
    }
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        match guarded(scribe, &[*command]).await {
            Ok(one) => answers.extend(one),
            Err(failure) if scribe.is_end_of_group(&failure) => return Err(failure),
            Err(failure) => answers.push(Err(failure)),
        }
    }
    Ok(answers)
}

/// Carries commands out; what they wrote is undone if they fail together.
async fn guarded<C: Command>(scribe: &mut Scribe<'_>, commands: &[&C]) -> Result<Answers<C>, Failure> {
    scribe.steer(SAVEPOINT);
    let done = match C::execute(scribe, commands).await {
        Ok(answers) => scribe.run("RELEASE command").await.map(|()| answers),
        Err(failure) => Err(failure),
    };
    match &done {
        Err(failure) if !scribe.forget_since(SAVEPOINT) && !scribe.is_end_of_group(failure) => {
            scribe.steer("ROLLBACK TO command");
            scribe.run("RELEASE command").await?;
        }
        Ok(_) | Err(_) => {}
    }
    done
}
