//! What an attempt used of the host, as the ledger keeps it.

use serde::{Deserialize, Serialize};

/// Use of one attempt, whatever came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Microseconds that processors spent on the guest's code and on the host calls that it made. What the host does
    /// before and after the guest, such as sorting and writing, is not in it.
    pub cpu_us: u64,
    /// Microseconds from the beginning of the guest to its end.
    pub wall_us: u64,
    /// The most that all memories and tables of the guest had together. They never shrink.
    pub memory_bytes_peak: u64,
    pub host_calls: u64,
    /// Data lines read, rejected ones included.
    pub rows_in: u64,
    /// Rows written, whether or not they were published.
    pub rows_out: u64,
    /// Bytes of the input files.
    pub bytes_in: u64,
    /// Bytes of the rows written, as columns in memory.
    pub bytes_out: u64,
}
