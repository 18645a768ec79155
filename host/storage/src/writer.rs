//! The single writer, with group commit.
//!
//! Commands wait in a channel. The writer takes all that wait, carries them out in one transaction and answers after
//! the commit, so a sync of the disk is shared by everybody who waited for it. Commands of a kind form a lane and
//! become the same few statements, however many they are, and those go to the database together where it takes them so
//! ([`Scribe`]): the way there costs more than most of them.
//!
//! One bad command does not hurt the others: a lane that fails is rolled back to its savepoint and its commands are
//! repeated one by one. A full disk or a broken file fails the whole group.
//!
//! On a server other processes write at the same time, and the connection may break. A group waits at its beginning, once
//! and in order, for all that it will change ([`Needs`]), so writers do not wait in a circle. One that came to nothing all
//! the same, because of others or of the connection, is repeated a few times before anybody is told; one whose commit
//! nobody answered is repeated only if the server says that nothing of it is there.

mod fate;
mod group;
mod lanes;
mod scribe;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use model::Clock;
use model::failure::Failure;
use model::ports::Entropy;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::faults::Faults;
use crate::lock::Needs;

pub(crate) use group::Desk;
pub(crate) use lanes::{Lane, Lanes};
pub(crate) use scribe::{Scribe, Statement, Value};

/// Commands that may wait before those who send them have to.
const WAITING_MAX: usize = 1_024;

/// Something the writer can do. Commands of one kind are carried out together.
pub(crate) trait Command: Send + Sync + Sized + 'static {
    type Answer: Send + 'static;

    /// What the lane of these commands is called.
    const LANE: &'static str;

    /// Says what the command will change, of what is there already. Nobody else has it when the command is carried out.
    fn needs(&self, needs: &mut Needs);

    /// Carries out `commands` and answers each, in order.
    ///
    /// # Errors
    ///
    /// If they cannot be carried out together. What was written is rolled back and each is tried alone.
    fn execute(
        scribe: &mut Scribe<'_>,
        commands: &[&Self],
    ) -> impl Future<Output = Result<Vec<Result<Self::Answer, Failure>>, Failure>> + Send;
}

/// What the writer has besides its connection.
#[derive(Debug)]
pub(crate) struct Lead {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// The folder of the captures.
    pub(crate) captures: PathBuf,
    /// Who is told where the writer is.
    pub(crate) faults: Option<Arc<dyn Faults>>,
}

/// A command on its way, with whoever waits for the answer.
type Errand = Box<dyn FnOnce(&mut Lanes) + Send>;

enum Message {
    Errand(Errand),
    Close,
}

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    messages: mpsc::Sender<Message>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(crate) fn spawn(desk: Desk) -> Self {
        let (messages, inbox) = mpsc::channel(WAITING_MAX);
        let task = tokio::spawn(desk.serve(inbox));
        Self { messages, task: Mutex::new(Some(task)) }
    }

    /// Returns what came of `command`; none if the writer has closed.
    pub(crate) async fn ask<C: Command>(
        &self,
        command: C,
        lane: fn(&mut Lanes) -> &mut Lane<C>,
    ) -> Option<Result<C::Answer, Failure>> {
        let (answer, answered) = oneshot::channel();
        let errand: Errand = Box::new(move |lanes| lane(lanes).push(command, answer));
        self.messages.send(Message::Errand(errand)).await.ok()?;
        answered.await.ok()
    }

    /// Returns when everything sent before is done and the database is closed.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A writer that has gone already has nothing left to do.
        drop(self.messages.send(Message::Close).await);
        if let Some(task) = task {
            drop(task.await);
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Errand(_) => "Errand",
            Self::Close => "Close",
        })
    }
}
