//! [`Storage`]: one `spine.db`, its single writer and its readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::failure::{Failure, FailureKind};
use model::ports::Entropy;
use model::{CaptureId, CaptureRecord, Clock, RunId};
use sqlx::{SqliteConnection, SqlitePool};

use crate::commands::judge::{Judgement, Verdict};
use crate::commands::recover::Recovery;
use crate::failure::{closed, failed, read_only};
use crate::wal::WalKeeper;
use crate::writer::{Desk, Lanes, Lead, Writer};
use crate::{catalog, create, open};

/// The ledger and the catalog of one data folder.
///
/// All changes go through one writer, which commits whatever waits in one transaction and answers after it is durable.
/// Reads use connections of their own and never wait for it.
#[derive(Debug)]
pub struct Storage {
    pub(crate) reads: SqlitePool,
    /// None if opened read-only.
    writer: Option<Writer>,
    pub(crate) path: PathBuf,
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
        create::create_if_absent(path, &data_path, &*clock, &*entropy).await?;
        let mut connection = open::writing(path).await?;
        open::migrate(path, &mut connection).await?;
        catalog::start::prepare(&mut connection, &data_path, &*clock, &*entropy).await?;
        let lead = Lead { clock, entropy, captures: captures.to_owned() };
        let storage = Self::assemble(path, connection, lead).await?;
        let foreign = storage.foreign_snapshots().await?;
        if !foreign.is_empty() {
            tracing::error!(
                ?foreign,
                "CRITICAL: another program wrote to the catalog; attach it READ_ONLY only, and restore a copy of spine.db"
            );
        }
        Ok(storage)
    }

    /// Sets writer and readers to work on a database that is ready.
    pub(crate) async fn assemble(path: &Path, connection: SqliteConnection, lead: Lead) -> Result<Self, Failure> {
        let mut keeper = open::read_connection(path).await?;
        // The log is opened by the first read.
        sqlx::query("SELECT COUNT(*) FROM ducklake_metadata")
            .execute(&mut keeper)
            .await
            .map_err(failed("read the ledger"))?;
        let reads = open::read_pool(path).await?;
        let clock = Arc::clone(&lead.clock);
        let writer = Writer::spawn(Desk::new(connection, WalKeeper::new(keeper), lead));
        Ok(Self { reads, writer: Some(writer), path: path.to_owned(), clock })
    }

    /// Opens the ledger for a command that only reads, also while another process owns the folder: no lock is taken
    /// and nothing is changed. What would change something fails with `read_only`.
    ///
    /// # Errors
    ///
    /// `unreachable` if the file is absent or not yet what this program reads, which a host that is starting may change;
    /// `bad_folder` if a newer program wrote it or it is no ledger.
    pub async fn open_read_only(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(open::absent(path)),
            Err(error) => return Err(open::unusable_folder(path, &error.to_string())),
        }
        let reads = open::read_pool(path).await?;
        open::check_version(path, &reads).await?;
        Ok(Self { reads, writer: None, path: path.to_owned(), clock })
    }

    /// Finishes what waits, brings the log into the database and closes every connection. What comes later fails with
    /// `closed`. The log's file stays, so that users who may not write to the folder can still read.
    pub async fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        self.reads.close().await;
    }

    /// Ends the runs that a dead owner left: each becomes `failed`, code `interrupted`, and may be tried again.
    /// Returns them. Called by the owner before it takes work.
    pub async fn recover(&self) -> Result<Vec<RunId>, Failure> {
        self.ask(Recovery, |lanes| &mut lanes.recover).await
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

    /// Bytes of the write-ahead log. A reader that keeps a transaction open for long keeps it from shrinking.
    pub fn wal_bytes(&self) -> u64 {
        let mut log = self.path.clone().into_os_string();
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
