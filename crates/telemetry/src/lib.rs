//! Metrics in Prometheus's text format over HTTP, and spans for an OpenTelemetry collector. Each role defines its own
//! metrics; the crate `cli` writes the logs.

mod args;
mod catalog;
mod format;
mod serve;
mod trace;

pub use args::{ArgsError, TelemetryArgs, TraceArgs};
pub use catalog::{Catalog, Labelled, LabelledSeconds, MetricInfo, MetricKind};
pub use format::Format;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;
pub use serve::{Telemetry, serve};
pub use trace::{Attribute, AttributeValue, Span, Stage, TraceError, Tracer};
