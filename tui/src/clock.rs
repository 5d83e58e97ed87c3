//! The only source of time. Times are milliseconds since 1970 and never go back: the host's clock when
//! the dashboard started, plus the monotonic time elapsed since.

use tokio::time::Instant;

/// Copies return the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    start_unix_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            start_unix_ms: proto::unix_ms(),
        }
    }

    pub(crate) fn now_ms(self) -> u64 {
        self.start_unix_ms + self.start.elapsed().as_millis() as u64
    }
}
