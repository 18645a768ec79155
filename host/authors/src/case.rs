//! The cases that come with a plugin: what goes in, and what has to come out.
//!
//! A case is a folder. `case.toml` says what is run: `run = "prices.load"`, its `[params]`, where a file is one of the
//! folder. `expected.toml` says what has to come: only what it names is compared. Beside it lies `DATASET.csv` for each
//! dataset whose rows are compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::Failure;
use model::failure::FailureKind;
use serde::Deserialize;
use toml::Value;

const CASE: &str = "case.toml";
const EXPECTED: &str = "expected.toml";

/// One case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    pub folder: PathBuf,
    /// A pipeline, source or task.
    pub run: String,
    pub params: BTreeMap<String, Value>,
    /// None before somebody wrote down what comes.
    pub expected: Option<Expected>,
    /// Rows by dataset, as CSV.
    pub rows: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    run: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
}

/// What has to come; what is absent is not compared.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub status: Option<String>,
    /// Of the error.
    pub code: Option<String>,
    pub rows_in: Option<u64>,
    pub rows_out: Option<u64>,
    pub rejected: Option<u64>,
    /// Every reject, in order of line.
    pub rejects: Option<Vec<ExpectedReject>>,
    /// `PASS`, `WARN` or `FAIL` by the name of the check.
    #[serde(default)]
    pub checks: BTreeMap<String, String>,
    /// By dataset, all its captures in order of partition: rows that are too many to be written down.
    #[serde(default)]
    pub content: BTreeMap<String, Vec<String>>,
    /// What a task answers.
    pub result: Option<Value>,
}

/// One reject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedReject {
    pub line: Option<u64>,
    pub code: String,
}

/// The cases in a folder, in order of name; none if there is no such folder.
///
/// # Errors
///
/// `bad_case` (exit code 2) with every file that is wrong.
pub fn cases(folder: &Path) -> Result<Vec<Case>, Failure> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for folder in folders {
        match read(&folder) {
            Ok(case) => found.push(case),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.is_empty() {
        true => Ok(found),
        false => Err(Failure::new(FailureKind::Config, "bad_case", problems.join("; "))),
    }
}

fn read(folder: &Path) -> Result<Case, String> {
    let Written { run, params } = toml(&folder.join(CASE))?;
    let expected = folder.join(EXPECTED);
    let expected = if expected.exists() { Some(toml(&expected)?) } else { None };
    let mut rows = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // `prices.csv` is an input, `demo.prices.csv` the rows of a dataset.
        let Some(dataset) = name.strip_suffix(".csv").filter(|it| it.parse::<model::DatasetName>().is_ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(entry.path());
        let text = text.map_err(|error| format!("`{}` cannot be read: {error}", entry.path().display()))?;
        rows.insert(dataset.to_owned(), text);
    }
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Case { name, folder: folder.to_owned(), run, params, expected, rows })
}

fn toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("`{}` cannot be read: {error}", path.display()))?;
    ::toml::from_str(&text).map_err(|error| format!("`{}`: {}", path.display(), error.to_string().trim_end()))
}

impl Case {
    /// Where what has to come is written down.
    pub fn expected_file(&self) -> PathBuf {
        self.folder.join(EXPECTED)
    }

    /// Where the rows of a dataset are.
    pub fn rows_file(&self, dataset: &str) -> PathBuf {
        self.folder.join(format!("{dataset}.csv"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, file: &str, text: &str) {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_case_is_a_folder_and_its_rows_are_told_from_its_inputs() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "b/case.toml", "run = \"d.load\"\n[params]\nfile = \"in.csv\"\nleast = 3\n");
        write(folder.path(), "b/in.csv", "x");
        write(folder.path(), "b/d.rows.csv", "a\n1\n");
        write(folder.path(), "b/expected.toml", "rejected = 1\n[[rejects]]\nline = 2\ncode = \"bad_field\"\n");
        write(folder.path(), "a/case.toml", "run = \"d.load\"");
        let found = cases(folder.path()).unwrap();
        assert_eq!(found.iter().map(|case| case.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((found[0].expected.clone(), found[1].rows.len()), (None, 1));
        assert_eq!(found[1].params["least"], Value::Integer(3));
        let rejects = found[1].expected.clone().unwrap().rejects.unwrap();
        assert_eq!(rejects, [ExpectedReject { line: Some(2), code: "bad_field".to_owned() }]);
        assert_eq!(cases(&folder.path().join("absent")).unwrap(), []);
    }

    #[test]
    fn every_file_that_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/case.toml", "rum = \"d.load\"");
        write(folder.path(), "b/readme", "");
        write(folder.path(), "c/case.toml", "run = \"d.load\"");
        write(folder.path(), "c/expected.toml", "state = \"completed\"");
        let failure = cases(folder.path()).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        for part in ["rum", "b/case.toml", "state"] {
            assert!(failure.message.contains(part), "{part}: {failure}");
        }
    }
}
