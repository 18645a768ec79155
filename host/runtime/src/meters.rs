//! What plugins measured: the last value of each series, kept for as long as the process lives.
//!
//! A series is a name and labels of one plugin. How many a plugin may have is bounded by `limits.metric_series`, as a
//! label that holds a row's key would else fill the memory of host and monitoring alike. Names and labels are made fit
//! for Prometheus here, so that nothing that a guest says can break the page of metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::attempt::cut;

/// Labels of one series that are kept.
const LABELS_MAX: usize = 8;

/// Bytes of a name, and of the value of a label.
const NAME_BYTES_MAX: usize = 128;

/// Labels that the host sets.
const RESERVED: [&str; 2] = ["plugin", "metric"];

/// The last value of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub plugin: String,
    /// The metric's name, as the plugin says it.
    pub metric: String,
    /// In order of their names, which are label names of Prometheus.
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// The series of all plugins; clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters(Arc<Mutex<BTreeMap<String, Series>>>);

/// Name and labels of a series.
type Key = (String, Vec<(String, String)>);

type Series = BTreeMap<Key, f64>;

impl Meters {
    /// Gives a series its value; false if the plugin has as many series as it may have and this is another.
    pub(crate) fn set(
        &self,
        plugin: &str,
        metric: &str,
        labels: &[(String, String)],
        value: f64,
        series_max: u32,
    ) -> bool {
        let key = (short(metric), labels_of(labels));
        let mut plugins = self.lock();
        if !plugins.contains_key(plugin) {
            plugins.insert(plugin.to_owned(), Series::new());
        }
        let Some(series) = plugins.get_mut(plugin) else { return false };
        let room = series.len() < usize::try_from(series_max).unwrap_or(usize::MAX);
        if !room && !series.contains_key(&key) {
            return false;
        }
        series.insert(key, value);
        true
    }

    /// All series, in order of plugin, name and labels.
    pub(crate) fn all(&self) -> Vec<Measured> {
        let plugins = self.lock();
        let of = |(plugin, series): (&String, &Series)| {
            let measured = |((metric, labels), value): (&Key, &f64)| Measured {
                plugin: plugin.clone(),
                metric: metric.clone(),
                labels: labels.clone(),
                value: *value,
            };
            series.iter().map(measured).collect::<Vec<_>>()
        };
        plugins.iter().flat_map(of).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Series>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of two labels that come to the same name the last counts.
fn labels_of(labels: &[(String, String)]) -> Vec<(String, String)> {
    let labels: BTreeMap<_, _> =
        labels.iter().take(LABELS_MAX).map(|(name, value)| (label(name), short(value))).collect();
    labels.into_iter().collect()
}

/// A name that Prometheus takes: letters, digits and `_`, no digit and no `__` at its beginning.
fn label(name: &str) -> String {
    let fit = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = short(name).chars().map(fit).collect();
    let taken = RESERVED.contains(&name.as_str()) || name.starts_with("__");
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if begins && !taken { name } else { format!("label_{name}") }
}

fn short(text: &str) -> String {
    cut(text, NAME_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_last_value_of_a_series_counts_and_another_series_finds_no_room() {
        let meters = Meters::default();
        let labels = pairs(&[("feed", "CNMS")]);
        assert!(meters.set("p", "rows", &labels, 1.0, 2));
        assert!(meters.set("p", "rows", &labels, 2.0, 2));
        assert!(meters.set("p", "rows", &[], 3.0, 2));
        assert!(!meters.set("p", "lines", &[], 4.0, 2));
        assert!(meters.set("p", "rows", &[], 5.0, 2), "a series that is there can always be set");
        assert!(meters.set("q", "rows", &[], 6.0, 2), "another plugin has series of its own");
        let values: Vec<_> = meters.all().into_iter().map(|it| (it.plugin, it.labels.len(), it.value)).collect();
        assert_eq!(values, [("p".to_owned(), 0, 5.0), ("p".to_owned(), 1, 2.0), ("q".to_owned(), 0, 6.0)]);
    }

    #[test]
    fn labels_are_made_fit_for_prometheus() {
        let labels = labels_of(&pairs(&[("trade-date", "a"), ("1st", "b"), ("plugin", "c"), ("", "d"), ("__x", "e")]));
        let names: Vec<_> = labels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["label_", "label_1st", "label___x", "label_plugin", "trade_date"]);
        assert_eq!(labels_of(&vec![pairs(&[("a", "b")]).remove(0); 20]).len(), 1);
    }
}
