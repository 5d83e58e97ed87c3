//! Limits the messages in flight to a queue that has been full: halves the limit after each nack, and adds one after
//! each ack. Without it, each free slot in the queue would receive a whole window of chunks, most of which would be
//! refused.

/// The largest number of messages in flight.
const MOST: usize = super::window::MESSAGES;

/// The congestion window of one session.
#[derive(Debug)]
pub(crate) struct CongestionWindow {
    allowed: usize,
}

impl CongestionWindow {
    pub(crate) fn new() -> Self {
        Self { allowed: MOST }
    }

    /// Whether one more message may be sent while `in_flight` are unconfirmed.
    pub(crate) fn admits(&self, in_flight: usize) -> bool {
        in_flight < self.allowed
    }

    pub(crate) fn refused(&mut self) {
        self.allowed = (self.allowed / 2).max(1);
    }

    pub(crate) fn confirmed(&mut self) {
        self.allowed = (self.allowed + 1).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_stops_and_comes_back() {
        let mut congestion = CongestionWindow::new();
        assert!(congestion.admits(MOST - 1) && !congestion.admits(MOST));
        (0..MOST).for_each(|_| congestion.refused());
        assert!(congestion.admits(0) && !congestion.admits(1));
        (0..2 * MOST).for_each(|_| congestion.confirmed());
        assert!(congestion.admits(MOST - 1) && !congestion.admits(MOST));
    }
}
