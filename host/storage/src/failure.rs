//! What a failing database means to those who asked.
//!
//! SQLite tells a full disk, a broken disk and a busy file apart by number; the numbers stop here.

use model::failure::{Failure, FailureKind, Reading};

/// The low byte of a SQLite result code; the rest says more precisely where it happened.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;

/// Explains that `action` failed.
pub(crate) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| explain(action, &error)
}

fn explain(action: &str, error: &sqlx::Error) -> Failure {
    let failure = |kind, code, why: &str| Failure::new(kind, code, format!("could not {action}: {why}")).because(error);
    match error {
        sqlx::Error::Io(error) => Failure::io(Reading::Own, action, "spine.db", error),
        sqlx::Error::PoolTimedOut => {
            failure(FailureKind::Database, "locked", "every connection to spine.db is busy; try again").retryable(true)
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            failure(FailureKind::Database, "corrupt", "spine.db holds a value that this program never writes")
        }
        _ => match result_code(error) {
            Some(BUSY | LOCKED) => {
                let why = "another program holds a lock on spine.db; close it or try again";
                failure(FailureKind::Database, "locked", why).retryable(true)
            }
            Some(FULL) => failure(
                FailureKind::Storage,
                "no_space",
                "the disk of the data folder is full; nothing was changed; free some space and try again",
            ),
            Some(IO) => failure(
                FailureKind::Database,
                "io",
                "reading or writing spine.db failed; look at the disk and its free space",
            ),
            Some(CORRUPT | NOT_A_DATABASE) => {
                failure(FailureKind::Database, "corrupt", "spine.db is damaged or no SQLite database; restore a copy")
            }
            Some(READ_ONLY) => {
                failure(FailureKind::Database, "read_only", "spine.db or its folder cannot be written by this user")
            }
            Some(CANNOT_OPEN) => failure(
                FailureKind::Database,
                "cannot_open",
                "spine.db cannot be opened; check that its folder exists and this user may use it",
            ),
            Some(CONSTRAINT) => {
                let why = format!("it would break a rule of the ledger ({error})");
                failure(FailureKind::Internal, "constraint", &why)
            }
            _ => failure(FailureKind::Database, "database", "the database refused"),
        },
    }
}

fn result_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Whether this failure is about the database itself, so that everything in the same transaction failed with it.
pub(crate) fn is_fatal(failure: &Failure) -> bool {
    matches!(
        (failure.kind, failure.code.as_str()),
        (FailureKind::Storage, "no_space" | "io")
            | (FailureKind::Database, "locked" | "io" | "corrupt" | "read_only" | "cannot_open" | "closed")
    )
}

/// A mistake of this program, not of its user.
pub(crate) fn internal(code: &str, message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Internal, code, message)
}

/// A value in the database that cannot be what this program wrote.
pub(crate) fn corrupt(what: &str, value: &str) -> Failure {
    let message = format!("spine.db holds `{value}` where {what} is due; it was changed by another program");
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
