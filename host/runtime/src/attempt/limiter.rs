//! What a store may grow to: all memories and tables together in bytes, tables in elements, and how many parts the
//! component has.

use model::limits::Limits;
use wasmtime::ResourceLimiter;

use super::occupancy::{Occupancy, Share};
use super::reached::LimitReached;

/// A table element is a pointer in the host.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Adds up what a store has grown to, and stops it at the limit.
#[derive(Debug)]
pub(crate) struct GrowthLimiter {
    plugin: String,
    bytes: Share,
    bytes_max: u64,
    elements: u64,
    elements_max: u64,
    instances: usize,
    memories: usize,
    tables: usize,
}

impl GrowthLimiter {
    pub(crate) fn new(plugin: &str, limits: &Limits, occupancy: &Occupancy) -> Self {
        let count = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            plugin: plugin.to_owned(),
            bytes: occupancy.memory(),
            bytes_max: limits.memory_bytes,
            elements: 0,
            elements_max: limits.table_elements,
            instances: count(limits.instances),
            memories: count(limits.memories),
            tables: count(limits.tables),
        }
    }

    /// Bytes of all memories and tables. They never shrink, so this is also their peak.
    pub(crate) const fn used(&self) -> u64 {
        self.bytes.amount()
    }

    /// Growth that the allocator then fails to deliver stays charged: it only happens when the host itself is out of
    /// memory.
    fn grow(&mut self, bytes: u64) -> wasmtime::Result<bool> {
        let asked = self.used().saturating_add(bytes);
        if asked > self.bytes_max {
            return Err(LimitReached::memory(&self.plugin, asked, self.bytes_max).into());
        }
        self.bytes.add(bytes);
        Ok(true)
    }
}

impl ResourceLimiter for GrowthLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        let asked = self.elements.saturating_add(more);
        if asked > self.elements_max {
            return Err(LimitReached::table_elements(&self.plugin, asked, self.elements_max).into());
        }
        self.grow(more.saturating_mul(TABLE_ELEMENT_BYTES))?;
        self.elements = asked;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.memories
    }

    fn tables(&self) -> usize {
        self.tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let limits = Limits { memory_bytes: 1_000, table_elements: 60, ..Limits::standard() };
        let mut limiter = GrowthLimiter::new("p", &limits, &Occupancy::default());
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.table_growing(0, 50, None).unwrap());
        assert_eq!(limiter.used(), 1_000);
        let error = limiter.memory_growing(600, 601, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&LimitReached::memory("p", 1_001, 1_000)));
        let error = limiter.table_growing(50, 61, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&LimitReached::table_elements("p", 61, 60)));
        assert_eq!(limiter.used(), 1_000, "what is refused is not charged");
    }
}
