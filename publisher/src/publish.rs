//! The input of `run`: a job, and the settings to send it.

use std::sync::Arc;
use std::time::Duration;

use access::SigningKey;
use broker::Broker;
use engine::chunk::Packing;
use proto::JobId;
use telemetry::Tracer;

use crate::backpressure::Backpressure;
use crate::chunk_size::ChunkSizer;
use crate::error::PublishError;
use crate::fresh_publish::FreshPublish;
use crate::prepared_publish::PreparedPublish;
use crate::progress::Progress;
use crate::resume::ResumedPublish;

/// One publish.
#[derive(Debug)]
pub struct Publish {
    /// How its messages are sent.
    pub settings: PublishSettings,
    /// Its job and input.
    pub source: PublishSource,
}

/// How the messages of a publish are sent.
#[derive(Debug)]
pub struct PublishSettings {
    /// The broker that receives the chunks.
    pub broker: Broker,
    /// How chunk bodies are packed before they are sent.
    pub packing: Packing,
    /// The key that signs chunks. `None` if chunks are not signed.
    pub signing: Option<SigningKey>,
    /// Receives a span for each chunk.
    pub tracer: Tracer,
    /// How long the first connection to the broker may take.
    pub first_connect: Duration,
    /// Receives the progress of this publish.
    pub progress: Arc<Progress>,
    /// Limits the chunks in flight until their rows are read. `None` if nobody reads rows.
    pub backpressure: Option<Arc<Backpressure>>,
}

/// The job and the input of a publish.
#[derive(Debug)]
pub enum PublishSource {
    /// A new job.
    Fresh(Box<FreshPublish>),
    /// A job that another process began.
    Resumed(Box<ResumedPublish>),
}

impl PublishSettings {
    /// The settings of a publish to `broker` without signatures, spans and back-pressure.
    pub fn new(broker: Broker, first_connect: Duration) -> Self {
        Self {
            packing: match &broker {
                Broker::Memory(_) => Packing::Nothing,
                Broker::Rabbit(_) => Packing::Hash,
            },
            broker,
            signing: None,
            tracer: Tracer::default(),
            first_connect,
            progress: Arc::new(Progress::default()),
            backpressure: None,
        }
    }
}

impl PublishSource {
    /// The job's id.
    pub fn job(&self) -> JobId {
        match self {
            Self::Fresh(fresh) => fresh.job,
            Self::Resumed(resumed) => resumed.job(),
        }
    }

    /// What changes the size of its chunks while the job runs. `None` if the size stays as it is.
    pub fn sizer(&self) -> Option<Arc<ChunkSizer>> {
        match self {
            Self::Fresh(fresh) => fresh.sizer.clone(),
            Self::Resumed(_) => None,
        }
    }

    pub(crate) fn prepare(self, progress: &Progress) -> Result<PreparedPublish, PublishError> {
        match self {
            Self::Fresh(fresh) => fresh.prepare(),
            Self::Resumed(resumed) => resumed.prepare(progress),
        }
    }
}
