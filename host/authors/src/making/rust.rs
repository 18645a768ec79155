//! Rust: cargo makes the component by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use model::Failure;
use serde::Deserialize;

use super::failed;
use crate::tools::{missing, run};

const TARGET: &str = "wasm32-wasip2";
const INSTALL: &str = "install Rust by rustup (https://rustup.rs), then `rustup target add wasm32-wasip2`";

/// One line of what cargo tells programs.
#[derive(Deserialize)]
struct Told {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds and returns the plugin's name and the file.
pub(super) fn build(folder: &Path) -> Result<(String, PathBuf), Failure> {
    let rustc = ["--print", "target-libdir", "--target", TARGET];
    let target = run(Command::new("rustc").current_dir(folder).args(rustc), INSTALL)?;
    if !Path::new(target.trim()).is_dir() {
        return Err(missing(TARGET, "this Rust cannot build components yet: `rustup target add wasm32-wasip2`"));
    }
    let profile = if has_profile(folder) { "plugin" } else { "release" };
    let told = run(
        Command::new("cargo")
            .current_dir(folder)
            .args(["build", "--lib", "--target", TARGET, "--profile", profile])
            .args(["--message-format", "json-render-diagnostics"]),
        INSTALL,
    )?;
    let manifest = folder.join("Cargo.toml");
    let ours = |told: &Told| {
        told.reason == "compiler-artifact" && told.manifest_path.as_ref().is_some_and(|path| path == &manifest)
    };
    let artifacts = told.lines().filter_map(|line| serde_json::from_str::<Told>(line).ok()).filter(ours);
    let mut files = artifacts.flat_map(|told| told.filenames);
    let component = files.find(|file| file.extension().is_some_and(|it| it == "wasm")).ok_or_else(|| {
        let hint = "its `Cargo.toml` needs `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]`";
        failed(format!("cargo built `{}`, but no component came of it: {hint}", folder.display()))
    })?;
    let name = component.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, component))
}

/// Whether this project or the workspace around it has a profile for components.
fn has_profile(folder: &Path) -> bool {
    let mut manifests = folder.ancestors().filter_map(|it| std::fs::read_to_string(it.join("Cargo.toml")).ok());
    manifests.any(|manifest| manifest.lines().any(|line| line.trim() == "[profile.plugin]"))
}
