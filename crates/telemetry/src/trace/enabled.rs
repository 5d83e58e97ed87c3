//! The collector, by OTLP over gRPC.

use std::time::{Duration, SystemTime};

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
use proto::ChunkId;

use super::{Attribute, AttributeValue, Span, Stage};

/// How long sending the last spans may take at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// A collector, and the queue of the spans for it.
#[derive(Debug)]
pub(super) struct Collector(BatchSpanProcessor);

impl Collector {
    /// The collector at `url`, which gets the spans of `service`. Must be called within a tokio runtime.
    pub(super) fn new(url: &str, service: &'static str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(url)
            .build()
            .map_err(|error| error.to_string())?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", proto::VERSION))
            .with_attribute(KeyValue::new("service.namespace", "rowmill"))
            .build();
        processor.set_resource(&resource);
        Ok(Self(processor))
    }

    /// Ends the span now.
    pub(super) fn send(&self, span: Span, error: Option<String>, attributes: Vec<Attribute>) {
        self.0.on_end(span.data(error, attributes));
    }

    /// Sends the remaining spans, within two seconds. Blocks.
    pub(super) fn finish(&self) -> Result<(), String> {
        self.0
            .shutdown_with_timeout(FLUSH_TIMEOUT)
            .map_err(|error| error.to_string())
    }
}

impl Span {
    fn data(self, error: Option<String>, attributes: Vec<Attribute>) -> SpanData {
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

impl From<AttributeValue> for Value {
    fn from(value: AttributeValue) -> Self {
        match value {
            AttributeValue::Integer(value) => value.into(),
            AttributeValue::Text(value) => value.into(),
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
