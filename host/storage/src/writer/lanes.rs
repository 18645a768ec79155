//! The commands of one group, sorted by kind, and the answers they get after the commit.

use model::failure::Failure;
use model::ports::{Adoption, LeaseRequest, NewRun, Registration, Requeue, Start};
use model::run::Conclusion;
use tokio::sync::oneshot;

use super::{Command, Scribe};
use crate::commands::append_log::AppendLog;
use crate::commands::dead_letters::Resolve;
use crate::commands::judge::Judgement;
use crate::commands::keepers::GiveUp;
use crate::commands::leases::LeaseChange;
use crate::commands::reap::Reap;
use crate::commands::release::ReleaseLease;
use crate::commands::retention::{ForgetDeadLetters, ForgetRuns};
use crate::commands::shared_states::Swap;
use crate::commands::workers::Heartbeat;
use crate::faults::Point;
use crate::lock::Needs;

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

    /// What all of them change.
    pub(super) fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        self.heartbeat.needs(&mut needs);
        self.reap.needs(&mut needs);
        self.give_up.needs(&mut needs);
        self.adopt.needs(&mut needs);
        self.register.needs(&mut needs);
        self.submit.needs(&mut needs);
        self.change_lease.needs(&mut needs);
        self.acquire.needs(&mut needs);
        self.start.needs(&mut needs);
        self.append_log.needs(&mut needs);
        self.requeue.needs(&mut needs);
        self.conclude.needs(&mut needs);
        self.judge.needs(&mut needs);
        self.resolve.needs(&mut needs);
        self.swap.needs(&mut needs);
        self.release.needs(&mut needs);
        self.forget_dead_letters.needs(&mut needs);
        self.forget_runs.needs(&mut needs);
        needs
    }

    /// The reaper's commands as a group of their own, where they came with others: nobody knows beforehand what they
    /// change.
    pub(super) fn split_off_reap(&mut self) -> Option<Self> {
        if self.reap.commands.is_empty() || self.reap.commands.len() == self.count() {
            return None;
        }
        Some(Self { reap: std::mem::take(&mut self.reap), ..Self::default() })
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
        match self.name() {
            Some(name) => interrupt(scribe, Point::Lane(name), &[name]).await,
            None => Ok(()),
        }
    }

    fn needs(&self, needs: &mut Needs) {
        self.commands.iter().for_each(|command| command.needs(needs));
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

/// Tells whoever waits for the writer to be here. What is to be interrupted has come to the database by then; for
/// everybody else it goes there as it always does.
pub(super) async fn interrupt(scribe: &mut Scribe<'_>, point: Point, lanes: &[&'static str]) -> Result<(), Failure> {
    if let Some(faults) = scribe.lead.faults.as_ref().filter(|faults| faults.awaits(point, lanes)) {
        scribe.flush().await?;
        faults.at(point, lanes);
    }
    Ok(())
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
