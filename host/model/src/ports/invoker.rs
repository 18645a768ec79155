//! The runtime as the orchestrator sees it: work goes in, an answer or a failure comes out.

use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::outside::Outside;
use super::tables::Workbench;
use crate::dataset::DatasetName;
use crate::failure::Failure;
use crate::ids::{Digest, RunId};
use crate::limits::Limits;
use crate::manifest::CheckSpec;
use crate::run::LogLine;
use crate::secret::Secrets;
use crate::stage::StageDone;
use crate::time::Timestamp;
use crate::usage::Usage;

/// Runs attempts in sandboxed instances.
#[async_trait::async_trait]
pub trait Invoker: Debug + Send + Sync {
    /// Carries out one attempt in a fresh instance of the component `digest`, its checks included. Never panics and
    /// never hangs: the wall-clock limit covers instantiation and host calls.
    async fn invoke(&self, invocation: Invocation) -> Invoked;
}

/// One attempt to carry out.
#[derive(Debug)]
pub struct Invocation {
    pub plugin: String,
    pub digest: Digest,
    pub work: Work,
    /// Run after the work, in the same instance, for each dataset that was written and declares them.
    pub checks: Vec<PluginCheck>,
    pub run_id: RunId,
    pub attempt: u32,
    /// The validated parameters as a JSON object, secrets included.
    pub params: String,
    /// To be kept out of everything that the guest says; those of `outside` are among them.
    pub secrets: Secrets,
    /// What it may reach beyond its workbench.
    pub outside: Outside,
    /// Where the virtual clock starts.
    pub started_at: Timestamp,
    /// Seeds everything random that the guest may see.
    pub seed: [u8; 32],
    pub limits: Limits,
    pub workbench: Box<dyn Workbench>,
    pub cancel: Cancel,
    /// Called with (done, total) as the guest reports progress.
    pub progress: Option<Progress>,
    /// Takes every line of the log as it comes; none comes after the invocation has ended.
    pub log: LogSink,
}

/// Where the lines of a log go. Called on the guest's thread, which must not be kept waiting.
#[derive(Clone)]
pub struct LogSink(pub Arc<dyn Fn(LogLine) + Send + Sync>);

impl LogSink {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self(Arc::new(drop::<LogLine>))
    }
}

impl Debug for LogSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogSink")
    }
}

/// A listener for progress.
#[derive(Clone)]
pub struct Progress(pub Arc<dyn Fn(u64, Option<u64>) + Send + Sync>);

impl Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

/// What the instance is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Pipeline {
        name: String,
    },
    /// Discovers from `cursor` on and fetches every partition found, page by page.
    Source {
        name: String,
        cursor: Option<Vec<u8>>,
    },
    Task {
        name: String,
        input: String,
    },
}

/// A check that the plugin carries out.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginCheck {
    pub dataset: DatasetName,
    pub spec: CheckSpec,
}

/// What came of an attempt. The workbench comes back even from a trap, so that rejects and inputs are not lost.
#[derive(Debug)]
pub struct Invoked {
    /// A guest that the host stopped failed with `cancelled` or `wall_clock_limit`.
    pub answer: Result<Answer, Failure>,
    pub workbench: Option<Box<dyn Workbench>>,
    pub stages: Vec<StageDone>,
    /// What the runtime knows of it; rows and bytes are the lake's to say.
    pub usage: Usage,
}

/// A guest that did its work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The summary of a pipeline or the answer of a task.
    pub result: Option<serde_json::Value>,
    /// Results of the plugin's checks; a check without findings passed.
    pub checks: Vec<crate::quality::CheckResult>,
    /// The new cursor of a source.
    pub cursor: Option<Vec<u8>>,
}

/// Asks work to stop; checked by epoch ticks and between batches, and awaited by work that is queued.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    asked: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Cancel {
    pub fn cancel(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        for waker in self.waiting().drain(..) {
            waker.wake();
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Ends when somebody asks, at once if that was before.
    pub async fn cancelled(&self) {
        poll_fn(|context| {
            // Asked is looked at under the lock, or a wake-up between look and push would be lost.
            let mut waiting = self.waiting();
            if self.is_cancelled() {
                return Poll::Ready(());
            }
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
