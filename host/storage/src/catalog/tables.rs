//! Datasets and their tables in the catalog; a table begins with the first capture of its dataset.

use std::collections::{BTreeMap, BTreeSet};

use model::failure::Failure;
use model::manifest::DatasetSpec;
use model::{DataType, DatasetName, FieldIds, HOST_COLUMNS, Partition};
use serde::Serialize;
use sqlx::FromRow;

use super::alter::alter;
use super::snapshot::Draft;
use crate::commands::json;
use crate::failure::{corrupt, failed, internal};
use crate::writer::{Scribe, Statement};

/// Adds columns to a table: their rows, the snapshot, the table.
pub(super) const ADD_COLUMNS: &str = r#"
    INSERT INTO ducklake_column (
        column_id, begin_snapshot, table_id, column_order, column_name, column_type,
        default_value, nulls_allowed, default_value_type, default_value_dialect
    )
    SELECT
        CAST(value ->> 'id' AS BIGINT), $2, $3, CAST(value ->> 'id' AS BIGINT), value ->> 'name',
        value ->> 'type_name', 'NULL', CAST(value ->> 'nulls_allowed' AS BOOLEAN), 'literal', 'duckdb'
    FROM {rows $1} AS new
    "#;

/// The datasets that a commit is about.
#[derive(Debug)]
pub(crate) struct Tables(BTreeMap<DatasetName, Table>);

/// One dataset, with its table if that exists already.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) spec: DatasetSpec,
    pub(crate) fields: FieldIds,
    id: Option<i64>,
    /// Whether the table in the catalog is of another spec.
    is_behind: bool,
    partitioning: Option<i64>,
}

/// A table that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableId {
    pub(crate) table: i64,
    /// None for a dataset that is not partitioned.
    pub(crate) partitioning: Option<i64>,
}

/// A column of a table. Its id is the Parquet field id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column<'a> {
    pub(crate) id: i64,
    pub(crate) name: &'a str,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
}

/// The columns of the files of a dataset: its own, then the host's.
pub(crate) fn columns<'a>(spec: &'a DatasetSpec, fields: &FieldIds) -> Vec<Column<'a>> {
    let own = spec.columns.iter().map(|column| (column.name.as_str(), column.data_type, column.nullable));
    let host = HOST_COLUMNS.iter().map(|name| (*name, DataType::Utf8, false));
    let known =
        own.chain(host).filter_map(|(name, data_type, nullable)| Some((fields.id(name)?, name, data_type, nullable)));
    known.map(|(id, name, data_type, nullable)| Column { id, name, data_type, nullable }).collect()
}

#[derive(FromRow)]
struct Row {
    name: String,
    spec: String,
    fields: Option<String>,
    table_spec: Option<String>,
    table_id: Option<i64>,
    partition_id: Option<i64>,
}

impl Tables {
    /// Reads what is known of `datasets`.
    pub(crate) async fn read(
        scribe: &mut Scribe<'_>,
        datasets: impl Iterator<Item = &DatasetName>,
    ) -> Result<Self, Failure> {
        let wanted: BTreeSet<String> = datasets.map(ToString::to_string).collect();
        let rows: Vec<Row> = sqlx::query_as(scribe.sql(
            r#"
            SELECT
                datasets.name, datasets.spec, datasets.fields, datasets.table_id, written.spec AS table_spec,
                partitioning.partition_id
            FROM datasets
            LEFT JOIN table_specs AS written
                ON written.dataset = datasets.name
                AND written.begin_snapshot = (SELECT MAX(begin_snapshot) FROM table_specs WHERE dataset = datasets.name)
            LEFT JOIN ducklake_partition_info AS partitioning
                ON partitioning.table_id = datasets.table_id AND partitioning.end_snapshot IS NULL
            WHERE datasets.name IN (SELECT value FROM {texts $1} AS asked)
            "#,
        ))
        .bind(json(&wanted)?)
        .fetch_all(scribe.connection().await?)
        .await
        .map_err(failed("read the datasets"))?;
        let mut tables = BTreeMap::new();
        for Row { name, spec, fields, table_spec, table_id, partition_id } in rows {
            let is_behind = table_spec.is_some_and(|written| written != spec);
            let spec: DatasetSpec = serde_json::from_str(&spec).map_err(|_| corrupt("a dataset", &spec))?;
            let fields = field_ids(fields.as_deref(), &spec)?;
            let name = name.parse().map_err(|_| corrupt("the name of a dataset", &name))?;
            tables.insert(name, Table { spec, fields, id: table_id, is_behind, partitioning: partition_id });
        }
        Ok(Self(tables))
    }

    /// Checks that captures of this partition may exist.
    pub(crate) fn check(&self, dataset: &DatasetName, partition: &Partition) -> Result<(), Failure> {
        let spec = self.spec(dataset)?;
        let expected: BTreeSet<&str> = spec.partition_by.iter().map(String::as_str).collect();
        let found: BTreeSet<&str> = partition.0.keys().map(String::as_str).collect();
        if expected == found {
            return Ok(());
        }
        let message = format!("`{dataset}` is partitioned by {expected:?}, but a capture came for {found:?}");
        Err(internal("bad_partition", message))
    }

    fn spec(&self, dataset: &DatasetName) -> Result<&DatasetSpec, Failure> {
        self.0.get(dataset).map(|table| &table.spec).ok_or_else(|| unknown(dataset))
    }

    /// The columns that files of a dataset are known to have.
    ///
    /// # Errors
    ///
    /// If nobody declared the dataset.
    pub(crate) fn table(&self, dataset: &DatasetName) -> Result<&Table, Failure> {
        self.0.get(dataset).ok_or_else(|| unknown(dataset))
    }

    /// The table of a dataset, which begins with this snapshot if it is not there yet, and has the columns of the
    /// dataset from it on if those have changed.
    pub(crate) async fn ensure(
        &mut self,
        scribe: &mut Scribe<'_>,
        draft: &mut Draft,
        dataset: &DatasetName,
    ) -> Result<TableId, Failure> {
        let table = self.0.get_mut(dataset).ok_or_else(|| unknown(dataset))?;
        if let Some(id) = table.id {
            if std::mem::take(&mut table.is_behind) {
                alter(scribe, draft, id, &columns(&table.spec, &table.fields)).await?;
                remember(scribe, draft, &table.spec)?;
            }
            return Ok(TableId { table: id, partitioning: table.partitioning });
        }
        let schema = ensure_schema(scribe, draft, dataset.domain()).await?;
        let id = draft.catalog_id();
        create(scribe, draft, table, schema, id).await?;
        remember(scribe, draft, &table.spec)?;
        table.id = Some(id);
        if !table.spec.partition_by.is_empty() {
            let partitioning = draft.catalog_id();
            create_partitioning(scribe, draft, table, id, partitioning).await?;
            table.partitioning = Some(partitioning);
        }
        Ok(TableId { table: id, partitioning: table.partitioning })
    }
}

/// The ids of columns as they are on record; places in the spec for what was recorded before they were.
pub(crate) fn field_ids(recorded: Option<&str>, spec: &DatasetSpec) -> Result<FieldIds, Failure> {
    match recorded {
        Some(text) => serde_json::from_str(text).map_err(|_| corrupt("the fields of a dataset", text)),
        None => Ok(FieldIds::first(spec)),
    }
}

/// Keeps what the table is from this snapshot on.
fn remember(scribe: &mut Scribe<'_>, draft: &Draft, spec: &DatasetSpec) -> Result<(), Failure> {
    scribe.later(
        Statement::new(
            "remember what a table is",
            "INSERT INTO table_specs (dataset, begin_snapshot, spec) VALUES ($1, $2, $3)",
        )
        .bind(spec.name.to_string())
        .bind(draft.id)
        .bind(json(spec)?),
    );
    Ok(())
}

fn unknown(dataset: &DatasetName) -> Failure {
    internal("unknown_dataset", format!("no plugin that declares `{dataset}` was ever registered"))
}

async fn ensure_schema(scribe: &mut Scribe<'_>, draft: &mut Draft, name: &str) -> Result<i64, Failure> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT schema_id FROM ducklake_schema WHERE schema_name = $1 AND end_snapshot IS NULL")
            .bind(name)
            .fetch_optional(scribe.connection().await?)
            .await
            .map_err(failed("read the schemas of the catalog"))?;
    if let Some(found) = found {
        return Ok(found);
    }
    let id = draft.catalog_id();
    sqlx::query(scribe.sql(
        r#"
        INSERT INTO ducklake_schema (schema_id, schema_uuid, begin_snapshot, schema_name, path, path_is_relative)
        VALUES ($1, {uuid $2}, $3, $4, $4 || '/', TRUE)
        "#,
    ))
    .bind(id)
    .bind(super::uuid(&*scribe.lead.clock, &*scribe.lead.entropy))
    .bind(draft.id)
    .bind(name)
    .execute(scribe.connection().await?)
    .await
    .map_err(failed("create a schema of the catalog"))?;
    draft.created_schema(name);
    Ok(id)
}

#[derive(Serialize)]
struct ColumnRow<'a> {
    id: i64,
    name: &'a str,
    type_name: String,
    nulls_allowed: bool,
}

async fn create(
    scribe: &mut Scribe<'_>,
    draft: &mut Draft,
    Table { spec, fields, .. }: &Table,
    schema: i64,
    id: i64,
) -> Result<(), Failure> {
    let dataset = &spec.name;
    let action = "create a table of the catalog";
    sqlx::query(scribe.sql(
        r#"
        INSERT INTO ducklake_table (
            table_id, table_uuid, begin_snapshot, schema_id, table_name, path, path_is_relative
        )
        VALUES ($1, {uuid $2}, $3, $4, $5, $5 || '/', TRUE)
        "#,
    ))
    .bind(id)
    .bind(super::uuid(&*scribe.lead.clock, &*scribe.lead.entropy))
    .bind(draft.id)
    .bind(schema)
    .bind(dataset.dataset())
    .execute(scribe.connection().await?)
    .await
    .map_err(failed(action))?;
    let rows: Vec<ColumnRow<'_>> = columns(spec, fields)
        .into_iter()
        .map(|column| ColumnRow {
            id: column.id,
            name: column.name,
            type_name: super::type_name(column.data_type),
            nulls_allowed: column.nullable,
        })
        .collect();
    sqlx::query(scribe.sql(ADD_COLUMNS))
        .bind(scribe.json(&rows)?)
        .bind(draft.id)
        .bind(id)
        .execute(scribe.connection().await?)
        .await
        .map_err(failed(action))?;
    let bound = sqlx::query("UPDATE datasets SET table_id = $2 WHERE name = $1 AND table_id IS NULL")
        .bind(dataset.to_string())
        .bind(id)
        .execute(scribe.connection().await?)
        .await
        .map_err(failed(action))?;
    draft.created_table(id, dataset.domain(), dataset.dataset());
    match bound.rows_affected() {
        1 => Ok(()),
        _ => Err(internal("table_exists", format!("`{dataset}` has a table already"))),
    }
}

async fn create_partitioning(
    scribe: &mut Scribe<'_>,
    draft: &Draft,
    Table { spec, fields, .. }: &Table,
    table: i64,
    id: i64,
) -> Result<(), Failure> {
    let action = "create the partitioning of a table";
    sqlx::query("INSERT INTO ducklake_partition_info (partition_id, table_id, begin_snapshot) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(table)
        .bind(draft.id)
        .execute(scribe.connection().await?)
        .await
        .map_err(failed(action))?;
    let ids: Vec<Option<i64>> = spec.partition_by.iter().map(|name| fields.id(name)).collect();
    sqlx::query(scribe.sql(
        r#"
        INSERT INTO ducklake_partition_column (partition_id, table_id, partition_key_index, column_id, "transform")
        SELECT $2, $3, key, CAST(value AS BIGINT), 'identity'
        FROM {texts $1} AS new
        "#,
    ))
    .bind(json(&ids)?)
    .bind(id)
    .bind(table)
    .execute(scribe.connection().await?)
    .await
    .map(drop)
    .map_err(failed(action))
}
