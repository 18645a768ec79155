//! Where a ledger is: in a file of the data folder, or on a PostgreSQL server.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::failure::{Failure, FailureKind};
use sqlx::any::AnyConnectOptions;

use crate::dialect::Dialect;

/// The place of a ledger. How it is shown never tells a password.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// `spine.db`, owned by one process.
    File(File),
    /// A database that any number of processes share.
    Server(Server),
}

/// A SQLite database by its path.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    read: AnyConnectOptions,
    write: AnyConnectOptions,
}

/// A PostgreSQL database by its URL.
#[derive(Clone)]
pub(crate) struct Server {
    options: AnyConnectOptions,
    /// The URL without password and parameters.
    name: String,
}

impl Server {
    /// Reads `postgres://user:password@host:port/database?...`.
    ///
    /// # Errors
    ///
    /// `bad_config` for any other URL; its text is not repeated, as it may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let options: AnyConnectOptions = url.parse().map_err(|_| no_url())?;
        let parsed = &options.database_url;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(no_url());
        }
        let user = Some(parsed.username()).filter(|user| !user.is_empty());
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let host = parsed.host_str().unwrap_or_default();
        let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
        let name = format!("postgres://{user}{host}{port}{}", parsed.path());
        Ok(Self { options, name })
    }
}

fn no_url() -> Failure {
    let message = "the URL of the database is none that this program understands; \
                   write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE";
    Failure::new(FailureKind::Config, "bad_config", message)
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.name).finish()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.path.display()),
            Self::Server(server) => f.write_str(&server.name),
        }
    }
}

impl Place {
    /// The place of a file that is there or will be.
    ///
    /// # Errors
    ///
    /// `bad_folder` if its path is not UTF-8.
    pub(crate) fn file(path: &Path) -> Result<Self, Failure> {
        let options = |mode| file_url(path, mode).and_then(|url| url.parse().ok());
        match (options("ro"), options("rw")) {
            (Some(read), Some(write)) => Ok(Self::File(File { path: path.to_owned(), read, write })),
            _ => Err(unusable_folder(path, "its path is not UTF-8; use another data folder")),
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::File(_) => Dialect::Sqlite,
            Self::Server(_) => Dialect::Postgres,
        }
    }

    /// How to connect. A file is never created by that.
    pub(crate) fn options(&self, access: Access) -> &AnyConnectOptions {
        match (self, access) {
            (Self::File(file), Access::Read) => &file.read,
            (Self::File(file), Access::Write | Access::Own) => &file.write,
            (Self::Server(server), _) => &server.options,
        }
    }

    /// It cannot be used as it is, and waiting does not help.
    pub(crate) fn unusable(&self, why: &str) -> Failure {
        match self {
            Self::File(file) => unusable_folder(&file.path, why),
            Self::Server(_) => {
                Failure::new(FailureKind::Config, "bad_config", format!("cannot use the ledger `{self}`: {why}"))
            }
        }
    }

    /// A newer program has changed its tables already.
    pub(crate) fn newer(&self) -> Failure {
        self.unusable(match self {
            Self::File(_) => {
                "it was written by a newer version of this program; update it, or name another folder with --data"
            }
            Self::Server(_) => "it was written by a newer version of this program; update it, or name another database",
        })
    }

    /// The file that is there now; none on a server, or where there is no file.
    pub(crate) fn file_id(&self) -> Option<FileId> {
        let Self::File(file) = self else { return None };
        let found = std::fs::metadata(&file.path).ok()?;
        Some(FileId { device: found.dev(), number: found.ino() })
    }

    /// It was taken away from a process that has it open.
    pub(crate) fn gone(&self) -> Failure {
        let message = format!(
            "the ledger `{self}` was removed or replaced while this host had it open: nothing was written, nor will be; \
             stop the host and put the file, or a copy, back in its place"
        );
        Failure::new(FailureKind::Database, "unreachable", message)
    }

    /// This user, or anybody, may only look at it.
    pub(crate) fn read_only(&self) -> Failure {
        let message = match self {
            Self::File(_) => format!("`{self}` or its folder cannot be written by this user"),
            Self::Server(_) => format!("`{self}` cannot be written: it is read-only, or this user may not write to it"),
        };
        Failure::new(FailureKind::Database, "read_only", message)
    }

    /// What its owner may be about to change.
    pub(crate) fn unready(&self, why: &str) -> Failure {
        let failure = Failure { kind: FailureKind::Database, code: "unreachable".to_owned(), ..self.unusable(why) };
        failure.retryable(true)
    }
}

/// Tells a file from another one at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    number: u64,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    /// To write, and leave alone how a file is kept.
    Write,
    /// To write as the one writer of this process.
    Own,
}

pub(crate) fn unusable_folder(path: &Path, why: &str) -> Failure {
    Failure::new(FailureKind::Config, "bad_folder", format!("cannot use the ledger `{}`: {why}", path.display()))
}

/// The whole path in percent signs: it has no part then that the rules for URLs would change, such as `..`.
fn file_url(path: &Path, mode: &str) -> Option<String> {
    let path: String = path.to_str()?.bytes().map(|byte| format!("%{byte:02X}")).collect();
    Some(format!("sqlite:{path}?mode={mode}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_shown_without_its_password() {
        let url = "postgres://spine:s3cret@db.example:5433/ledger?password=s3cret&sslmode=disable";
        let place = Place::Server(Server::parse(url).unwrap());
        assert_eq!(place.to_string(), "postgres://spine@db.example:5433/ledger");
        for text in [format!("{place:?}"), place.newer().to_string(), place.unready("it is empty").to_string()] {
            assert!(text.contains("db.example") && !text.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_and_not_repeated() {
        for url in ["", "s3cret", "mysql://u:s3cret@h/d", "sqlite:s3cret", "postgres//s3cret"] {
            let failure = Server::parse(url).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_config", 2));
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}
