//! Which queues there are, what they are called, and by which rules they keep messages. How a
//! broker is made to have them is left to that broker's module.

use std::borrow::Cow;

use proto::Lane;

/// The version in every name: queues of one version are declared with the same arguments for ever, since
/// a broker refuses to change them. Version 1 had a delivery limit of 5 on the tasks.
pub(crate) const VERSION: u32 = 2;
/// The version before, whose queues may still hold messages after an upgrade.
pub(crate) const OLD_VERSION: u32 = 1;

/// Where a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Chunks, to the workers that serve no lane.
    Tasks,
    /// Chunks, to the workers of a lane.
    Lane(Lane),
    /// Chunks that came back more than once, to the workers of a lane, or to those that serve none.
    Retry(Option<Lane>),
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
    /// Chunks of a lane, or of none, that came back more than once: a worker takes them one by one
    /// ([`Session::take_one`](crate::Session::take_one)), while it runs nothing else. That of a lane
    /// is there as long as the lane's queue.
    Retry(Option<Lane>),
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
    /// All but those of lanes, in the order in which they must be declared.
    pub const ALL: [Self; 6] = [
        Self::Dead,
        Self::Tasks,
        Self::Retry(None),
        Self::Results,
        Self::Telemetry,
        Self::Control,
    ];
    /// Those that keep nothing: whoever listens gets a queue of its own.
    pub(crate) const LOSSY: [Self; 2] = [Self::Telemetry, Self::Control];
    /// The queues that keep their messages and are always there, in that order.
    pub(crate) const DURABLE: [Self; 4] =
        [Self::Dead, Self::Tasks, Self::Retry(None), Self::Results];

    /// The queue of `lane`'s workers, or of those that serve none.
    pub fn tasks(lane: Option<Lane>) -> Self {
        lane.map_or(Self::Tasks, Self::Lane)
    }

    /// The lane whose queue it is. None: it is the queue of no lane.
    pub(crate) fn lane(self) -> Option<Lane> {
        match self {
            Self::Lane(lane) => Some(lane),
            Self::Retry(lane) => lane,
            Self::Tasks | Self::Results | Self::Dead | Self::Telemetry | Self::Control => None,
        }
    }

    /// How often a message may come back before the broker moves it to the dead queue: on the return
    /// after this many. It is a last resort, far above what workers count themselves: a broker counts
    /// the messages that waited in a consumer's prefetch as well, and RabbitMQ 4.3 does not count all.
    pub fn delivery_limit(self) -> u32 {
        match self {
            Self::Tasks | Self::Lane(_) | Self::Retry(_) | Self::Results => 1000,
            Self::Dead | Self::Telemetry | Self::Control => 1_000_000,
        }
    }

    /// Whether messages that are rejected or come back too often go to the dead queue.
    pub(crate) fn dead_letters(self) -> bool {
        matches!(
            self,
            Self::Tasks | Self::Lane(_) | Self::Retry(_) | Self::Results
        )
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
            Self::Retry(None) => "retry".into(),
            Self::Retry(Some(lane)) => format!("retry.{lane}").into(),
            Self::Results => "results".into(),
            Self::Dead => "dead".into(),
            Self::Telemetry => "telemetry".into(),
            Self::Control => "control".into(),
        }
    }

    /// The lane of the queue of this name, as a [`Death`](crate::Death) gives it. Absent: it has none.
    pub fn lane_called(name: &str) -> Option<Lane> {
        let mut words = name.rsplit('.');
        let (lane, kind) = (words.next()?, words.next()?);
        matches!(kind, "tasks" | "retry")
            .then(|| lane.parse().ok())
            .flatten()
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

    /// To the workers that take one chunk at a time, of the lane that a message names.
    pub fn retry_named(lane: &str) -> Self {
        Self::Retry(Lane::named(lane).unwrap_or_default())
    }

    /// The queue that it leads to.
    pub fn queue(self) -> Queue {
        match self {
            Self::Tasks => Queue::Tasks,
            Self::Lane(lane) => Queue::Lane(lane),
            Self::Retry(lane) => Queue::Retry(lane),
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
        for name in [
            "tasks.gpu",
            "rowmill.v2.tasks.gpu",
            "a.tasks.v2.tasks.gpu",
            "rowmill.v2.retry.gpu",
        ] {
            assert_eq!(Queue::lane_called(name), Some(gpu), "{name}");
        }
        for name in ["tasks", "rowmill.v2.tasks", "rowmill.v2.dead", "tasks.G"] {
            assert_eq!(Queue::lane_called(name), None, "{name}");
        }
        assert_eq!(Queue::Lane(gpu).word(), "tasks.gpu");
        assert_eq!(Queue::Retry(Some(gpu)).word(), "retry.gpu");
    }
}
