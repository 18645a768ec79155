//! Opening a ledger: connections, migrations, and whether this program understands what is there.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, ConnectOptions};

use crate::dialect::Dialect;
use crate::failure::{failed, is_lost};
use crate::place::{Access, Place};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a statement waits for another program's lock, a reader for a connection, and anybody for a server.
const BUSY: Duration = Duration::from_secs(10);

/// How long a writer that lost its connection first waits before it tries again; each time twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Readers at one time; each is a thread and a page cache, or a process of the server.
const READERS_MAX: u32 = 4;

/// A commit that was answered survives a power cut.
const SQLITE_OWN: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                          PRAGMA foreign_keys = ON;";
const SQLITE_OTHERS: &str = "PRAGMA busy_timeout = 10000;";

/// As on SQLite; and a server lets go of the locks of a host whose machine is gone after half a minute, not hours.
const POSTGRES_OWN: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s'; \
                            SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
                            SET tcp_keepalives_count = 4; SET client_min_messages = warning; SET jit = off; \
                            SELECT set_config('synchronous_commit', 'on', FALSE) \
                            WHERE current_setting('synchronous_commit') = 'off';";
/// A transaction of a reader sees one state of the ledger, as on SQLite.
const POSTGRES_READ: &str = "SET lock_timeout = '10s'; SET default_transaction_read_only = on; \
                             SET default_transaction_isolation = 'repeatable read'; SET jit = off;";

/// Connects to write, as the one writer of this process.
pub(crate) async fn writing(place: &Place) -> Result<AnyConnection, Failure> {
    connect(place, Access::Own).await.map_err(unusable(place))
}

/// Connects again after the server was lost, with bounded patience.
pub(crate) async fn again(place: &Place) -> Result<AnyConnection, Failure> {
    let mut last = None;
    let trying = async {
        let mut pause = PAUSE;
        loop {
            match writing(place).await {
                Err(failure) if is_lost(&failure) => last = Some(failure),
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    };
    match tokio::time::timeout(BUSY, trying).await {
        Ok(done) => done,
        Err(_) => Err(last.unwrap_or_else(|| unusable(place)(timed_out()))),
    }
}

/// Connects to what is there, without changing how it is kept.
pub(crate) async fn existing(place: &Place) -> Result<AnyConnection, sqlx::Error> {
    connect(place, Access::Write).await
}

pub(crate) async fn read_connection(place: &Place) -> Result<AnyConnection, Failure> {
    connect(place, Access::Read).await.map_err(unusable(place))
}

pub(crate) async fn read_pool(place: &Place) -> Result<AnyPool, Failure> {
    install_default_drivers();
    let pool = AnyPoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(BUSY)
        .after_connect(|connection, _| Box::pin(set_up(connection, Access::Read)));
    pool.connect_with(place.options(Access::Read).clone()).await.map_err(unusable(place))
}

async fn connect(place: &Place, access: Access) -> Result<AnyConnection, sqlx::Error> {
    install_default_drivers();
    let connecting = async {
        let mut connection = place.options(access).connect().await?;
        set_up(&mut connection, access).await?;
        Ok(connection)
    };
    tokio::time::timeout(2 * BUSY, connecting).await.unwrap_or_else(|_| Err(timed_out()))
}

async fn set_up(connection: &mut AnyConnection, access: Access) -> Result<(), sqlx::Error> {
    let settings = match (Dialect::of(connection), access) {
        (Dialect::Sqlite, Access::Own) => SQLITE_OWN,
        (Dialect::Sqlite, Access::Read | Access::Write) => SQLITE_OTHERS,
        (Dialect::Postgres, Access::Own | Access::Write) => POSTGRES_OWN,
        (Dialect::Postgres, Access::Read) => POSTGRES_READ,
    };
    sqlx::raw_sql(settings).execute(connection).await.map(drop)
}

fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

fn migrator(dialect: Dialect) -> &'static Migrator {
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::Postgres => &POSTGRES,
    }
}

/// Brings the tables up to this program, each step in a transaction of its own. Readers that open meanwhile are told to
/// try again.
///
/// # Errors
///
/// The ledger is unusable if a newer program has already changed them further; on a server also if the tables there are
/// those of something else, or their texts are not UTF-8.
pub(crate) async fn migrate(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    if Dialect::of(connection) == Dialect::Postgres {
        check_server(place, connection).await?;
    }
    match migrator(Dialect::of(connection)).run(&mut *connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => Err(place.newer()),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(unusable(place)(error)),
        Err(error) => Err(place.unusable(&error.to_string()).because(&error)),
    }
}

async fn check_server(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    let encoding: String = sqlx::query_scalar("SELECT current_setting('server_encoding')")
        .fetch_one(&mut *connection)
        .await
        .map_err(unusable(place))?;
    if encoding != "UTF8" {
        return Err(place.unusable(&format!("its texts are {encoding}; create a database with the encoding UTF8")));
    }
    match tables(connection).await.map_err(unusable(place))? {
        Tables::None | Tables::OfLedger => Ok(()),
        Tables::OfOthers => Err(place.unusable("there are tables of something else; name an empty database")),
    }
}

/// What the schema of a server holds.
enum Tables {
    None,
    OfLedger,
    OfOthers,
}

async fn tables(connection: &mut AnyConnection) -> Result<Tables, sqlx::Error> {
    let (migrations, catalog, others): (i64, i64, i64) = sqlx::query_as(
        r#"
        SELECT
            COUNT(*) FILTER (WHERE table_name = '_sqlx_migrations'),
            COUNT(*) FILTER (WHERE table_name = 'ducklake_metadata'),
            COUNT(*) FILTER (WHERE table_name NOT IN ('_sqlx_migrations', 'ducklake_metadata'))
        FROM information_schema.tables
        WHERE table_schema = current_schema()
        "#,
    )
    .fetch_one(connection)
    .await?;
    Ok(match (migrations, catalog, others) {
        // The first step of the migrations makes the catalog.
        (_, 0, 0) => Tables::None,
        (1, 1, _) => Tables::OfLedger,
        _ => Tables::OfOthers,
    })
}

/// Checks that the tables are those of this program, without changing any.
pub(crate) async fn check_version(place: &Place, connection: &mut AnyConnection) -> Result<(), Failure> {
    let newest = migrator(Dialect::of(connection)).iter().map(|migration| migration.version).max();
    let applied: Result<Option<i64>, sqlx::Error> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(&mut *connection).await;
    match applied {
        Ok(applied) if applied == newest => Ok(()),
        Ok(applied) if applied > newest => Err(place.newer()),
        Ok(_) => Err(place.unready(
            "it was written by an older version, or a host that is starting is bringing it up to this one; try again in \
             a moment, or start `spine-host` on it once",
        )),
        Err(error) if is_missing_table(&error) => Err(strange(place, connection).await),
        Err(error) => Err(unusable(place)(error)),
    }
}

fn is_missing_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().as_deref() == Some("42P01") || error.message().contains("no such table")
}

/// The failure of a database without the tables of a ledger.
async fn strange(place: &Place, connection: &mut AnyConnection) -> Failure {
    let empty = match place {
        Place::File(_) => sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
            .fetch_one(connection)
            .await
            .map(|count: i64| count == 0),
        Place::Server(_) => tables(connection).await.map(|tables| matches!(tables, Tables::None)),
    };
    match (empty, place) {
        (Ok(true), _) => place.unready(
            "it is empty: a host is setting it up, or died while it did; try again in a moment, or start `spine-host` \
             on it once",
        ),
        (Ok(false), Place::File(_)) => {
            place.unusable("it is a SQLite database, but not a ledger; name the right folder with --data")
        }
        (Ok(false), Place::Server(_)) => place.unusable("it is no ledger; name the right database"),
        (Err(error), _) => unusable(place)(error),
    }
}

/// The ledger is not there yet.
pub(crate) fn absent(place: &Place) -> Failure {
    let message = format!(
        "there is no ledger at `{place}`: nothing has run in this data folder yet; name another with --data, or run \
         something"
    );
    Failure::new(FailureKind::Database, "unreachable", message)
}

/// A file that cannot even be opened is a mistake of configuration; a full or busy disk is not, and a server may only be
/// away for a while.
fn unusable(place: &Place) -> impl Fn(sqlx::Error) -> Failure {
    let place = place.clone();
    move |error| {
        let failure = failed("open the ledger")(error);
        let message = format!("{} (`{place}`)", failure.message);
        match (&place, failure.code.as_str()) {
            (Place::File(_), "no_space" | "io" | "locked") => failure,
            (Place::File(_), _) => {
                Failure { kind: FailureKind::Config, code: "bad_folder".to_owned(), message, ..failure }
            }
            (Place::Server(_), _) => Failure { message, ..failure },
        }
    }
}

/// The tables as an earlier version left them.
#[cfg(test)]
pub(crate) async fn migrate_to(version: i64, connection: &mut AnyConnection) {
    let migrator = migrator(Dialect::of(connection));
    migrator.run_to(version, connection).await.expect("an earlier version had its migrations too");
}
