//! How long a chunk waits for its job's rate when enough other such chunks already wait in this worker.

use std::time::Duration;

const MIN: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);

/// The next wait. It doubles while only such chunks arrive, so that a queue that has no others is not cycled too fast.
#[derive(Debug)]
pub(in crate::scheduler) struct CrowdedWait(Duration);

impl Default for CrowdedWait {
    fn default() -> Self {
        Self(MIN)
    }
}

impl CrowdedWait {
    pub(in crate::scheduler) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (2 * wait).min(MAX);
        wait
    }

    pub(in crate::scheduler) fn reset(&mut self) {
        self.0 = MIN;
    }
}
