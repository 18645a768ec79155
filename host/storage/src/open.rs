//! Opening `spine.db`: connections, migrations, and whether this program understands the file.

use std::path::Path;
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};

use crate::failure::failed;

static MIGRATOR: Migrator = sqlx::migrate!();

/// How long a statement waits for another program's lock.
const BUSY: Duration = Duration::from_secs(10);

/// Readers at one time; each is a thread and a page cache.
const READERS_MAX: u32 = 4;

/// Connects to write.
pub(crate) async fn writing(path: &Path) -> Result<SqliteConnection, Failure> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY);
    options.connect().await.map_err(unusable(path))
}

/// Connects to a file that is there, without changing how it is kept.
pub(crate) async fn existing(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(BUSY).connect().await
}

fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true).busy_timeout(BUSY)
}

pub(crate) async fn read_connection(path: &Path) -> Result<SqliteConnection, Failure> {
    reading(path).connect().await.map_err(unusable(path))
}

pub(crate) async fn read_pool(path: &Path) -> Result<SqlitePool, Failure> {
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(BUSY);
    pool.connect_with(reading(path)).await.map_err(unusable(path))
}

/// Brings the tables up to this program, each step in a transaction of its own. Readers that open meanwhile are told to
/// try again.
///
/// # Errors
///
/// `bad_folder` if a newer program has already changed them further.
pub(crate) async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), Failure> {
    match MIGRATOR.run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => Err(newer(path)),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(unusable(path)(error)),
        Err(error) => Err(unusable_folder(path, &error.to_string()).because(&error)),
    }
}

/// Checks that the tables are those of this program, without changing any.
pub(crate) async fn check_version(path: &Path, pool: &SqlitePool) -> Result<(), Failure> {
    let applied: Result<Option<i64>, sqlx::Error> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(pool).await;
    let newest = MIGRATOR.iter().map(|migration| migration.version).max();
    match applied {
        Ok(applied) if applied == newest => Ok(()),
        Ok(applied) if applied > newest => Err(newer(path)),
        Ok(_) => Err(unready(
            path,
            "it was written by an older version, or a host that is starting is bringing it up to this one; try again in \
             a moment, or start `spine-host` on it once",
        )),
        Err(error) if error.to_string().contains("no such table") => Err(strange(path, pool).await),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// The failure of a database without the tables of a ledger.
async fn strange(path: &Path, pool: &SqlitePool) -> Failure {
    match sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(pool).await {
        Ok(0_i64) => unready(
            path,
            "it is empty: a host is setting it up, or died while it did; try again in a moment, or start `spine-host` \
             on it once",
        ),
        Ok(_) => unusable_folder(path, "it is a SQLite database, but not a ledger; name the right folder with --data"),
        Err(error) => unusable(path)(error),
    }
}

/// What an owner may be about to change.
fn unready(path: &Path, why: &str) -> Failure {
    Failure { kind: FailureKind::Database, code: "unreachable".to_owned(), ..unusable_folder(path, why) }
        .retryable(true)
}

/// The ledger is not there yet.
pub(crate) fn absent(path: &Path) -> Failure {
    let message = format!(
        "there is no ledger at `{}`: nothing has run in this data folder yet; name another with --data, or run something",
        path.display()
    );
    Failure::new(FailureKind::Database, "unreachable", message)
}

fn newer(path: &Path) -> Failure {
    unusable_folder(
        path,
        "it was written by a newer version of this program; update it, or name another folder with --data",
    )
}

pub(crate) fn unusable_folder(path: &Path, why: &str) -> Failure {
    Failure::new(FailureKind::Config, "bad_folder", format!("cannot use the ledger `{}`: {why}", path.display()))
}

/// A file that cannot even be opened is a mistake of configuration; a full or busy disk is not.
fn unusable(path: &Path) -> impl Fn(sqlx::Error) -> Failure {
    let path = path.to_owned();
    move |error| {
        let failure = failed("open the ledger")(error);
        match failure.code.as_str() {
            "no_space" | "io" | "locked" => failure,
            _ => Failure {
                kind: FailureKind::Config,
                code: "bad_folder".to_owned(),
                message: format!("{} (`{}`)", failure.message, path.display()),
                ..failure
            },
        }
    }
}

/// The tables as an earlier version left them.
#[cfg(test)]
pub(crate) async fn migrate_to(version: i64, connection: &mut SqliteConnection) {
    MIGRATOR.run_to(version, connection).await.expect("an earlier version had its migrations too");
}
