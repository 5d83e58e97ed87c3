//! Each chunk's way as a trace of OpenTelemetry: published, worked on, answered, committed.
//!
//! A chunk's id is its trace's id, so that nothing more needs to travel with it, and whoever knows a
//! job and a seq finds the trace. What happens to a chunk again, as after a kill, is in the same trace.
//! The publisher's span is the first, and its id is the chunk's last eight bytes: all others name it
//! as their parent.

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

/// So long the last spans may take when a process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
#[error("--otlp {url}: {reason}")]
pub struct TraceError {
    url: String,
    reason: String,
}

/// Tells a collector of spans; by default, nobody. Cheap to clone. Spans wait in a queue of a bounded
/// length for a thread of their own: where the collector is slow or gone they are dropped, and the work goes on.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<Arc<BatchSpanProcessor>>);

/// A part of a chunk's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the publisher until the broker has confirmed it.
    Publish,
    /// One attempt of a worker.
    Process,
    /// From a worker until the broker has confirmed what came of it.
    Answer,
    /// From its arrival at the master until it is on disk.
    Commit,
}

/// More that is known of a span.
pub type Attribute = (&'static str, Value);

/// One stage of one chunk, that began and is not over.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    job: JobId,
    seq: u64,
    stage: Stage,
    began: SystemTime,
}

impl Tracer {
    /// One that tells the collector at `url`, as the service `service`. To be called within a runtime.
    ///
    /// # Errors
    ///
    /// When `url` cannot be read. Whether anybody listens there is found later, and logged.
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

    /// Begins a stage of the chunk that `envelope` is of, now. Absent: nobody is told, or it is of none.
    pub fn begin(&self, stage: Stage, envelope: &Envelope) -> Option<Span> {
        self.begin_at(SystemTime::now(), stage, envelope)
    }

    /// The same of a stage that began when the message was made.
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

    /// Ends it now; `error` says why it came to nothing.
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

    /// Sends what is still here; it takes two seconds at the most.
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

/// The id of the publisher's span: what of the chunk's id comes last.
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
