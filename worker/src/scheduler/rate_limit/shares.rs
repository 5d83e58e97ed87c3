//! This worker's shares of the rates of jobs, as last assigned by the master.

use std::collections::HashMap;
use std::time::Duration;

use proto::JobId;

use super::token_bucket::TokenBucket;

/// A token bucket for each job with a known share.
#[derive(Debug, Default)]
pub(in crate::scheduler) struct RateShares {
    buckets: HashMap<JobId, TokenBucket>,
}

impl RateShares {
    /// Replaces the shares. A job that is no longer named keeps its bucket while a chunk waits for it (`is_waiting`),
    /// or while the bucket is in debt.
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

    /// When a chunk of this cost may start. `None` if the job has no share yet.
    pub(in crate::scheduler) fn ready_at(
        &mut self,
        job: JobId,
        cost: u64,
        now: Duration,
    ) -> Option<Duration> {
        Some(self.buckets.get_mut(&job)?.ready_at(cost, now))
    }

    /// Charges the cost of a chunk that starts.
    pub(in crate::scheduler) fn charge(&mut self, job: JobId, cost: u64) {
        if let Some(bucket) = self.buckets.get_mut(&job) {
            bucket.charge(cost);
        }
    }
}
