//! The flags for metrics and traces.

use std::io;
use std::net::SocketAddr;

use clap::ArgAction;
use tokio::net::{TcpListener, lookup_host};

use crate::serve::Telemetry;
use crate::trace::{TraceError, Tracer};

/// The heading in `--help`.
const HEADING: &str = "Metrics and traces";

/// The metrics and traces of a service.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TelemetryArgs {
    /// Where metrics are served.
    #[arg(
        help = "Serve metrics for Prometheus at http://HOST:PORT/metrics, in plaintext; an address that \
                other hosts can reach needs --metrics-allow-remote [default: serve none]",
        long,
        help_heading = HEADING,
        value_name = "HOST:PORT",
        env = "ROWMILL_METRICS"
    )]
    metrics: Option<String>,

    /// Whether other hosts may scrape them. A flag with a value, so that a settings file can set it.
    #[arg(
        help = "Let other hosts scrape the metrics too, without TLS and without a token [default: only this one]",
        long,
        help_heading = HEADING,
        value_name = "true|false",
        env = "ROWMILL_METRICS_ALLOW_REMOTE",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true
    )]
    metrics_allow_remote: bool,

    #[command(flatten)]
    trace: TraceArgs,
}

/// The collector of spans.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TraceArgs {
    /// The collector's address.
    #[arg(
        help = "Send a trace of each chunk to an OpenTelemetry collector, by OTLP over gRPC, at an address like \
                http://127.0.0.1:4317 [default: none]",
        long,
        help_heading = HEADING,
        value_name = "URL",
        env = "ROWMILL_OTLP",
        hide_short_help = true
    )]
    otlp: Option<String>,
}

/// Why the flags cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// The metrics' address cannot be bound.
    #[error("--metrics {address}: {source}")]
    Metrics {
        /// The address as given.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// Other hosts could read the metrics.
    #[error(
        "--metrics {address}: {reached} can be reached from other hosts, and the metrics are served in the clear to \
         all of them; if that is meant, pass --metrics-allow-remote (ROWMILL_METRICS_ALLOW_REMOTE=true). Without \
         it, serve them at 127.0.0.1"
    )]
    Remote {
        /// The address as given.
        address: String,
        /// An address that it resolves to.
        reached: SocketAddr,
    },
    /// The collector's address is invalid.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

impl TelemetryArgs {
    /// Binds the metrics' socket, and creates the tracer of `service`.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or other hosts could reach it without `--metrics-allow-remote`, or the
    /// collector's address is invalid.
    pub async fn telemetry(&self, service: &'static str) -> Result<Telemetry, ArgsError> {
        let metrics = match &self.metrics {
            Some(address) => Some(bind(address, self.metrics_allow_remote).await?),
            None => None,
        };
        Ok(Telemetry {
            metrics,
            tracer: self.trace.tracer(service)?,
        })
    }
}

impl TraceArgs {
    /// Creates the tracer of `service`.
    ///
    /// # Errors
    ///
    /// If the collector's address is invalid.
    pub fn tracer(&self, service: &'static str) -> Result<Tracer, TraceError> {
        match &self.otlp {
            Some(url) => Tracer::with_collector(url, service),
            None => Ok(Tracer::default()),
        }
    }
}

async fn bind(address: &str, allows_remote: bool) -> Result<TcpListener, ArgsError> {
    let failed = |source| ArgsError::Metrics {
        address: address.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    let reached = addresses.iter().find(|reached| !reached.ip().is_loopback());
    if let Some(&reached) = reached
        && !allows_remote
    {
        return Err(ArgsError::Remote {
            address: address.to_owned(),
            reached,
        });
    }
    TcpListener::bind(&addresses[..]).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_are_local_by_default() {
        for address in ["127.0.0.1:0", "localhost:0"] {
            assert!(bind(address, false).await.is_ok(), "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:6456"] {
            let error = bind(address, false).await.unwrap_err();
            assert!(matches!(error, ArgsError::Remote { .. }), "{error}");
            assert!(
                error.to_string().contains("--metrics-allow-remote"),
                "{error}"
            );
        }
        assert!(bind("0.0.0.0:0", true).await.is_ok());
    }
}
