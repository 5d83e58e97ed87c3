//! The HTTP server for metrics.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::routing::get;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use crate::catalog::Catalog;
use crate::format::Format;
use crate::trace::Tracer;

/// The metrics socket and the tracer of a role. The default has neither.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// The socket that serves metrics.
    pub metrics: Option<TcpListener>,
    /// Sends the spans of chunks.
    pub tracer: Tracer,
}

/// Serves `GET /metrics` until it is dropped. Without a listener it only waits.
pub fn serve(listener: Option<TcpListener>, catalog: Catalog) -> BoxFuture<'static, Infallible> {
    // Boxed: the callers do not compile the HTTP server once more.
    Box::pin(serve_until_dropped(listener, catalog))
}

async fn serve_until_dropped(listener: Option<TcpListener>, catalog: Catalog) -> Infallible {
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
