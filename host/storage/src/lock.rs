//! Locks across processes.
//!
//! On SQLite there is one: the write lock, which every transaction of the writer takes as it begins. On PostgreSQL
//! other processes write too, and what has to come one after the other takes locks of rows, or advisory locks where there
//! is no row yet. Both end with the transaction. [`Needs`] has the order in which a group waits for them.

mod needs;

use std::collections::BTreeSet;

use model::failure::Failure;
use sqlx::{AnyConnection, Connection};

use crate::dialect::Dialect;
use crate::failure::failed;
use crate::open;
use crate::place::Place;
use crate::writer::Scribe;

pub(crate) use needs::Needs;

/// Who makes a snapshot or fixes schemas holds it alone; who waits for them shares it. "spine" and a number.
const CATALOG: i64 = 0x0073_7069_6e65_0001;

/// Distinguishes locks on keys from those of other programs: the first of two numbers, the second is the key's hash.
const KEYS: i32 = 0x7370_696e;

/// Likewise, for names.
const NAMES: i32 = 0x7370_696f;

const ACTION: &str = "wait for a transaction in flight";

/// Makes the transaction the only one that changes the catalog or the datasets, until it ends.
pub(crate) async fn catalog(connection: &mut AnyConnection) -> Result<(), Failure> {
    match Dialect::of(connection) {
        Dialect::Sqlite => Ok(()),
        Dialect::Postgres => sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(CATALOG)
            .execute(connection)
            .await
            .map(drop)
            .map_err(failed("wait for others who publish")),
    }
}

/// Makes the transaction the only one that decides what these stand for.
async fn named(scribe: &mut Scribe<'_>, class: i32, names: &BTreeSet<String>) -> Result<(), Failure> {
    if names.is_empty() || scribe.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    sqlx::query(
        r#"
        SELECT pg_advisory_xact_lock($1, hash)
        FROM (
            SELECT DISTINCT hashtext(value) AS hash FROM json_array_elements_text(CAST($2 AS JSON)) ORDER BY 1
        ) AS hashes
        "#,
    )
    .bind(class)
    .bind(scribe.json(names)?)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed("wait for others with the same key"))
}

/// Returns when every transaction that may be publishing now has ended. Changes nothing.
///
/// `reader` stays open meanwhile: on SQLite, closing the last connection would remove the log.
///
/// # Errors
///
/// `locked` (retryable) if it takes too long; see also [`may_not_write`].
pub(crate) async fn wait(place: &Place, reader: &mut AnyConnection) -> Result<(), Failure> {
    match place {
        Place::File(_) => wait_for_writer(place).await,
        Place::Server(_) => wait_for_publishers(reader).await.map_err(failed(ACTION)),
    }
}

async fn wait_for_writer(place: &Place) -> Result<(), Failure> {
    let mut connection = open::existing(place).await.map_err(failed(ACTION))?;
    // A write that changes nothing. `BEGIN IMMEDIATE` would do, but takes no lock where only reading is allowed, and
    // does not say so.
    let taken = sqlx::query(r#"UPDATE ducklake_metadata SET "value" = "value" WHERE FALSE"#)
        .execute(&mut connection)
        .await
        .map(drop);
    let closed = connection.close().await;
    taken.and(closed).map_err(failed(ACTION))
}

/// They let go of their lock after their commit is visible.
async fn wait_for_publishers(reader: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let mut transaction = reader.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)").bind(CATALOG).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Whether the failure says that this user, or anybody on this file system, can only read.
pub(crate) fn may_not_write(failure: &Failure) -> bool {
    matches!(failure.code.as_str(), "read_only" | "cannot_open")
}
