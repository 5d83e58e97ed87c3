//! The place where metrics are scraped.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::catalog::Catalog;
use crate::trace::Tracer;

/// What Prometheus knows the text by.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a role is watched from outside. By default it is not.
#[derive(Debug, Default)]
pub struct Watched {
    /// Where its metrics are scraped.
    pub metrics: Option<TcpListener>,
    /// Who is told of each chunk's way.
    pub tracer: Tracer,
}

/// Answers `GET /metrics` for ever; without a listener it only waits. Whoever drops it stops it.
pub async fn serve(listener: Option<TcpListener>, catalog: Catalog) -> Infallible {
    if let Some(listener) = listener {
        if let Ok(address) = listener.local_addr() {
            tracing::info!("metrics at http://{address}/metrics");
        }
        let catalog = Arc::new(catalog);
        let scrape = move || {
            let catalog = Arc::clone(&catalog);
            async move { ([(CONTENT_TYPE, OPEN_METRICS)], catalog.text()) }
        };
        let router = Router::new().route("/metrics", get(scrape));
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics are no longer served");
        }
    }
    std::future::pending().await
}
