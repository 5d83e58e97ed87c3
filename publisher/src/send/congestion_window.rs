//! How much may be on its way to a queue that has been full: half as much after each refusal, one
//! more after each confirm. Otherwise every free place in the queue would be met by a whole window of
//! chunks, most of them sent for nothing.

/// As many messages as are ever on their way.
const MOST: usize = super::window::MESSAGES;

/// The congestion of one session.
#[derive(Debug)]
pub(crate) struct CongestionWindow {
    allowed: usize,
}

impl CongestionWindow {
    pub(crate) fn new() -> Self {
        Self { allowed: MOST }
    }

    /// Whether one more may be sent beside `in_flight`.
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
