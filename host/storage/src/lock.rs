//! The write lock of the database, seen by who does not write.

use std::path::Path;

use model::failure::Failure;
use sqlx::Connection;

use crate::failure::failed;
use crate::open;

const ACTION: &str = "wait for a transaction in flight";

/// Returns when the transaction that holds the write lock now, if there is one, has ended. Changes nothing.
///
/// A connection of this database must be open meanwhile, or closing this one would remove the log.
///
/// # Errors
///
/// `locked` (retryable) if it takes too long; see also [`may_not_write`].
pub(crate) async fn wait(path: &Path) -> Result<(), Failure> {
    let mut connection = open::existing(path).await.map_err(failed(ACTION))?;
    // A write that changes nothing. `BEGIN IMMEDIATE` would do, but takes no lock where only reading is allowed, and
    // does not say so.
    let taken = sqlx::query(r#"UPDATE ducklake_metadata SET "value" = "value" WHERE FALSE"#)
        .execute(&mut connection)
        .await
        .map(drop);
    let closed = connection.close().await;
    taken.and(closed).map_err(failed(ACTION))
}

/// Whether the failure says that this user, or anybody on this file system, can only read.
pub(crate) fn may_not_write(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "read_only" | "cannot_open")
}
