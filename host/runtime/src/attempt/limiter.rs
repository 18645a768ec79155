//! One limit over all linear memories and tables of a store together.

use std::fmt;

use wasmtime::ResourceLimiter;

/// A table element is a pointer in the host.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Adds up what a store has grown to, and stops it at the limit.
#[derive(Debug)]
pub(crate) struct MemoryLimiter {
    plugin: String,
    used: u64,
    limit: u64,
}

/// The guest asked for more memory than it may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemoryLimitReached {
    pub(crate) plugin: String,
    pub(crate) asked: u64,
    pub(crate) limit: u64,
}

impl fmt::Display for MemoryLimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, asked, limit } = self;
        write!(
            f,
            "plugin `{plugin}` needs {asked} bytes of memory and may use {limit}; raise `limits.memory_bytes` \
             (for all plugins, or under [plugins.{plugin}.limits]) or read smaller batches"
        )
    }
}

impl std::error::Error for MemoryLimitReached {}

impl MemoryLimiter {
    pub(crate) fn new(plugin: &str, limit: u64) -> Self {
        Self { plugin: plugin.to_owned(), used: 0, limit }
    }

    /// Bytes of all memories and tables. They never shrink, so this is also their peak.
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }

    /// Growth that the allocator then fails to deliver stays charged: it only happens when the host itself is out of
    /// memory.
    fn grow(&mut self, bytes: u64) -> wasmtime::Result<bool> {
        let asked = self.used.saturating_add(bytes);
        if asked > self.limit {
            return Err(MemoryLimitReached { plugin: self.plugin.clone(), asked, limit: self.limit }.into());
        }
        self.used = asked;
        Ok(true)
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow((desired.saturating_sub(current) as u64).saturating_mul(TABLE_ELEMENT_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = MemoryLimiter::new("p", 1_000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.table_growing(0, 50, None).unwrap());
        assert_eq!(limiter.used(), 1_000);
        let error = limiter.memory_growing(600, 601, None).unwrap_err();
        let reached = error.downcast_ref::<MemoryLimitReached>().unwrap();
        assert_eq!((reached.asked, reached.limit), (1_001, 1_000));
        assert!(reached.to_string().contains("limits.memory_bytes"));
    }
}
