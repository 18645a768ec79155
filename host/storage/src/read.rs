//! What readers ask of the ledger and the catalog. Nothing here changes anything.

pub(crate) mod captures;
pub(crate) mod dead_letters;
pub(crate) mod diagnosis;
pub(crate) mod findings;
pub(crate) mod heads;
pub(crate) mod held;
pub(crate) mod keepers;
pub(crate) mod leases;
pub(crate) mod plugins;
pub(crate) mod retention;
pub(crate) mod runs;
pub(crate) mod shared_states;
pub(crate) mod stages;
pub(crate) mod view;
pub(crate) mod vitals;
pub(crate) mod work;

/// Databases count in signed 64 bits; nothing that is counted here is negative.
pub(crate) fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
