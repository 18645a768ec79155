//! Quality checks: what a run wrote, judged before it is published.

use crate::error::Error;
use crate::host::Host;
use crate::manifest::{Category, CheckSpec};

/// Judges what a run wrote.
///
/// ```
/// use spine_sdk::prelude::*;
/// use spine_sdk::testing::MemoryHost;
///
/// dataset! {
///     /// Volumes.
///     pub struct Volumes = "demo.volumes" { day: Date, symbol: Utf8, short: Int64, total: Int64 }
///     key [symbol]
///     partition_by [day]
/// }
///
/// columns! { struct Staged { line: Int64 => named("_line"), short: Int64, total: Int64 } }
///
/// #[derive(Debug)]
/// pub struct ShortLeTotal;
///
/// impl Check for ShortLeTotal {
///     const NAME: &'static str = "short_le_total";
///
///     fn spec() -> CheckSpec {
///         CheckSpec::block(Category::BusinessRule, "Short volume is at most total volume.").on::<Volumes>()
///     }
///
///     fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
///         let staged: Staged = host.staged_of(dataset)?.read_all()?;
///         let pairs = staged.short.iter().zip(&staged.total);
///         let wrong: Vec<i64> = pairs.zip(&staged.line).filter(|((s, t), _)| s > t).map(|(_, line)| line).collect();
///         if wrong.is_empty() {
///             return Ok(vec![]);
///         }
///         let message = format!("{} rows have more short than total volume", wrong.len());
///         Ok(vec![Finding::fail(message).actual(wrong.len()).expected(0).sample_rows(wrong)])
///     }
/// }
///
/// let rows = Volumes {
///     day: Column::repeat(0, 2),
///     symbol: ["A", "B"].into_iter().collect(),
///     short: [1, 5].into_iter().collect(),
///     total: [4, 4].into_iter().collect(),
/// };
/// let host = MemoryHost::new().staged(rows, [2, 3]);
/// let findings = host.check(&ShortLeTotal, Volumes::NAME).unwrap();
/// assert_eq!((findings[0].status, findings[0].sample_rows.as_slice()), (Status::Fail, &[3][..]));
/// ```
pub trait Check: Sync + 'static {
    /// One lower-case word.
    const NAME: &'static str;

    fn spec() -> CheckSpec;

    /// Judges one of the datasets of [`Check::spec`] that the run wrote. No finding means that it passed.
    fn check(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Pass,
    Warn,
    Fail,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// What a check found. Its category is that of the check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub status: Status,
    pub message: String,
    pub details: Vec<(String, String)>,
    /// Input lines that show it; a few are enough.
    pub sample_rows: Vec<u64>,
}

/// More sample rows than this tell nobody more.
const SAMPLE_ROWS_MAX: usize = 20;

impl Finding {
    fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), details: Vec::new(), sample_rows: Vec::new() }
    }

    /// The check passed, and here is what it saw.
    pub fn pass(message: impl Into<String>) -> Self {
        Self::new(Status::Pass, message)
    }

    pub fn warn(message: impl Into<String>) -> Self {
        Self::new(Status::Warn, message)
    }

    pub fn fail(message: impl Into<String>) -> Self {
        Self::new(Status::Fail, message)
    }

    #[must_use]
    pub fn actual(self, value: impl ToString) -> Self {
        self.detail("actual", value.to_string())
    }

    #[must_use]
    pub fn expected(self, value: impl ToString) -> Self {
        self.detail("expected", value.to_string())
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// Names input lines, as `_line` holds them; keeps the first 20.
    #[must_use]
    pub fn sample_rows(mut self, lines: impl IntoIterator<Item = i64>) -> Self {
        let lines = lines.into_iter().filter_map(|line| u64::try_from(line).ok());
        self.sample_rows = lines.take(SAMPLE_ROWS_MAX).collect();
        self
    }
}

/// A check without its type; every [`Check`] is one.
#[doc(hidden)]
pub trait AnyCheck: Sync {
    fn name(&self) -> &'static str;
    fn spec_any(&self) -> CheckSpec;
    fn category(&self) -> Category;
    fn check_any(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error>;
}

impl<T: Check> AnyCheck for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn spec_any(&self) -> CheckSpec {
        T::spec()
    }

    fn category(&self) -> Category {
        T::spec().category
    }

    fn check_any(&self, dataset: &str, host: &Host) -> Result<Vec<Finding>, Error> {
        self.check(dataset, host)
    }
}
