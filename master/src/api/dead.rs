//! Requests about dead chunks: list, show, replay, drop.

use broker::{Backoff, Broker, BrokerError, Confirm, Queue, Session};
use proto::v1::{self, DeadChunkInfo, GetDeadResponse, ListDeadResponse};
use proto::{Envelope, JobId, Payload, bounds};
use tonic::Status;

use crate::job::{Control, Job};
use crate::response_size::{PAGE_BYTES, count_fitting};
use crate::state::state_actor::StateActor;
use crate::state::state_handle::StateHandle;
use crate::store::{DeadRow, DeadState, StoreError};

/// How many bytes of a body are shown.
const BODY_SHOWN: usize = 64 << 10;
/// How much of the end of a command's stderr is shown in a list, in bytes.
const STDERR_LISTED: usize = 1 << 10;
/// How much of the reason is shown in a list, in bytes.
const REASON_LISTED: usize = 1 << 10;
/// A replayed chunk counts as attempted once, so that it runs in a process of its own: it may crash its process again.
const REPLAY_ATTEMPTS: u32 = 1;
/// How often publishing to a full queue is tried, over half a minute or more.
const MAX_PUBLISH_ATTEMPTS: u32 = 10;

impl StateActor {
    pub(crate) fn list_dead(
        &self,
        text: &str,
        token: &str,
        limit: usize,
    ) -> Result<ListDeadResponse, Status> {
        let job = match text {
            "" => None,
            text => Some(self.find(text)?),
        };
        let after = read_token(token)?;
        let page = self.store.dead_page(job, after, limit)?;
        let positions: Vec<_> = page.iter().map(|(key, row)| (*key, row.seq)).collect();
        let ids: std::collections::HashMap<i64, JobId> =
            self.store.jobs().map(|job| (job.key, job.id)).collect();
        let info = |(key, row): (i64, DeadRow)| DeadChunkInfo {
            job_id: ids.get(&key).map(ToString::to_string).unwrap_or_default(),
            ..listed(row)
        };
        let mut dead: Vec<DeadChunkInfo> = page.into_iter().map(info).collect();
        dead.truncate(count_fitting(&dead, PAGE_BYTES));
        let is_last = dead.len() == positions.len() && dead.len() < limit;
        let last = dead
            .len()
            .checked_sub(1)
            .and_then(|last| positions.get(last));
        let next_page_token = match last {
            Some((key, seq)) if !is_last => format!("{key}.{seq}"),
            _ => String::new(),
        };
        Ok(ListDeadResponse {
            dead,
            next_page_token,
        })
    }

    pub(crate) fn get_dead(&self, text: &str, seq: u64) -> Result<GetDeadResponse, Status> {
        let job = self.find(text)?;
        let found = self.store.dead_chunk(job, seq);
        let (row, chunk) = found?.ok_or_else(|| not_dead(job, seq))?;
        // A body that cannot be decompressed is shown as empty.
        let body_bytes = engine::chunk::body_bytes(&chunk);
        let body = engine::chunk::body(&chunk).unwrap_or_default();
        Ok(GetDeadResponse {
            dead: Some(DeadChunkInfo {
                job_id: job.id.to_string(),
                ..row.into()
            }),
            columns: chunk.columns,
            body: body[..body.len().min(BODY_SHOWN)].to_vec(),
            body_bytes,
        })
    }

    pub(crate) fn drop_dead(&mut self, text: &str, seqs: &[u64]) -> Result<u64, Status> {
        let id = self.find(text)?.id;
        let dropped = self.store.drop_dead(id, seqs)?;
        if dropped == 0 {
            return Err(Status::failed_precondition(format!(
                "job {id} has no such chunk that is dead"
            )));
        }
        Ok(dropped)
    }

    /// The dead chunks among `seqs` (empty: among all) that can be replayed.
    fn replayable(&self, text: &str, seqs: &[u64]) -> Result<(JobId, Vec<u64>), Status> {
        let job = self.find(text)?;
        let refuse = |why: &str| {
            Err(Status::failed_precondition(format!(
                "job {}: {why}",
                job.id
            )))
        };
        if job.control == Control::Cancelled {
            return refuse("it is cancelled");
        }
        if let Some(expired) = &job.expired {
            let why = format!(
                "its rows and bad records were removed, because {} (rowmill master --keep), so the \
                 output of a replay would be incomplete; publish it again",
                expired.reason
            );
            return refuse(&why);
        }
        let rows = self.store.dead(job, usize::MAX >> 1)?;
        let is_replayable = |row: &&DeadRow| {
            row.state == DeadState::Dead && (seqs.is_empty() || seqs.contains(&row.seq))
        };
        let found: Vec<u64> = rows
            .iter()
            .filter(is_replayable)
            .map(|row| row.seq)
            .collect();
        if found.is_empty() {
            return refuse("no such chunk is dead and can be replayed");
        }
        Ok((job.id, found))
    }

    fn replay_message(&self, id: JobId, seq: u64) -> Result<Option<(Queue, Envelope)>, StoreError> {
        let Some(job) = self.store.job(id) else {
            return Ok(None);
        };
        let found = self.store.dead_chunk(job, seq)?;
        // A chunk whose result did not fit has no body.
        let chunk = found
            .filter(|(row, chunk)| row.state == DeadState::Dead && chunk.operation.is_some())
            .map(|(_, chunk)| chunk);
        Ok(chunk.map(|chunk| {
            let queue = Queue::tasks_named(&chunk.lane);
            let mut message = Envelope::new(id.chunk(seq), id, Payload::Chunk(chunk));
            message.attempts = REPLAY_ATTEMPTS;
            (queue, message)
        }))
    }

    fn replayed(&mut self, id: JobId, seq: u64) -> Result<bool, StoreError> {
        self.overview = None;
        self.live.forget_chunks(id);
        self.store.replayed(id, seq)
    }
}

/// Publishes dead chunks again: publishes one, awaits the confirm, marks it, and continues with the next. If this is
/// interrupted, the rest is still dead, and at most one chunk is both dead and queued; its result makes it done.
pub(crate) async fn replay(
    state: &StateHandle,
    broker: &Broker,
    text: String,
    seqs: Vec<u64>,
) -> Result<u64, Status> {
    let (id, seqs) = state
        .ask(move |actor| actor.replayable(&text, &seqs))
        .await??;
    let session = broker
        .connect("rowmill replay")
        .await
        .map_err(|error| broker_unavailable(&error))?;
    let replayed = send_all(state, &session, id, seqs).await;
    session.close().await;
    let replayed = replayed?;
    if replayed == 0 {
        return Err(Status::failed_precondition(format!(
            "job {id}: nothing was replayed: the dead chunks have no body to replay, or are \
             done by now"
        )));
    }
    Ok(replayed)
}

/// Publishes the chunks. Returns how many.
async fn send_all(
    state: &StateHandle,
    session: &Session,
    id: JobId,
    seqs: Vec<u64>,
) -> Result<u64, Status> {
    let mut replayed = 0;
    for seq in seqs {
        let message = state
            .ask(move |actor| actor.replay_message(id, seq))
            .await?;
        let Some((queue, message)) = message? else {
            continue;
        };
        send(session, queue, &message).await?;
        let marked = state.ask(move |actor| actor.replayed(id, seq)).await?;
        replayed += u64::from(marked?);
    }
    Ok(replayed)
}

async fn send(session: &Session, queue: Queue, message: &Envelope) -> Result<(), Status> {
    let mut backoff = Backoff::new();
    for _ in 0..MAX_PUBLISH_ATTEMPTS {
        if session
            .publish(queue, message)
            .await
            .map_err(|error| broker_unavailable(&error))?
            == Confirm::Acked
        {
            return Ok(());
        }
        tokio::time::sleep(backoff.next()).await;
    }
    Err(Status::unavailable(
        "the queue of tasks is full; what was not replayed is still dead",
    ))
}

fn broker_unavailable(error: &BrokerError) -> Status {
    Status::unavailable(error.to_string())
}

fn not_dead(job: &Job, seq: u64) -> Status {
    Status::not_found(format!("job {} has no dead chunk {seq}", job.id))
}

fn read_token(token: &str) -> Result<Option<(i64, u64)>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    token
        .split_once('.')
        .and_then(|(key, seq)| Some(Some((key.parse().ok()?, seq.parse().ok()?))))
        .ok_or_else(|| Status::invalid_argument("that page token is invalid"))
}

/// A dead chunk in a list, with only the end of its stderr: the whole stderr of a thousand chunks would exceed the
/// message limit.
pub(crate) fn listed(row: DeadRow) -> DeadChunkInfo {
    let mut info = DeadChunkInfo::from(row);
    let from = info.stderr.len().saturating_sub(STDERR_LISTED);
    info.stderr = info.stderr.split_off(info.stderr.ceil_char_boundary(from));
    bounds::cut(&mut info.reason, REASON_LISTED);
    info
}

impl From<DeadRow> for DeadChunkInfo {
    fn from(row: DeadRow) -> Self {
        let state = match row.state {
            DeadState::Dead => v1::DeadState::Dead,
            DeadState::Replaying => v1::DeadState::Replaying,
            DeadState::Dropped => v1::DeadState::Dropped,
            // Never listed.
            DeadState::Parked => v1::DeadState::Unspecified,
            DeadState::SetAside => v1::DeadState::SetAside,
        };
        Self {
            seq: row.seq,
            reason: row.reason,
            worker_id: row.worker_id,
            attempts: row.attempts,
            first_line: row.first_line,
            rows: row.rows,
            died_unix_ms: row.died_unix_ms,
            job_id: String::new(),
            state: state.into(),
            stderr: row.stderr,
        }
    }
}
