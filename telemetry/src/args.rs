//! The flags that say how a role is watched.

use std::io;

use tokio::net::TcpListener;

use crate::serve::Watched;
use crate::trace::{TraceError, Tracer};

/// Where help lists these flags.
const HEADING: &str = "Watching it";

/// How a service is watched.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct WatchArgs {
    /// Where metrics are scraped.
    #[arg(
        help = "Serve metrics for Prometheus at http://HOST:PORT/metrics, to whoever can reach it \
                [default: serve none]",
        long,
        help_heading = HEADING,
        value_name = "HOST:PORT",
        env = "ROWMILL_METRICS"
    )]
    metrics: Option<String>,

    #[command(flatten)]
    trace: TraceArgs,
}

/// Where spans go.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TraceArgs {
    /// Who is told of each chunk's way.
    #[arg(
        help = "Tell an OpenTelemetry collector each chunk's way, by OTLP over gRPC, at an address like \
                http://127.0.0.1:4317 [default: tell none]",
        long,
        help_heading = HEADING,
        value_name = "URL",
        env = "ROWMILL_OTLP",
        hide_short_help = true
    )]
    otlp: Option<String>,
}

/// Why a role cannot be watched as the flags say.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// The address of the metrics.
    #[error("--metrics {address}: {source}")]
    Metrics {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The collector.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl WatchArgs {
    /// Binds the socket, and makes the tracer of the service `service`.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, or the collector's cannot be read.
    pub async fn watched(&self, service: &'static str) -> Result<Watched, ArgsError> {
        let metrics = match &self.metrics {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Watched {
            metrics,
            tracer: self.trace.tracer(service)?,
        })
    }
}

impl TraceArgs {
    /// The tracer of the service `service`.
    ///
    /// # Errors
    ///
    /// When the collector's address cannot be read.
    pub fn tracer(&self, service: &'static str) -> Result<Tracer, TraceError> {
        match &self.otlp {
            Some(url) => Tracer::to(url, service),
            None => Ok(Tracer::default()),
        }
    }
}

async fn bind(address: &str) -> Result<TcpListener, ArgsError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ArgsError::Metrics {
            address: address.to_owned(),
            source,
        })
}
