//! Where the ledger of a test is: in a file, or on a server of the tests' own.

use std::path::PathBuf;
use std::sync::Arc;

use model::{Clock, Failure};
use private_postgres::{Absent, Database};
use sqlx::{AnyConnection, Connection};

use super::support::{Bench, Counter, HandClock, found, hand_clock, manifest};
use crate::dialect::Dialect;
use crate::place::{Place, Server};
use crate::writer::{Lead, Scribe};
use crate::{Storage, lock, migrations, open as opening};

/// Makes of each function two tests, one for each database: it gets an open ledger that knows the datasets of
/// [`manifest`].
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            use crate::tests::support::Bench;

            $(#[tokio::test]
            async fn $name() {
                super::$name(Bench::on_sqlite().await).await;
            })*
        }

        mod on_postgres {
            use crate::tests::support::Bench;

            $(#[tokio::test]
            async fn $name() {
                if let Some(bench) = Bench::on_postgres().await {
                    super::$name(bench).await;
                }
            })*
        }
    };
}
pub(super) use on_both;

impl Bench {
    /// A ledger in a file.
    pub(super) async fn on_sqlite() -> Self {
        Self::begin(None).await
    }

    /// A ledger on a server; none, and a word about it, where there is no PostgreSQL.
    pub(super) async fn on_postgres() -> Option<Self> {
        Some(Self::begin(Some(server()?)).await)
    }

    async fn begin(server: Option<Database>) -> Self {
        Self::begin_in(server, Arc::new(tempfile::tempdir().unwrap())).await
    }

    /// Another ledger in a database of the same kind: left by an earlier version after this statement, and then
    /// brought up to date.
    pub(super) async fn left_by(&self, version: i64, sql: &'static str) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let server = self.server.as_ref().and_then(|_| server());
        let place = match &server {
            None => Place::file(&folder.path().join("spine.db")).unwrap(),
            Some(server) => Place::Server(Server::parse(&server.url()).unwrap()),
        };
        if server.is_none() {
            std::fs::write(folder.path().join("spine.db"), "").unwrap();
        }
        let mut connection = opening::writing(&place).await.unwrap();
        migrations::migrate_to(version, &mut connection).await;
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        Self::begin_in(server, folder).await
    }

    async fn begin_in(server: Option<Database>, folder: Arc<tempfile::TempDir>) -> Self {
        let clock = hand_clock();
        let storage = open_at(server.as_ref(), &folder, &clock).await.unwrap();
        let bench = Self { folder, clock, storage, ids: Arc::default(), claims: Arc::default(), server };
        bench.register(vec![found(&manifest(), 1)]).await.unwrap();
        bench
    }

    pub(super) async fn reopen(self) -> Self {
        self.storage.close().await;
        let storage = self.open().await.unwrap();
        Self { storage, ..self }
    }

    /// Opens the ledger once more; on a server that may be done while it is open.
    pub(super) async fn open(&self) -> Result<Storage, Failure> {
        open_at(self.server.as_ref(), &self.folder, &self.clock).await
    }

    /// Another process that has the same database open.
    pub(super) async fn another(&self) -> Self {
        let storage = self.open().await.unwrap();
        let (folder, clock, ids) = (self.folder.clone(), self.clock.clone(), self.ids.clone());
        Self { folder, clock, storage, ids, claims: self.claims.clone(), server: self.server.clone() }
    }

    /// Opens the ledger for who only reads.
    pub(super) async fn open_read_only(&self) -> Result<Storage, Failure> {
        match &self.server {
            None => Storage::open_read_only(&self.database(), self.clock.clone()).await,
            Some(server) => Storage::open_database_read_only(&server.url(), self.clock.clone()).await,
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.path().join("spine.db")
    }

    pub(super) fn place(&self) -> Place {
        match &self.server {
            None => Place::file(&self.database()).unwrap(),
            Some(server) => Place::Server(Server::parse(&server.url()).unwrap()),
        }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.place().dialect()
    }

    /// A connection beside the writer's, and what else a transaction of it needs.
    pub(super) async fn other_writer(&self) -> (AnyConnection, Lead) {
        let lead = Lead {
            clock: self.clock.clone(),
            entropy: Arc::new(Counter::default()),
            captures: self.folder.path().join("captures"),
            faults: None,
        };
        (opening::writing(&self.place()).await.unwrap(), lead)
    }

    /// Begins a transaction that publishes.
    pub(super) async fn begin_publishing(&self, scribe: &mut Scribe<'_>) {
        match self.dialect() {
            Dialect::Sqlite => scribe.run("BEGIN IMMEDIATE").await.unwrap(),
            Dialect::Postgres => scribe.run("BEGIN").await.unwrap(),
        }
        lock::catalog(scribe.connection().await.unwrap()).await.unwrap();
    }
}

/// An empty database of the server of this process.
pub(super) fn server() -> Option<Database> {
    match private_postgres::shared() {
        Ok(cluster) => Some(cluster.database()),
        Err(Absent(why)) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// Opens a ledger in a file.
pub(super) async fn open(folder: &tempfile::TempDir, clock: &Arc<HandClock>) -> Result<Storage, Failure> {
    open_at(None, folder, clock).await
}

pub(super) async fn open_at(
    server: Option<&Database>,
    folder: &tempfile::TempDir,
    clock: &Arc<HandClock>,
) -> Result<Storage, Failure> {
    let captures = folder.path().join("captures");
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    let entropy = Arc::new(Counter::default());
    match server {
        None => Storage::open(&folder.path().join("spine.db"), &captures, clock, entropy).await,
        Some(server) => Storage::open_database(&server.url(), &captures, clock, entropy).await,
    }
}
