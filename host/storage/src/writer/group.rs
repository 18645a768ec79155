//! From waiting commands to one commit.

use model::failure::Failure;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::mpsc;

use super::{Lanes, Lead, Message, Scribe};
use crate::failure::failed;
use crate::wal::WalKeeper;

/// Most commands of one transaction: those who came first should not wait for all the others.
const GROUP_MAX: usize = 256;

/// The one place where the ledger is written.
#[derive(Debug)]
pub(crate) struct Desk {
    connection: SqliteConnection,
    keeper: WalKeeper,
    lead: Lead,
}

impl Desk {
    pub(crate) fn new(connection: SqliteConnection, keeper: WalKeeper, lead: Lead) -> Self {
        Self { connection, keeper, lead }
    }

    pub(super) async fn serve(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(GROUP_MAX);
        let mut open = true;
        while open && inbox.recv_many(&mut messages, GROUP_MAX).await > 0 {
            let mut lanes = Lanes::default();
            for message in messages.drain(..) {
                match message {
                    Message::Errand(errand) => errand(&mut lanes),
                    Message::Close => open = false,
                }
            }
            if lanes.count() > 0 {
                let committed = self.commit(&mut lanes).await;
                lanes.answer(committed);
            }
        }
        self.close().await;
    }

    async fn commit(&mut self, lanes: &mut Lanes) -> Result<(), Failure> {
        let Self { connection, lead, .. } = self;
        let mut scribe = Scribe { connection, lead };
        // The write lock is taken first, so that nothing read here can change before the commit.
        scribe.run("BEGIN IMMEDIATE").await?;
        let done = match lanes.work(&mut scribe).await {
            Ok(()) => scribe.run("COMMIT").await,
            Err(failure) => Err(failure),
        };
        if done.is_err() {
            // SQLite may have rolled back by itself already; then there is nothing to do.
            drop(scribe.run("ROLLBACK").await);
        }
        done
    }

    async fn close(mut self) {
        let checkpointed = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut self.connection).await;
        if let Err(error) = checkpointed {
            // What the log holds is not lost; the next start reads it from there.
            tracing::warn!(%error, "the write-ahead log could not be brought into spine.db");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "spine.db was not closed in order");
        }
        self.keeper.close().await;
    }
}

impl Scribe<'_> {
    /// Runs a statement that only steers the transaction.
    pub(crate) async fn run(&mut self, statement: &'static str) -> Result<(), Failure> {
        sqlx::query(statement).execute(&mut *self.connection).await.map(drop).map_err(failed("write the ledger"))
    }
}
