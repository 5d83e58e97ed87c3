//! The place where metrics are scraped.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::catalog::Catalog;
use crate::format::Format;
use crate::trace::Tracer;

/// How a role is watched from outside. By default it is not.
#[derive(Debug, Default)]
pub struct Telemetry {
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
        let scrape = move |headers: HeaderMap| {
            let catalog = Arc::clone(&catalog);
            async move {
                let format = Format::negotiate(&headers);
                let head = [(CONTENT_TYPE, format.content_type()), (VARY, "accept")];
                (head, catalog.text(format))
            }
        };
        let router = Router::new().route("/metrics", get(scrape));
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics are no longer served");
        }
    }
    std::future::pending().await
}
