//! From a project to a component.
//!
//! The component appears at its place whole or not at all, so that a host that watches the folder never sees half of one.

mod javascript;
mod python;
mod rust;

use std::path::{Path, PathBuf};

use model::failure::{FailureKind, Reading};
use model::{Failure, Manifest};

use crate::language::Language;
use crate::{carried, world};

/// A component that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub component: PathBuf,
    pub bytes: u64,
}

/// Makes the component of the project in `folder`. It is put at `out`, or beside the project's files under the plugin's
/// name. `scratch` is an empty folder for what is needed meanwhile. Blocks for as long as the tools of the language take,
/// whose words go to standard error.
///
/// # Errors
///
/// `bad_folder` if the folder holds no project; `tool_missing` with what to install; `build_failed` if a tool does not
/// build it; of kind `storage` if the component cannot be written.
pub fn make(folder: &Path, out: Option<&Path>, scratch: &Path) -> Result<Made, Failure> {
    let language = Language::of(folder)?;
    let absolute = |path: &Path| {
        path.canonicalize().map_err(|error| Failure::io(Reading::Own, "open", &path.display().to_string(), &error))
    };
    let (folder, scratch) = (absolute(folder)?, absolute(scratch)?);
    let (name, built) = match language {
        Language::Rust => rust::build(&folder)?,
        Language::Python => python::build(&folder, &scratch)?,
        Language::JavaScript => javascript::build(&folder, &scratch)?,
    };
    let out = out.map_or_else(|| folder.join(format!("{name}.wasm")), Path::to_owned);
    let bytes = put(&built, &out)?;
    Ok(Made { component: out, bytes })
}

/// Copies a component to its place at once.
fn put(built: &Path, out: &Path) -> Result<u64, Failure> {
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "write", &out.display().to_string(), &error);
    let name = out.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    // Hidden, and no name of a component: nobody looks at it.
    let partial = out.with_file_name(format!(".{name}.partial"));
    let bytes = std::fs::copy(built, &partial).map_err(failed)?;
    std::fs::rename(&partial, out).map_err(failed)?;
    Ok(bytes)
}

/// Writes the contract with the world that fits the manifest into `scratch/wit`.
fn write_world(folder: &Path, scratch: &Path, manifest: &Manifest) -> Result<PathBuf, Failure> {
    let wit = scratch.join("wit");
    let failed = |error: std::io::Error| Failure::io(Reading::Own, "write", &wit.display().to_string(), &error);
    std::fs::create_dir_all(&wit).map_err(failed)?;
    let own = folder.join("spine/wit");
    for (path, text) in carried::below("wit").filter(|(path, _)| path.ends_with(".wit")) {
        let name = path.trim_start_matches("wit/");
        // A project keeps the contract that it was made with.
        let text = std::fs::read_to_string(own.join(name)).unwrap_or_else(|_| text.to_owned());
        std::fs::write(wit.join(name), text).map_err(failed)?;
    }
    let package = std::fs::read_to_string(wit.join("world.wit")).map_err(failed)?;
    std::fs::write(wit.join("made.wit"), world::text(manifest, package.lines().next().unwrap_or_default()))
        .map_err(failed)?;
    Ok(wit)
}

/// What a program of the project said that its manifest is.
fn manifest(said: &str, file: &str) -> Result<Manifest, Failure> {
    Manifest::parse(said).map_err(|error| failed(format!("`{file}`: {error}")))
}

fn failed(message: String) -> Failure {
    Failure::new(FailureKind::Pipeline, "build_failed", message)
}

/// Copies the files of these endings into another folder, leaving out what tools made.
fn copy_code(from: &Path, to: &Path, ending: &str) -> Result<(), Failure> {
    for source in crate::sources(from).0 {
        let Ok(name) = source.path.strip_prefix(from) else { continue };
        if name.extension().is_some_and(|it| it == ending) {
            copy(&source.path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let parent = to.parent().unwrap_or(to);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::copy(from, to))
        .map(drop)
        .map_err(|error| Failure::io(Reading::Own, "copy", &from.display().to_string(), &error))
}

/// The file at the top of the project that holds `text`: where the plugin begins.
fn entry(folder: &Path, ending: &str, text: &str) -> Result<String, Failure> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .filter(|path| std::fs::read_to_string(path).is_ok_and(|code| code.contains(text)))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    found.sort();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(failed(format!("no `.{ending}` file of `{}` has `{text}`, where a plugin begins", folder.display()))),
        _ => Err(failed(format!("several files of `{}` have `{text}`: {}", folder.display(), found.join(", ")))),
    }
}
