//! The planned kill of each process: at a failpoint, or at a random time.

use std::time::Duration;

use random::Random;

/// The kind of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Publisher,
    Worker,
    Master,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publisher => "publisher",
            Self::Worker => "worker",
            Self::Master => "master",
        }
    }

    /// The failpoints, each with the first and last passage at which to kill. A worker that is killed at a failpoint
    /// completes at least one chunk before; otherwise five workers could begin the same chunk and none finish it, as
    /// with a chunk that kills its workers.
    fn points(self) -> &'static [(&'static str, u64, u64)] {
        match self {
            Self::Publisher => &[
                ("publisher.before-publish", 1, 200),
                ("session.after-publish", 1, 200),
                ("publisher.after-confirm", 1, 200),
                ("publisher.before-seal", 1, 1),
                ("publisher.after-seal", 1, 1),
            ],
            Self::Worker => &[
                ("worker.after-take", 4, 16),
                ("worker.before-publish", 2, 16),
                ("session.after-publish", 2, 16),
                ("worker.after-confirm", 2, 16),
                ("worker.after-ack", 2, 16),
            ],
            Self::Master => &[
                ("master.before-spill", 1, 5),
                ("master.after-spill", 1, 5),
                ("master.before-commit", 1, 5),
                ("master.after-commit", 1, 5),
                ("master.after-ack", 1, 60),
            ],
        }
    }
}

/// The kill that is planned for a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// No kill.
    Live,
    /// The process kills itself at a failpoint, at the given passage.
    Failpoint(&'static str, u64),
    /// The process is killed this long after its start; a worker, after it logged that it is connected, so that it
    /// may have a chunk in flight.
    After(Duration),
}

impl Plan {
    /// A random kill for a process of that kind: at a failpoint in two of three cases.
    pub(crate) fn draw(kind: Kind, random: &mut Random) -> Self {
        if random.between(1, 3) == 1 {
            let (low, high) = match kind {
                Kind::Publisher => (5, 600),
                Kind::Worker => (50, 500),
                Kind::Master => (20, 900),
            };
            return Self::After(Duration::from_millis(random.between(low, high)));
        }
        let (name, low, high) = random.pick(kind.points());
        Self::Failpoint(name, random.between(low, high))
    }

    /// Every failpoint that can be drawn.
    pub(crate) fn all_points() -> impl Iterator<Item = (Kind, &'static str)> {
        let of = |kind: Kind| kind.points().iter().map(move |(name, ..)| (kind, *name));
        [Kind::Publisher, Kind::Worker, Kind::Master]
            .into_iter()
            .flat_map(of)
    }
}
