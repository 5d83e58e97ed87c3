//! The text format of a scrape, negotiated by the request's `Accept` header.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// A text format of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's own format, which every tool reads
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/>).
    Prometheus,
    /// `OpenMetrics` text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
    OpenMetrics,
}

impl Format {
    /// `OpenMetrics` if its quality is at least the other format's; a wildcard counts for the other.
    pub(crate) fn negotiate(headers: &HeaderMap) -> Self {
        let (mut open_metrics, mut prometheus) = (0.0, 0.0);
        let values = headers.get_all(ACCEPT).iter();
        // A header that is not text is ignored.
        let ranges = values.filter_map(|value| value.to_str().ok());
        for range in ranges.flat_map(|value| value.split(',')) {
            let range = MediaRange::parse(range);
            let quality: &mut f32 = match (range.media_type.as_str(), range.version) {
                ("application/openmetrics-text", None | Some("1.0.0")) => &mut open_metrics,
                ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => &mut prometheus,
                _ => continue,
            };
            *quality = quality.max(range.quality);
        }
        if open_metrics > 0.0 && open_metrics >= prometheus {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One element of an `Accept` header (RFC 9110, section 12.5.1).
struct MediaRange<'a> {
    /// In lower case.
    media_type: String,
    version: Option<&'a str>,
    /// From 0, which refuses it, to 1.
    quality: f32,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self {
            media_type: parts.next().unwrap_or_default().to_ascii_lowercase(),
            version: None,
            quality: 1.0,
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => range.version = Some(value),
                // An invalid quality refuses.
                "q" => range.quality = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn open_metrics_is_sent_only_on_request() {
        let cases = [
            (&[][..], Format::Prometheus),
            // curl, and browsers.
            (&["*/*"], Format::Prometheus),
            (
                &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
                Format::Prometheus,
            ),
            // Prometheus 2.42, 2.53 and 3.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                    text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ],
                Format::OpenMetrics,
            ),
            (
                &[
                    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                    text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                Format::OpenMetrics,
            ),
            (
                &[
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4,\
                    text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ],
                Format::OpenMetrics,
            ),
            // Qualities, spaces, cases, several headers.
            (
                &["text/plain, application/openmetrics-text;q=0.5"],
                Format::Prometheus,
            ),
            (
                &["Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.9 , text/plain; q=0.8"],
                Format::OpenMetrics,
            ),
            (
                &["text/plain;q=0.2", "application/openmetrics-text;q=0.3"],
                Format::OpenMetrics,
            ),
            (&["application/openmetrics-text;q=0"], Format::Prometheus),
            (&["application/openmetrics-text;q=much"], Format::Prometheus),
            (
                &["application/openmetrics-text;version=2.0.0"],
                Format::Prometheus,
            ),
            (&["", ",;=,"], Format::Prometheus),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(Format::negotiate(&headers), expected, "{accept:?}");
        }
    }
}
