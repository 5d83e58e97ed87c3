//! The collector of a build without OpenTelemetry: there is none.

use super::{Attribute, Span};

/// Never exists.
#[derive(Debug)]
pub(super) enum Collector {}

impl Collector {
    pub(super) fn new(_url: &str, _service: &'static str) -> Result<Self, String> {
        Err("built without otlp: cargo build --release --features otlp".to_owned())
    }

    pub(super) fn send(&self, _span: Span, _error: Option<String>, _attributes: Vec<Attribute>) {
        match *self {}
    }

    pub(super) fn finish(&self) -> Result<(), String> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_otlp_says_how_to_get_it() {
        let reason = Collector::new("http://127.0.0.1:4317", "rowmill-worker").unwrap_err();
        assert_eq!(
            reason,
            "built without otlp: cargo build --release --features otlp"
        );
    }
}
