//! The one place where time is read. A moment is milliseconds since 1970 that never go back: this
//! host's clock as it stood when the dashboard began, and steady time since.

use tokio::time::Instant;

/// Copies tell the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    began_unix_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            began_unix_ms: proto::unix_ms(),
        }
    }

    pub(crate) fn now_ms(self) -> u64 {
        self.began_unix_ms + self.began.elapsed().as_millis() as u64
    }
}
