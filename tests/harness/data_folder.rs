//! Who may be in a data folder that nobody owns, after a start has cleaned up.
//!
//! Every file of the folder needs a line in [`RESIDENTS`], and must be what its line says: whoever adds a folder to the
//! data folder adds a line here.

use std::collections::BTreeSet;
use std::path::Path;

use lake::LocalLake;
use model::Digest;
use sha2::{Digest as _, Sha256};

/// Where (the empty folder is the data folder itself), how the file's name ends, and what the file must be.
const RESIDENTS: [(&str, &str, Resident); 10] = [
    ("", "spine.db", Resident::Itself),
    ("", "spine.db-wal", Resident::Itself),
    ("", "spine.db-shm", Resident::Itself),
    ("", "spine.lock", Resident::Itself),
    // A link, where stories share what is compiled.
    ("", "cache", Resident::Itself),
    ("captures", ".parquet", Resident::Capture),
    ("inputs", ".zst", Resident::Input),
    ("rejects", ".parquet", Resident::Rejects),
    ("plugins", ".wasm", Resident::Component),
    ("cache", ".cwasm", Resident::Compiled),
];

#[derive(Clone, Copy, Debug)]
enum Resident {
    /// One file, known by its whole name.
    Itself,
    /// Named by the id of a capture that the ledger knows, in whatever folder of its table.
    Capture,
    /// Named by the digest of the bytes that it holds compressed.
    Input,
    /// Named by the id of a run that rejected lines.
    Rejects,
    /// Named by the digest of its bytes.
    Component,
    /// Named by the digest of its component and the engine it was made for; it vouches for its content itself.
    Compiled,
}

/// What the ledger knows of files, by their ids.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Captures that have rows, in any state.
    pub captures: BTreeSet<String>,
    /// Runs that rejected lines.
    pub rejecting: BTreeSet<String>,
}

/// What has no business in the data folder, each with the reason; and captures whose file is missing.
pub fn strangers(data: &Path, known: &Known) -> Vec<String> {
    let mut strangers = Vec::new();
    let mut missing = known.captures.clone();
    for path in files(data) {
        let Err(why) = resident(data, &path, known, &mut missing) else { continue };
        strangers.push(format!("`{path}`: {why}"));
    }
    strangers.extend(missing.iter().map(|id| format!("the capture {id} has no file")));
    strangers
}

/// Whether an input of this digest (`sha256:` and 64 hex digits) is kept.
pub fn has_input(data: &Path, digest: &str) -> bool {
    data.join("inputs").join(format!("{}.zst", digest.trim_start_matches("sha256:"))).exists()
}

/// The files below `folder`, relative to it. Links are not followed.
pub fn files(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Checks one file; takes a capture that has its file out of `missing`.
fn resident(data: &Path, path: &str, known: &Known, missing: &mut BTreeSet<String>) -> Result<(), String> {
    let (folder, below) = path.split_once('/').unwrap_or(("", path));
    let lines = RESIDENTS.iter().filter(|(place, ..)| *place == folder);
    let found = lines.filter_map(|(_, end, resident)| below.strip_suffix(end).map(|stem| (stem, *resident)));
    let name = |stem: &str| stem.rsplit('/').next().unwrap_or(stem).to_owned();
    for (stem, resident) in found {
        match resident {
            Resident::Itself if stem.is_empty() => return Ok(()),
            Resident::Itself => {}
            Resident::Capture if missing.remove(&name(stem)) => return Ok(()),
            Resident::Capture => return Err("the ledger knows no such capture".to_owned()),
            Resident::Rejects if known.rejecting.contains(stem) => return Ok(()),
            Resident::Rejects => return Err("the ledger knows no run of that name that rejected lines".to_owned()),
            Resident::Input => {
                let digest: Digest = stem.parse().map_err(|_| "its name is no digest".to_owned())?;
                let read = LocalLake::open(data).and_then(|lake| lake.read_input(digest));
                return read.map(drop).map_err(|failure| failure.message);
            }
            Resident::Component => {
                let bytes = std::fs::read(data.join(path)).unwrap();
                let is = Digest::new(Sha256::digest(bytes).into()).hex() == stem;
                return if is { Ok(()) } else { Err("its name is not the digest of its bytes".to_owned()) };
            }
            Resident::Compiled => {
                let hex =
                    |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let is = stem.split_once('-').is_some_and(|(digest, engine)| hex(digest, 64) && hex(engine, 16));
                return if is { Ok(()) } else { Err("its name is not that of a compiled component".to_owned()) };
            }
        }
    }
    Err("nobody of this name lives here".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_files_that_are_not_what_they_say_are_strangers() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = b"a component";
        let digest = Digest::new(Sha256::digest(bytes).into()).hex();
        let good = [
            "spine.db".to_owned(),
            format!("plugins/{digest}.wasm"),
            format!("cache/{digest}-0123456789abcdef.cwasm"),
            "captures/a/b/day=1/cap_1.parquet".to_owned(),
            "rejects/run_1.parquet".to_owned(),
        ];
        let bad = [
            "spine.db.old".to_owned(),
            "notes.txt".to_owned(),
            "spine.token".to_owned(),
            format!("plugins/{}.wasm", digest.replace(&digest[..1], "x")),
            format!("plugins/{digest}.partial"),
            format!("cache/{digest}-1-0.partial"),
            "captures/a/b/day=1/cap_2.parquet".to_owned(),
            format!("inputs/{digest}.zst"),
            format!("inputs/.{digest}.zst.0.tmp"),
            "rejects/run_2.parquet".to_owned(),
            "elsewhere/cap_1.parquet".to_owned(),
        ];
        for path in good.iter().chain(&bad) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let captures = ["cap_1", "cap_3"].map(str::to_owned).into();
        let known = Known { captures, rejecting: ["run_1".to_owned()].into() };
        let found = strangers(folder.path(), &known);
        for path in bad {
            assert!(found.iter().any(|stranger| stranger.starts_with(&format!("`{path}`: "))), "{path}: {found:#?}");
        }
        assert_eq!(found.len(), 12, "and the capture without a file: {found:#?}");
    }
}
