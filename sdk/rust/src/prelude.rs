//! Everything a plugin needs: `use spine_sdk::prelude::*;`.

pub use crate::column::{Bool, Column, ColumnType, Date, Decimal, Float64, Int64, Timestamp, Utf8};
pub use crate::columns::Columns;
pub use crate::dataset::Dataset;
pub use crate::error::{Error, Kind};
pub use crate::file_format::Format;
pub use crate::host::{Anomaly, Capture, FileEntry, Host, Level, Reject, Select};
pub use crate::http;
pub use crate::manifest::{
    Breaker, Category, CheckSpec, Folder, Http, Idempotency, Migration, ParamType, PipelineSpec, Policy, RateLimit,
    Retry, Secret, Severity, SourceSpec, TaskSpec,
};
pub use crate::params::{File, NoParams, ParamValue, Params};
pub use crate::table::{Batch, Blob, Field, Reader, ReaderInfo, Writer};
pub use crate::work::{
    Check, Cursor, Delivery, Discovery, Finding, Page, PageStatus, Partition, Pipeline, Source, Status, Summary, Task,
};
pub use crate::{columns, dataset, file_format, params};
pub use serde_json::{Value as Json, json};
pub use spine_primitives::date::{Datelike, NaiveDate, Weekday};
pub use spine_primitives::{DataType, NotAWeekEnding, WeekEnding};
