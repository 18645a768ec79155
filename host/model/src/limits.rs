//! What one attempt may use of the host. Each limit has a name, a default and an error that names it.

use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// Most rows of one batch across the boundary.
///
/// Guest memory never shrinks, so a batch is also what every later attempt of a warm instance would keep paying for.
pub const BATCH_ROWS_MAX: usize = 65_536;

/// Most bytes of one batch across the boundary, unless a single row is larger.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The limits of one attempt. Nothing is implied; adding a field breaks each caller on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of one attempt, host calls, instantiation and `describe` included. `limits.wall_clock`.
    pub wall_clock: Duration,
    /// Time that processors spend on one attempt: on the guest's code, and on the host calls that it makes. Waiting is
    /// none. `limits.cpu_time`.
    pub cpu_time: Duration,
    /// All linear memories and tables of the store together. `limits.memory_bytes`.
    pub memory_bytes: u64,
    /// Elements of all tables of the store together; each is 8 bytes of `memory_bytes` too. `limits.table_elements`.
    pub table_elements: u64,
    /// Core instances of the component. `limits.instances`.
    pub instances: u32,
    /// Linear memories of the component. `limits.memories`.
    pub memories: u32,
    /// Tables of the component. `limits.tables`.
    pub tables: u32,
    /// Calls of the host by one attempt: of the contract, of the virtual clock, and writes to an output stream.
    /// `limits.host_calls`.
    pub host_calls: u64,
    /// Bytes of batches the host holds for the guest at one time. `limits.held_bytes`.
    pub held_bytes: u64,
    /// Bytes a guest may hand over in one host call. `limits.call_bytes`.
    pub call_bytes: u64,
    /// Resource handles open at one time. `limits.handles`.
    pub handles: u32,
    /// Rows one attempt may write over all datasets. `limits.output_rows`.
    pub output_rows: u64,
    /// Bytes one attempt may write over all datasets. `limits.output_bytes`.
    pub output_bytes: u64,
    /// Bytes of them that stay in memory until the attempt ends; the rest goes to files.
    /// `limits.staging_memory_bytes`.
    pub staging_memory_bytes: u64,
    /// Bytes of one decompressed input. `limits.input_bytes`.
    pub input_bytes: u64,
    /// Rejected rows kept for one attempt. `limits.rejects`.
    pub rejects: u64,
    /// Bytes of the text that these rows keep together: lines and messages. `limits.reject_bytes`.
    pub reject_bytes: u64,
    /// Log lines kept for one attempt. `limits.log_lines`.
    pub log_lines: u64,
    /// Bytes of these lines together. `limits.log_bytes`.
    pub log_bytes: u64,
    /// Series of metrics that one plugin may have in this process. `limits.metric_series`.
    pub metric_series: u32,
    /// HTTP requests of one attempt. `limits.http_calls`.
    pub http_calls: u64,
    /// Bytes of the bodies of their responses together, which the host holds until the attempt ends. `limits.http_bytes`.
    pub http_bytes: u64,
    /// Bytes of the files that one attempt saves, which the host holds until the run is published. `limits.saved_bytes`.
    pub saved_bytes: u64,
}

impl Limits {
    /// The defaults of `spine.toml`.
    pub const fn standard() -> Self {
        Self {
            wall_clock: Duration::from_secs(300),
            cpu_time: Duration::from_secs(240),
            memory_bytes: 256 * MIB,
            table_elements: 100_000,
            instances: 32,
            memories: 4,
            tables: 8,
            host_calls: 5_000_000,
            held_bytes: 256 * MIB,
            call_bytes: 128 * MIB,
            handles: 4_096,
            output_rows: 50_000_000,
            output_bytes: 2_048 * MIB,
            staging_memory_bytes: 256 * MIB,
            input_bytes: 1_024 * MIB,
            rejects: 5_000_000,
            reject_bytes: 2_048 * MIB,
            log_lines: 10_000,
            log_bytes: 8 * MIB,
            metric_series: 100,
            http_calls: 10_000,
            http_bytes: 256 * MIB,
            saved_bytes: 256 * MIB,
        }
    }
}
