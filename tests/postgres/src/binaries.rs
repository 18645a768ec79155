//! Where PostgreSQL is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Absent;

/// The oldest version that the ledger is made for.
const VERSION_MIN: u32 = 14;

/// An installation: the folder of its binaries and its major version.
#[derive(Clone, Debug)]
pub(crate) struct Binaries {
    folder: PathBuf,
    pub(crate) version: u32,
}

impl Binaries {
    /// The newest installation that Debian or a shell knows of.
    pub(crate) fn find() -> Result<Self, Absent> {
        let mut found: Vec<Self> = folders().iter().filter_map(|folder| Self::in_folder(folder)).collect();
        found.sort_by_key(|binaries| binaries.version);
        match found.pop() {
            Some(newest) if newest.version >= VERSION_MIN => Ok(newest),
            Some(old) => Err(Absent(format!("PostgreSQL {} is too old; install {VERSION_MIN} or later", old.version))),
            None => Err(Absent("PostgreSQL is not installed; on Debian: apt-get install postgresql".to_owned())),
        }
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let binary = |name: &str| folder.join(name);
        if !binary("initdb").exists() {
            return None;
        }
        // `postgres (PostgreSQL) 15.18 (...)`
        let told = Command::new(binary("postgres")).arg("--version").output().ok()?;
        let told = String::from_utf8(told.stdout).ok()?;
        let number = told.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let major: String = number.chars().take_while(char::is_ascii_digit).collect();
        Some(Self { folder: folder.to_owned(), version: major.parse().ok()? })
    }

    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    // Where Debian has one for each version.
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    // What a shell finds, which may be a link into the folder where the rest is.
    if let Ok(found) = Command::new("sh").args(["-c", "command -v initdb"]).output() {
        let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        let real = std::fs::canonicalize(path);
        folders.extend(real.ok().and_then(|path| path.parent().map(Path::to_owned)));
    }
    folders
}
