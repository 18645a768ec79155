//! Pipelines: inputs become rows of datasets.

use serde_json::{Map, Value};

use crate::error::Error;
use crate::host::Host;
use crate::manifest::{Object, PipelineSpec};
use crate::params::Params;

/// Turns inputs into rows of datasets.
///
/// ```
/// use spine_sdk::prelude::*;
/// use spine_sdk::testing::MemoryHost;
///
/// file_format! {
///     pub struct Prices = "prices" { symbol: Utf8 => header("Symbol").key(), price: Decimal<10, 2> => header("Price") }
///     delimited { delimiter: ',' }
/// }
///
/// dataset! {
///     /// Prices by symbol.
///     pub struct Quotes = "demo.quotes" { batch: Utf8, symbol: Utf8, price: Decimal<10, 2> => unit("USD") }
///     key [symbol]
///     partition_by [batch]
/// }
///
/// params! {
///     pub struct QuotesParams {
///         /// The publisher's file.
///         file: File => format::<Prices>(),
///         /// Names the delivery.
///         batch: String => default("daily"),
///     }
/// }
///
/// #[derive(Debug)]
/// pub struct LoadQuotes;
///
/// impl Pipeline for LoadQuotes {
///     const NAME: &'static str = "demo.load_quotes";
///     type Params = QuotesParams;
///
///     fn spec() -> PipelineSpec {
///         PipelineSpec::new("Loads the publisher's prices.").output::<Quotes>().one_to_one()
///     }
///
///     fn run(&self, params: QuotesParams, host: &Host) -> Result<Summary, Error> {
///         let mut reader = host.read(&params.file)?;
///         let mut quotes = host.output::<Quotes>()?;
///         while let Some(batch) = reader.next()? {
///             let rows: Prices = batch.read()?;
///             let batch = Column::repeat(params.batch.as_str(), rows.symbol.len());
///             quotes.write_lines(Quotes { batch, symbol: rows.symbol, price: rows.price }, rows.line)?;
///         }
///         Ok(Summary::new().with("file", params.file.name()))
///     }
/// }
///
/// let host = MemoryHost::new().file_text::<Prices>("file", "p.csv", "Symbol,Price\nGME,12.50\nNAN,x\n");
/// host.run(&LoadQuotes).unwrap();
/// assert_eq!(host.written::<Quotes>().symbol.get(0), "GME");
/// assert_eq!(host.lines::<Quotes>(), [2]);
/// assert_eq!((host.rejects()[0].line, host.rejects()[0].code.as_str()), (Some(3), "bad_field"));
/// ```
pub trait Pipeline: Sync + 'static {
    /// `domain.pipeline`.
    const NAME: &'static str;
    type Params: Params;

    fn spec() -> PipelineSpec;

    /// Runs once, in an instance of its own. An error fails the run: nothing that was written is published.
    fn run(&self, params: Self::Params, host: &Host) -> Result<Summary, Error>;
}

/// What people see of a run besides its numbers.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let summary = Summary::new().with("file", "a.txt").with("rows", 3);
/// assert_eq!(summary.to_string(), r#"{"file":"a.txt","rows":3}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary(pub Map<String, Value>);

impl Summary {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}

/// A pipeline without its types; every [`Pipeline`] is one.
#[doc(hidden)]
pub trait AnyPipeline: Sync {
    fn name(&self) -> &'static str;
    fn describe(&self, out: &mut Object<'_>);
    fn run_any(&self, host: &Host) -> Result<Summary, Error>;
}

impl<T: Pipeline> AnyPipeline for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn describe(&self, out: &mut Object<'_>) {
        T::spec().write(T::NAME, &T::Params::specs(), out);
    }

    fn run_any(&self, host: &Host) -> Result<Summary, Error> {
        self.run(host.params()?, host)
    }
}
