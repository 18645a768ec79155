//! What an operator decides about the runtime as a whole. Limits of one attempt come with the attempt.

use std::path::PathBuf;

use model::limits::Limits;

/// How [`crate::Runtime::open`] sets itself up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// Where compiled components are kept; made with mode 0700 if absent. None compiles every time.
    pub cache_dir: Option<PathBuf>,
    /// Whether the folder of the cache is only read: what is compiled is not kept, and nothing is made or removed.
    pub cache_read_only: bool,
    /// What `describe` may use while a component is loaded.
    pub limits: Limits,
    /// Threads that guests run on, never fewer than one.
    pub guest_threads: usize,
    /// Components that are compiled at one time, never fewer than one. Each compilation uses all cores by itself, so
    /// more helps only when there are many small components.
    pub compile_parallel: usize,
    /// Depth to which a guest may call, in bytes of the stack that its machine code uses; between 64 KiB and 64 MiB. One
    /// for all plugins, since an engine has one. `limits.stack_bytes`.
    pub stack_bytes: usize,
    /// Memory that all guests together may be promised, in bytes; more attempts wait. `limits.guests_memory_bytes`.
    pub guests_memory_bytes: u64,
    /// Largest component file, in bytes.
    pub component_bytes: u64,
}

impl RuntimeConfig {
    /// The defaults on a machine with this many cores.
    pub fn for_cores(cores: usize) -> Self {
        let cores = cores.max(1);
        Self {
            cache_dir: None,
            cache_read_only: false,
            limits: Limits::standard(),
            guest_threads: cores,
            compile_parallel: cores.min(4),
            stack_bytes: 2 << 20,
            guests_memory_bytes: 16 << 30,
            component_bytes: 256 * 1024 * 1024,
        }
    }
}
