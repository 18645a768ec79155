//! Whether the files that the ledger names are there, and what else is.

use std::collections::HashSet;
use std::path::Path;

use lake::input_path;
use model::health::{HealthCheck, HealthStatus};
use storage::Storage;

/// Folders within folders are looked at so far down.
const DEPTH_MAX: usize = 64;

/// Names that a detail shows.
const SHOWN: usize = 3;

/// Captures of the catalog, and files that it does not know.
pub(super) async fn captures(lake: &Path, ledger: &Storage) -> HealthCheck {
    const NAME: &str = "captures";
    let named = match ledger.capture_files().await {
        Ok(named) => named,
        Err(failure) => return HealthCheck::failed(NAME, &failure),
    };
    let folder = lake.join("captures");
    let looked = tokio::task::spawn_blocking(move || {
        let mut there = HashSet::new();
        walk(&folder, "", 0, &mut there);
        let mut missing: Vec<String> = named.iter().filter(|path| !there.contains(*path)).cloned().collect();
        missing.sort();
        (named.len(), missing, there.iter().filter(|path| !named.contains(*path)).count())
    });
    let Ok((named, missing, unknown)) = looked.await else {
        return HealthCheck::new(NAME, HealthStatus::Unhealthy, "the folder could not be looked through");
    };
    if !missing.is_empty() {
        let shown = missing.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let detail = format!("{} of {named} files are not there: {shown}", missing.len());
        return HealthCheck::new(NAME, HealthStatus::Unhealthy, detail)
            .hint("restore them from a copy of the folder, or run the files again that they came from");
    }
    let detail = format!("{named} files are there, {unknown} more that the ledger does not know");
    if unknown == 0 {
        return HealthCheck::healthy(NAME, detail);
    }
    HealthCheck::new(NAME, HealthStatus::Degraded, detail).hint(
        "a run at work is about to publish them, or an older `spine.db` was restored, or somebody put them there: see \
         docs/operating.md",
    )
}

/// Whether there is a file among the captures.
pub(super) fn any_capture(data: &Path) -> bool {
    let mut there = HashSet::new();
    walk(&data.join("captures"), "", 0, &mut there);
    !there.is_empty()
}

/// Collects the files below a folder; what cannot be looked into is left out.
fn walk(folder: &Path, path: &str, depth: usize, files: &mut HashSet<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let below = if path.is_empty() { name } else { format!("{path}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => walk(&entry.path(), &below, depth + 1, files),
            Ok(kind) if kind.is_file() => {
                files.insert(below);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Inputs of work that is queued or may be repeated.
pub(super) async fn inputs(lake: &Path, ledger: &Storage) -> HealthCheck {
    const NAME: &str = "inputs";
    let wanted = match ledger.wanted_inputs().await {
        Ok(wanted) => wanted,
        Err(failure) => return HealthCheck::failed(NAME, &failure),
    };
    let paths = wanted.iter().map(|digest| input_path(*digest));
    let missing: Vec<String> = paths.filter(|path| !lake.join(path).is_file()).collect();
    if missing.is_empty() {
        return HealthCheck::healthy(
            NAME,
            format!("all {} inputs of runs that wait or may be repeated are there", wanted.len()),
        );
    }
    let shown = missing.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let detail =
        format!("{} of {} inputs of runs that wait or may be repeated are gone: {shown}", missing.len(), wanted.len());
    HealthCheck::new(NAME, HealthStatus::Degraded, detail)
        .hint("restore them from a copy of the folder, or run the files anew; those runs fail with `not_found`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_however_deep_and_folders_are_none() {
        let data = tempfile::tempdir().unwrap();
        assert!(!any_capture(data.path()));
        std::fs::create_dir_all(data.path().join("captures/a/b/day=1")).unwrap();
        assert!(!any_capture(data.path()));
        std::fs::write(data.path().join("captures/a/b/day=1/c.parquet"), "x").unwrap();
        let mut there = HashSet::new();
        walk(&data.path().join("captures"), "", 0, &mut there);
        assert_eq!(there.into_iter().collect::<Vec<_>>(), ["a/b/day=1/c.parquet"]);
    }
}
