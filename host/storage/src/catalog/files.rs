//! Data files: those that begin with a snapshot and those that end with it.

use model::failure::Failure;
use serde::Serialize;

use super::publish::Delivery;
use super::snapshot::Draft;
use super::stats::{FileColumn, file_columns};
use super::tables::{Table, TableId};
use crate::commands::{int, json};
use crate::failure::{failed, internal};
use crate::writer::{Scribe, Statement, Value};

/// A file that begins with this snapshot.
#[derive(Debug)]
pub(crate) struct NewFile {
    pub(crate) id: i64,
    pub(crate) table: i64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) columns: Vec<FileColumn>,
    partitioning: Option<i64>,
    /// In the order of the dataset's partition columns.
    partition: Vec<String>,
    path: String,
    footer_bytes: u64,
}

impl NewFile {
    /// None for a capture of zero rows.
    ///
    /// # Errors
    ///
    /// If rows and file do not fit each other.
    pub(crate) fn of(
        draft: &mut Draft,
        table: TableId,
        Table { spec, fields, .. }: &Table,
        delivery: &Delivery,
    ) -> Result<Option<Self>, Failure> {
        let file = match (&delivery.file, delivery.rows) {
            (None, 0) => return Ok(None),
            (Some(file), 1..) => file,
            (None, _) | (Some(_), 0) => {
                let message = format!("capture `{}` of {} rows has the wrong files", delivery.capture, delivery.rows);
                return Err(internal("bad_file", message));
            }
        };
        let values =
            spec.partition_by.iter().map(|column| delivery.partition.get(column).unwrap_or_default().to_owned());
        Ok(Some(Self {
            columns: file_columns(spec, fields, delivery.rows, &file.columns)?,
            id: draft.file_id(),
            table: table.table,
            rows: delivery.rows,
            bytes: file.bytes,
            partitioning: table.partitioning,
            partition: values.collect(),
            path: file.path.clone(),
            footer_bytes: file.footer_bytes,
        }))
    }
}

#[derive(Serialize)]
struct Row<'a> {
    id: i64,
    table: i64,
    path: &'a str,
    rows: i64,
    bytes: i64,
    footer_bytes: i64,
    row_id_start: i64,
    partitioning: Option<i64>,
    partition: &'a [String],
    columns: Vec<ColumnRow<'a>>,
}

#[derive(Serialize)]
struct ColumnRow<'a> {
    id: i64,
    bytes: i64,
    values: i64,
    nulls: i64,
    contains_nan: Option<bool>,
    min: Option<&'a str>,
    max: Option<&'a str>,
}

/// Writes new files with their partition values and statistics. `files` come with the row id of their first row.
pub(crate) fn begin(scribe: &mut Scribe<'_>, draft: &Draft, files: &[(&NewFile, i64)]) -> Result<(), Failure> {
    let action = "add files to the catalog";
    let rows: Vec<Row<'_>> = files.iter().map(|(file, row_id_start)| row(file, *row_id_start)).collect();
    let rows: Value = scribe.json(&rows)?.into();
    scribe.later(Statement::new(action, r#"
        INSERT INTO ducklake_data_file (
            data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format, record_count,
            file_size_bytes, footer_size, row_id_start, partition_id
        )
        SELECT
            CAST(value ->> 'id' AS BIGINT), CAST(value ->> 'table' AS BIGINT), $2, value ->> 'path', TRUE, 'parquet', CAST(value ->> 'rows' AS BIGINT),
            CAST(value ->> 'bytes' AS BIGINT), CAST(value ->> 'footer_bytes' AS BIGINT), CAST(value ->> 'row_id_start' AS BIGINT), CAST(value ->> 'partitioning' AS BIGINT)
        FROM {rows $1} AS new
        "#)
    .bind(&rows)
    .bind(draft.id));
    scribe.later(
        Statement::new(
            action,
            r#"
            INSERT INTO ducklake_file_partition_value (data_file_id, table_id, partition_key_index, partition_value)
            SELECT CAST(file.value ->> 'id' AS BIGINT), CAST(file.value ->> 'table' AS BIGINT), part.key, part.value
            FROM {rows $1} AS file, {texts file.partition} AS part
            "#,
        )
        .bind(&rows),
    );
    scribe.later(Statement::new(action, r#"
        INSERT INTO ducklake_file_column_stats (
            data_file_id, table_id, column_id, column_size_bytes, value_count, null_count,
            min_value, max_value, contains_nan
        )
        SELECT
            CAST(file.value ->> 'id' AS BIGINT), CAST(file.value ->> 'table' AS BIGINT), CAST(stats.value ->> 'id' AS BIGINT), CAST(stats.value ->> 'bytes' AS BIGINT),
            CAST(stats.value ->> 'values' AS BIGINT), CAST(stats.value ->> 'nulls' AS BIGINT), stats.value ->> 'min', stats.value ->> 'max',
            CAST(stats.value ->> 'contains_nan' AS BOOLEAN)
        FROM {rows $1} AS file, {rows file.columns} AS stats
        "#)
    .bind(&rows));
    Ok(())
}

fn row(file: &NewFile, row_id_start: i64) -> Row<'_> {
    let columns = file.columns.iter().map(|column| ColumnRow {
        id: column.id,
        bytes: int(column.bytes),
        values: int(column.values),
        nulls: int(column.nulls),
        contains_nan: column.contains_nan,
        min: column.bounds.as_ref().map(|bounds| bounds.min.as_str()),
        max: column.bounds.as_ref().map(|bounds| bounds.max.as_str()),
    });
    Row {
        id: file.id,
        table: file.table,
        path: &file.path,
        rows: int(file.rows),
        bytes: int(file.bytes),
        footer_bytes: int(file.footer_bytes),
        row_id_start,
        partitioning: file.partitioning,
        partition: &file.partition,
        columns: columns.collect(),
    }
}

/// Ends the files of corrected partitions. They stay on disk and readable as of before.
pub(crate) async fn end(scribe: &mut Scribe<'_>, draft: &Draft, files: &[i64]) -> Result<(), Failure> {
    if files.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(scribe.sql(
        r#"
        UPDATE ducklake_data_file
        SET end_snapshot = $2
        WHERE data_file_id IN (SELECT CAST(value AS BIGINT) FROM {texts $1} AS asked) AND end_snapshot IS NULL
        "#,
    ))
    .bind(json(files)?)
    .bind(draft.id)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("end files in the catalog"))?;
    match done.rows_affected() {
        ended if ended == files.len() as u64 => Ok(()),
        _ => Err(internal(
            "catalog_differs",
            "the catalog and the ledger disagree about the latest files; nothing was written",
        )),
    }
}
