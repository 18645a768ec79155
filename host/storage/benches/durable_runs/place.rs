//! Where the ledgers lie: on a real disk, and durable.

use std::path::PathBuf;
use std::sync::Arc;

use private_postgres::{Absent, Cluster, Database};
use storage::Storage;
use tempfile::TempDir;

use crate::hands::{Counter, Stopwatch};

/// A ledger of the bench's own.
#[derive(Debug)]
pub(crate) enum Place {
    /// The folder of a SQLite file.
    Sqlite(TempDir),
    /// A database of a server that syncs what it commits, and the folder of its captures.
    Postgres((Database, TempDir)),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(folder())
    }

    pub(crate) fn postgres() -> Result<Self, Absent> {
        Ok(Self::Postgres((Arc::new(Cluster::start_durable()?).database(), folder())))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub(crate) async fn open(&self) -> Storage {
        let (Self::Sqlite(folder) | Self::Postgres((_, folder))) = self;
        let captures = folder.path().canonicalize().unwrap().join("captures");
        std::fs::create_dir(&captures).unwrap();
        let (clock, entropy) = (Arc::new(Stopwatch::start()), Arc::new(Counter::default()));
        match self {
            Self::Sqlite(folder) => {
                Storage::open(&folder.path().join("spine.db"), &captures, clock, entropy).await.unwrap()
            }
            Self::Postgres((database, _)) => {
                Storage::open_database(&database.url(), &captures, clock, entropy).await.unwrap()
            }
        }
    }
}

/// Beside what cargo builds, which no system keeps in memory.
fn folder() -> TempDir {
    let bench = std::env::current_exe().unwrap();
    let beside: PathBuf = bench.parent().unwrap().to_owned();
    tempfile::Builder::new().prefix("durable-runs-").tempdir_in(beside).unwrap()
}
