//! A new project: a plugin that builds and passes its tests at once, and stands alone.

mod lock;
mod template;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use model::Failure;
use model::failure::{FailureKind, Reading};

use crate::language::Language;
use crate::names::checked_name;

/// Makes the folder `name` in `parent` with a project of that plugin, and returns its path and its files.
///
/// # Errors
///
/// `usage` (exit code 2) if the name is bad or if something is there already; of kind `storage` if a file cannot be
/// written: what was written until then stays.
pub fn create(parent: &Path, name: &str, language: Language) -> Result<(PathBuf, Vec<String>), Failure> {
    let name = checked_name(name)?;
    let folder = parent.join(name);
    if !is_free(&folder)? {
        let message = format!(
            "`{}` is there already and is not empty: give another name, or make it elsewhere",
            folder.display()
        );
        return Err(Failure::new(FailureKind::Config, "usage", message));
    }
    let files = template::files(name, language)?;
    for (path, text) in &files {
        write(&folder.join(path), text)?;
    }
    Ok((folder, files.into_iter().map(|(path, _)| path).collect()))
}

/// Whether nothing is lost if files are written there.
fn is_free(folder: &Path) -> Result<bool, Failure> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(Failure::io(Reading::Own, "look into", &folder.display().to_string(), &error)),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::io(Reading::Own, "write", &path.display().to_string(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_name_everywhere_and_everything_that_it_needs() {
        let parent = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            let name = format!("quotes_{language}");
            let (folder, files) = create(parent.path(), &name, language).unwrap();
            assert_eq!(Language::of(&folder).unwrap(), language);
            for file in &files {
                let text = std::fs::read_to_string(folder.join(file)).unwrap();
                assert!(!text.contains("@NAME@") && !text.contains("@CONTRACT@"), "{file}");
            }
            for file in ["README.md", ".gitignore", "cases/a_small_day/case.toml", "spine/wit/world.wit"] {
                assert!(files.iter().any(|it| it == file), "{language}: {file}");
            }
            let rows = folder.join(format!("cases/a_small_day/{name}.prices.csv"));
            assert!(rows.is_file(), "{rows:?}");
        }
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::create_dir(parent.path().join("empty")).unwrap();
        create(parent.path(), "empty", Language::Python).unwrap();
        let again = create(parent.path(), "empty", Language::Python).unwrap_err();
        assert!(again.message.contains("not empty"), "{again}");
        std::fs::write(parent.path().join("file"), "x").unwrap();
        assert!(create(parent.path(), "file", Language::Rust).is_err());
        assert_eq!(std::fs::read(parent.path().join("file")).unwrap(), b"x");
    }
}
