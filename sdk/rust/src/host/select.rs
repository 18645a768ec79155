//! Which part of a table to read.

use crate::manifest::json;

/// Which part of a table to read: one partition, some columns, or everything.
///
/// ```
/// use spine_sdk::prelude::*;
///
/// let select = Select::new().partition("trade_date", "2021-01-27").columns(["symbol"]);
/// assert_eq!(select.to_json(), r#"{"columns":["symbol"],"partition":{"trade_date":"2021-01-27"}}"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Select {
    pub(crate) partition: Vec<(String, String)>,
    pub(crate) columns: Vec<String>,
}

impl Select {
    /// Everything, to be narrowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only the partition whose column has this value; dates are `YYYY-MM-DD`. Name every partition column.
    #[must_use]
    pub fn partition(mut self, column: impl Into<String>, value: impl Into<String>) -> Self {
        self.partition.push((column.into(), value.into()));
        self
    }

    /// Only these columns.
    #[must_use]
    pub fn columns<const N: usize>(mut self, names: [&str; N]) -> Self {
        self.columns.extend(names.map(str::to_owned));
        self
    }

    /// As the contract writes it.
    pub fn to_json(&self) -> String {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        json::object(|select| {
            if !columns.is_empty() {
                select.texts("columns", &columns);
            }
            if !self.partition.is_empty() {
                let partition = self.partition.iter();
                select.object("partition", |it| partition.for_each(|(column, value)| it.text(column, value)));
            }
        })
    }
}
