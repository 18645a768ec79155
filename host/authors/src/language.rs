//! The languages that a plugin may be written in.

use std::fmt;
use std::path::Path;

use model::Failure;
use model::failure::FailureKind;

/// A language that this host can begin a project in and build one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The file by which a project of this language is known.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Python => "manifest.py",
            Self::JavaScript => "package.json",
        }
    }

    /// The language of a project, by what lies in its folder.
    ///
    /// # Errors
    ///
    /// `bad_folder` if it is no folder, or if it holds no project, or several.
    pub fn of(folder: &Path) -> Result<Self, Failure> {
        let bad = |message: String| Failure::new(FailureKind::Config, "bad_folder", message);
        if !folder.is_dir() {
            return Err(bad(format!("`{}` is not a folder: name the folder of a plugin's project", folder.display())));
        }
        let found: Vec<Self> = Self::ALL.into_iter().filter(|it| folder.join(it.mark()).is_file()).collect();
        let marks = Self::ALL.map(|it| format!("`{}` ({it})", it.mark())).join(", ");
        match found[..] {
            [language] => Ok(language),
            [] => Err(bad(format!(
                "`{}` holds no project of a plugin: one has {marks}; `spine-host plugin new` makes one",
                folder.display()
            ))),
            _ => Err(bad(format!("`{}` holds several projects: one has only one of {marks}", folder.display()))),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_what_lies_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path: &Path| Language::of(path).unwrap_err().message;
        assert!(told(folder.path()).contains("plugin new"));
        assert!(told(&folder.path().join("absent")).contains("not a folder"));
        std::fs::write(folder.path().join("manifest.py"), "").unwrap();
        assert_eq!(Language::of(folder.path()).unwrap(), Language::Python);
        std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        assert!(told(folder.path()).contains("several"));
    }
}
