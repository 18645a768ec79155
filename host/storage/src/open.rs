//! Connections to a ledger, and how long anybody waits for them.

use std::time::Duration;

use model::failure::{Failure, FailureKind};
use sqlx::any::{AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, ConnectOptions};

use crate::dialect::Dialect;
use crate::failure::{away, failed, is_lost};
use crate::place::{Access, Place};

/// How long a statement waits for another program's lock, a reader for a connection, and anybody for a server.
const BUSY: Duration = Duration::from_secs(10);

/// How long a writer that lost its connection first waits before it tries again; each time twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// Readers at one time; each is a thread and a page cache, or a process of the server.
const READERS_MAX: u32 = 4;

/// A commit that was answered survives a power cut. The log is cut back to 16 MiB once it is in the database: one long
/// transaction does not leave a long log for ever.
const SQLITE_OWN: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                          PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 16777216;";
const SQLITE_OTHERS: &str = "PRAGMA busy_timeout = 10000;";

/// As on SQLite; and a server lets go of the locks of a host whose machine is gone after half a minute, not hours. Plans
/// are not kept: one that was made for an empty table reads all of it for ever.
const POSTGRES_OWN: &str = "SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '20s'; \
                            SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
                            SET tcp_keepalives_count = 4; SET client_min_messages = warning; SET jit = off; \
                            SET plan_cache_mode = force_custom_plan; \
                            SELECT set_config('synchronous_commit', 'on', FALSE) \
                            WHERE current_setting('synchronous_commit') = 'off';";
/// A transaction of a reader sees one state of the ledger, as on SQLite.
const POSTGRES_READ: &str = "SET lock_timeout = '10s'; SET default_transaction_read_only = on; \
                             SET default_transaction_isolation = 'repeatable read'; SET jit = off; \
                             SET plan_cache_mode = force_custom_plan;";

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
            match writing(place).await.map_err(away) {
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
        // A file does not go away by itself, and a look at it takes as long as what is to be read.
        .test_before_acquire(matches!(place, Place::Server(_)))
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
pub(crate) fn unusable(place: &Place) -> impl Fn(sqlx::Error) -> Failure {
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
