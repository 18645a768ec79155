//! The bodies of runs. Each one that succeeds is noted outside of the ledger, durably and before anybody is told.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use model::failure::{Failure, FailureKind};
use model::ports::{Answer, Invocation, Invoked, Invoker, Work};
use model::run::LogLine;
use model::{Clock, Timestamp, Usage};
use tokio::sync::watch;

use crate::system::{System, after};

/// Ends well.
pub const WORK: &str = "k.work";
/// Ends well at the second call.
pub const FLAKY: &str = "k.flaky";
/// Fails, until the folder has the file `cured`.
pub const BAD: &str = "k.bad";
/// Goes on until somebody stops it, or its time is up.
pub const SLOW: &str = "k.slow";

/// More than are written at once.
const LOG_LINES: usize = 250;

pub(crate) const MANIFEST: &str = r#"{
    "contract": "0.1.0", "name": "k", "version": "1.0.0",
    "datasets": [{
        "name": "k.t", "columns": [{"name": "day", "type": "date32"}], "key": ["day"], "partition_by": ["day"]
    }],
    "pipelines": [{"name": "k.p", "outputs": ["k.t"]}],
    "tasks": [
        {"name": "k.work", "params": [{"name": "key", "type": "string"}, {"name": "beats", "type": "integer", "default": 0}]},
        {"name": "k.flaky", "params": [{"name": "key", "type": "string"}]},
        {"name": "k.bad", "params": [{"name": "key", "type": "string"}]},
        {"name": "k.slow", "params": [{"name": "key", "type": "string"}]}
    ]
}"#;

#[derive(Debug)]
pub(crate) struct Bodies {
    pub(crate) folder: PathBuf,
    /// Whether the test is told of each body as it begins and ends.
    pub(crate) tells: bool,
    /// Counts what the ledger was told of this process being alive.
    pub(crate) beats: watch::Sender<u64>,
}

impl Bodies {
    /// Returns when the ledger was told once more that this process is alive, or did not hear it: a body that waits for
    /// that is at work whenever its process is.
    async fn beat(&self) {
        drop(self.beats.subscribe().changed().await);
    }

    /// Returns at the first beat from that time on.
    async fn beat_after(&self, at: Timestamp) {
        while System.now() < at {
            self.beat().await;
        }
    }
}

#[async_trait::async_trait]
impl Invoker for Bodies {
    async fn invoke(&self, invocation: Invocation) -> Invoked {
        let Work::Task { name, .. } = &invocation.work else { panic!("only tasks are here: {:?}", invocation.work) };
        let params: serde_json::Value = serde_json::from_str(&invocation.params).unwrap();
        let (run, attempt) = (invocation.run_id, invocation.attempt);
        let key = params["key"].as_str().unwrap_or_default();
        if self.tells {
            println!("at {run} {attempt}");
            // Most kills of the swarm meet some at work.
            self.beat().await;
        }
        let answer = match name.as_str() {
            WORK => {
                let beats = params["beats"].as_u64().unwrap_or_default();
                if beats > 0 {
                    (0..LOG_LINES).for_each(|line| say(&invocation, line));
                }
                for _ in 0..beats {
                    self.beat().await;
                }
                Ok(())
            }
            FLAKY if attempt == 1 => {
                Err(Failure::new(FailureKind::Network, "reset", "connection reset").retryable(true))
            }
            FLAKY => Ok(()),
            BAD if !self.folder.join("cured").exists() => {
                Err(Failure::new(FailureKind::Validation, "bad", "it is bad"))
            }
            BAD => Ok(()),
            SLOW => Err(tokio::select! {
                () = invocation.cancel.cancelled() => {
                    Failure::new(FailureKind::Orchestration, "cancelled", "it was stopped")
                }
                () = self.beat_after(after(invocation.limits.wall_clock)) => {
                    Failure::new(FailureKind::Orchestration, "wall_clock_limit", "its time was up")
                }
            }),
            _ => panic!("no body is called {name}"),
        };
        if answer.is_ok() {
            note(&self.folder, &format!("{run} {attempt} {key}\n"));
            if self.tells {
                println!("did {run} {attempt}");
            }
        }
        let answer = answer.map(|()| Answer { result: Some(serde_json::json!(attempt)), ..Answer::default() });
        Invoked { answer, workbench: Some(invocation.workbench), stages: Vec::new(), usage: Usage::default() }
    }
}

fn say(invocation: &Invocation, line: usize) {
    let (level, origin, message) = ("info".to_owned(), "guest".to_owned(), format!("line {line}"));
    (invocation.log.0)(LogLine { at: invocation.started_at, level, origin, message, fields: Vec::new() });
}

/// One write of one line: bodies of several processes do not mix.
fn note(folder: &Path, line: &str) {
    let mut notes = OpenOptions::new().create(true).append(true).open(folder.join("notes")).unwrap();
    notes.write_all(line.as_bytes()).unwrap();
    notes.sync_data().unwrap();
}
