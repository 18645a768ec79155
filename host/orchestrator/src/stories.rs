//! What happens to runs, told over stand-ins of the ports.

mod backfills;
mod dispatching;
mod forgetting;
mod hosts;
mod idempotency;
mod keys;
mod leases;
mod logs;
mod outcomes;
mod patience;
mod plugin_names;
mod plugins;
mod policies;
mod races;
mod replaying;
mod retries;
mod stages;
mod stopping;
mod swapping;
