//! How much may be on its way to a queue that has been full: half as much after each refusal, one
//! more after each confirm. Otherwise every free place in the queue would be met by a whole window of
//! chunks, most of them sent for nothing.

/// As many messages as are ever on their way.
const MOST: usize = crate::window::MESSAGES;

/// The pace of one session.
#[derive(Debug)]
pub(crate) struct Pace {
    allowed: usize,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { allowed: MOST }
    }

    /// Whether one more may be sent beside `under_way`.
    pub(crate) fn admits(&self, under_way: usize) -> bool {
        under_way < self.allowed
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
        let mut pace = Pace::new();
        assert!(pace.admits(MOST - 1) && !pace.admits(MOST));
        (0..MOST).for_each(|_| pace.refused());
        assert!(pace.admits(0) && !pace.admits(1));
        (0..2 * MOST).for_each(|_| pace.confirmed());
        assert!(pace.admits(MOST - 1) && !pace.admits(MOST));
    }
}
