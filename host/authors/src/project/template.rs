//! The files of a new project.

use model::Failure;
use model::manifest::CONTRACT;

use super::lock;
use crate::carried;
use crate::language::Language;

/// A file by its path in the project, and its text.
type File = (String, String);

/// Names the constants of the files of a template.
macro_rules! template {
    ($folder:literal: $($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../template/", $folder, "/", $file)))),*]
    };
}

const RUST: &[(&str, &str)] = template!("rust":
    ".cargo/config.toml", ".gitignore", "Cargo.toml", "README.md", "spine/Cargo.toml", "src/check.rs", "src/lib.rs",
    "src/load.rs", "src/tables.rs", "tests/load.rs",
);

const PYTHON: &[(&str, &str)] = template!("python":
    ".gitignore", "README.md", "manifest.py", "plugin.py", "requirements.txt", "rows.py", "test_rows.py",
);

const JAVASCRIPT: &[(&str, &str)] = template!("javascript":
    ".gitignore", "README.md", "manifest.js", "package.json", "plugin.js", "rows.js", "rows.test.js",
);

/// The same in every language, since the same has to come out.
const CASES: &[(&str, &str)] = template!("cases":
    "a_small_day/case.toml", "a_small_day/expected.toml", "a_small_day/prices.csv", "another_header/case.toml",
    "another_header/expected.toml", "another_header/prices.csv",
);

/// The rows that have to come out of the first case.
const ROWS: &str = include_str!("../../template/cases/a_small_day/prices.expected.csv");

/// Every file of a new project.
///
/// # Errors
///
/// Of kind `internal` if the lock that is carried cannot be read.
pub(super) fn files(name: &str, language: Language) -> Result<Vec<File>, Failure> {
    let own = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::JavaScript => JAVASCRIPT,
    };
    let filled = |text: &str| text.replace("@NAME@", name).replace("@CONTRACT@", CONTRACT);
    let mut files: Vec<File> = own.iter().map(|(path, text)| ((*path).to_owned(), filled(text))).collect();
    files.extend(CASES.iter().map(|(path, text)| (format!("cases/{path}"), filled(text))));
    files.push((format!("cases/a_small_day/{name}.prices.csv"), ROWS.to_owned()));
    let mut carry = |folder: &str| files.extend(carried::below(folder).map(|(path, text)| spine(path, text)));
    carry("wit");
    match language {
        Language::Rust => {
            carry("sdk/rust");
            carry("sdk/primitives");
            files.push(("Cargo.lock".to_owned(), lock::of(name)?));
        }
        Language::Python => files.push(spine("sdk/python/spine.py", carried::file("sdk/python/spine.py"))),
        Language::JavaScript => files.push(spine("sdk/javascript/spine.js", carried::file("sdk/javascript/spine.js"))),
    }
    files.push(spine("LICENSE", carried::file("LICENSE")));
    files.sort();
    Ok(files)
}

fn spine(path: &str, text: &str) -> File {
    (format!("spine/{path}"), text.to_owned())
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    fn dependencies(manifest: &str) -> Table {
        let manifest: Table = manifest.parse().unwrap();
        manifest["workspace"]["dependencies"].as_table().unwrap().clone()
    }

    #[test]
    fn the_sdk_is_carried_with_the_versions_of_this_workspace() {
        let ours = dependencies(include_str!("../../../../Cargo.toml"));
        let carried = dependencies(include_str!("../../template/rust/spine/Cargo.toml"));
        for (name, dependency) in &carried {
            assert_eq!(Some(dependency), ours.get(name), "{name}");
        }
        for manifest in ["sdk/rust/Cargo.toml", "sdk/primitives/Cargo.toml"] {
            let manifest: Table = crate::carried::file(manifest).parse().unwrap();
            let target = manifest.get("target").and_then(|it| it.as_table()).into_iter().flat_map(Table::values);
            let tables = std::iter::once(&Value::Table(manifest.clone())).chain(target).cloned().collect::<Vec<_>>();
            for table in tables.iter().flat_map(|it| [it.get("dependencies"), it.get("dev-dependencies")]).flatten() {
                for name in table.as_table().unwrap().keys() {
                    assert!(carried.contains_key(name), "`{name}` has its line in template/rust/spine/Cargo.toml");
                }
            }
        }
    }

    #[test]
    fn components_of_authors_are_built_as_ours_are() {
        let profile = |manifest: &str| manifest.parse::<Table>().unwrap()["profile"]["plugin"].clone();
        let ours = profile(include_str!("../../../../Cargo.toml"));
        assert_eq!(profile(include_str!("../../template/rust/Cargo.toml")), ours);
        let flags = |config: &str| config.parse::<Table>().unwrap()["target"].clone();
        let ours = flags(include_str!("../../../../.cargo/config.toml"));
        assert_eq!(flags(include_str!("../../template/rust/.cargo/config.toml")), ours);
        let tool = |requirements: &str| requirements.trim().to_owned();
        let ours = tool(include_str!("../../../../examples/hello-python/requirements.txt"));
        assert_eq!(tool(include_str!("../../template/python/requirements.txt")), ours);
        let tool = |package: &str| serde_json::from_str::<serde_json::Value>(package).unwrap()["dependencies"].clone();
        let ours = tool(include_str!("../../../../examples/hello-javascript/package.json"));
        assert_eq!(tool(include_str!("../../template/javascript/package.json")), ours);
    }
}
