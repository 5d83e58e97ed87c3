//! The worker's metrics, for scraping; heartbeats report some of them to the master.

use std::time::Duration;

use telemetry::{Catalog, Counter, Gauge, Histogram, LabelledSeconds};

/// A worker's metrics. Cheap to clone: clones share their values.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) queue_wait: Histogram,
    processing: LabelledSeconds,
    pub(crate) disposition: Histogram,
    pub(crate) chunks: Counter,
    pub(crate) rows: Counter,
    pub(crate) bytes: Counter,
    pub(crate) rejects: Counter,
    pub(crate) retries: Counter,
    pub(crate) dead: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) sessions: Counter,
    pub(crate) connected: Gauge,
    pub(crate) threads: Gauge,
    pub(crate) running: Gauge,
}

impl Metrics {
    /// Creates the metrics, all zero, and the catalog that exposes them.
    pub(crate) fn new() -> (Self, Catalog) {
        let mut list = Catalog::new("worker");
        let metrics = Self {
            queue_wait: list.seconds(
                "queue_wait",
                "From the creation of a chunk by its publisher until the start of its first attempt, by the clocks of two hosts",
            ),
            processing: list.seconds_by(
                "processing",
                "operation",
                "Duration of attempts, failed ones included: profile, exec or validate",
            ),
            disposition: list.seconds(
                "answer",
                "From publishing a chunk's result or failure until the broker's confirm",
            ),
            chunks: list.counter("chunks", "Attempts that ended with a result"),
            rows: list.counter("rows", "Records in them"),
            bytes: list.counter("bytes", "Bytes of CSV in them"),
            rejects: list.counter("rejects", "Bad records in them"),
            retries: list.counter("retries", "Attempts that failed and were followed by another"),
            dead: list.counter("dead_chunks", "Chunks that failed their last attempt"),
            duplicates: list.counter(
                "duplicates",
                "Chunks that were delivered again after this worker had finished them; they have no effect",
            ),
            sessions: list.counter("sessions", "Connections to the broker, the first one included"),
            connected: list.gauge("connected", "Whether the broker is connected: 1 or 0"),
            threads: list.gauge("threads", "Chunks that may run at the same time"),
            running: list.gauge("in_hand_chunks", "Chunks that are running"),
        };
        (metrics, list)
    }

    /// Records the duration of an attempt.
    pub(crate) fn processed(&self, operation: &str, took: Duration) {
        let label = [("operation", operation.to_owned())];
        let processing = self.processing.get_or_create(&label);
        processing.observe(took.as_secs_f64());
    }
}

/// The catalog of all metrics, for the documentation.
pub fn catalog() -> Catalog {
    Metrics::new().1
}
