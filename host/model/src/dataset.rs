//! Names of datasets and partitions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `domain.dataset`: two lower-case words of letters, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName {
    domain: String,
    dataset: String,
}

impl DatasetName {
    pub fn domain(&self) -> &str {
        &self.domain
    }

    pub fn dataset(&self) -> &str {
        &self.dataset
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.domain, self.dataset)
    }
}

/// Returns whether `word` may be a domain, dataset, column, pipeline or check name.
pub fn is_word(word: &str) -> bool {
    let mut bytes = word.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && word.len() <= 63
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A text that is not a dataset name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a dataset name: write `domain.dataset`, each in lower-case letters, digits and `_`", crate::brief(.0))]
pub struct InvalidDatasetName(pub String);

impl FromStr for DatasetName {
    type Err = InvalidDatasetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('.') {
            Some((domain, dataset)) if is_word(domain) && is_word(dataset) => {
                Ok(Self { domain: domain.to_owned(), dataset: dataset.to_owned() })
            }
            _ => Err(InvalidDatasetName(text.to_owned())),
        }
    }
}

impl Serialize for DatasetName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DatasetName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One publisher's unit of delivery: the value of every partition column, as canonical text.
///
/// Dates are `YYYY-MM-DD`. Serializes as a JSON object with its keys in order, which is also its identity in SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Partition(pub BTreeMap<String, String>);

impl Partition {
    /// The identity in SQL: a JSON object with ordered keys and no spaces.
    pub fn key(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    pub fn get(&self, column: &str) -> Option<&str> {
        self.0.get(column).map(String::as_str)
    }
}

impl fmt::Display for Partition {
    /// `facility=NQBX trade_date=2021-01-28`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (column, value)) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{column}={value}")?;
        }
        Ok(())
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Partition {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(values: I) -> Self {
        Self(values.into_iter().map(|(column, value)| (column.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dataset_names_have_two_words() {
        assert!("finra.regsho_daily".parse::<DatasetName>().is_ok());
        for bad in ["finra", "Finra.x", "finra.", "a.b.c", "finra.reg-sho", "finra.1x", "a.b\"; drop"] {
            assert!(bad.parse::<DatasetName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_partition_is_one_key_whatever_the_order() {
        let one: Partition = [("b", "2"), ("a", "1")].into_iter().collect();
        assert_eq!(one.key(), r#"{"a":"1","b":"2"}"#);
        assert_eq!(one.to_string(), "a=1 b=2");
    }
}
