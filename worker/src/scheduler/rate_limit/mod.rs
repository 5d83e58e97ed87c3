//! Rate limits of jobs: the queue of chunks that wait for their job's rate, the shares that the master assigned to this
//! worker, and a token bucket for each share.

mod crowded_wait;
mod queue;
mod shares;
mod token_bucket;

pub(super) use crowded_wait::CrowdedWait;
pub(super) use shares::RateShares;
