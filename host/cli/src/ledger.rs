//! Which ledger this command works with, and where its lake is: what the command line says, else `spine.toml`.
//!
//! A ledger in the data folder has its lake there too. One on a server may be shared by several hosts; each has a data
//! folder of its own, and the lake is the folder that `[lake] folder` names for all of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::failure::{Failure, FailureKind};
use model::ports::Interrupted;
use orchestrator::LeasePolicy;
use storage::Storage;

use crate::config::Config;
use crate::system::{OsEntropy, SystemClock};

/// The ledger in the data folder.
pub(crate) const SQLITE: &str = "sqlite";

const DATABASE: &str = "spine.db";

/// Nobody takes a run from the owner of a data folder while it lives: the lock of the system says whether it does, and the
/// next owner counts every worker before it as dead. So a host that was stopped, or slept with its machine, goes on.
const OWNERS_LEASE: LeasePolicy =
    LeasePolicy { ttl: Duration::from_secs(365 * 24 * 3600), beat: Duration::from_secs(24 * 3600) };

/// A ledger and its lake.
#[derive(Clone, Debug)]
pub(crate) struct LedgerPlace {
    kind: Kind,
    lake: PathBuf,
    lease: Option<Duration>,
    interrupted: Option<Interrupted>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Beside the lake.
    Sqlite,
    Postgres(Url),
}

/// May hold a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(String);

impl Url {
    /// Reads the words of `--ledger` or `[ledger] url`; none for SQLite.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the text itself, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("postgres" | "postgresql") => Ok(Some(Self(text.to_owned()))),
            None if text == SQLITE => Ok(None),
            Some(scheme) => Err(format!("no ledger is kept in `{}`: {KNOWN}", model::brief(scheme))),
            None => Err(format!("it names no ledger: {KNOWN}")),
        }
    }
}

const KNOWN: &str = "write `sqlite` for `spine.db` in the data folder, or postgres://USER:PASSWORD@HOST:PORT/DATABASE";

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Url(..)")
    }
}

impl LedgerPlace {
    /// What this command is to work with.
    ///
    /// # Errors
    ///
    /// `bad_config` (exit code 2) if it names no ledger, or a lake without a server.
    pub(crate) fn of(config: &Config, data: &Path) -> Result<Self, Failure> {
        let kind = match (&config.ledger, &config.lake) {
            (None, Some(_)) => {
                let message = "`lake.folder` is for hosts that share a ledger on a server; with SQLite the lake is in the \
                               data folder: leave it out, or name the server with `--ledger`";
                return Err(Failure::new(FailureKind::Config, "bad_config", message));
            }
            (None, None) => Kind::Sqlite,
            (Some(url), _) => Kind::Postgres(url.clone()),
        };
        let lake = config.lake.clone().unwrap_or_else(|| data.to_owned());
        Ok(Self { kind, lake, lease: config.lease, interrupted: config.interrupted })
    }

    /// A ledger that is its folder's alone.
    pub(crate) fn beside(lake: &Path) -> Self {
        Self { kind: Kind::Sqlite, lake: lake.to_owned(), lease: None, interrupted: None }
    }

    /// The folder of captures, inputs and rejects.
    pub(crate) fn lake(&self) -> &Path {
        &self.lake
    }

    /// The database beside the lake; none on a server.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match self.kind {
            Kind::Sqlite => Some(self.lake.join(DATABASE)),
            Kind::Postgres(_) => None,
        }
    }

    /// Whether other hosts may work with it at the same time.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Postgres(_))
    }

    /// How long a host has what it carries out, without saying that it is alive.
    pub(crate) fn lease(&self) -> LeasePolicy {
        match (&self.kind, self.lease) {
            (Kind::Sqlite, _) => OWNERS_LEASE,
            (Kind::Postgres(_), None) => LeasePolicy::default(),
            (Kind::Postgres(_), Some(ttl)) => LeasePolicy { ttl, beat: ttl / 3 },
        }
    }

    /// What becomes of a run whose host died: `[ledger] interrupted`. Somebody is there to go on with it where hosts
    /// share a ledger; a lone owner tells whoever starts it again.
    pub(crate) fn interrupted(&self) -> Interrupted {
        self.interrupted.unwrap_or(match self.kind {
            Kind::Sqlite => Interrupted::Fail,
            Kind::Postgres(_) => Interrupted::Requeue,
        })
    }

    /// The ledger for whoever only reads; works while others write.
    pub(crate) async fn read(&self) -> Result<Storage, Failure> {
        let clock = Arc::new(SystemClock);
        match &self.kind {
            Kind::Sqlite => Storage::open_read_only(&self.lake.join(DATABASE), clock).await,
            Kind::Postgres(Url(url)) => Storage::open_database_read_only(url, clock).await,
        }
    }

    /// The ledger for a host, whose lake is open already.
    pub(crate) async fn open(&self) -> Result<Storage, Failure> {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(OsEntropy));
        let lake = self.lake.canonicalize().map_err(|error| crate::owner::unusable_folder(&self.lake, &error))?;
        let captures = lake.join("captures");
        match &self.kind {
            Kind::Sqlite => Storage::open(&lake.join(DATABASE), &captures, clock, entropy).await,
            Kind::Postgres(Url(url)) => Storage::open_database(url, &captures, clock, entropy).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_in_the_data_folder_or_on_a_server_and_nothing_else() {
        assert_eq!(Url::parse("sqlite"), Ok(None));
        assert!(matches!(Url::parse("postgres://spine:s3cret@db/ledger"), Ok(Some(_))));
        for text in ["", "mysql://u:s3cret@h/d", "s3cret", "sqlite:/x/s3cret"] {
            let problem = Url::parse(text).unwrap_err();
            assert!(problem.contains("postgres://USER") && !problem.contains("s3cret"), "{problem}");
        }
        let url = Url::parse("postgres://spine:s3cret@db/ledger").unwrap();
        assert!(!format!("{url:?}").contains("s3cret"));
    }
}
