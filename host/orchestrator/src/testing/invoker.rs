//! An invoker that answers what the test told it to, after the gate if there is one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::Usage;
use model::failure::{Failure, FailureKind};
use model::ports::{Answer, Invocation, Invoked, Invoker, Work};
use model::run::LogLine;
use model::stage::StageDone;
use tokio::sync::{Semaphore, watch};

#[derive(Debug)]
pub(crate) struct FakeInvoker {
    /// What the next guests answer; then they succeed.
    pub(crate) answers: Mutex<VecDeque<Result<Answer, Failure>>>,
    /// Guests wait for a permit each, while there is a gate.
    pub(crate) gate: Mutex<Option<Arc<Semaphore>>>,
    pub(crate) panics: Mutex<bool>,
    /// Somebody cancels while the guest, which has done its work, returns.
    pub(crate) cancelled_late: Mutex<bool>,
    /// What guests say before they come to the gate.
    pub(crate) says: Mutex<Vec<String>>,
    /// The stages that each reports.
    pub(crate) stages: Mutex<Vec<StageDone>>,
    pub(crate) seen: Mutex<Vec<(Work, String, u32)>>,
    /// How long each guest may work.
    pub(crate) wall_clocks: Mutex<Vec<Duration>>,
    entered: watch::Sender<usize>,
}

impl Default for FakeInvoker {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            gate: Mutex::default(),
            panics: Mutex::default(),
            cancelled_late: Mutex::default(),
            says: Mutex::default(),
            stages: Mutex::new(vec![StageDone { name: "work".to_owned(), rows: 1, metrics: Vec::new() }]),
            seen: Mutex::default(),
            wall_clocks: Mutex::default(),
            entered: watch::Sender::new(0),
        }
    }
}

impl FakeInvoker {
    /// Holds guests from now on.
    pub(crate) fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    /// Waits until this many guests have been invoked in all.
    pub(crate) async fn entered(&self, guests: usize) {
        self.entered.subscribe().wait_for(|&count| count >= guests).await.unwrap();
    }

    pub(crate) fn fails_next(&self, failure: Failure) {
        self.answers.lock().unwrap().push_back(Err(failure));
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

#[async_trait::async_trait]
impl Invoker for FakeInvoker {
    async fn invoke(&self, invocation: Invocation) -> Invoked {
        let Invocation { work, params, attempt, started_at, workbench, cancel, log, limits, .. } = invocation;
        self.wall_clocks.lock().unwrap().push(limits.wall_clock);
        self.seen.lock().unwrap().push((work, params, attempt));
        self.entered.send_modify(|count| *count += 1);
        assert!(!*self.panics.lock().unwrap(), "the invoker panics as told");
        let say = |message: String| {
            let (level, origin) = ("info".to_owned(), "guest".to_owned());
            (log.0)(LogLine { at: started_at, level, origin, message, fields: Vec::new() });
        };
        self.says.lock().unwrap().iter().cloned().for_each(say);
        let gate = self.gate.lock().unwrap().clone();
        let stopped = match gate {
            None => false,
            Some(gate) => tokio::select! {
                biased;
                () = cancel.cancelled() => true,
                permit = gate.acquire() => { permit.unwrap().forget(); false }
            },
        };
        let answer = match self.answers.lock().unwrap().pop_front() {
            _ if stopped => Err(Failure::new(FailureKind::Orchestration, "cancelled", "the guest was stopped")),
            Some(answer) => answer,
            None => Ok(Answer::default()),
        };
        if *self.cancelled_late.lock().unwrap() {
            cancel.cancel();
        }
        say(format!("attempt {attempt}"));
        let stages = self.stages.lock().unwrap().clone();
        Invoked { answer, workbench: Some(workbench), stages, usage: Usage::default() }
    }
}
