//! What a failing database means to those who asked.
//!
//! Both databases tell a full disk, a lock and a broken rule apart, each by codes of its own; the codes stop here.

mod postgres;
mod sqlite;

use model::failure::{Failure, FailureKind};
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// What there is to say about an error of a database, whatever was asked of it.
#[derive(Clone, Copy, Debug)]
struct Meaning {
    kind: FailureKind,
    code: &'static str,
    why: &'static str,
    /// The same may succeed later without anybody changing anything.
    retryable: bool,
}

impl Meaning {
    const fn new(kind: FailureKind, code: &'static str, why: &'static str) -> Self {
        Self { kind, code, why, retryable: false }
    }

    const fn database(code: &'static str, why: &'static str) -> Self {
        Self::new(FailureKind::Database, code, why)
    }

    const fn retryable(self) -> Self {
        Self { retryable: true, ..self }
    }
}

/// The database cannot be reached, or not any more.
const UNREACHABLE: Meaning = Meaning::database(
    "unreachable",
    "the database cannot be reached; check that it runs and that its address is right, then try again",
)
.retryable();

const NOT_ENCRYPTED: Meaning = Meaning::new(
    FailureKind::Config,
    "bad_config",
    "no encrypted connection to the database can be made; check `sslmode` and `sslrootcert` in its URL, and the \
     certificate of the server",
);

const NO_CONNECTION: Meaning =
    Meaning::database("locked", "every connection to the ledger is busy; try again").retryable();

const STRANGE_VALUE: Meaning = Meaning::database("corrupt", "the ledger holds a value that this program never writes");

const REFUSED: Meaning = Meaning::database("database", "the database refused; its log may say more");

/// Explains that `action` failed.
pub(crate) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| explain(action, &error)
}

/// The failure of a process that had the database open before: whatever keeps it out now may pass.
pub(crate) fn away(failure: Failure) -> Failure {
    match failure.kind {
        FailureKind::Config => {
            Failure { kind: FailureKind::Database, code: "unreachable".to_owned(), ..failure }.retryable(true)
        }
        _ => failure,
    }
}

/// Nobody answers, or nobody has time.
pub(crate) fn unreachable(action: &str) -> Failure {
    let Meaning { kind, code, why, retryable } = UNREACHABLE;
    Failure::new(kind, code, format!("could not {action}: {why}")).retryable(retryable)
}

fn explain(action: &str, error: &sqlx::Error) -> Failure {
    let Meaning { kind, code, why, retryable } = meaning(error);
    let message = match code {
        "constraint" | "database" => format!("could not {action}: {why} ({error})"),
        _ => format!("could not {action}: {why}"),
    };
    Failure::new(kind, code, message).because(error).retryable(retryable)
}

fn meaning(error: &sqlx::Error) -> Meaning {
    if let Some(error) = error.as_database_error() {
        if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
            return postgres::meaning(error.code());
        }
        if error.try_downcast_ref::<SqliteError>().is_some() {
            return sqlite::meaning(error.code().as_deref());
        }
    }
    match error {
        sqlx::Error::Tls(_) => NOT_ENCRYPTED,
        // A file is never read or written here but by SQLite itself, so these are about a server.
        // What is wrong with a certificate comes as data that is.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => NOT_ENCRYPTED,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => UNREACHABLE,
        sqlx::Error::PoolTimedOut => NO_CONNECTION,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => STRANGE_VALUE,
        sqlx::Error::PoolClosed => Meaning::database("closed", "the ledger is closed: this host is shutting down"),
        _ => REFUSED,
    }
}

/// Whether this failure is about the database itself, so that everything in the same transaction failed with it.
pub(crate) fn is_fatal(failure: &Failure) -> bool {
    match (failure.kind, failure.code.as_str()) {
        (FailureKind::Storage, code) => matches!(code, "no_space" | "io"),
        (FailureKind::Database, code) => matches!(
            code,
            "locked"
                | "io"
                | "corrupt"
                | "read_only"
                | "cannot_open"
                | "closed"
                | "unreachable"
                | "contention"
                | "aborted"
                | "outcome_unknown"
        ),
        _ => false,
    }
}

/// Whether the connection is gone.
pub(crate) fn is_lost(failure: &Failure) -> bool {
    failure.kind == FailureKind::Database && failure.code == "unreachable"
}

/// Whether nobody told if the change was committed.
pub(crate) fn is_unknown(failure: &Failure) -> bool {
    failure.kind == FailureKind::Database && failure.code == "outcome_unknown"
}

/// Whether others were in the way of a transaction, which was undone and can be repeated at once.
pub(crate) fn is_contention(failure: &Failure) -> bool {
    failure.kind == FailureKind::Database && failure.code == "contention"
}

/// The connection was lost between asking for a commit and its answer.
pub(crate) fn outcome_unknown(lost: &Failure) -> Failure {
    let message = "the connection to the database was lost while the change was being committed: it is there as a \
                   whole or not at all, and nobody told which; look at the run before you repeat it";
    Failure { causes: lost.causes.clone(), ..Failure::new(FailureKind::Database, "outcome_unknown", message) }
}

/// A mistake of this program, not of its user.
pub(crate) fn internal(code: &str, message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Internal, code, message)
}

/// A value in the database that cannot be what this program wrote.
pub(crate) fn corrupt(what: &str, value: &str) -> Failure {
    let message = format!("the ledger holds `{value}` where {what} is due; it was changed by another program");
    Failure::new(FailureKind::Database, "corrupt", message)
}

pub(crate) fn closed() -> Failure {
    let message = "the ledger is closed: this host is shutting down; start it again and repeat";
    Failure::new(FailureKind::Database, "closed", message)
}

pub(crate) fn read_only() -> Failure {
    let message =
        "this command opened the ledger read-only; what changes something goes through the owner of the folder";
    Failure::new(FailureKind::Database, "read_only", message)
}
