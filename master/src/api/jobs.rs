//! Requests about jobs: list, show, rejects, latest rows, missing chunks; cancel, pause, resume.

use proto::v1::{self, LatestRows};
use tonic::Status;

use crate::api::dead::listed;
use crate::api::find_job::no_job;
use crate::job::{Control, Job};
use crate::response_size::{PAGE_BYTES, count_fitting};
use crate::state::live_state::sort_newest_first;
use crate::state::report_cache::{CachedReport, CompleteReport};
use crate::state::state_actor::StateActor;

/// Dead chunks listed with a job.
const MAX_DEAD_LISTED: usize = 1000;

impl StateActor {
    /// At most `limit` jobs after the job `after`, newest first, and the total number of jobs.
    pub(crate) fn jobs(&self, after: &str, limit: usize) -> v1::ListJobsResponse {
        let now_ms = proto::unix_ms();
        let mut jobs: Vec<&Job> = self.store.jobs().collect();
        sort_newest_first(&mut jobs);
        let total = jobs.len() as u64;
        let start = match after {
            "" => 0,
            id => jobs
                .iter()
                .position(|job| job.id.to_string() == id)
                .map_or(jobs.len(), |at| at + 1),
        };
        let page = jobs.into_iter().skip(start).take(limit);
        let mut jobs: Vec<v1::Job> = page.map(|job| self.live.job(job, now_ms)).collect();
        jobs.truncate(count_fitting(&jobs, PAGE_BYTES));
        let next_page_token = match jobs.last() {
            Some(last) if start as u64 + (jobs.len() as u64) < total => last.job_id.clone(),
            _ => String::new(),
        };
        v1::ListJobsResponse {
            jobs,
            next_page_token,
            jobs_total: total,
        }
    }

    /// One job without its result, which [`fill_result`] adds on request.
    pub(crate) fn job(
        &mut self,
        text: &str,
        with_result: bool,
    ) -> Result<(v1::GetJobResponse, CachedReport), Status> {
        let id = self.find(text)?.id;
        let job = self.store.job(id).ok_or_else(|| no_job(text))?;
        let cached = if with_result {
            self.reports.current(job)
        } else {
            CachedReport::default()
        };
        let dead = self.store.dead(job, MAX_DEAD_LISTED)?;
        let open = job.open.as_ref();
        let mut dead: Vec<_> = dead.into_iter().map(listed).collect();
        dead.truncate(count_fitting(&dead, PAGE_BYTES));
        let response = v1::GetJobResponse {
            job: Some(self.live.job(job, proto::unix_ms())),
            dialect: open.and_then(|open| open.dialect),
            columns: open.map_or_else(Vec::new, |open| open.columns.clone()),
            partial: job.finished_unix_ms.is_none()
                || job.counts.chunks_dead > 0
                || !job.damage.is_empty(),
            dead,
            input: open.and_then(|open| open.input.clone()),
            operation: open.and_then(|open| open.operation.clone()),
            ..v1::GetJobResponse::default()
        };
        Ok((response, cached))
    }

    /// Whether the job is finished.
    pub(crate) fn is_finished(&self, text: &str) -> Result<bool, Status> {
        Ok(self.find(text)?.finished_unix_ms.is_some())
    }

    /// The page of a job's rejects that starts at `token`.
    pub(crate) fn rejects(
        &self,
        text: &str,
        token: &str,
        limit: usize,
    ) -> Result<v1::ListRejectsResponse, Status> {
        let job = self.find(text)?;
        let from = read_token(token)?;
        let page = self.store.rejects(job, from, limit)?;
        Ok(v1::ListRejectsResponse {
            rejects: page.rejects,
            next_page_token: page
                .next
                .map_or_else(String::new, |(seq, at)| format!("{seq}.{at}")),
            rejects_total: job.counts.rejects,
        })
    }

    pub(crate) fn rows(&self, focus: &str) -> Result<Option<LatestRows>, Status> {
        let job = if focus.is_empty() {
            None
        } else {
            Some(self.find(focus)?.id)
        };
        Ok(self.live.rows(job, &self.store))
    }

    /// The chunks of a job that are missing, for its publisher, which may send them again. Until they have been missed
    /// for a while once more, the job has lost nothing.
    pub(crate) fn missing(
        &mut self,
        text: &str,
        from: u64,
    ) -> Result<v1::ListMissingResponse, Status> {
        let now_ms = proto::unix_ms();
        let job = self.find(text)?;
        let page = self.store.missing(job, from)?;
        let range = |(first_seq, last_seq)| v1::ChunkRange {
            first_seq,
            last_seq,
        };
        let response = v1::ListMissingResponse {
            state: self.live.state(job, now_ms).into(),
            has_open: job.open.is_some(),
            has_seal: job.seal.is_some(),
            missing: page.ranges.into_iter().map(range).collect(),
            next_seq: page.next,
        };
        let id = job.id;
        if response.next_seq.is_none() {
            self.live.restart_loss_detection(id);
        }
        Ok(response)
    }

    /// Commits a cancel, pause or resume of a job.
    pub(crate) fn control(&mut self, text: &str, control: Control) -> Result<v1::Job, Status> {
        let now_ms = proto::unix_ms();
        let job = self.find(text)?;
        let id = job.id;
        if job.finished_unix_ms.is_some() && job.control != control {
            return Err(Status::failed_precondition(format!(
                "job {id} is finished; only an unfinished job can be cancelled, paused or resumed"
            )));
        }
        if job.control != control {
            self.store.control(id, control, now_ms)?;
            tracing::info!(job = %id, ?control, "a job is controlled");
            self.overview = None;
            self.job_changes.send_modify(|count| *count += 1);
            self.control_changes.send_modify(|count| *count += 1);
            if control == Control::Cancelled {
                self.finished_jobs.send_modify(|count| *count += 1);
            }
        }
        let job = self.find(&id.to_string())?;
        Ok(self.live.job(job, now_ms))
    }
}

/// Adds the job's current report to the response.
pub(crate) fn fill_result(response: &mut v1::GetJobResponse, report: Option<&CompleteReport>) {
    response.report = report.map(|report| report.whole.clone());
}

fn read_token(token: &str) -> Result<(u64, u64), Status> {
    if token.is_empty() {
        return Ok((0, 0));
    }
    token
        .split_once('.')
        .and_then(|(seq, at)| Some((seq.parse().ok()?, at.parse().ok()?)))
        .ok_or_else(|| Status::invalid_argument("that page token is invalid"))
}
