//! Sources: what a publisher offers, found and fetched page by page.

use crate::error::Error;
use crate::host::Host;
use crate::manifest::{Object, SourceSpec};
use crate::params::Params;

/// Finds what a publisher offers, and fetches it page by page.
///
/// The host keeps every cursor in the transaction that publishes the rows before it, so after a crash work goes on
/// where rows ended.
pub trait Source: Sync + 'static {
    /// `domain.source`.
    const NAME: &'static str;
    type Params: Params;

    fn spec() -> SourceSpec;

    /// Lists a page of what is there. `since` is the cursor of the discovery before, None for the first.
    fn discover(&self, params: Self::Params, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error>;

    /// Writes a page of one partition. `cursor` is that of the page before, None for the first.
    fn fetch(
        &self,
        params: Self::Params,
        partition: &Partition,
        cursor: Option<Cursor>,
        host: &Host,
    ) -> Result<Page, Error>;
}

/// Where to go on. Opaque to the host.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// assert_eq!(Cursor::text("b.psv").as_text(), Some("b.psv"));
/// assert_eq!(Cursor(vec![0xff]).as_text(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub Vec<u8>);

impl Cursor {
    pub fn text(text: impl Into<String>) -> Self {
        Self(text.into().into_bytes())
    }

    /// The text that the cursor holds, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// One unit that the publisher delivers, such as a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition {
    pub key: Vec<(String, String)>,
    /// Changes when the content may have changed.
    pub version: Option<String>,
    pub details: Vec<(String, String)>,
}

impl Partition {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.key.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }

    /// The value of one part of the key.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.key.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A page of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    pub partitions: Vec<Partition>,
    /// Goes into the next discovery.
    pub cursor: Option<Cursor>,
    /// Asks for that discovery at once.
    pub more: bool,
}

impl Discovery {
    pub fn new(partitions: Vec<Partition>) -> Self {
        Self { partitions, ..Self::default() }
    }

    #[must_use]
    pub fn cursor(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.cursor = cursor.into();
        self
    }

    #[must_use]
    pub fn more(mut self, more: bool) -> Self {
        self.more = more;
        self
    }
}

/// What one fetch wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub rows: u64,
    pub status: PageStatus,
    pub cursor: Option<Cursor>,
    pub details: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageStatus {
    /// There is another page.
    More,
    Done,
    /// Nothing is new since the version that was fetched before.
    Unchanged,
    /// The publisher has it, but not yet.
    NotReady,
}

impl PageStatus {
    pub const fn name(self) -> &'static str {
        match self {
            Self::More => "more",
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::NotReady => "not-ready",
        }
    }
}

impl Page {
    fn new(rows: u64, status: PageStatus) -> Self {
        Self { rows, status, cursor: None, details: Vec::new() }
    }

    /// Rows were written, and there is another page from `cursor` on.
    pub fn more(rows: u64, cursor: Cursor) -> Self {
        Self::new(rows, PageStatus::More).cursor(cursor)
    }

    /// Rows were written, and that is all.
    pub fn done(rows: u64) -> Self {
        Self::new(rows, PageStatus::Done)
    }

    pub fn unchanged() -> Self {
        Self::new(0, PageStatus::Unchanged)
    }

    pub fn not_ready() -> Self {
        Self::new(0, PageStatus::NotReady)
    }

    #[must_use]
    pub fn cursor(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    #[must_use]
    pub fn detail(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((name.into(), value.into()));
        self
    }
}

/// A source without its types; every [`Source`] is one.
#[doc(hidden)]
pub trait AnySource: Sync {
    fn name(&self) -> &'static str;
    fn describe(&self, out: &mut Object<'_>);
    fn discover_any(&self, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error>;
    fn fetch_any(&self, partition: &Partition, cursor: Option<Cursor>, host: &Host) -> Result<Page, Error>;
}

impl<T: Source> AnySource for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn describe(&self, out: &mut Object<'_>) {
        T::spec().write(T::NAME, &T::Params::specs(), out);
    }

    fn discover_any(&self, since: Option<Cursor>, host: &Host) -> Result<Discovery, Error> {
        self.discover(host.params()?, since, host)
    }

    fn fetch_any(&self, partition: &Partition, cursor: Option<Cursor>, host: &Host) -> Result<Page, Error> {
        self.fetch(host.params()?, partition, cursor, host)
    }
}
