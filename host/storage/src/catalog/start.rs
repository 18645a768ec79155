//! The catalog before anything is published: its metadata, snapshot 0 and the schema `main`.

use std::path::Path;

use model::Clock;
use model::failure::{Failure, FailureKind};
use model::ports::Entropy;
use sqlx::{AnyConnection, Connection};

use crate::dialect::{Dialect, sql};
use crate::failure::failed;
use crate::lock;

/// Makes the empty catalog if it is not there, and says where the captures lie now.
///
/// The file of a data folder moves with it. A server is believed by every host and reader: it is told of another folder
/// only by somebody who has the captures there.
///
/// # Errors
///
/// `bad_config` if the captures of the catalog are not in `data_path`.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    data_path: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<(), Failure> {
    let begin = begin(connection);
    let mut transaction = connection.begin_with(begin).await.map_err(failed("prepare the catalog"))?;
    lock::catalog(&mut transaction).await?;
    let snapshots: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ducklake_snapshot")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("read the catalog"))?;
    if snapshots == 0 {
        create(&mut transaction, data_path, clock, entropy).await?;
    }
    let is_shared = Dialect::of(&transaction) == Dialect::Postgres;
    if is_shared {
        check_folder(&mut transaction, data_path).await?;
    }
    let moved = sqlx::query(r#"UPDATE ducklake_metadata SET "value" = $1 WHERE "key" = 'data_path' AND "value" <> $1"#)
        .bind(data_path)
        .execute(&mut *transaction)
        .await
        .map_err(failed("say where the captures lie"))?;
    if moved.rows_affected() > 0 && is_shared {
        tracing::warn!(
            data_path,
            "the catalog says now that the captures lie here; every host and reader has to find them"
        );
    }
    transaction.commit().await.map_err(failed("prepare the catalog"))
}

/// On SQLite the write lock is taken, and waited for, first: a reader that turns to writing does not wait.
fn begin(connection: &AnyConnection) -> &'static str {
    match Dialect::of(connection) {
        Dialect::Sqlite => "BEGIN IMMEDIATE",
        Dialect::Postgres => "BEGIN",
    }
}

/// Refuses a folder in which the newest capture is not.
async fn check_folder(connection: &mut AnyConnection, data_path: &str) -> Result<(), Failure> {
    let action = "find out where the captures lie";
    let told: String = sqlx::query_scalar(r#"SELECT "value" FROM ducklake_metadata WHERE "key" = 'data_path'"#)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(action))?;
    if told == data_path {
        return Ok(());
    }
    let newest: Option<String> = sqlx::query_scalar(
        r#"
        SELECT REPLACE(dataset, '.', '/') || '/' || file_path
        FROM captures
        WHERE file_path IS NOT NULL
        ORDER BY capture_id DESC
        LIMIT 1
        "#,
    )
    .fetch_optional(connection)
    .await
    .map_err(failed(action))?;
    match newest {
        Some(newest) if !Path::new(data_path).join(&newest).is_file() => {
            let message = format!(
                "the captures of this ledger lie in `{told}`, not in `{data_path}`: hosts that share a ledger share the \
                 folder of its captures; name it with `[lake] folder` in spine.toml"
            );
            Err(Failure::new(FailureKind::Config, "bad_config", message))
        }
        _ => Ok(()),
    }
}

async fn create(
    connection: &mut AnyConnection,
    data_path: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<(), Failure> {
    let action = "create the catalog";
    sqlx::query(
        r#"
        INSERT INTO ducklake_metadata ("key", "value")
        VALUES ('version', '1.0'), ('created_by', $1), ('data_path', $2), ('encrypted', 'false')
        "#,
    )
    .bind(concat!("spine ", env!("CARGO_PKG_VERSION")))
    .bind(data_path)
    .execute(&mut *connection)
    .await
    .map_err(failed(action))?;
    sqlx::query(sql(
        connection,
        r#"
        INSERT INTO ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id)
        VALUES (0, {instant $1}, 0, 1, 0)
        "#,
    ))
    .bind(clock.now().catalog_text())
    .execute(&mut *connection)
    .await
    .map_err(failed(action))?;
    sqlx::query(
        r#"INSERT INTO ducklake_snapshot_changes (snapshot_id, changes_made) VALUES (0, 'created_schema:"main"')"#,
    )
    .execute(&mut *connection)
    .await
    .map_err(failed(action))?;
    sqlx::query(sql(
        connection,
        r#"
        INSERT INTO ducklake_schema (schema_id, schema_uuid, begin_snapshot, schema_name, path, path_is_relative)
        VALUES (0, {uuid $1}, 0, 'main', 'main/', TRUE)
        "#,
    ))
    .bind(super::uuid(clock, entropy))
    .execute(connection)
    .await
    .map(drop)
    .map_err(failed(action))
}
