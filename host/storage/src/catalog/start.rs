//! The catalog before anything is published: its metadata, snapshot 0 and the schema `main`.

use model::Clock;
use model::failure::Failure;
use model::ports::Entropy;
use sqlx::AnyConnection;

use crate::dialect::{Dialect, sql};
use crate::failure::failed;
use crate::lock;

/// Makes the empty catalog if it is not there, and says where the captures lie now.
pub(crate) async fn prepare(
    connection: &mut AnyConnection,
    data_path: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<(), Failure> {
    let mut transaction = sqlx::Connection::begin(connection).await.map_err(failed("prepare the catalog"))?;
    lock::catalog(&mut transaction).await?;
    let snapshots: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM ducklake_snapshot")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("read the catalog"))?;
    if snapshots == 0 {
        create(&mut transaction, data_path, clock, entropy).await?;
    }
    let moved = sqlx::query(r#"UPDATE ducklake_metadata SET "value" = $1 WHERE "key" = 'data_path' AND "value" <> $1"#)
        .bind(data_path)
        .execute(&mut *transaction)
        .await
        .map_err(failed("say where the captures lie"))?;
    // The file of a data folder moves with it. A server is told by whoever starts last.
    if moved.rows_affected() > 0 && Dialect::of(&transaction) == Dialect::Postgres {
        tracing::warn!(
            data_path,
            "the catalog says now that the captures lie here; every host and reader has to find them"
        );
    }
    transaction.commit().await.map_err(failed("prepare the catalog"))
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
