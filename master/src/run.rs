//! The master from start to stop.

use std::time::Duration;

use broker::{Backoff, Broker};
use futures_util::future::BoxFuture;
use proto::v1::{BrokerState, BrokerStatus, MasterStatus};
use telemetry::Telemetry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use crate::api::server::Listener;
use crate::error::MasterError;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::retention::Retention;
use crate::state::expiry::enforce;
use crate::state::state_handle::StateHandle;
pub use crate::store::StoreLocation;
use crate::store::{Store, StoreError};

/// The configuration of a master.
#[derive(Debug)]
pub struct Config {
    /// The broker.
    pub broker: Broker,
    /// Where the store is.
    pub location: StoreLocation,
    /// Where gRPC clients connect.
    pub listener: Listener,
    /// How long, and how much of, the rows and rejects of finished jobs are kept.
    pub retention: Retention,
    /// How long a chunk of a sealed job must be missing before it counts as lost. `None` if no chunk can be lost.
    pub lost_after: Option<Duration>,
    /// The metrics endpoint and the tracer.
    pub watched: Telemetry,
}

/// Runs a master until `shutdown`, or until an error that it cannot recover from.
///
/// # Errors
///
/// When the store cannot be opened, the broker refuses for good, or the server fails.
pub fn run(
    config: Config,
    shutdown: CancellationToken,
) -> BoxFuture<'static, Result<(), MasterError>> {
    // Boxed: the callers do not compile the master once more.
    Box::pin(run_until(config, shutdown))
}

async fn run_until(config: Config, shutdown: CancellationToken) -> Result<(), MasterError> {
    let Config {
        broker,
        location,
        listener,
        retention,
        lost_after,
        watched,
    } = config;
    let (store, open_error) = match Store::open(&location) {
        Ok(store) => (store, None),
        Err(error) if is_out_of_space(&error, &location) => {
            let reason = open_error_text(&error);
            tracing::error!("{reason}; results wait at the broker; retrying");
            (Store::empty()?, Some(reason))
        }
        Err(error) => return Err(error.into()),
    };
    if let Listener::Tcp(listener, security) = &listener
        && let Ok(address) = listener.local_addr()
    {
        let scheme = if security.tls.is_some() {
            "https"
        } else {
            "http"
        };
        tracing::info!("listening at {scheme}://{address}");
    }
    let (metrics, catalog) = Metrics::new();
    let status = initial_status(&broker, open_error.is_some());
    let is_open = open_error.is_none();
    let state = StateHandle::start(store, status, metrics.clone(), lost_after, open_error)
        .map_err(|error| MasterError::Machinery(error.to_string()))?;

    let mut tasks = JoinSet::new();
    tasks.spawn(crate::api::server::serve(
        listener,
        state.clone(),
        broker.clone(),
        shutdown.clone(),
    ));
    let tracer = watched.tracer;
    let intake = Intake::new(broker, state.clone(), &location, metrics, tracer.clone());
    let stop = shutdown.clone();
    tasks.spawn(async move {
        if !is_open {
            tokio::select! {
                opened = open_when_space_is_free(&location, &state) => opened?,
                () = stop.cancelled() => return Ok(()),
            }
        }
        tokio::select! {
            Err(status) = enforce(state, retention) => Err(MasterError::Machinery(status.message().into())),
            ended = intake.run(stop) => ended,
        }
    });

    let mut scraped = JoinSet::new();
    scraped.spawn(telemetry::serve(watched.metrics, catalog));

    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|e| Err(MasterError::Machinery(e.to_string())));
        // The master needs both tasks: if one ends, the other is stopped.
        shutdown.cancel();
        outcome = outcome.and(ended);
    }
    tracer.finish().await;
    outcome
}

/// Retries opening the store until there is disk space. Until then nothing is consumed, so that another master can.
async fn open_when_space_is_free(
    location: &StoreLocation,
    state: &StateHandle,
) -> Result<(), MasterError> {
    let mut backoff = Backoff::default();
    loop {
        let pause = backoff.next();
        tokio::time::sleep(pause).await;
        let owned = location.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&owned)).await;
        match opened.map_err(|error| MasterError::Machinery(error.to_string()))? {
            Ok(store) => {
                let adopted = state.ask(|actor| actor.replace_store(store)).await;
                tracing::info!("there is room again: the store is open");
                return adopted.map_err(|status| MasterError::Machinery(status.message().into()));
            }
            Err(error) if is_out_of_space(&error, location) => {
                tracing::debug!(%error, pause_ms = pause.as_millis() as u64, "still no room");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_out_of_space(error: &StoreError, location: &StoreLocation) -> bool {
    let (StoreLocation::Memory { spill: directory } | StoreLocation::Directory(directory)) =
        location;
    error.is_out_of_space(directory)
}

/// The status text until the store is open.
fn open_error_text(error: &StoreError) -> String {
    format!("results cannot be stored: there is no room to open the store: {error}")
}

fn initial_status(broker: &Broker, is_waiting: bool) -> MasterStatus {
    // Until the store is open, the broker is not contacted.
    let (state, detail) = if is_waiting {
        let detail = "it connects when there is space on its disk";
        (BrokerState::Unspecified, detail)
    } else {
        (BrokerState::Reconnecting, "")
    };
    let uname = rustix::system::uname();
    MasterStatus {
        version: proto::VERSION.into(),
        protocol: proto::PROTOCOL,
        host: uname.nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
        started_unix_ms: proto::unix_ms(),
        broker: Some(BrokerStatus {
            state: state.into(),
            address: broker.address(),
            detail: detail.to_owned(),
            ..Default::default()
        }),
        duplicates: 0,
        losses: Vec::new(),
        unreadable: 0,
        store_trouble: String::new(),
    }
}
