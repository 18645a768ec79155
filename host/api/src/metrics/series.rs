//! `spine_plugin_metric`: what plugins measured, under labels of their own.
//!
//! A family of the library has one set of labels; here each series has those that its plugin gave it. Whoever delivers
//! them has bounded their number and made their names fit.

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge, LabelPair, Metric, MetricFamily, MetricType};

/// Labels and value of one series.
pub type PluginSeries = (Vec<(String, String)>, f64);

const NAME: &str = "spine_plugin_metric";
const HELP: &str = "The last value of what a plugin measures by `host.metric`.";

/// Asks for the series when metrics are asked for.
pub(super) struct SeriesOfPlugins<P> {
    description: Desc,
    pull: P,
}

impl<P: Fn() -> Vec<PluginSeries>> SeriesOfPlugins<P> {
    pub(super) fn new(pull: P) -> prometheus::Result<Self> {
        let description = Desc::new(NAME.to_owned(), HELP.to_owned(), Vec::new(), std::collections::HashMap::new())?;
        Ok(Self { description, pull })
    }
}

impl<P: Fn() -> Vec<PluginSeries> + Send + Sync> Collector for SeriesOfPlugins<P> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut family = MetricFamily::default();
        family.set_name(NAME.to_owned());
        family.set_help(HELP.to_owned());
        family.set_field_type(MetricType::GAUGE);
        family.set_metric((self.pull)().into_iter().map(metric).collect());
        vec![family]
    }
}

fn metric((labels, value): PluginSeries) -> Metric {
    let pair = |(name, value): (String, String)| {
        let mut pair = LabelPair::default();
        pair.set_name(name);
        pair.set_value(value);
        pair
    };
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels.into_iter().map(pair).collect());
    metric.set_gauge(gauge);
    metric
}
