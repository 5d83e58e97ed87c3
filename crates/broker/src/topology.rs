//! The queues, their names, and their retention rules. Each broker's module implements them.

use std::borrow::Cow;

use proto::Lane;

/// The version in every name: queues of one version always have the same arguments, because a broker refuses to change
/// them. Version 1 had a delivery limit of 5 on the tasks queue.
pub(crate) const VERSION: u32 = 2;
/// The previous version, whose queues may still hold messages after an upgrade.
pub(crate) const OLD_VERSION: u32 = 1;

/// Where messages are published to and consumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Chunks without a lane. Any number of workers share it.
    Tasks,
    /// Chunks of a lane, with the same rules. It is declared when a client first sends to it, consumes from it or asks
    /// for its depth; clients without a lane never use it.
    Lane(Lane),
    /// Chunks that were returned repeatedly: a worker takes them one by one
    /// ([`Session::take_one`](crate::Session::take_one)), while it runs nothing else. The retry queue of a lane exists
    /// as long as the lane's queue.
    Retry(Option<Lane>),
    /// Messages that open or seal jobs, and results, to the master. One consumer at a time gets them; others wait
    /// their turn.
    Results,
    /// Dead chunks, to the master: published by workers, or moved here by the broker when a delivery limit is reached
    /// or a message is rejected.
    Dead,
    /// Heartbeats since this consumer started. Every consumer gets all of them, unless it is slow; lossy.
    Telemetry,
    /// Control messages of masters, to every worker, since this consumer started; as lossy as telemetry.
    Control,
}

impl Queue {
    /// All queues except those of lanes, in the order in which they must be declared.
    pub const ALL: [Self; 6] = [
        Self::Dead,
        Self::Tasks,
        Self::Retry(None),
        Self::Results,
        Self::Telemetry,
        Self::Control,
    ];
    /// Queues without storage: every listener gets its own.
    pub(crate) const LOSSY: [Self; 2] = [Self::Telemetry, Self::Control];
    /// The durable queues that always exist, in the same order.
    pub(crate) const DURABLE: [Self; 4] =
        [Self::Dead, Self::Tasks, Self::Retry(None), Self::Results];

    /// The tasks queue of `lane`, or of workers without a lane.
    pub fn tasks(lane: Option<Lane>) -> Self {
        lane.map_or(Self::Tasks, Self::Lane)
    }

    /// The tasks queue of the lane that a message names. An invalid name counts as no lane.
    pub fn tasks_named(lane: &str) -> Self {
        Self::tasks(Lane::named(lane).unwrap_or_default())
    }

    /// The retry queue of the lane that a message names. An invalid name counts as no lane.
    pub fn retry_named(lane: &str) -> Self {
        Self::Retry(Lane::named(lane).unwrap_or_default())
    }

    /// The lane that the queue belongs to. `None` if it belongs to none.
    pub fn lane(self) -> Option<Lane> {
        match self {
            Self::Lane(lane) => Some(lane),
            Self::Retry(lane) => lane,
            Self::Tasks | Self::Results | Self::Dead | Self::Telemetry | Self::Control => None,
        }
    }

    /// After how many returns the broker moves a message to the dead queue. It is a last resort, far above the limit
    /// that workers count: a broker also counts messages that waited in a consumer's prefetch, and RabbitMQ 4.3 does
    /// not count all returns.
    pub fn delivery_limit(self) -> u32 {
        match self {
            Self::Tasks | Self::Lane(_) | Self::Retry(_) | Self::Results => 1000,
            Self::Dead | Self::Telemetry | Self::Control => 1_000_000,
        }
    }

    /// Whether rejected messages, and messages that reach the delivery limit, go to the dead queue.
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

    /// Whether it has no storage, and every listener has its own.
    pub(crate) fn is_lossy(self) -> bool {
        Self::LOSSY.contains(&self)
    }

    /// The last part of its name, which is also its routing key.
    pub(crate) fn routing_key(self) -> Cow<'static, str> {
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

    /// The lane of the queue with this name, as in a [`Death`](crate::Death). `None` if it has none.
    pub fn lane_of(name: &str) -> Option<Lane> {
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
        f.write_str(&self.routing_key())
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
            assert_eq!(Queue::lane_of(name), Some(gpu), "{name}");
        }
        for name in ["tasks", "rowmill.v2.tasks", "rowmill.v2.dead", "tasks.G"] {
            assert_eq!(Queue::lane_of(name), None, "{name}");
        }
        assert_eq!(Queue::Lane(gpu).routing_key(), "tasks.gpu");
        assert_eq!(Queue::Retry(Some(gpu)).routing_key(), "retry.gpu");
    }
}
