//! [`Storage`]: one ledger, the single writer of this process and its readers.

use std::path::Path;
use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::ports::{Entropy, Interrupted};
use model::{CaptureId, CaptureRecord, Clock, RunId};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe};

use crate::commands::judge::{Judgement, Verdict};
use crate::commands::reap::{Reap, Whose};
use crate::dialect::Sql;
use crate::failure::{away, closed, failed, read_only, unreachable};
use crate::faults::Faults;
use crate::place::{Place, Server};
use crate::wal::WalKeeper;
use crate::writer::{Desk, Lanes, Lead, Writer};
use crate::{catalog, create, migrations, open};

/// The ledger and the catalog: of one data folder, or of a PostgreSQL database that several processes share.
///
/// All changes of this process go through one writer, which commits whatever waits in one transaction and answers after
/// it is durable. Reads use connections of their own and never wait for it.
#[derive(Debug)]
pub struct Storage {
    pub(crate) reads: AnyPool,
    /// None if opened read-only.
    pub(crate) writer: Option<Writer>,
    pub(crate) place: Place,
    /// The present, for comparisons with what a user asks.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Storage {
    /// Opens the ledger as the owner of its folder, creates it if it is absent, and brings its tables up to date. A new
    /// one appears whole and can be read by its user only; the mode of one that is there is left alone.
    ///
    /// `captures` is the absolute, canonical folder of the captures; the catalog names it, and is rewritten if the
    /// folder was moved.
    ///
    /// # Errors
    ///
    /// `bad_folder` if the file cannot be used or a newer program wrote it; `no_space`, `io`, `locked`.
    pub async fn open(
        path: &Path,
        captures: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Failure> {
        let data_path = data_path(captures)?;
        let place = Place::file(path)?;
        create::create_if_absent(path, &data_path, &*clock, &*entropy).await?;
        Self::open_place(place, data_path, Lead { clock, entropy, captures: captures.to_owned(), faults: None }).await
    }

    /// Opens the ledger in a PostgreSQL database (14 or later), makes its tables if the database is empty, and brings
    /// them up to date. `url` is `postgres://user:password@host:port/database`. Any number of processes may have it
    /// open at once.
    ///
    /// `captures` is as for [`Storage::open`], and the same folder for all of them: one that does not hold the captures
    /// of this ledger is refused. Snapshots get their times from `clock`, and
    /// strictly increase whichever process makes them; a process whose clock is behind that of another can publish as of
    /// a time that the other has answered for already, so hosts that share a database keep their clocks in step.
    ///
    /// # Errors
    ///
    /// `unreachable` (retryable) if nobody answers; `bad_config` if the user is not let in, a newer program wrote the
    /// database, it holds something else or its captures lie elsewhere; `read_only`, `no_space`, `locked`. No failure tells the password.
    pub async fn open_database(
        url: &str,
        captures: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Failure> {
        let data_path = data_path(captures)?;
        let place = Place::Server(Server::parse(url)?);
        Self::open_place(place, data_path, Lead { clock, entropy, captures: captures.to_owned(), faults: None }).await
    }

    /// As [`Storage::open`], or [`Storage::open_database`] where `ledger` begins with `postgres://`, with somebody who is
    /// told of every step of the writer.
    ///
    /// # Errors
    ///
    /// Those of both.
    pub async fn open_with_faults(
        ledger: &str,
        captures: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        faults: Arc<dyn Faults>,
    ) -> Result<Self, Failure> {
        let data_path = data_path(captures)?;
        let place = match ledger.starts_with("postgres://") {
            true => Place::Server(Server::parse(ledger)?),
            false => {
                create::create_if_absent(Path::new(ledger), &data_path, &*clock, &*entropy).await?;
                Place::file(Path::new(ledger))?
            }
        };
        let lead = Lead { clock, entropy, captures: captures.to_owned(), faults: Some(faults) };
        Self::open_place(place, data_path, lead).await
    }

    async fn open_place(place: Place, data_path: String, lead: Lead) -> Result<Self, Failure> {
        let mut connection = open::writing(&place).await?;
        migrations::migrate(&place, &mut connection).await?;
        catalog::start::prepare(&mut connection, &data_path, &*lead.clock, &*lead.entropy).await?;
        let storage = Self::assemble(place, connection, lead).await?;
        let foreign = storage.foreign_snapshots().await?;
        if !foreign.is_empty() {
            tracing::error!(
                ?foreign,
                "CRITICAL: another program wrote to the catalog; attach it READ_ONLY only, and restore a copy of the \
                 ledger"
            );
        }
        Ok(storage)
    }

    /// Sets writer and readers to work on a database that is ready.
    pub(crate) async fn assemble(place: Place, connection: AnyConnection, lead: Lead) -> Result<Self, Failure> {
        let keeper = match &place {
            Place::File(_) => Some(keeper(&place).await?),
            Place::Server(_) => None,
        };
        let reads = open::read_pool(&place).await?;
        let clock = Arc::clone(&lead.clock);
        let writer = Writer::spawn(Desk::new(connection, place.clone(), keeper, lead));
        Ok(Self { reads, writer: Some(writer), place, clock })
    }

    /// Opens the ledger for a command that only reads, also while another process owns the folder: no lock is taken
    /// and nothing is changed. What would change something fails with `read_only`.
    ///
    /// # Errors
    ///
    /// `unreachable` if the file is absent or not yet what this program reads, which a host that is starting may change;
    /// `bad_folder` if a newer program wrote it or it is no ledger.
    pub async fn open_read_only(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let place = Place::file(path)?;
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(open::absent(&place)),
            Err(error) => return Err(place.unusable(&error.to_string())),
        }
        Self::open_place_read_only(place, clock).await
    }

    /// Opens the ledger in a PostgreSQL database for a command that only reads; see [`Storage::open_read_only`].
    ///
    /// # Errors
    ///
    /// `unreachable` if nobody answers or the tables are not yet what this program reads, `bad_config` if the user is
    /// not let in, a newer program wrote the database or it is no ledger.
    pub async fn open_database_read_only(url: &str, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        Self::open_place_read_only(Place::Server(Server::parse(url)?), clock).await
    }

    async fn open_place_read_only(place: Place, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let mut connection = open::read_connection(&place).await?;
        let checked = migrations::check_version(&place, &mut connection).await;
        let reads = match checked {
            Ok(()) => open::read_pool(&place).await,
            Err(failure) => Err(failure),
        };
        // Kept until the pool has its own: no connection is the last one meanwhile.
        drop(sqlx::Connection::close(connection).await);
        Ok(Self { reads: reads?, writer: None, place, clock })
    }

    /// A statement as this database reads it.
    pub(crate) fn sql(&self, template: &'static str) -> Sql {
        AssertSqlSafe(self.place.dialect().render(template))
    }

    /// A connection to read with.
    pub(crate) async fn reader(&self, action: &'static str) -> Result<PoolConnection<Any>, Failure> {
        self.reads.acquire().await.map_err(|error| match (&self.place, &error) {
            // It was tried to connect all the while.
            (Place::Server(_), sqlx::Error::PoolTimedOut) => unreachable(action).because(&error),
            _ => away(failed(action)(error)),
        })
    }

    /// Finishes what waits, brings the log into the database and closes every connection. What comes later fails with
    /// `closed`. The log's file stays, so that users who may not write to the folder can still read.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.reads.close().await;
    }

    /// Ends the runs that a dead owner left, or queues them again: each becomes `failed`, code `interrupted`, and may be
    /// tried again, unless `policy` and its own policy allow another attempt. Returns them. Called by the owner before it
    /// takes work.
    ///
    /// A database on a server has no owner: a run in flight there may be another process's, so none is ended here;
    /// [`model::ports::Ledger::reap`] ends those whose workers expired.
    pub async fn recover(&self, policy: Interrupted) -> Result<Vec<RunId>, Failure> {
        match (&self.place, &self.writer) {
            (Place::Server(_), Some(_)) => Ok(Vec::new()),
            _ => {
                let all = Reap { policy, whose: Whose::Everybody };
                let reaped = self.ask(all, |lanes| &mut lanes.reap).await?;
                Ok(reaped.into_iter().map(|reaped| reaped.run).collect())
            }
        }
    }

    /// Publishes a quarantined capture as the next revision of its partition, which it replaces whole.
    ///
    /// # Errors
    ///
    /// `not_releasable` if it is not quarantined, `bad_id` if there is no such capture, `not_found` if its file is gone.
    pub async fn release(&self, capture: CaptureId) -> Result<CaptureRecord, Failure> {
        self.judge(capture, Verdict::Release).await
    }

    /// Keeps a quarantined capture out for good. Its file stays, for those who want to know what it held.
    ///
    /// # Errors
    ///
    /// `not_releasable` if it is not quarantined, `bad_id` if there is no such capture.
    pub async fn discard(&self, capture: CaptureId) -> Result<CaptureRecord, Failure> {
        self.judge(capture, Verdict::Discard).await
    }

    /// Carries out what an operator decided about a quarantined capture.
    ///
    /// # Errors
    ///
    /// See [`Storage::release`] and [`Storage::discard`].
    pub async fn judge(&self, capture: CaptureId, verdict: Verdict) -> Result<CaptureRecord, Failure> {
        self.ask(Judgement { capture, verdict }, |lanes| &mut lanes.judge).await
    }

    /// Bytes of the write-ahead log; 0 on a server, which looks after its own. A reader that keeps a transaction open for
    /// long keeps it from shrinking.
    pub fn wal_bytes(&self) -> u64 {
        let Place::File(file) = &self.place else { return 0 };
        let mut log = file.path.clone().into_os_string();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |log| log.len())
    }

    /// Hands a command to the writer and waits until it is durable or has failed.
    pub(crate) async fn ask<C: crate::writer::Command>(
        &self,
        command: C,
        lane: fn(&mut Lanes) -> &mut crate::writer::Lane<C>,
    ) -> Result<C::Answer, Failure> {
        let writer = self.writer.as_ref().ok_or_else(read_only)?;
        writer.ask(command, lane).await.unwrap_or_else(|| Err(closed()))
    }
}

async fn keeper(place: &Place) -> Result<WalKeeper, Failure> {
    let mut keeper = open::read_connection(place).await?;
    // The log is opened by the first read.
    sqlx::query("SELECT COUNT(*) FROM ducklake_metadata")
        .execute(&mut keeper)
        .await
        .map_err(failed("read the ledger"))?;
    Ok(WalKeeper::new(keeper))
}

/// The folder of the captures as the catalog writes it.
fn data_path(captures: &Path) -> Result<String, Failure> {
    let unusable = |why: &str| {
        let message = format!("cannot keep captures in `{}`: {why}", captures.display());
        Failure::new(FailureKind::Config, "bad_folder", message)
    };
    if !captures.is_absolute() {
        return Err(unusable("the catalog needs its absolute path"));
    }
    match captures.to_str() {
        Some(text) => Ok(format!("{}/", text.trim_end_matches('/'))),
        None => Err(unusable("its path is not UTF-8 and readers could not open it; use another data folder")),
    }
}
