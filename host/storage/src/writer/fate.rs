//! What became of a commit that nobody answered: the connection to the server was lost in it.
//!
//! The server knows: each group has its number there, and asking for that number says whether the group is there. Where
//! the server cannot be asked, or has forgotten, the outcome stays open.

use std::time::Duration;

use model::failure::Failure;
use sqlx::AnyConnection;

use super::scribe::TransactionId;
use crate::failure::failed;

/// How often a transaction is asked about that the server has not ended yet: it may not have noticed the loss.
const LOOKS_MAX: u32 = 50;

const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    /// Nothing of it is there.
    Undone,
    /// The server does not say.
    Open,
}

/// Asks over another connection.
///
/// # Errors
///
/// Those of the connection.
pub(super) async fn fate(connection: &mut AnyConnection, of: &TransactionId) -> Result<Fate, Failure> {
    for _ in 0..LOOKS_MAX {
        let status: Option<String> = sqlx::query_scalar("SELECT pg_xact_status(CAST($1 AS xid8))")
            .bind(&of.0)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed("look whether the change was committed"))?;
        match status.as_deref() {
            Some("committed") => return Ok(Fate::Committed),
            Some("aborted") => return Ok(Fate::Undone),
            Some("in progress") => tokio::time::sleep(PAUSE).await,
            Some(_) | None => return Ok(Fate::Open),
        }
    }
    Ok(Fate::Open)
}
