//! Which queues there are, what they are called, and by which rules they keep messages. How a
//! broker is made to have them is left to that broker's module.

use std::borrow::Cow;

use proto::Lane;

/// Where a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Chunks, to the workers that serve no lane.
    Tasks,
    /// Chunks, to the workers of a lane.
    Lane(Lane),
    /// Openings, seals and results, to the master.
    Results,
    /// Chunks that failed every attempt, to the master.
    Dead,
    /// Heartbeats, to whoever listens; lossy.
    Telemetry,
    /// Which jobs are not to be run, to every worker; lossy.
    Control,
}

/// Where messages are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Chunks of no lane. Any number of workers share it.
    Tasks,
    /// Chunks of a lane, by the same rules. It is there from the first time that somebody sends to it,
    /// takes from it or asks for its depth; those without a lane never hear of it.
    Lane(Lane),
    /// Openings, seals and results. One consumer at a time gets them; others wait their turn.
    Results,
    /// Dead chunks: sent by workers, or by the broker itself when a delivery limit is reached or a
    /// message is rejected.
    Dead,
    /// Heartbeats since this consumer began. Every consumer gets every one, unless it is slow.
    Telemetry,
    /// What masters say to workers, since this consumer began; as lossy as telemetry.
    Control,
}

impl Queue {
    /// Those that keep nothing: whoever listens gets a queue of its own.
    pub(crate) const LOSSY: [Self; 2] = [Self::Telemetry, Self::Control];
    /// The queues that keep their messages and are always there, in the order in which they must be
    /// declared.
    pub(crate) const DURABLE: [Self; 3] = [Self::Dead, Self::Tasks, Self::Results];

    /// The queue of `lane`'s workers, or of those that serve none.
    pub fn tasks(lane: Option<Lane>) -> Self {
        lane.map_or(Self::Tasks, Self::Lane)
    }

    /// How often a message may come back before the broker takes it for poison: on the return after
    /// this many it goes to the dead queue.
    pub fn delivery_limit(self) -> u32 {
        match self {
            Self::Tasks | Self::Lane(_) => 5,
            Self::Results => 1000,
            Self::Dead | Self::Telemetry | Self::Control => 1_000_000,
        }
    }

    /// Whether messages that are rejected or come back too often go to the dead queue.
    pub(crate) fn dead_letters(self) -> bool {
        matches!(self, Self::Tasks | Self::Lane(_) | Self::Results)
    }

    /// Whether only one consumer gets messages while the others wait.
    pub(crate) fn single_active(self) -> bool {
        matches!(self, Self::Results)
    }

    /// Whether it keeps nothing, and every listener has its own.
    pub(crate) fn is_lossy(self) -> bool {
        Self::LOSSY.contains(&self)
    }

    /// The last part of its name, and the key that leads to it.
    pub(crate) fn word(self) -> Cow<'static, str> {
        match self {
            Self::Tasks => "tasks".into(),
            Self::Lane(lane) => format!("tasks.{lane}").into(),
            Self::Results => "results".into(),
            Self::Dead => "dead".into(),
            Self::Telemetry => "telemetry".into(),
            Self::Control => "control".into(),
        }
    }

    /// The lane of the queue of this name, as a [`Death`](crate::Death) gives it. Absent: it has none.
    pub fn lane_called(name: &str) -> Option<Lane> {
        let mut words = name.rsplit('.');
        let (lane, tasks) = (words.next()?, words.next()?);
        (tasks == "tasks").then(|| lane.parse().ok()).flatten()
    }
}

impl std::fmt::Display for Queue {
    /// The last part of its name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.word())
    }
}

impl Route {
    /// To the workers of `lane`, or to those that serve none.
    pub fn tasks(lane: Option<Lane>) -> Self {
        lane.map_or(Self::Tasks, Self::Lane)
    }

    /// To the workers that the lane of a message names. A name that no lane can have is nobody's; then
    /// it is for those that serve none.
    pub fn tasks_named(lane: &str) -> Self {
        Self::tasks(Lane::named(lane).unwrap_or_default())
    }

    /// The queue that it leads to.
    pub fn queue(self) -> Queue {
        match self {
            Self::Tasks => Queue::Tasks,
            Self::Lane(lane) => Queue::Lane(lane),
            Self::Results => Queue::Results,
            Self::Dead => Queue::Dead,
            Self::Telemetry => Queue::Telemetry,
            Self::Control => Queue::Control,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_known_by_the_name_of_its_queue() {
        let gpu = "gpu".parse().unwrap();
        for name in ["tasks.gpu", "rowmill.v1.tasks.gpu", "a.tasks.v1.tasks.gpu"] {
            assert_eq!(Queue::lane_called(name), Some(gpu), "{name}");
        }
        for name in ["tasks", "rowmill.v1.tasks", "rowmill.v1.dead", "tasks.G"] {
            assert_eq!(Queue::lane_called(name), None, "{name}");
        }
        assert_eq!(Queue::Lane(gpu).word(), "tasks.gpu");
    }
}
