//! The types of the contract and of Arrow, in both directions.
//!
//! Tables in this crate have no other types than these seven; whatever else a file holds is converted where it is read.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use model::DataType;
use model::evolution::widens;
use model::manifest::{ColumnSpec, DatasetSpec};
use model::ports::Field;

/// The column that readers of files add: where in the file a row came from, from 1.
pub(crate) const LINE: &str = "_line";

/// First and last day of a `date32`, 0001-01-01 and 9999-12-31: what can be written as `YYYY-MM-DD`.
pub(crate) const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// First and last microsecond of a `timestamp[us,UTC]`, of the same days.
pub(crate) const MICROS: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

pub(crate) fn arrow_type(data_type: DataType) -> ArrowType {
    match data_type {
        DataType::Bool => ArrowType::Boolean,
        DataType::Int64 => ArrowType::Int64,
        DataType::Float64 => ArrowType::Float64,
        DataType::Utf8 => ArrowType::Utf8,
        DataType::Date => ArrowType::Date32,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Decimal { precision, scale } => {
            ArrowType::Decimal128(precision, i8::try_from(scale).unwrap_or(i8::MAX))
        }
    }
}

/// The type of the contract that an Arrow type is; none for those that the contract does not have.
pub(crate) fn contract_type(arrow: &ArrowType) -> Option<DataType> {
    Some(match arrow {
        ArrowType::Boolean => DataType::Bool,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::Float64 => DataType::Float64,
        ArrowType::Utf8 => DataType::Utf8,
        ArrowType::Date32 => DataType::Date,
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(zone)) if &**zone == "UTC" => DataType::Timestamp,
        ArrowType::Decimal128(precision, scale) => {
            DataType::Decimal { precision: *precision, scale: u8::try_from(*scale).ok()? }
        }
        _ => return None,
    })
}

/// Bytes of one value without what `utf8` holds beside its offset.
pub(crate) fn fixed_width(data_type: DataType) -> usize {
    match data_type {
        DataType::Bool => 1,
        DataType::Utf8 | DataType::Date => 4,
        DataType::Int64 | DataType::Float64 | DataType::Timestamp => 8,
        DataType::Decimal { .. } => 16,
    }
}

pub(crate) fn line_field(nullable: bool) -> ArrowField {
    ArrowField::new(LINE, ArrowType::Int64, nullable)
}

fn column_field(column: &ColumnSpec) -> ArrowField {
    let mut details = HashMap::new();
    if let Some(unit) = &column.unit {
        details.insert("unit".to_owned(), unit.clone());
    }
    if !column.description.is_empty() {
        details.insert("description".to_owned(), column.description.clone());
    }
    ArrowField::new(&column.name, arrow_type(column.data_type), column.nullable).with_metadata(details)
}

/// The columns of a dataset, in its order.
pub(crate) fn dataset_schema(spec: &DatasetSpec) -> SchemaRef {
    Arc::new(Schema::new(spec.columns.iter().map(column_field).collect::<Vec<_>>()))
}

/// The same, and where each row came from.
pub(crate) fn staging_schema(spec: &DatasetSpec) -> SchemaRef {
    Arc::new(Schema::new(spec.columns.iter().map(column_field).chain([line_field(true)]).collect::<Vec<_>>()))
}

/// The columns as the boundary shows them.
pub(crate) fn boundary_fields(schema: &Schema) -> Vec<Field> {
    let field = |field: &Arc<ArrowField>| {
        let mut details: Vec<_> = field.metadata().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        details.sort();
        Field {
            name: field.name().clone(),
            dtype: contract_type(field.data_type())
                .map_or_else(|| field.data_type().to_string(), |data_type| data_type.to_string()),
            nullable: field.is_nullable(),
            details,
        }
    };
    schema.fields().iter().map(field).collect()
}

/// A column of captured rows under a schema that may be another than theirs: null where they have none of the name, and of
/// the wider type that it has by now.
///
/// # Errors
///
/// If they have values that the type might not hold: an attempt that ends on the version before a migration is told so,
/// and is not given digits less.
pub(crate) fn captured_column(batch: &RecordBatch, name: &str, data_type: &ArrowType) -> Result<ArrayRef, ArrowError> {
    let Some(column) = batch.column_by_name(name) else {
        return Ok(new_null_array(data_type, batch.num_rows()));
    };
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    let types = contract_type(column.data_type()).zip(contract_type(data_type));
    if !types.is_some_and(|(then, now)| widens(then, now)) {
        let message = format!("column `{name}` holds {}, which may not fit {data_type}", column.data_type());
        return Err(ArrowError::CastError(message));
    }
    cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

/// Host memory that a batch keeps alive.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    u64::try_from(batch.get_array_memory_size()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Decimal128Array};
    use arrow::datatypes::Decimal128Type;

    use super::*;

    #[test]
    fn every_type_survives_the_way_to_arrow_and_back() {
        for name in ["bool", "int64", "float64", "utf8", "date32", "timestamp[us,UTC]", "decimal128(38,38)"] {
            let data_type: DataType = name.parse().unwrap();
            assert_eq!(contract_type(&arrow_type(data_type)), Some(data_type), "{name}");
        }
        assert_eq!(contract_type(&ArrowType::LargeUtf8), None);
    }

    #[test]
    fn captured_columns_get_wider_or_null_and_never_lose_a_digit() {
        let wide = ArrowType::Decimal128(25, 6);
        let field = ArrowField::new("price", ArrowType::Decimal128(18, 6), true);
        let prices = Decimal128Array::from(vec![Some(1_500_001), None]).with_precision_and_scale(18, 6).unwrap();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(prices)]).unwrap();
        let widened = captured_column(&batch, "price", &wide).unwrap();
        assert_eq!(widened.as_primitive::<Decimal128Type>().iter().collect::<Vec<_>>(), [Some(1_500_001), None]);
        assert_eq!(captured_column(&batch, "note", &ArrowType::Utf8).unwrap().null_count(), 2);
        for narrow in [ArrowType::Decimal128(18, 5), ArrowType::Decimal128(17, 6), ArrowType::Int64] {
            let refused = captured_column(&batch, "price", &narrow).unwrap_err().to_string();
            assert!(refused.contains("column `price` holds Decimal128(18, 6)"), "{refused}");
        }
    }

    #[test]
    fn the_ranges_of_days_and_microseconds_are_the_same_days() {
        let day = |y, m, d| chrono::NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let epoch = day(1970, 1, 1);
        assert_eq!(i64::from(*DAYS.start()), (day(1, 1, 1) - epoch).num_days());
        assert_eq!(i64::from(*DAYS.end()), (day(9999, 12, 31) - epoch).num_days());
        assert_eq!(*MICROS.start(), i64::from(*DAYS.start()) * 86_400_000_000);
        assert_eq!(*MICROS.end(), i64::from(*DAYS.end() + 1) * 86_400_000_000 - 1);
    }
}
