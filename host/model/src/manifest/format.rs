//! How a file is to be read. Declared, never guessed: `NAN`, `TRUE`, `ON` and `E` are symbols.

use serde::{Deserialize, Serialize};
use spine_primitives::{DataType, TEXT_CHARS_MAX, is_longer};

/// One declared file format of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileFormat {
    pub name: String,
    #[serde(flatten)]
    pub kind: FormatKind,
    /// The columns, in file order for delimited text; by name for JSON and Parquet.
    pub columns: Vec<FormatColumn>,
    #[serde(default)]
    pub footer: Footer,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FormatKind {
    /// PSV, CSV, TSV: a header line, then one row a line.
    Delimited {
        delimiter: char,
        /// None: a quote character is an ordinary character. With one, fields may hold delimiters, line ends and
        /// doubled quotes.
        #[serde(default)]
        quote: Option<char>,
        /// Lines before the header that start with this text are skipped.
        #[serde(default)]
        comment: Option<String>,
    },
    /// One document: an array of objects, or an object that holds it under `records`.
    Json {
        #[serde(default)]
        records: Option<String>,
    },
    /// One object a line; a line that is not one is a reject.
    JsonLines,
    Parquet,
}

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormatColumn {
    /// As the file's header writes it.
    pub header: String,
    /// As the plugin reads it.
    pub name: String,
    #[serde(rename = "type", with = "crate::text")]
    pub data_type: DataType,
    #[serde(default)]
    pub nullable: bool,
    /// Part of the natural key: a blank value is the reject `blank_key` instead of `bad_field`.
    #[serde(default)]
    pub key: bool,
    /// Words that stand for null in this column only, compared before anything else; the empty text is one of them
    /// only if listed.
    #[serde(default)]
    pub nulls: Vec<String>,
    /// For dates: `%Y%m%d`, `%d/%m/%Y`... [default: `%Y-%m-%d`]
    #[serde(default)]
    pub date_format: Option<String>,
    /// Removes spaces around the value first.
    #[serde(default)]
    pub trim: bool,
    /// For numbers: a thousands separator that is removed first.
    #[serde(default)]
    pub thousands: Option<char>,
    /// For texts: most characters of a value; a longer one makes its line a `bad_field`. [default: `TEXT_CHARS_MAX`]
    #[serde(default)]
    pub max_chars: Option<u32>,
}

impl FormatColumn {
    /// Why this text is too long for the column, if it is. For the end of a message about the column.
    pub fn too_long(&self, text: &[u8]) -> Option<String> {
        let chars_max = self.max_chars.unwrap_or(TEXT_CHARS_MAX);
        is_longer(text, chars_max).then(|| {
            format!("is longer than {chars_max} characters, the most that the format takes (`max_chars` of the column)")
        })
    }
}

/// The last line of a delimited file, where it is not a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Footer {
    #[serde(default)]
    pub rule: FooterRule,
    /// Whether a file without it fails the check `trailer_count`.
    #[serde(default)]
    pub required: bool,
    /// A parameter (`required` or `none`) that overrides `required`.
    #[serde(default)]
    pub required_param: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FooterRule {
    /// Every line after the header is a row; blank lines at the end are skipped.
    #[default]
    None,
    /// One line of digits: the count of all data lines, rejected ones included.
    RecordCount,
    /// `File Creation Time: mmddyyyyhh:mm`, padded with delimiters.
    FileCreationTime,
}
