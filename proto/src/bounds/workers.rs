//! Bounds of heartbeats and control messages.

use super::{Bounded, Excess, JOB_COUNT, List, cut};
use crate::JobId;
use crate::v1::{Control, Heartbeat};

const ID_BYTES: usize = 64;
/// Host names have at most 64 bytes in Linux, and 253 in DNS.
const HOST_BYTES: usize = 256;
const VERSION_BYTES: usize = 64;
const LANE_BYTES: usize = 64;
/// The limit of workers.
const COMMAND_BYTES: usize = 64;
const MOST_COMMANDS: usize = 256;
const MOST_THREADS: u32 = 1 << 16;
/// A worker has as many chunks in flight as threads.
const MOST_IN_HAND: usize = 1024;
/// The year 10889.
const LATEST_MS: u64 = 1 << 48;
/// The most jobs in one list of a master.
const MOST_NAMED: usize = 1000;

impl Bounded for Heartbeat {
    const LISTS: &'static [List] = &[
        List::new("chunks in flight", &[14], MOST_IN_HAND),
        List::new("commands", &[16], MOST_COMMANDS),
    ];

    fn bound(&mut self, now_ms: u64) -> Result<(), Excess> {
        cut(&mut self.worker_id, ID_BYTES);
        cut(&mut self.host, HOST_BYTES);
        cut(&mut self.version, VERSION_BYTES);
        cut(&mut self.lane, LANE_BYTES);
        for command in &mut self.commands {
            cut(command, COMMAND_BYTES);
        }
        // `rowmill doctor` reports wrong clocks, so the time is not corrected here.
        self.started_unix_ms = self.started_unix_ms.min(LATEST_MS);
        self.sent_unix_ms = self.sent_unix_ms.min(LATEST_MS);
        self.threads = self.threads.min(MOST_THREADS);
        for count in [
            &mut self.chunks,
            &mut self.rows,
            &mut self.bytes,
            &mut self.retries,
            &mut self.failures,
        ] {
            *count = (*count).min(JOB_COUNT);
        }
        self.unsettled = self.unsettled.map(|count| count.min(JOB_COUNT));
        // Entries without a valid job id are dropped.
        self.in_hand
            .retain(|chunk| chunk.job_id.parse::<JobId>().is_ok());
        for chunk in &mut self.in_hand {
            chunk.running_ms = chunk.running_ms.min(now_ms);
        }
        self.cpu = self
            .cpu
            .filter(|cpu| (0.0..=f64::from(MOST_THREADS)).contains(cpu));
        self.memory_bytes = self.memory_bytes.filter(|bytes| *bytes <= JOB_COUNT);
        Ok(())
    }
}

impl Bounded for Control {
    const LISTS: &'static [List] = &[
        List::new("cancelled jobs", &[1], MOST_NAMED),
        List::new("paused jobs", &[2], MOST_NAMED),
        List::new("shares", &[3], MOST_NAMED),
    ];

    fn bound(&mut self, _now_ms: u64) -> Result<(), Excess> {
        let is_id = |id: &str| id.parse::<JobId>().is_ok();
        self.cancelled.retain(|id| is_id(id));
        self.paused.retain(|id| is_id(id));
        self.shares
            .retain(|share| is_id(&share.job_id) && share.per_second.is_finite());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{ChunkInHand, RateShare};

    #[test]
    fn a_heartbeat_is_cut_to_what_a_worker_can_say() {
        let mut beat = Heartbeat {
            worker_id: "w".repeat(1 << 20),
            host: "h".repeat(6 << 20),
            version: "v".repeat(1 << 20),
            lane: "l".repeat(1 << 20),
            started_unix_ms: u64::MAX,
            sent_unix_ms: u64::MAX,
            threads: u32::MAX,
            rows: u64::MAX,
            in_hand: vec![
                ChunkInHand {
                    job_id: "j".repeat(1 << 20),
                    ..ChunkInHand::default()
                };
                3
            ],
            commands: vec!["c".repeat(1 << 20); 2],
            cpu: Some(f64::NAN),
            memory_bytes: Some(u64::MAX),
            ..Heartbeat::default()
        };
        beat.bound(7).unwrap();
        assert!(prost::Message::encoded_len(&beat) < 1 << 10, "{beat:?}");
        assert_eq!((beat.started_unix_ms, beat.rows), (LATEST_MS, JOB_COUNT));
        assert_eq!((beat.cpu, beat.memory_bytes), (None, None));
    }

    #[test]
    fn what_a_worker_is_told_is_of_jobs_and_finite() {
        let share = |job_id: &str, per_second| RateShare {
            job_id: job_id.into(),
            per_second,
        };
        let job = JobId::new().to_string();
        let mut control = Control {
            cancelled: vec!["all".into(), job.clone()],
            paused: Vec::new(),
            shares: vec![
                share(&job, f64::INFINITY),
                share("x", 1.0),
                share(&job, 2.0),
            ],
        };
        control.bound(0).unwrap();
        assert_eq!(control.cancelled, [job.as_str()]);
        assert_eq!(control.shares, [share(&job, 2.0)]);
    }
}
