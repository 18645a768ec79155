//! File formats: declared, never guessed.

use spine_primitives::DataType;

use super::json::Object;

/// How a file is to be read. Made by [`file_format!`](crate::file_format!).
#[derive(Clone, Debug, PartialEq)]
pub struct FormatSpec {
    pub name: &'static str,
    pub kind: FormatKind,
    pub columns: Vec<FileColumnSpec>,
    pub footer: FooterSpec,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatKind {
    /// PSV, CSV, TSV: a header line, then one row a line.
    Delimited {
        delimiter: char,
        /// None: a quote character is an ordinary character.
        quote: Option<char>,
        /// Lines before the header that start with this text are skipped.
        comment: Option<&'static str>,
    },
    /// One document: an array of objects, or an object that holds it under `records`.
    Json {
        records: Option<&'static str>,
    },
    /// One object a line.
    JsonLines,
    Parquet,
}

/// One column of a file, in file order for delimited text.
#[derive(Clone, Debug, PartialEq)]
pub struct FileColumnSpec {
    /// As the plugin reads it.
    pub name: &'static str,
    /// As the file's header writes it.
    pub header: &'static str,
    pub data_type: DataType,
    pub nullable: bool,
    pub key: bool,
    pub nulls: Vec<&'static str>,
    pub date_format: Option<&'static str>,
    pub trim: bool,
    pub thousands: Option<char>,
    pub max_chars: Option<u32>,
}

impl FileColumnSpec {
    #[doc(hidden)]
    pub fn new(name: &'static str, data_type: DataType, nullable: bool) -> Self {
        Self {
            name,
            header: name,
            data_type,
            nullable,
            key: false,
            nulls: Vec::new(),
            date_format: None,
            trim: false,
            thousands: None,
            max_chars: None,
        }
    }

    /// What the file's header calls the column. Without it: the name of the field.
    #[must_use]
    pub fn header(mut self, header: &'static str) -> Self {
        self.header = header;
        self
    }

    /// Part of the natural key: a line where it is blank is the reject `blank_key`.
    #[must_use]
    pub fn key(mut self) -> Self {
        self.key = true;
        self
    }

    /// Words that stand for null in this column, compared before anything else; the empty text only if listed.
    #[must_use]
    pub fn nulls<const N: usize>(mut self, words: [&'static str; N]) -> Self {
        self.nulls = words.to_vec();
        self
    }

    /// How dates are written, as `chrono` patterns: `%Y%m%d`, `%d/%m/%Y`. Without it: `%Y-%m-%d`.
    #[must_use]
    pub fn date_format(mut self, pattern: &'static str) -> Self {
        self.date_format = Some(pattern);
        self
    }

    /// Removes spaces around the value first.
    #[must_use]
    pub fn trim(mut self) -> Self {
        self.trim = true;
        self
    }

    /// A thousands separator that is removed from numbers first.
    #[must_use]
    pub fn thousands(mut self, separator: char) -> Self {
        self.thousands = Some(separator);
        self
    }

    /// Most characters of a text; a line with a longer one is the reject `bad_field`. Without it: 4,096.
    #[must_use]
    pub fn max_chars(mut self, chars: u32) -> Self {
        self.max_chars = Some(chars);
        self
    }

    fn write(&self, column: &mut Object<'_>) {
        column.text("header", self.header);
        column.text("name", self.name);
        column.text("type", &self.data_type.to_string());
        column.flag("nullable", self.nullable);
        column.flag("key", self.key);
        column.texts("nulls", &self.nulls);
        column.text_if("date_format", self.date_format);
        column.flag("trim", self.trim);
        column.text_if("thousands", character(&self.thousands, &mut [0; 4]));
        if let Some(chars) = self.max_chars {
            column.raw("max_chars", &chars.to_string());
        }
    }
}

/// The last line of a delimited file, where it is not a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FooterSpec {
    pub rule: FooterRule,
    /// Whether a file without it fails the check `trailer_count`.
    pub required: bool,
    /// A parameter (`required` or `none`) that overrides `required`.
    pub required_param: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FooterRule {
    /// Every line after the header is a row.
    #[default]
    None,
    /// One line of digits: the count of all data lines, rejected ones included.
    RecordCount,
    /// `File Creation Time: mmddyyyyhh:mm`, padded with delimiters.
    FileCreationTime,
}

impl FooterRule {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RecordCount => "record_count",
            Self::FileCreationTime => "file_creation_time",
        }
    }
}

impl FormatSpec {
    pub(crate) fn write(&self, format: &mut Object<'_>) {
        format.text("name", self.name);
        match &self.kind {
            FormatKind::Delimited { delimiter, quote, comment } => {
                format.text("kind", "delimited");
                format.text("delimiter", delimiter.encode_utf8(&mut [0; 4]));
                format.text_if("quote", character(quote, &mut [0; 4]));
                format.text_if("comment", *comment);
            }
            FormatKind::Json { records } => {
                format.text("kind", "json");
                format.text_if("records", *records);
            }
            FormatKind::JsonLines => format.text("kind", "json_lines"),
            FormatKind::Parquet => format.text("kind", "parquet"),
        }
        format.list("columns", self.columns.len(), &mut |at, it| self.columns[at].write(it));
        format.object("footer", |footer| {
            footer.text("rule", self.footer.rule.name());
            footer.flag("required", self.footer.required);
            footer.text_if("required_param", self.footer.required_param);
        });
    }
}

fn character<'a>(character: &Option<char>, buffer: &'a mut [u8; 4]) -> Option<&'a str> {
    character.map(|character| &*character.encode_utf8(buffer))
}
