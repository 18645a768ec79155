//! Statistics of tables: over every file a table ever had, so that they hold as of any snapshot.

use std::collections::HashMap;

use model::DataType;
use model::failure::Failure;
use serde::Serialize;
use sqlx::FromRow;

use super::bounds::Bounds;
use super::files::NewFile;
use super::stats::FileColumn;
use crate::commands::int;
use crate::writer::{Scribe, Statement};

/// What is known of one column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TableColumn {
    contains_null: bool,
    contains_nan: Option<bool>,
    /// None also if there were no values yet.
    bounds: Option<Bounds>,
    /// Some file holds values whose bounds are not known, so the table can never have any again.
    unbounded: bool,
}

impl TableColumn {
    fn of(file: &FileColumn) -> Self {
        Self {
            contains_null: file.nulls > 0,
            contains_nan: file.contains_nan,
            bounds: file.bounds.clone(),
            unbounded: file.values > 0 && file.bounds.is_none(),
        }
    }

    fn widened(self, data_type: DataType, other: Self) -> Self {
        let mut unbounded = self.unbounded || other.unbounded;
        let bounds = match (self.bounds, other.bounds) {
            _ if unbounded => None,
            (Some(one), Some(other)) => {
                let wide = one.widened(data_type, &other);
                unbounded = wide.is_none();
                wide
            }
            (one, other) => one.or(other),
        };
        let contains_nan = match (self.contains_nan, other.contains_nan) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (None, _) | (_, None) => None,
        };
        Self { contains_null: self.contains_null || other.contains_null, contains_nan, bounds, unbounded }
    }
}

/// What there is before new files come.
#[derive(Debug)]
pub(crate) struct Before {
    columns: HashMap<i64, Row>,
    next_row_id: i64,
}

impl Before {
    /// The row id of the first row that is added.
    pub(crate) fn next_row_id(&self) -> i64 {
        self.next_row_id
    }
}

#[derive(Debug, FromRow)]
struct Row {
    column_id: i64,
    contains_null: i64,
    contains_nan: Option<i64>,
    min_value: Option<String>,
    max_value: Option<String>,
    unbounded: i64,
}

impl Row {
    fn column(&self, data_type: DataType) -> TableColumn {
        TableColumn {
            contains_null: self.contains_null == 1,
            contains_nan: self.contains_nan.map(|nan| nan == 1),
            bounds: Bounds::new(data_type, self.min_value.as_deref(), self.max_value.as_deref()),
            unbounded: self.unbounded == 1,
        }
    }
}

pub(crate) async fn before(scribe: &mut Scribe<'_>, table: i64) -> Result<Before, Failure> {
    let action = "read the statistics of a table";
    let next = Statement::new(action, "SELECT next_row_id FROM ducklake_table_stats WHERE table_id = $1");
    let columns = Statement::new(
        action,
        r#"
        SELECT
            known.column_id, CAST(known.contains_null AS INTEGER) AS contains_null,
            CAST(known.contains_nan AS INTEGER) AS contains_nan, known.min_value, known.max_value,
            CASE WHEN known.min_value IS NULL AND EXISTS (
                SELECT 1
                FROM ducklake_file_column_stats AS file
                WHERE file.table_id = known.table_id
                    AND file.column_id = known.column_id
                    AND file.value_count > 0
                    AND file.min_value IS NULL
            ) THEN 1 ELSE 0 END AS unbounded
        FROM ducklake_table_column_stats AS known
        WHERE known.table_id = $1
        "#,
    );
    let (next, rows): (Vec<(i64,)>, Vec<Row>) = scribe.rows_of_two(next.bind(table), columns.bind(table)).await?;
    let columns = rows.into_iter().map(|row| (row.column_id, row)).collect();
    Ok(Before { columns, next_row_id: next.first().map_or(0, |(next,)| *next) })
}

#[derive(Serialize)]
struct Written<'a> {
    column_id: i64,
    contains_null: bool,
    contains_nan: Option<bool>,
    min: Option<&'a str>,
    max: Option<&'a str>,
}

/// Adds new files to the statistics of their table. Counts grow too: what was corrected stays readable as of before.
pub(crate) fn widen(scribe: &mut Scribe<'_>, table: i64, before: &Before, files: &[&NewFile]) -> Result<(), Failure> {
    let mut columns: Vec<(i64, TableColumn)> = Vec::new();
    for column in files.iter().flat_map(|file| &file.columns) {
        let new = TableColumn::of(column);
        match columns.iter_mut().find(|(id, _)| *id == column.id) {
            Some((_, known)) => *known = known.clone().widened(column.data_type, new),
            None => {
                let known = before.columns.get(&column.id).map(|row| row.column(column.data_type));
                let wide = match known {
                    Some(known) => known.widened(column.data_type, new),
                    None => new,
                };
                columns.push((column.id, wide));
            }
        }
    }
    let rows: Vec<Written<'_>> = columns
        .iter()
        .map(|(id, column)| Written {
            column_id: *id,
            contains_null: column.contains_null,
            contains_nan: column.contains_nan,
            min: column.bounds.as_ref().map(|bounds| bounds.min.as_str()),
            max: column.bounds.as_ref().map(|bounds| bounds.max.as_str()),
        })
        .collect();
    let action = "write the statistics of a table";
    scribe.later(Statement::new(action, r#"
        INSERT INTO ducklake_table_column_stats (
            table_id, column_id, contains_null, contains_nan, min_value, max_value
        )
        SELECT
            $2, CAST(value ->> 'column_id' AS BIGINT), CAST(value ->> 'contains_null' AS BOOLEAN), CAST(value ->> 'contains_nan' AS BOOLEAN),
            value ->> 'min', value ->> 'max'
        FROM {rows $1} AS new
        WHERE true
        ON CONFLICT (table_id, column_id) DO UPDATE
        SET contains_null = excluded.contains_null,
            contains_nan = excluded.contains_nan,
            min_value = excluded.min_value,
            max_value = excluded.max_value
        "#)
    .bind(scribe.json(&rows)?)
    .bind(table));
    let rows: i64 = files.iter().map(|file| int(file.rows)).sum();
    let bytes: i64 = files.iter().map(|file| int(file.bytes)).sum();
    scribe.later(
        Statement::new(
            action,
            r#"
            INSERT INTO ducklake_table_stats (table_id, record_count, next_row_id, file_size_bytes)
            VALUES ($1, $2, $2, $3)
            ON CONFLICT (table_id) DO UPDATE
            SET record_count = ducklake_table_stats.record_count + excluded.record_count,
                next_row_id = ducklake_table_stats.next_row_id + excluded.next_row_id,
                file_size_bytes = ducklake_table_stats.file_size_bytes + excluded.file_size_bytes
            "#,
        )
        .bind(table)
        .bind(rows)
        .bind(bytes),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(bounds: Option<(&str, &str)>, values: u64, contains_nan: Option<bool>) -> TableColumn {
        let bounds = bounds.and_then(|(min, max)| Bounds::new(DataType::Float64, Some(min), Some(max)));
        let data_type = DataType::Float64;
        TableColumn::of(&FileColumn { id: 1, data_type, bytes: 1, values, nulls: 0, contains_nan, bounds })
    }

    #[test]
    fn a_column_without_values_leaves_the_bounds_alone() {
        let wide = column(Some(("1.0", "2.0")), 2, Some(false));
        assert_eq!(wide.clone().widened(DataType::Float64, column(None, 0, Some(false))), wide);
    }

    #[test]
    fn one_file_without_bounds_takes_them_from_the_table_for_good() {
        let nan = column(Some(("1.0", "2.0")), 2, Some(false)).widened(DataType::Float64, column(None, 2, Some(true)));
        assert_eq!((&nan.bounds, nan.contains_nan), (&None, Some(true)));
        let later = nan.widened(DataType::Float64, column(Some(("5.0", "6.0")), 2, Some(false)));
        assert_eq!((later.bounds, later.contains_nan), (None, Some(true)));
    }
}
