//! The trace of each chunk, for OpenTelemetry: published, processed, answered, committed.
//!
//! A chunk's id is its trace's id, so no trace context is sent along, and a job and a seq identify the trace. Repeated
//! work, as after a kill, is in the same trace. The publisher's span is the root, and its id is the last eight bytes of
//! the chunk's id: it is the parent of all others.
//!
//! Spans are sent only by a build with the feature `otlp`.

#[cfg(any(not(feature = "otlp"), test))]
#[cfg_attr(
    feature = "otlp",
    expect(dead_code, reason = "here only its message is tested")
)]
mod disabled;
#[cfg(feature = "otlp")]
mod enabled;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::{Envelope, JobId};

#[cfg(not(feature = "otlp"))]
use disabled::Collector;
#[cfg(feature = "otlp")]
use enabled::Collector;

/// Why no collector can be used.
#[derive(Debug, thiserror::Error)]
#[error("--otlp {url}: {reason}")]
pub struct TraceError {
    url: String,
    reason: String,
}

/// Sends spans to a collector; the default sends none. Cheap to clone. Spans wait in a bounded queue for a thread of
/// their own. If the collector is slow or gone, they are dropped, and the work continues.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<Collector>>);

/// A stage of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the creation of the message until the broker confirms it.
    Publish,
    /// One attempt of a worker.
    Process,
    /// From the end of the work until the broker confirms the answer.
    Answer,
    /// From its arrival at the master until it is on disk.
    Commit,
}

/// An attribute of a span.
pub type Attribute = (&'static str, AttributeValue);

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// A stage of a chunk that has begun and not ended.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "only a collector reads it")
)]
pub struct Span {
    job: JobId,
    seq: u64,
    stage: Stage,
    began: SystemTime,
}

impl Tracer {
    /// Sends spans to the collector at `url`, as the service `service`. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// If `url` is invalid, or rowmill was built without the feature `otlp`. A failed connection is only logged, later.
    pub fn with_collector(url: &str, service: &'static str) -> Result<Self, TraceError> {
        match Collector::new(url, service) {
            Ok(collector) => Ok(Self(Some(Arc::new(collector)))),
            Err(reason) => Err(TraceError {
                url: url.to_owned(),
                reason,
            }),
        }
    }

    /// Begins a stage of the envelope's chunk now. `None` if there is no collector, or the envelope has no chunk.
    pub fn begin(&self, stage: Stage, envelope: &Envelope) -> Option<Span> {
        self.begin_at(SystemTime::now(), stage, envelope)
    }

    /// Begins a stage when the message was created.
    pub fn begin_at_creation(&self, stage: Stage, envelope: &Envelope) -> Option<Span> {
        let made = UNIX_EPOCH + Duration::from_millis(envelope.made_unix_ms);
        self.begin_at(made, stage, envelope)
    }

    fn begin_at(&self, began: SystemTime, stage: Stage, envelope: &Envelope) -> Option<Span> {
        self.0.as_ref()?;
        let (job, seq) = envelope.chunk()?;
        Some(Span {
            job,
            seq,
            stage,
            began,
        })
    }

    /// Ends the span now. `error` is the reason of a failure.
    pub fn end(
        &self,
        span: Span,
        error: Option<String>,
        attributes: impl IntoIterator<Item = Attribute>,
    ) {
        if let Some(collector) = &self.0 {
            collector.send(span, error, attributes.into_iter().collect());
        }
    }

    /// Sends the remaining spans, within two seconds.
    pub async fn finish(&self) {
        if let Some(collector) = self.0.clone() {
            let sent = tokio::task::spawn_blocking(move || collector.finish());
            if let Ok(Err(error)) = sent.await {
                tracing::warn!(%error, "the last spans were not sent");
            }
        }
    }
}
