//! A table whose dataset has another schema than before: its columns from a snapshot on, and what readers may know of
//! them in files that were written before.
//!
//! A column keeps its id for good: one that is dropped ends and stays in its files, one that comes back is the same.

use std::collections::BTreeMap;

use model::DataType;
use model::failure::Failure;
use serde::Serialize;
use sqlx::FromRow;

use super::snapshot::Draft;
use super::tables::Column;
use crate::failure::failed;
use crate::writer::{Scribe, Statement, Value};

const ACTION: &str = "change a table of the catalog";

/// A column of the table as it is until now.
#[derive(Debug, FromRow)]
struct Present {
    column_id: i64,
    column_name: String,
    column_type: String,
    /// 0 or 1.
    nulls_allowed: i64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Begun<'a> {
    id: i64,
    name: &'a str,
    type_name: String,
    nulls_allowed: bool,
    /// Whether files of before lack it.
    is_added: bool,
    contains_nan: Option<bool>,
}

/// Makes the columns of a table those that are wanted.
pub(crate) async fn alter(
    scribe: &mut Scribe<'_>,
    draft: &mut Draft,
    table: i64,
    wanted: &[Column<'_>],
) -> Result<(), Failure> {
    let present: Vec<Present> = sqlx::query_as(
        r#"
        SELECT column_id, column_name, column_type, CAST(nulls_allowed AS INTEGER) AS nulls_allowed
        FROM ducklake_column
        WHERE table_id = $1 AND end_snapshot IS NULL
        "#,
    )
    .bind(table)
    .fetch_all(scribe.connection().await?)
    .await
    .map_err(failed(ACTION))?;
    let present: BTreeMap<i64, Present> = present.into_iter().map(|column| (column.column_id, column)).collect();
    let begun: Vec<Begun<'_>> = wanted.iter().filter_map(|column| begun(column, present.get(&column.id))).collect();
    let is_wanted = |id: &i64| wanted.iter().any(|column| column.id == *id);
    let ended: Vec<i64> =
        present.keys().copied().filter(|id| !is_wanted(id) || begun.iter().any(|column| column.id == *id)).collect();
    if begun.is_empty() && ended.is_empty() {
        return Ok(());
    }
    end(scribe, draft, table, &ended)?;
    begin(scribe, draft, table, &begun)?;
    draft.altered_table(table);
    Ok(())
}

/// What a column is from now on; none if it is that already. Files of before have no value for one that was not there,
/// and one that may be null stays so.
fn begun<'a>(column: &Column<'a>, present: Option<&Present>) -> Option<Begun<'a>> {
    let type_name = super::type_name(column.data_type);
    let nulls_allowed = column.nullable || present.is_none_or(|present| present.nulls_allowed == 1);
    if let Some(present) = present
        && present.column_name == column.name
        && present.column_type == type_name
        && (present.nulls_allowed == 1) == nulls_allowed
    {
        return None;
    }
    let contains_nan = (column.data_type == DataType::Float64).then_some(false);
    Some(Begun {
        id: column.id,
        name: column.name,
        type_name,
        nulls_allowed,
        is_added: present.is_none(),
        contains_nan,
    })
}

fn end(scribe: &mut Scribe<'_>, draft: &Draft, table: i64, columns: &[i64]) -> Result<(), Failure> {
    scribe.later(
        Statement::new(
            ACTION,
            r#"
            UPDATE ducklake_column
            SET end_snapshot = $2
            WHERE table_id = $3
                AND end_snapshot IS NULL
                AND column_id IN (SELECT CAST(value AS BIGINT) FROM {texts $1} AS ended)
            "#,
        )
        .bind(scribe.json(columns)?)
        .bind(draft.id)
        .bind(table),
    );
    Ok(())
}

fn begin(scribe: &mut Scribe<'_>, draft: &Draft, table: i64, columns: &[Begun<'_>]) -> Result<(), Failure> {
    let rows: Value = scribe.json(columns)?.into();
    scribe.later(Statement::new(ACTION, super::tables::ADD_COLUMNS).bind(&rows).bind(draft.id).bind(table));
    let added: Vec<&Begun<'_>> = columns.iter().filter(|column| column.is_added).collect();
    let rows: Value = scribe.json(&added)?.into();
    // Without a row for a column, DuckDB leaves a file out under `IS NULL`.
    scribe.later(
        Statement::new(
            ACTION,
            r#"
            INSERT INTO ducklake_file_column_stats (
                data_file_id, table_id, column_id, column_size_bytes, value_count, null_count, contains_nan
            )
            SELECT
                file.data_file_id, file.table_id, CAST(new.value ->> 'id' AS BIGINT), 0, 0, file.record_count,
                CAST(new.value ->> 'contains_nan' AS BOOLEAN)
            FROM {rows $1} AS new
            CROSS JOIN ducklake_data_file AS file
            WHERE file.table_id = $2
            ON CONFLICT (data_file_id, column_id) DO NOTHING
            "#,
        )
        .bind(&rows)
        .bind(table),
    );
    scribe.later(
        Statement::new(
            ACTION,
            r#"
            INSERT INTO ducklake_table_column_stats (table_id, column_id, contains_null, contains_nan)
            SELECT
                $2, CAST(value ->> 'id' AS BIGINT), CAST('1' AS BOOLEAN), CAST(value ->> 'contains_nan' AS BOOLEAN)
            FROM {rows $1} AS new
            WHERE true
            ON CONFLICT (table_id, column_id) DO UPDATE
            SET contains_null = excluded.contains_null
            "#,
        )
        .bind(&rows)
        .bind(table),
    );
    Ok(())
}
