//! The pages of the dashboard.

/// One page of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Tab {
    /// All jobs with their progress, and the total throughput.
    Jobs,
    /// The result of one job.
    Job,
    /// The rows processed last.
    Rows,
    /// All workers with their rates.
    Workers,
    /// The dead chunks of all jobs.
    Dead,
    /// The broker's queues.
    Broker,
    /// The latest events.
    Log,
}

impl Tab {
    /// In the order on the screen; the number key of a tab is its index plus 1.
    pub const ALL: [Self; 7] = [
        Self::Jobs,
        Self::Job,
        Self::Rows,
        Self::Workers,
        Self::Dead,
        Self::Broker,
        Self::Log,
    ];

    /// The title of the tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Jobs => "Jobs",
            Self::Job => "Job",
            Self::Rows => "Rows",
            Self::Workers => "Workers",
            Self::Dead => "Dead",
            Self::Broker => "Broker",
            Self::Log => "Log",
        }
    }

    /// The position on the screen, from 0.
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|&tab| tab == self).unwrap_or(0)
    }

    /// The tab `steps` positions to the right, cyclically.
    #[must_use]
    pub fn step(self, steps: isize) -> Self {
        let at = self.index() as isize;
        Self::ALL[(at + steps).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_go_around() {
        assert_eq!(Tab::Log.step(1), Tab::Jobs);
        assert_eq!(Tab::Jobs.step(-1), Tab::Log);
    }
}
