//! Finds component files: `DIR/*.wasm` and `DIR/*/*.wasm`, no deeper, in order of path.
//!
//! What cannot be read is reported with the rest, not skipped. Names that start with a dot are editors' and tools' own
//! and are not looked at. Nothing is opened here but folders.

use std::io;
use std::path::{Path, PathBuf};

use model::{Failure, FailureKind};

/// One place in the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    pub file: PathBuf,
    /// Why it cannot be a plugin: not a regular file, or not accessible.
    pub problem: Option<String>,
}

/// Lists the component files of `folder`. An absent or unreadable folder, or a file in its place, is `bad_folder`.
pub fn discover(folder: &Path) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    let entries = entries(folder).map_err(|error| {
        let hint = "name an existing folder with --plugins";
        let message = format!("could not read the plugins folder `{}`: {error}; {hint}", folder.display());
        Failure::new(FailureKind::Config, "bad_folder", message)
    })?;
    for path in entries {
        if path.is_dir() {
            match self::entries(&path) {
                Ok(inner) => found.extend(inner.into_iter().filter_map(component_file)),
                Err(error) => found.push(Found { file: path, problem: Some(format!("could not read it: {error}")) }),
            }
        } else {
            found.extend(component_file(path));
        }
    }
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    Ok(paths.into_iter().filter(|path| !hidden(path)).collect())
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn component_file(path: PathBuf) -> Option<Found> {
    if path.extension().is_none_or(|extension| extension != "wasm") {
        return None;
    }
    // Metadata follows links: a link to nowhere is a problem worth telling, a link to a component is a plugin. A pipe
    // must be told apart here, since opening it would wait for a writer.
    let problem = match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => None,
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => Some("it is not a regular file".to_owned()),
        Err(error) => Some(format!("could not read it: {error}")),
    };
    Some(Found { file: path, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let found = discover(folder).unwrap();
        found.iter().map(|it| it.file.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn two_levels_are_searched_in_order_and_hidden_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for dir in ["b", "b/deep", ".git", "named.wasm"] {
            std::fs::create_dir(folder.path().join(dir)).unwrap();
        }
        for file in ["z.wasm", "a.wasm", "a.txt", ".a.wasm", "b/c.wasm", "b/deep/d.wasm", ".git/e.wasm", "b/notes"] {
            std::fs::write(folder.path().join(file), b"").unwrap();
        }
        assert_eq!(names(folder.path()), ["a.wasm", "b/c.wasm", "z.wasm"]);
    }

    #[test]
    fn an_absent_folder_and_a_file_in_its_place_are_bad_folders() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, b"").unwrap();
        for path in [folder.path().join("absent"), file] {
            let failure = discover(&path).unwrap_err();
            assert_eq!((failure.code.as_str(), failure.exit_code()), ("bad_folder", 2));
            assert!(failure.message.contains(path.to_str().unwrap()), "{}", failure.message);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_found_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("lost.wasm")).unwrap();
        let found = discover(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].problem.as_deref().unwrap().starts_with("could not read it"));
    }
}
