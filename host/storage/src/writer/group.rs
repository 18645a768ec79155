//! From waiting commands to one commit.

use std::time::Duration;

use model::failure::Failure;
use sqlx::{AnyConnection, Connection};
use tokio::sync::mpsc;

use super::fate::{Fate, fate};
use super::lanes::interrupt;
use super::scribe::TransactionId;
use super::{Lanes, Lead, Message, Scribe};
use crate::dialect::Dialect;
use crate::failure::{is_contention, is_lost, is_unknown, outcome_unknown, unreachable};
use crate::faults::Point;
use crate::open;
use crate::place::{FileId, Place};
use crate::wal::WalKeeper;

/// Most commands of one transaction: those who came first should not wait for all the others.
const GROUP_MAX: usize = 256;

/// How often a group is tried whose connection was lost.
const TRIES_MAX: u32 = 3;

/// How often a group is tried that others were in the way of.
const CONTENDED_TRIES_MAX: u32 = 10;

/// The longest pause before the first repetition of such a group; each later one may be twice as long, up to
/// [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(4);

const PAUSE_MAX: Duration = Duration::from_millis(256);

/// How long a server may take for a group, the locks that it waits for included.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The one place where the ledger is written.
#[derive(Debug)]
pub(crate) struct Desk {
    /// None after it was lost, until something is to be written again.
    connection: Option<AnyConnection>,
    place: Place,
    /// None on a server.
    keeper: Option<WalKeeper>,
    lead: Lead,
    /// Which file it was that was opened.
    file: Option<FileId>,
}

impl Desk {
    pub(crate) fn new(connection: AnyConnection, place: Place, keeper: Option<WalKeeper>, lead: Lead) -> Self {
        let file = place.file_id();
        Self { connection: Some(connection), place, keeper, lead, file }
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
            let reaping = match self.place {
                Place::File(_) => None,
                Place::Server(_) => lanes.split_off_reap(),
            };
            for mut lanes in reaping.into_iter().chain([lanes]) {
                if lanes.count() > 0 {
                    let committed = self.commit(&mut lanes).await;
                    lanes.answer(committed);
                }
            }
        }
        self.close().await;
    }

    async fn commit(&mut self, lanes: &mut Lanes) -> Result<(), Failure> {
        // SQLite goes on writing to a file that nobody can find any more.
        if self.place.file_id() != self.file {
            return Err(self.place.gone());
        }
        let mut tries = 1;
        loop {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => open::again(&self.place).await?,
            };
            let mut scribe = Scribe::new(&mut connection, &self.lead);
            let (mut done, usable) = transaction(&mut scribe, lanes).await;
            let id = scribe.id().cloned();
            if usable {
                self.connection = Some(connection);
            } else if let (Err(unanswered), Some(id)) = (&done, id)
                && is_unknown(unanswered)
            {
                done = match self.fate(&id).await {
                    Fate::Committed => Ok(()),
                    Fate::Undone => Err(unreachable("write the ledger")),
                    Fate::Open => done,
                };
            }
            match done {
                Err(failure) if tries < tries_max(&failure) => {
                    tracing::warn!(%failure, tries, "the ledger could not be written and is tried again");
                    if is_contention(&failure) {
                        let mut random = [0; 2];
                        self.lead.entropy.fill(&mut random);
                        tokio::time::sleep(pause(tries, u16::from_be_bytes(random))).await;
                    }
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// What became of a group whose commit was not answered.
    async fn fate(&mut self, id: &TransactionId) -> Fate {
        let asked = async {
            let mut connection = open::again(&self.place).await?;
            let fate = fate(&mut connection, id).await?;
            self.connection = Some(connection);
            Ok::<Fate, Failure>(fate)
        };
        let fate = asked.await.unwrap_or_else(|failure| {
            tracing::error!(%failure, "nobody says whether a change of the ledger was committed");
            Fate::Open
        });
        tracing::warn!(?fate, "the connection was lost in a commit, and the server was asked what became of it");
        fate
    }

    async fn close(mut self) {
        if let Some(connection) = self.connection.take() {
            close_connection(connection).await;
        }
        if let Some(keeper) = self.keeper {
            keeper.close().await;
        }
    }
}

/// Nothing of the group is there after these failures.
fn tries_max(failure: &Failure) -> u32 {
    if is_contention(failure) {
        CONTENDED_TRIES_MAX
    } else if is_lost(failure) {
        TRIES_MAX
    } else {
        1
    }
}

/// How long a group lets others go first, after so many tries: a random part of what it may.
fn pause(tries: u32, random: u16) -> Duration {
    let most = PAUSE_FIRST.saturating_mul(1 << (tries - 1).min(16)).min(PAUSE_MAX);
    most * u32::from(random) / u32::from(u16::MAX)
}

/// Carries out one group. Returns also whether the connection is still good for another.
async fn transaction(scribe: &mut Scribe<'_>, lanes: &mut Lanes) -> (Result<(), Failure>, bool) {
    let limit = match scribe.dialect() {
        Dialect::Sqlite => None,
        Dialect::Postgres => Some(ANSWER_MAX),
    };
    if let Err(failure) = interrupt(scribe, Point::Begin, &lanes.names()).await {
        return (Err(failure), false);
    }
    let done = match within(limit, work(scribe, lanes)).await {
        Ok(()) => match within(limit, scribe.run("COMMIT")).await {
            Err(lost) if is_lost(&lost) => return (Err(outcome_unknown(&lost)), false),
            done => done,
        },
        Err(failure) => Err(failure),
    };
    let Err(failure) = done else {
        let told = interrupt(scribe, Point::Committed, &lanes.names()).await;
        return (told, true);
    };
    if is_lost(&failure) {
        return (Err(failure), false);
    }
    // SQLite may have rolled back by itself already; then there is nothing to do. A server that does not answer has
    // lost the connection, and rolls back by that.
    scribe.forget();
    let rolled_back = within(limit, scribe.run("ROLLBACK")).await;
    (Err(failure), !rolled_back.is_err_and(|failure| is_lost(&failure)))
}

/// A server that says nothing for too long is lost: nobody else would ever tell.
async fn within(limit: Option<Duration>, doing: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    match limit {
        None => doing.await,
        Some(limit) => match tokio::time::timeout(limit, doing).await {
            Ok(done) => done,
            Err(_) => Err(unreachable("write the ledger")),
        },
    }
}

/// Everything but the commit; what waits for it on SQLite goes with it.
async fn work(scribe: &mut Scribe<'_>, lanes: &mut Lanes) -> Result<(), Failure> {
    scribe.begin().await?;
    lanes.needs().take(scribe).await?;
    lanes.work(scribe).await?;
    interrupt(scribe, Point::Commit, &lanes.names()).await?;
    if scribe.may_end_with_what_waits() { Ok(()) } else { scribe.flush().await }
}

async fn close_connection(mut connection: AnyConnection) {
    if Dialect::of(&connection) == Dialect::Sqlite {
        let checkpointed = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await;
        if let Err(error) = checkpointed {
            // What the log holds is not lost; the next start reads it from there.
            tracing::warn!(%error, "the write-ahead log could not be brought into spine.db");
        }
    }
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the ledger was not closed in order");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_before_a_repetition_is_a_random_part_of_one_that_grows() {
        let longest = |tries| pause(tries, u16::MAX);
        assert_eq!([1, 2, 3].map(longest), [PAUSE_FIRST, 2 * PAUSE_FIRST, 4 * PAUSE_FIRST]);
        assert_eq!((longest(CONTENDED_TRIES_MAX), longest(u32::MAX)), (PAUSE_MAX, PAUSE_MAX));
        assert_eq!(pause(3, 0), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let silence = std::future::pending();
        let failure = within(Some(Duration::from_millis(1)), silence).await.unwrap_err();
        assert!(is_lost(&failure) && failure.retryable, "{failure}");
        assert_eq!(within(Some(Duration::from_secs(60)), async { Ok(()) }).await, Ok(()));
        assert_eq!(within(None, async { Err(unreachable("look")) }).await, Err(unreachable("look")));
    }
}
