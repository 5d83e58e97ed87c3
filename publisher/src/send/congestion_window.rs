//! Limits the messages in flight to a queue that has been full: halves the limit after each nack, and adds one after
//! each ack. Without it, each free slot in the queue would receive a whole window of chunks, most of which would be
//! refused.

/// The largest number of messages in flight.
const MAX_IN_FLIGHT: usize = super::window::MAX_MESSAGES;

/// The congestion window of one session.
#[derive(Debug)]
pub(crate) struct CongestionWindow {
    limit: usize,
}

impl CongestionWindow {
    pub(crate) fn new() -> Self {
        Self {
            limit: MAX_IN_FLIGHT,
        }
    }

    /// Whether one more message may be sent while `in_flight` are unconfirmed.
    pub(crate) fn admits(&self, in_flight: usize) -> bool {
        in_flight < self.limit
    }

    pub(crate) fn shrink(&mut self) {
        self.limit = (self.limit / 2).max(1);
    }

    pub(crate) fn grow(&mut self) {
        self.limit = (self.limit + 1).min(MAX_IN_FLIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_reaches_zero_and_recovers() {
        let mut congestion = CongestionWindow::new();
        assert!(congestion.admits(MAX_IN_FLIGHT - 1) && !congestion.admits(MAX_IN_FLIGHT));
        (0..MAX_IN_FLIGHT).for_each(|_| congestion.shrink());
        assert!(congestion.admits(0) && !congestion.admits(1));
        (0..2 * MAX_IN_FLIGHT).for_each(|_| congestion.grow());
        assert!(congestion.admits(MAX_IN_FLIGHT - 1) && !congestion.admits(MAX_IN_FLIGHT));
    }
}
