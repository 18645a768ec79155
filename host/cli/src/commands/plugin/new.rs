//! `plugin new`: a project that builds and passes its tests at once.

use std::path::{Path, PathBuf};

use authors::Language;
use clap::{Args, ValueEnum};
use model::Failure;
use serde::Serialize;

use crate::output::{Output, Rows, text};

/// Begin a plugin: a folder with a project that builds and passes its tests at once
///
/// The project reads a small CSV file, writes one dataset and has a check, a parameter, tests and cases. It stands alone:
/// the SDK and the contract are in its folder `spine/`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  spine-host plugin new my_prices --lang python")]
pub(crate) struct NewCommand {
    /// Name of the plugin and of its folder: a lower-case word of letters, digits and `_`
    name: String,

    /// Language that it is written in
    #[arg(long, value_name = "LANG")]
    lang: Lang,

    /// Folder in which its folder is made
    #[arg(long, value_name = "DIR", default_value = ".")]
    within: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// Needs Rust with the target wasm32-wasip2; components of 200 KB
    Rust,
    /// Needs Python 3.10 or newer; components of 18 MB
    Python,
    /// Needs Node 20 or newer; components of 12 MB
    #[value(name = "javascript", alias = "js")]
    JavaScript,
}

#[derive(Serialize)]
struct Begun<'a> {
    name: &'a str,
    language: &'static str,
    folder: String,
    files: Vec<String>,
}

impl NewCommand {
    pub(super) fn execute(self, output: Output) -> Result<u8, Failure> {
        let language = match self.lang {
            Lang::Rust => Language::Rust,
            Lang::Python => Language::Python,
            Lang::JavaScript => Language::JavaScript,
        };
        let within: &Path = if self.within == Path::new(".") { Path::new("") } else { &self.within };
        let (folder, files) = authors::create(within, &self.name, language)?;
        let folder = folder.display().to_string();
        let begun = Begun { name: &self.name, language: language.name(), folder, files };
        output.show(&begun, || {
            let mut rows = Rows::new(["file"].map(text), "");
            let (carried, own): (Vec<_>, Vec<_>) = begun.files.iter().partition(|file| file.starts_with("spine/"));
            own.iter().for_each(|file| rows.push([format!("{}/{file}", begun.folder).into()]));
            rows.footer = Some(format!(
                "and {} files of SDK and contract in {}/spine\nnext: cd {} && spine-host plugin build .   (README.md tells \
                 the rest)",
                carried.len(),
                begun.folder,
                begun.folder
            ));
            rows
        })?;
        Ok(0)
    }
}
