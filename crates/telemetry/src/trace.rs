//! The trace of each chunk, for OpenTelemetry: published, processed, answered, committed.
//!
//! A chunk's id is its trace's id, so no trace context is sent along, and a job and a seq identify the trace. Repeated
//! work, as after a kill, is in the same trace. The publisher's span is the root, and its id is the last eight bytes of
//! the chunk's id: it is the parent of all others.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks,
    SpanProcessor,
};
use proto::{ChunkId, Envelope, JobId};

/// How long sending the last spans may take at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

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
pub struct Tracer(Option<Arc<BatchSpanProcessor>>);

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
pub type Attribute = (&'static str, Value);

/// A stage of a chunk that has begun and not ended.
#[derive(Debug, Clone, Copy)]
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
    /// If `url` is invalid. A failed connection is only logged, later.
    pub fn with_collector(url: &str, service: &'static str) -> Result<Self, TraceError> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(url)
            .build()
            .map_err(|error| TraceError {
                url: url.to_owned(),
                reason: error.to_string(),
            })?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", proto::VERSION))
            .with_attribute(KeyValue::new("service.namespace", "rowmill"))
            .build();
        processor.set_resource(&resource);
        Ok(Self(Some(Arc::new(processor))))
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
        if let Some(processor) = &self.0 {
            processor.on_end(span.data(error, attributes));
        }
    }

    /// Sends the remaining spans, within two seconds.
    pub async fn finish(&self) {
        if let Some(processor) = self.0.clone() {
            let sent =
                tokio::task::spawn_blocking(move || processor.shutdown_with_timeout(FLUSH_TIMEOUT));
            if let Ok(Err(error)) = sent.await {
                tracing::warn!(%error, "the last spans were not sent");
            }
        }
    }
}

impl Span {
    fn data(
        self,
        error: Option<String>,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> SpanData {
        let chunk = self.job.chunk(self.seq);
        let first = first_span(chunk);
        let (id, parent) = match self.stage {
            Stage::Publish => (first, SpanId::INVALID),
            _ => (RandomIdGenerator::default().new_span_id(), first),
        };
        let trace = TraceId::from_bytes(chunk.uuid().into_bytes());
        let mut key_values = vec![
            KeyValue::new("rowmill.job", self.job.to_string()),
            KeyValue::new("rowmill.chunk", self.seq as i64),
        ];
        key_values.extend(
            attributes
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value)),
        );
        SpanData {
            span_context: SpanContext::new(
                trace,
                id,
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: parent,
            parent_span_is_remote: parent != SpanId::INVALID,
            span_kind: self.stage.kind(),
            name: self.stage.name().into(),
            start_time: self.began,
            end_time: SystemTime::now(),
            attributes: key_values,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: error.map_or(Status::Unset, Status::error),
            instrumentation_scope: InstrumentationScope::builder("rowmill").build(),
        }
    }
}

/// The id of the publisher's span: the last eight bytes of the chunk's id.
fn first_span(chunk: ChunkId) -> SpanId {
    let (_, last) = chunk.uuid().as_u64_pair();
    SpanId::from_bytes(last.to_be_bytes())
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Process => "process",
            Self::Answer => "answer",
            Self::Commit => "commit",
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Publish | Self::Answer => SpanKind::Producer,
            Self::Process | Self::Commit => SpanKind::Consumer,
        }
    }
}
