//! The metrics of a role with their descriptions: for Prometheus, and for the documentation.

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::format::Format;

/// Upper bounds in seconds: the defaults of Prometheus's clients (<https://prometheus.io/docs/practices/histograms/>),
/// from a millisecond, and beyond them the minutes that a slow chunk may take, up to RabbitMQ's acknowledgement timeout
/// of 30.
const SECONDS: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0,
];

/// One label with its value.
type Label = [(&'static str, String); 1];
/// A metric with one series for each value of a label.
pub type Labelled<M> = Family<Label, M>;
/// A histogram of durations with one series for each value of a label.
pub type LabelledSeconds = Family<Label, Histogram, fn() -> Histogram>;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution of durations.
    Histogram,
}

/// The description of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricInfo {
    /// The full name, with prefix and unit.
    pub name: String,
    /// The type.
    pub kind: MetricKind,
    /// The label and its values. Empty for a single series.
    pub label: &'static str,
    /// The help text.
    pub help: &'static str,
}

/// The metrics of one role.
#[derive(Debug)]
pub struct Catalog {
    registry: Registry,
    prefix: String,
    metrics: Vec<MetricInfo>,
}

impl Catalog {
    /// A catalog whose names begin with `rowmill_ROLE_`, with the metric of the build.
    pub fn new(role: &str) -> Self {
        let prefix = format!("rowmill_{role}");
        let mut catalog = Self {
            registry: Registry::with_prefix(&prefix),
            prefix,
            metrics: Vec::new(),
        };
        let build = [
            ("version", proto::VERSION.to_owned()),
            ("protocol", proto::PROTOCOL.to_string()),
        ];
        let help = "Which rowmill this is: always 1";
        catalog.registry.register("build", help, Info::new(build));
        catalog.describe("build_info", MetricKind::Gauge, "version, protocol", help);
        catalog
    }

    /// A counter; `_total` is appended to its name.
    pub fn counter(&mut self, name: &str, help: &'static str) -> Counter {
        self.register(Counter::default(), MetricKind::Counter, name, "", help)
    }

    /// A gauge.
    pub fn gauge(&mut self, name: &str, help: &'static str) -> Gauge {
        self.register(Gauge::default(), MetricKind::Gauge, name, "", help)
    }

    /// A gauge with a label.
    pub fn gauges(
        &mut self,
        name: &str,
        label: &'static str,
        help: &'static str,
    ) -> Labelled<Gauge> {
        self.register(Labelled::default(), MetricKind::Gauge, name, label, help)
    }

    /// A histogram of durations; `_seconds` is appended to its name.
    pub fn seconds(&mut self, name: &str, help: &'static str) -> Histogram {
        self.register(histogram(), MetricKind::Histogram, name, "", help)
    }

    /// A histogram of durations with a label.
    pub fn seconds_by(
        &mut self,
        name: &str,
        label: &'static str,
        help: &'static str,
    ) -> LabelledSeconds {
        let histograms = LabelledSeconds::new_with_constructor(histogram);
        self.register(histograms, MetricKind::Histogram, name, label, help)
    }

    /// Registers a metric, and describes it under its full name.
    fn register<M: Metric + Clone>(
        &mut self,
        metric: M,
        kind: MetricKind,
        name: &str,
        label: &'static str,
        help: &'static str,
    ) -> M {
        let (ours, registry) = (metric.clone(), &mut self.registry);
        let suffix = match kind {
            MetricKind::Counter => "_total",
            MetricKind::Gauge => "",
            MetricKind::Histogram => "_seconds",
        };
        match kind {
            MetricKind::Counter | MetricKind::Gauge => registry.register(name, help, metric),
            MetricKind::Histogram => registry.register_with_unit(name, help, Unit::Seconds, metric),
        }
        self.describe(&format!("{name}{suffix}"), kind, label, help);
        ours
    }

    /// All metrics, in the order of their registration.
    pub fn metrics(&self) -> &[MetricInfo] {
        &self.metrics
    }

    /// All series with their values, in `format`.
    pub fn text(&self, format: Format) -> String {
        let mut text = String::new();
        let encoded = match format {
            Format::Prometheus => prometheus_text::encode(&mut text, &self.registry),
            Format::OpenMetrics => text::encode(&mut text, &self.registry),
        };
        // Writing to a string cannot fail.
        if let Err(error) = encoded {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    fn describe(&mut self, name: &str, kind: MetricKind, label: &'static str, help: &'static str) {
        self.metrics.push(MetricInfo {
            name: format!("{}_{name}", self.prefix),
            kind,
            label,
            help,
        });
    }
}

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_described_metric_is_scraped() {
        let mut catalog = Catalog::new("cook");
        catalog.counter("eggs", "Eggs that were broken").inc_by(3);
        catalog.gauge("pans", "Pans on the fire").set(2);
        catalog.seconds("frying", "How long they took").observe(0.3);
        let by = catalog.seconds_by("eating", "guest", "How long they took");
        by.get_or_create(&[("guest", "ada".to_owned())])
            .observe(4000.0);
        let text = catalog.text(Format::Prometheus);
        let open_metrics = catalog.text(Format::OpenMetrics);
        for line in [
            "rowmill_cook_eggs_total 3",
            "rowmill_cook_pans 2",
            "rowmill_cook_frying_seconds_bucket{le=\"0.25\"} 0",
            "rowmill_cook_frying_seconds_bucket{le=\"0.5\"} 1",
            "rowmill_cook_frying_seconds_sum 0.3",
            "rowmill_cook_eating_seconds_count{guest=\"ada\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
            assert!(
                open_metrics.lines().any(|it| it == line),
                "{line} in {open_metrics}"
            );
        }
        // The differences of the two formats.
        let bucket = "rowmill_cook_eating_seconds_bucket{guest=\"ada\",le=\"1800\"} 0\n";
        assert!(text.contains(bucket), "{text}");
        let bucket = "rowmill_cook_eating_seconds_bucket{le=\"1800.0\",guest=\"ada\"} 0\n";
        assert!(open_metrics.contains(bucket), "{open_metrics}");
        assert!(
            text.contains("# TYPE rowmill_cook_eggs_total counter\n"),
            "{text}"
        );
        assert!(
            !text.contains("# EOF") && !text.contains("# UNIT"),
            "{text}"
        );
        assert!(
            open_metrics.contains("# TYPE rowmill_cook_eggs counter\n"),
            "{open_metrics}"
        );
        assert!(open_metrics.ends_with("# EOF\n"), "{open_metrics}");
        for entry in catalog.metrics() {
            assert!(text.contains(&entry.name), "{} in {text}", entry.name);
        }
        assert_eq!(catalog.metrics().len(), 5);
    }
}
