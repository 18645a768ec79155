//! Carries the SDKs and the contract inside of the host: a project of `plugin new` needs no checkout of this one.
//!
//! Writes the list of their files as constants. It builds nothing and reads nothing else.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told by cargo's environment, and tells cargo on standard output"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is carried of this repository, by folder.
const FOLDERS: [&str; 3] = ["sdk/primitives", "sdk/rust", "wit"];

/// And by file.
const FILES: [&str; 4] = ["sdk/python/spine.py", "sdk/javascript/spine.js", "Cargo.lock", "LICENSE"];

fn main() -> io::Result<()> {
    let missing = |name: &str| io::Error::new(io::ErrorKind::NotFound, format!("cargo sets {name}"));
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| missing("CARGO_MANIFEST_DIR"))?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or_else(|| missing("OUT_DIR"))?);
    let root = here.join("../..").canonicalize()?;
    let mut files: Vec<PathBuf> = FILES.iter().map(|file| root.join(file)).collect();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut list = String::from("pub(crate) const CARRIED: &[(&str, &str)] = &[\n");
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        writeln!(list, "    ({:?}, include_str!({:?})),", name.display().to_string(), file)
            .map_err(io::Error::other)?;
    }
    list.push_str("];\n");
    fs::write(out.join("carried.rs"), list)
}

/// Every file below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
