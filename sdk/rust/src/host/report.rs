//! What work tells its host: rejected rows, anomalies, log lines.

/// An input row that will not be in the output.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let reject = Reject::line(7, "unknown_tier", "`X` is no tier: T1, T2 or OTC").detail("tier", "X");
/// assert_eq!(reject.line, Some(7));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// 1 is the first line of the file, the header.
    pub line: Option<u64>,
    pub code: String,
    pub message: String,
    pub details: Vec<(String, String)>,
}

impl Reject {
    /// A reject of no line in particular.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line: None, code: code.into(), message: message.into(), details: Vec::new() }
    }

    /// The reject of a line, as the column `_line` holds it.
    pub fn line(line: i64, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { line: u64::try_from(line).ok(), ..Self::new(code, message) }
    }

    /// The reject `bad_key` of a line whose `column`, a part of the key, holds characters that nobody sees or that look
    /// like others, or has spaces around it ([`Column::unprintable`](crate::column::Column::unprintable)). The message shows them escaped.
    ///
    /// ```
    /// use spine_sdk::prelude::*;
    ///
    /// let reject = Reject::bad_key(3, "symbol", "GM\u{a0}E");
    /// assert_eq!(reject.code, "bad_key");
    /// assert!(reject.message.contains(r"`GM\u{a0}E`"));
    /// ```
    pub fn bad_key(line: i64, column: &str, text: &str) -> Self {
        let shown: String = text.chars().take(60).flat_map(char::escape_default).collect();
        let message = format!(
            "column `{column}`: `{shown}` has spaces around it or characters that are not printable ASCII, and the column is part \
             of the key"
        );
        Self::line(line, "bad_key", message).detail("column", column)
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }
}

/// Something odd that an operator should see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// `debug`, `info`, `warn`, `error` or `critical`.
    pub severity: &'static str,
    pub category: String,
    pub message: String,
    pub details: Vec<(String, String)>,
}

impl Anomaly {
    fn new(severity: &'static str, category: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, category: category.into(), message: message.into(), details: Vec::new() }
    }

    pub fn debug(category: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("debug", category, message)
    }

    pub fn info(category: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("info", category, message)
    }

    pub fn warn(category: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("warn", category, message)
    }

    pub fn error(category: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("error", category, message)
    }

    pub fn critical(category: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("critical", category, message)
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}
