//! A PostgreSQL server of the tests' own.
//!
//! [`shared`] starts one from the binaries that are installed, on a socket in a temporary folder, and every user gets
//! an empty [`Database`] of it. The server ends and its folder goes when the last user in the process lets go, and also
//! if the process is killed. It keeps nothing safe: a crash of the machine may lose what it holds. Who measures commits
//! starts one that does, by [`Cluster::start_durable`]; who connects over a network, [`Encrypted::start`].
//!
//! Limits: Unix only, PostgreSQL 14 or later. Run by root, the server belongs to the user `postgres` or `nobody`,
//! because it refuses root.

mod binaries;
mod cluster;
mod encrypted;
mod talk;
mod template;
mod user;

use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use cluster::{Cluster, Database};
pub use encrypted::Encrypted;
pub use talk::Refused;

/// Why there is no server: a sentence for who reads the output of the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent(pub String);

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());

/// The server of this process, which is started if none runs.
///
/// # Errors
///
/// If no PostgreSQL is installed here.
///
/// # Panics
///
/// If it is installed and does not start.
pub fn shared() -> Result<Arc<Cluster>, Absent> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(cluster) = shared.upgrade() {
        return Ok(cluster);
    }
    let cluster = Arc::new(Cluster::start()?);
    *shared = Arc::downgrade(&cluster);
    Ok(cluster)
}

#[cfg(test)]
mod tests;
