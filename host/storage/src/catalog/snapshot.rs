//! The snapshot that a publish makes: its id, its time, and what it says about itself.

use model::Timestamp;
use model::failure::Failure;
use serde_json::Value;
use sqlx::FromRow;

use crate::failure::{corrupt, failed};
use crate::writer::{Scribe, Statement};

/// A snapshot that is being made. Ids are those after the last row's, never those of a sequence: a snapshot that is
/// rolled back leaves no gap.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) id: i64,
    last_at: Timestamp,
    schema_version: i64,
    next_catalog_id: i64,
    next_file_id: i64,
    created: Vec<String>,
    inserted: Vec<i64>,
    ended: Vec<i64>,
    new_tables: Vec<i64>,
    altered: Vec<i64>,
}

#[derive(FromRow)]
struct Last {
    snapshot_id: i64,
    snapshot_time: String,
    schema_version: i64,
    next_catalog_id: i64,
    next_file_id: i64,
}

impl Draft {
    /// Reads the last snapshot. The lock of the catalog is held, so nobody else can take what follows it.
    pub(crate) async fn begin(scribe: &mut Scribe<'_>) -> Result<Self, Failure> {
        let last: Last = sqlx::query_as(scribe.sql(
            r#"
            SELECT
                snapshot_id, {instant_text snapshot_time} AS snapshot_time, schema_version, next_catalog_id,
                next_file_id
            FROM ducklake_snapshot
            ORDER BY snapshot_id DESC
            LIMIT 1
            "#,
        ))
        .fetch_one(scribe.connection().await?)
        .await
        .map_err(failed("read the last snapshot"))?;
        Ok(Self {
            id: last.snapshot_id + 1,
            last_at: time(&last.snapshot_time)?,
            schema_version: last.schema_version,
            next_catalog_id: last.next_catalog_id,
            next_file_id: last.next_file_id,
            created: Vec::new(),
            inserted: Vec::new(),
            ended: Vec::new(),
            new_tables: Vec::new(),
            altered: Vec::new(),
        })
    }

    /// The next id of a schema, table or partitioning.
    pub(crate) fn catalog_id(&mut self) -> i64 {
        self.next_catalog_id += 1;
        self.next_catalog_id - 1
    }

    /// The next id of a data file.
    pub(crate) fn file_id(&mut self) -> i64 {
        self.next_file_id += 1;
        self.next_file_id - 1
    }

    pub(crate) fn created_schema(&mut self, name: &str) {
        self.created.push(format!(r#"created_schema:"{name}""#));
    }

    pub(crate) fn created_table(&mut self, id: i64, schema: &str, name: &str) {
        self.created.push(format!(r#"created_table:"{schema}"."{name}""#));
        self.new_tables.push(id);
    }

    pub(crate) fn altered_table(&mut self, id: i64) {
        self.altered.push(id);
    }

    pub(crate) fn inserted_into(&mut self, table: i64) {
        if !self.inserted.contains(&table) {
            self.inserted.push(table);
        }
    }

    pub(crate) fn ended_in(&mut self, table: i64) {
        if !self.ended.contains(&table) {
            self.ended.push(table);
        }
    }

    /// Writes the snapshot and returns its time: later than now, so that who has asked for the present under the write
    /// lock has its answer, and later than every snapshot before, whatever the clock says.
    pub(crate) fn finish(self, scribe: &mut Scribe<'_>, author: &str, message: &str, extra: Value) -> Timestamp {
        let action = "write a snapshot";
        let at = scribe.lead.clock.now().max(self.last_at).plus_micros(1);
        let new_schema = !self.created.is_empty() || !self.altered.is_empty();
        let schema_version = self.schema_version + i64::from(new_schema);
        scribe.later(
            Statement::new(
                action,
                r#"
                INSERT INTO ducklake_snapshot (snapshot_id, snapshot_time, schema_version, next_catalog_id, next_file_id)
                VALUES ($1, {instant $2}, $3, $4, $5)
                "#,
            )
            .bind(self.id)
            .bind(at.catalog_text())
            .bind(schema_version)
            .bind(self.next_catalog_id)
            .bind(self.next_file_id),
        );
        for table in self.new_tables.iter().chain(&self.altered) {
            scribe.later(Statement::new(action, "INSERT INTO ducklake_schema_versions (begin_snapshot, schema_version, table_id) VALUES ($1, $2, $3)")
            .bind(self.id)
            .bind(schema_version)
            .bind(*table));
        }
        scribe.later(
            Statement::new(
                action,
                r#"
                INSERT INTO ducklake_snapshot_changes (
                    snapshot_id, changes_made, author, commit_message, commit_extra_info
                )
                VALUES ($1, $2, $3, $4, $5)
                "#,
            )
            .bind(self.id)
            .bind(self.changes())
            .bind(author)
            .bind(message)
            .bind(extra.to_string()),
        );
        at
    }

    fn changes(&self) -> String {
        let inserted = self.inserted.iter().map(|table| format!("inserted_into_table:{table}"));
        let ended = self.ended.iter().map(|table| format!("deleted_from_table:{table}"));
        let altered = self.altered.iter().map(|table| format!("altered_table:{table}"));
        let changes: Vec<String> = self.created.iter().cloned().chain(altered).chain(inserted).chain(ended).collect();
        changes.join(",")
    }
}

/// A time as the catalog writes it.
pub(crate) fn time(text: &str) -> Result<Timestamp, Failure> {
    chrono::DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z")
        .map(|at| Timestamp::from_micros(at.timestamp_micros()))
        .map_err(|_| corrupt("the time of a snapshot", text))
}
