//! Start-up cleaning: files that no row of the ledger stands for.

use std::collections::HashSet;

use cap_std::fs::Dir;
use model::Failure;
use model::failure::Reading;

use crate::inputs::UNFINISHED;
use crate::spill::SPILLED;

/// Folders of folders of captures are at most this deep: domain, dataset, partition columns.
const DEPTH_MAX: usize = 64;

/// Removes the files below a folder of the data folder that are not `known`.
pub(super) fn unknown(folder: &str, dir: &Dir, known: &HashSet<String>) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    sweep(folder, dir, "", known, 0, &mut removed)?;
    removed.sort();
    Ok(removed)
}

fn sweep(
    data_folder: &str,
    dir: &Dir,
    path: &str,
    known: &HashSet<String>,
    depth: usize,
    removed: &mut Vec<String>,
) -> Result<(), Failure> {
    let failed = |action: &str, path: &str, error: &std::io::Error| {
        Failure::io(Reading::Own, action, &format!("{data_folder}/{path}"), error)
    };
    for entry in dir.entries().map_err(|error| failed("list", path, &error))? {
        let entry = entry.map_err(|error| failed("list", path, &error))?;
        // Ours are all text; what is not was put here by somebody else and is theirs.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let below = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().map_err(|error| failed("look at", &below, &error))?;
        if kind.is_dir() && depth < DEPTH_MAX {
            let folder = dir.open_dir(&name).map_err(|error| failed("open", &below, &error))?;
            sweep(data_folder, &folder, &below, known, depth + 1, removed)?;
        } else if kind.is_file() && !known.contains(&below) {
            dir.remove_file(&name).map_err(|error| failed("remove", &below, &error))?;
            removed.push(format!("{data_folder}/{below}"));
        }
    }
    Ok(())
}

/// Removes the files in `inputs/` that were never whole.
pub(super) fn inputs(dir: &Dir) -> Result<Vec<String>, Failure> {
    leftovers(dir, "inputs", UNFINISHED)
}

/// Removes the files in `staging/`: none is of use to another process.
pub(super) fn staging(dir: &Dir) -> Result<Vec<String>, Failure> {
    leftovers(dir, "staging", SPILLED)
}

/// Removes the files of one folder whose names end with `ending`.
fn leftovers(dir: &Dir, folder: &str, ending: &str) -> Result<Vec<String>, Failure> {
    let failed = |action: &str, error: &std::io::Error| Failure::io(Reading::Own, action, folder, error);
    let mut removed = Vec::new();
    for entry in dir.entries().map_err(|error| failed("list", &error))? {
        let Ok(name) = entry.map_err(|error| failed("list", &error))?.file_name().into_string() else { continue };
        if name.ends_with(ending) {
            dir.remove_file(&name).map_err(|error| failed("remove a leftover of", &error))?;
            removed.push(format!("{folder}/{name}"));
        }
    }
    removed.sort();
    Ok(removed)
}
