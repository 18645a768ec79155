//! The result codes of SQLite.

use model::failure::FailureKind;

use super::{Meaning, REFUSED};

/// The low byte of a result code; the rest says more precisely where it happened.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const CONSTRAINT: i32 = 19;
const NOT_A_DATABASE: i32 = 26;

pub(super) fn meaning(code: Option<&str>) -> Meaning {
    let code: Option<i32> = code.and_then(|code| code.parse().ok());
    match code.map(|code| code & 0xff) {
        Some(BUSY | LOCKED) => {
            Meaning::database("locked", "another program holds a lock on spine.db; close it or try again").retryable()
        }
        Some(FULL) => Meaning::new(
            FailureKind::Storage,
            "no_space",
            "the disk of the data folder is full; nothing was changed; free some space and try again",
        ),
        Some(IO) => Meaning::database("io", "reading or writing spine.db failed; look at the disk and its free space"),
        Some(CORRUPT | NOT_A_DATABASE) => {
            Meaning::database("corrupt", "spine.db is damaged or no SQLite database; restore a copy")
        }
        Some(READ_ONLY) => Meaning::database("read_only", "spine.db or its folder cannot be written by this user"),
        Some(CANNOT_OPEN) => Meaning::database(
            "cannot_open",
            "spine.db cannot be opened; check that its folder exists and this user may use it",
        ),
        Some(CONSTRAINT) => Meaning::new(FailureKind::Internal, "constraint", "it would break a rule of the ledger"),
        _ => REFUSED,
    }
}
