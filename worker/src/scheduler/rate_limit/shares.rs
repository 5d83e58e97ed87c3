//! What this worker may begin of jobs that have a rate, as a master has said last.

use std::collections::HashMap;
use std::time::Duration;

use proto::JobId;

use super::token_bucket::TokenBucket;

/// A bucket for each job of which a share was heard.
#[derive(Debug, Default)]
pub(in crate::scheduler) struct RateShares {
    buckets: HashMap<JobId, TokenBucket>,
}

impl RateShares {
    /// Takes the shares that a master names. One that it names no more stays where it is needed:
    /// because a chunk waits for it, as `is_waiting` says, or because more was begun than it brought.
    pub(in crate::scheduler) fn update(
        &mut self,
        shares: &HashMap<JobId, f64>,
        now: Duration,
        is_waiting: impl Fn(JobId) -> bool,
    ) {
        self.buckets.retain(|job, bucket| {
            shares.contains_key(job) || bucket.is_in_debt(now) || is_waiting(*job)
        });
        for (job, per_second) in shares {
            let bucket = self.buckets.entry(*job);
            let bucket = bucket.or_insert_with(|| TokenBucket::new(*per_second, now));
            bucket.set_rate(*per_second, now);
        }
    }

    pub(in crate::scheduler) fn has_share(&self, job: JobId) -> bool {
        self.buckets.contains_key(&job)
    }

    /// When a chunk of this cost may begin. Absent: when a share is heard.
    pub(in crate::scheduler) fn ready_at(
        &mut self,
        job: JobId,
        cost: u64,
        now: Duration,
    ) -> Option<Duration> {
        Some(self.buckets.get_mut(&job)?.ready_at(cost, now))
    }

    /// A chunk begins.
    pub(in crate::scheduler) fn charge(&mut self, job: JobId, cost: u64) {
        if let Some(bucket) = self.buckets.get_mut(&job) {
            bucket.charge(cost);
        }
    }
}
