//! The tools of the languages: started, with what they say shown as it comes, and told by name where they are missing.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use model::Failure;
use model::failure::{FailureKind, Reading};

/// Runs a tool to its end. What it writes to standard error is shown; what it writes to standard output is returned.
///
/// # Errors
///
/// `tool_missing` (exit code 2) with `install` if there is no such tool; `build_failed` if it fails.
pub(crate) fn run(command: &mut Command, install: &str) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(&name, install),
        _ => Failure::io(Reading::Own, "start", &name, &error),
    })?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => {
            let message = format!("`{name}` did not build the plugin ({}); what it says is above", output.status);
            Err(Failure::new(FailureKind::Pipeline, "build_failed", message))
        }
    }
}

pub(crate) fn missing(name: &str, install: &str) -> Failure {
    Failure::new(FailureKind::Config, "tool_missing", format!("there is no `{name}` here: {install}"))
}

/// A tool of the project's own environment, or else of the machine's.
pub(crate) fn own_or(folder: &Path, own: &str, name: &str) -> PathBuf {
    let own = folder.join(own);
    if own.is_file() { own } else { PathBuf::from(name) }
}

/// One file that a component follows from, by its stamp.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub path: PathBuf,
    pub bytes: u64,
    pub modified: Option<SystemTime>,
}

/// Names of what tools make, by themselves or because somebody asked.
const MADE: [&str; 5] = ["target", "node_modules", "__pycache__", "spine-data", "venv"];

/// The files of a project in order of path, and its folders: everything but what tools make, and what is hidden.
pub fn sources(folder: &Path) -> (Vec<Source>, Vec<PathBuf>) {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    let mut at = 0;
    while let Some(next) = folders.get(at).cloned() {
        at += 1;
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let is_ours = name == ".cargo" || !name.starts_with('.') && !MADE.contains(&name.as_str());
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() && is_ours {
                folders.push(path);
            } else if found.is_file() && is_ours && !name.ends_with(".wasm") && name != "Cargo.lock" {
                files.push(Source { path, bytes: found.len(), modified: found.modified().ok() });
            }
        }
    }
    files.sort();
    (files, folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_told_with_what_to_install_and_a_failing_one_by_its_name() {
        let missing = run(&mut Command::new("no-such-tool-of-ours"), "install it").unwrap_err();
        assert_eq!((missing.code.as_str(), missing.exit_code()), ("tool_missing", 2));
        assert!(missing.message.contains("no-such-tool-of-ours") && missing.message.ends_with("install it"));
        let failed = run(&mut Command::new("false"), "").unwrap_err();
        assert_eq!((failed.code.as_str(), failed.exit_code()), ("build_failed", 1));
    }

    #[test]
    fn what_tools_make_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a.py", "src/b.rs", "target/c.rs", "node_modules/d.js", ".git/e", "f.wasm", "cases/x/case.toml"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let (files, folders) = sources(folder.path());
        let names: Vec<_> = files.iter().map(|it| it.path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        assert_eq!(names, ["a.py", "cases/x/case.toml", "src/b.rs"].map(PathBuf::from));
        assert_eq!(folders.len(), 4);
    }
}
