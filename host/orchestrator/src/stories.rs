//! What happens to runs, told over stand-ins of the ports.

mod forgetting;
mod hosts;
mod keys;
mod leases;
mod logs;
mod outcomes;
mod plugins;
mod policies;
mod races;
mod retries;
mod stopping;
