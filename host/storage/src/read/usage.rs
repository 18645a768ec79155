//! What the latest attempt of a run used.

use model::Usage;
use sqlx::FromRow;

use super::count;

/// Columns of an attempt; a list of runs leaves them out. All are there, or none.
#[derive(Clone, Debug, Default, FromRow)]
#[sqlx(default)]
pub(crate) struct UsageRow {
    cpu_us: Option<i64>,
    wall_us: Option<i64>,
    memory_bytes_peak: Option<i64>,
    host_calls: Option<i64>,
    rows_read: Option<i64>,
    rows_written: Option<i64>,
    bytes_in: Option<i64>,
    bytes_out: Option<i64>,
}

impl UsageRow {
    /// None if the attempt has not ended, or called no guest.
    pub(super) fn usage(&self) -> Option<Usage> {
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
