//! The Rust sources of the workspace, read as text.

use std::path::{Path, PathBuf};

/// What writes to standard output or standard error.
const PRINTS: [&str; 5] = ["println!", "print!", "dbg!", "stdout()", "stderr()"];

/// A file without its comments.
pub(super) struct Source {
    /// Relative to the workspace.
    pub(super) path: String,
    lines: Vec<String>,
}

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All sources of all members, in order of path.
pub(super) fn all() -> Vec<Source> {
    let root = root();
    let folders = ["examples", "host", "plugins", "sdk", "tests"];
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| Source::read(&root, path)).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

impl Source {
    fn read(root: &Path, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//")).map(str::to_owned).collect();
        Self { path: path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), lines }
    }

    /// Whether all of it is compiled for tests and benches only.
    pub(super) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.contains("/benches/")
    }

    /// The codes of failures that the code makes, tests left out: what follows a kind.
    pub(super) fn codes(&self) -> Vec<String> {
        let end = self.lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod tests {"));
        let code = self.lines[..end.unwrap_or(self.lines.len())].join(" ");
        let after_kind = code.split("FailureKind::").skip(1);
        let codes = after_kind.filter_map(|rest| {
            let rest = rest.trim_start_matches(char::is_alphanumeric).strip_prefix(',')?.trim_start();
            Some(rest.strip_prefix('"')?.split_once('"')?.0.to_owned())
        });
        codes.collect()
    }

    /// Whether a path in the code begins with this crate.
    pub(super) fn names_crate(&self, name: &str) -> bool {
        let path = format!("{name}::");
        let begins = |line: &str, at: usize| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| !before.is_alphanumeric() && !"_:".contains(before))
        };
        let names = |line: &String| line.match_indices(&path).any(|(at, _)| begins(line, at));
        self.lines.iter().any(names)
    }

    /// The first line that prints. Asking whether an output is a terminal is none.
    pub(super) fn first_print(&self) -> Option<&str> {
        let prints = |line: &&String| {
            let line = line.replace("stdout().is_terminal()", "").replace("stderr().is_terminal()", "");
            PRINTS.iter().any(|print| line.contains(print))
        };
        self.lines.iter().find(prints).map(String::as_str)
    }

    /// Whether the code names this lint: only attributes do. In a text, it is no more than a text.
    pub(super) fn names_lint(&self, lint: &str) -> bool {
        let names = |line: &String| line.find(lint).is_some_and(|at| !line[..at].contains('"'));
        self.lines.iter().any(names)
    }
}
