//! The DuckLake 1.0 catalog: rows that make a Parquet file part of a table as of a snapshot.
//!
//! Written by plain SQL inside the ledger's transaction; the rules are DuckLake's. Three are easy to break and change
//! answers silently: snapshot times strictly increase ([`snapshot`]), statistics are exact or absent ([`stats`]), and
//! bounds of a table only ever widen ([`bounds`]).

mod alter;
pub(crate) mod bounds;
pub(crate) mod files;
pub(crate) mod publish;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod stats;
pub(crate) mod tables;
pub(crate) mod widen;

use model::ports::Entropy;
use model::{Clock, DataType};
use uuid::Builder;

/// A fresh identity for a schema or table, as text.
pub(crate) fn uuid(clock: &dyn Clock, entropy: &dyn Entropy) -> String {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(clock.now().as_micros() / 1000).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
}

/// The catalog's name of a type.
pub(crate) fn type_name(data_type: DataType) -> String {
    match data_type {
        DataType::Bool => "boolean".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Utf8 => "varchar".to_owned(),
        DataType::Date => "date".to_owned(),
        DataType::Timestamp => "timestamptz".to_owned(),
        DataType::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
    }
}
