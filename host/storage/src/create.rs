//! The first opening of a data folder: a ledger that nobody sees before it is whole.
//!
//! It is built under another name, brought to disk and renamed. Whoever looks meanwhile finds no ledger; a process that
//! dies meanwhile leaves a file that the next owner removes. Only the owner of the folder comes here.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use model::Clock;
use model::failure::{Failure, FailureKind, Reading};
use model::ports::Entropy;
use sqlx::{AnyConnection, Connection};

use crate::failure::failed;
use crate::place::{Place, unusable_folder};
use crate::{catalog, migrations, open};

/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes the ledger, complete with its empty catalog, if there is none; a file without content is none.
pub(crate) async fn create_if_absent(
    path: &Path,
    data_path: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<(), Failure> {
    let unusable = unusable(path);
    let partial = beside(path, ".partial");
    remove(&partial).and_then(|()| remove_companions(&partial)).map_err(&unusable)?;
    match fs::metadata(path) {
        Ok(found) if found.len() > 0 => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    let place = Place::file(&partial)?;
    make_private(&partial).map_err(&unusable)?;
    let mut connection = open::writing(&place).await?;
    migrations::migrate(&place, &mut connection).await?;
    catalog::start::prepare(&mut connection, data_path, clock, entropy).await?;
    bring_in_log(&mut connection).await?;
    connection.close().await.map_err(failed("create the ledger"))?;
    put_in_place(&partial, path).map_err(unusable)
}

/// Brings the log into the database. The last connection does so as it closes, but tells nobody if the disk is full.
async fn bring_in_log(connection: &mut AnyConnection) -> Result<(), Failure> {
    let (is_busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await
        .map_err(failed("create the ledger"))?;
    match is_busy {
        0 => Ok(()),
        _ => {
            let message = "another program has the ledger open that is being made; close it and try again";
            Err(Failure::new(FailureKind::Database, "locked", message).retryable(true))
        }
    }
}

/// Makes the file before SQLite does, which would let everybody read it. Log and index get the mode of the database.
fn make_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

fn put_in_place(partial: &Path, path: &Path) -> std::io::Result<()> {
    File::open(partial)?.sync_all()?;
    // The log of a database that is gone would be taken for that of the new one.
    remove_companions(path)?;
    fs::rename(partial, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

fn remove_companions(path: &Path) -> std::io::Result<()> {
    COMPANIONS.iter().try_for_each(|suffix| remove(&beside(path, suffix)))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// A folder that cannot hold a ledger is a mistake of configuration; a full disk is not.
fn unusable(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |error| {
        let failure = Failure::io(Reading::Own, "create the ledger", &path.display().to_string(), &error);
        match failure.code.as_str() {
            "no_space" | "io" => failure,
            _ => unusable_folder(&path, &error.to_string()),
        }
    }
}
