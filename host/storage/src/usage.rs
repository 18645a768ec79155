//! What an attempt used, as columns of its row. Where nothing is known of it the columns stay empty: it has not ended, or
//! called no guest.

use model::Usage;
use serde::Serialize;
use sqlx::FromRow;

use crate::commands::int;
use crate::read::count;

/// The part of a statement that sets the columns from `new.value`.
macro_rules! set_usage {
    () => {
        "cpu_us = CAST(new.value ->> 'cpu_us' AS BIGINT),
         wall_us = CAST(new.value ->> 'wall_us' AS BIGINT),
         memory_bytes_peak = CAST(new.value ->> 'memory_bytes_peak' AS BIGINT),
         host_calls = CAST(new.value ->> 'host_calls' AS BIGINT),
         rows_in = CAST(new.value ->> 'rows_read' AS BIGINT),
         rows_out = CAST(new.value ->> 'rows_written' AS BIGINT),
         bytes_in = CAST(new.value ->> 'bytes_in' AS BIGINT),
         bytes_out = CAST(new.value ->> 'bytes_out' AS BIGINT)"
    };
}
pub(crate) use set_usage;

/// The same as members of a row in JSON, and as they are read back; a list of runs leaves them out. All are there, or none.
/// Rows are under names of their own: a run has `rows_in` and `rows_out` too.
#[derive(Clone, Debug, Default, Serialize, FromRow)]
#[sqlx(default)]
pub(crate) struct UsageColumns {
    cpu_us: Option<i64>,
    wall_us: Option<i64>,
    memory_bytes_peak: Option<i64>,
    host_calls: Option<i64>,
    rows_read: Option<i64>,
    rows_written: Option<i64>,
    bytes_in: Option<i64>,
    bytes_out: Option<i64>,
}

impl From<Option<Usage>> for UsageColumns {
    fn from(usage: Option<Usage>) -> Self {
        let Some(usage) = usage else { return Self::default() };
        Self {
            cpu_us: Some(int(usage.cpu_us)),
            wall_us: Some(int(usage.wall_us)),
            memory_bytes_peak: Some(int(usage.memory_bytes_peak)),
            host_calls: Some(int(usage.host_calls)),
            rows_read: Some(int(usage.rows_in)),
            rows_written: Some(int(usage.rows_out)),
            bytes_in: Some(int(usage.bytes_in)),
            bytes_out: Some(int(usage.bytes_out)),
        }
    }
}

impl UsageColumns {
    pub(crate) fn usage(&self) -> Option<Usage> {
        Some(Usage {
            cpu_us: count(self.cpu_us?),
            wall_us: count(self.wall_us?),
            memory_bytes_peak: count(self.memory_bytes_peak?),
            host_calls: count(self.host_calls?),
            rows_in: count(self.rows_read?),
            rows_out: count(self.rows_written?),
            bytes_in: count(self.bytes_in?),
            bytes_out: count(self.bytes_out?),
        })
    }
}
