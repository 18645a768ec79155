//! Counters of this process, as Prometheus text. The number of series is bounded whatever plugins are called.

mod series;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::plugin::{PluginRecord, PluginState};
use model::ports::{LaneCounts, RunListener};
use model::run::{RunReport, RunStatus};
use model::work::Lane;
use prometheus::core::Collector;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TEXT_FORMAT, TextEncoder,
};

pub use self::series::PluginSeries;
use self::series::SeriesOfPlugins;

/// Most different names of one label. What comes later is counted under `other`.
const NAMES_MAX: usize = 200;

/// Bounds of the histogram of run durations, in seconds.
const DURATIONS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// The metrics of one host. Clones are one.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    runs: IntCounterVec,
    durations: HistogramVec,
    rows: IntCounterVec,
    captures: IntCounterVec,
    plugins: IntGaugeVec,
    lanes: IntGaugeVec,
    pulled: Mutex<Vec<(Gauge, Pull)>>,
    names: Mutex<BTreeSet<String>>,
    datasets: Mutex<BTreeSet<String>>,
}

/// Reads a value when metrics are asked for.
type Pull = Box<dyn Fn() -> f64 + Send + Sync>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics of the host of this version.
    ///
    /// # Errors
    ///
    /// Never in practice: names and labels are fixed and valid.
    pub fn new(version: &str) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
            registered(&registry, counter)
        };
        let runs = counter("spine_runs_total", "Runs that ended, by status.", &["name", "status"])?;
        let rows =
            counter("spine_rows_total", "Data lines read, rows delivered, lines rejected.", &["name", "direction"])?;
        let captures = counter("spine_captures_total", "Captures, by what became of them.", &["dataset", "outcome"])?;
        let durations = HistogramOpts::new("spine_run_duration_seconds", "From the start of a run to its end.");
        let durations = HistogramVec::new(durations.buckets(DURATIONS.to_vec()), &["name"])?;
        let durations = registered(&registry, durations)?;
        let plugins = IntGaugeVec::new(Opts::new("spine_plugins", "Components in the plugins folder."), &["state"])?;
        let plugins = registered(&registry, plugins)?;
        let lanes = Opts::new("spine_lane_runs", "Runs of the ledger that wait in a lane, or are at work.");
        let lanes = registered(&registry, IntGaugeVec::new(lanes, &["lane", "state"])?)?;
        let build =
            IntGaugeVec::new(Opts::new("spine_build_info", "The version of this host; always 1."), &["version"])?;
        registered(&registry, build)?.with_label_values(&[version]).set(1);
        let inner = Inner {
            registry,
            runs,
            durations,
            rows,
            captures,
            plugins,
            lanes,
            pulled: Mutex::default(),
            names: Mutex::default(),
            datasets: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Adds a value that is read whenever metrics are asked for, such as `spine_sqlite_wal_bytes`.
    ///
    /// # Errors
    ///
    /// If the name is taken or is not a metric name.
    pub fn gauge(
        &self,
        name: &str,
        help: &str,
        pull: impl Fn() -> f64 + Send + Sync + 'static,
    ) -> prometheus::Result<()> {
        let gauge = registered(&self.inner.registry, Gauge::new(name, help)?)?;
        self.inner.pulled.lock().unwrap_or_else(PoisonError::into_inner).push((gauge, Box::new(pull)));
        Ok(())
    }

    /// Adds what plugins measured, read whenever metrics are asked for: `spine_plugin_metric`.
    ///
    /// # Errors
    ///
    /// If it was added before.
    pub fn series(&self, pull: impl Fn() -> Vec<PluginSeries> + Send + Sync + 'static) -> prometheus::Result<()> {
        self.inner.registry.register(Box::new(SeriesOfPlugins::new(pull)?))
    }

    /// What is in each lane now.
    pub(crate) fn set_lanes(&self, lanes: &BTreeMap<Lane, LaneCounts>) {
        for (lane, counts) in lanes {
            for (state, runs) in [("queued", counts.queued), ("running", counts.running)] {
                let gauge = self.inner.lanes.with_label_values(&[lane.name(), state]);
                gauge.set(i64::try_from(runs).unwrap_or(i64::MAX));
            }
        }
    }

    /// What counts the runs that end; hand it to the orchestrator.
    pub fn listener(&self) -> RunListener {
        let metrics = self.clone();
        RunListener(Arc::new(move |report| metrics.count(report)))
    }

    fn count(&self, report: &RunReport) {
        let inner = &self.inner;
        let name = bounded(&inner.names, &report.name);
        inner.runs.with_label_values(&[name.as_str(), report.status.name()]).inc();
        if let Some(ms) = report.duration_ms {
            #[expect(clippy::cast_precision_loss, reason = "a run of 2^53 ms would take 285,000 years")]
            inner.durations.with_label_values(&[&name]).observe(ms as f64 / 1000.0);
        }
        for (direction, rows) in [("in", report.rows_in), ("out", report.rows_out), ("rejected", report.rejected)] {
            inner.rows.with_label_values(&[name.as_str(), direction]).inc_by(rows);
        }
        for capture in &report.captures {
            let outcome = match report.status {
                _ if capture.unchanged => "unchanged",
                RunStatus::Completed => "published",
                _ => "quarantined",
            };
            let dataset = bounded(&inner.datasets, &capture.dataset.to_string());
            inner.captures.with_label_values(&[dataset.as_str(), outcome]).inc();
        }
    }

    /// The text of `/metrics` and its content type.
    pub(crate) fn render(&self, plugins: &[PluginRecord]) -> prometheus::Result<(&'static str, String)> {
        let inner = &self.inner;
        for state in PluginState::ALL {
            let count = plugins.iter().filter(|plugin| plugin.state == state).count();
            inner.plugins.with_label_values(&[state.name()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (gauge, pull) in &*inner.pulled.lock().unwrap_or_else(PoisonError::into_inner) {
            gauge.set(pull());
        }
        let text = TextEncoder::new().encode_to_string(&inner.registry.gather())?;
        Ok((TEXT_FORMAT, text))
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// The label value for `name`: itself while there are few, then `other`.
fn bounded(known: &Mutex<BTreeSet<String>>, name: &str) -> String {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if known.contains(name) || (known.len() < NAMES_MAX && known.insert(name.to_owned())) {
        name.to_owned()
    } else {
        "other".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_label_values_is_bounded() {
        let known = Mutex::default();
        for at in 0..NAMES_MAX {
            assert_eq!(bounded(&known, &format!("n{at}")), format!("n{at}"));
        }
        assert_eq!(bounded(&known, "one too many"), "other");
        assert_eq!(bounded(&known, "n0"), "n0");
    }

    #[test]
    fn a_gauge_is_read_when_metrics_are_asked_for() {
        let metrics = Metrics::new("1.2.3").unwrap();
        metrics.gauge("spine_sqlite_wal_bytes", "Bytes of the write-ahead log.", || 42.0).unwrap();
        let (_, text) = metrics.render(&[]).unwrap();
        assert!(text.contains("spine_sqlite_wal_bytes 42"), "{text}");
        assert!(text.contains("spine_build_info{version=\"1.2.3\"} 1"), "{text}");
        assert!(metrics.gauge("spine_sqlite_wal_bytes", "again", || 0.0).is_err());
    }

    #[test]
    fn what_plugins_measure_is_shown_under_their_own_labels() {
        let metrics = Metrics::new("1.2.3").unwrap();
        assert!(!metrics.render(&[]).unwrap().1.contains("spine_plugin_metric"), "nothing is measured yet");
        let labels = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let all = vec![
            (labels(&[("plugin", "p"), ("metric", "rows"), ("feed", "a\"\n")]), 2.5),
            (labels(&[("plugin", "p"), ("metric", "lines")]), 7.0),
        ];
        metrics.series(move || all.clone()).unwrap();
        let (_, text) = metrics.render(&[]).unwrap();
        assert!(text.contains(r#"spine_plugin_metric{plugin="p",metric="rows",feed="a\"\n"} 2.5"#), "{text}");
        assert!(text.contains(r#"spine_plugin_metric{plugin="p",metric="lines"} 7"#), "{text}");
        assert!(metrics.series(Vec::new).is_err(), "once is enough");
    }
}
