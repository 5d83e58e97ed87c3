//! The keeper: one thread that owns the store and the board. Others send it messages; it alone
//! waits for the disk, so the reactor never does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Queue;
use engine::operation::Finished;
use proto::JobId;
use proto::v1::{self, BrokerStatus, EventLevel, Heartbeat, LatestRows, MasterStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;

use crate::api::ambiguous_id::several;
use crate::api::dead::listed;
use crate::api::response_size::{PAGE_BYTES, fitting};
use crate::intake::job_message::Arrival;
use crate::intake::unreadable::UnreadableMessage;
use crate::job::{Job, Tally};
use crate::metrics::Metrics;
use crate::state::dashboard_view::{Sight, View};
use crate::state::event_log::Events;
use crate::state::live_state::{Board, newest_first};
use crate::state::report_cache::{Look, Report, Reports, Task};
use crate::store::{Store, StoreError};

/// Messages under way to the keeper. When it is full, whoever asks waits: results stay with the
/// broker, and questions with those who asked.
const MAILBOX: usize = 256;
/// A view is not made more often than a screen can show it.
const VIEW_EVERY_MS: u64 = 30;
/// Dead chunks listed with a job.
const DEAD_LISTED: usize = 1000;

/// What the keeper is told and asked.
enum Message {
    Commit {
        from: Queue,
        arrivals: Arc<Vec<Arrival>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
        done: oneshot::Sender<Result<(), StoreError>>,
    },
    Beat(Heartbeat),
    Broker(BrokerStatus),
    Ask(Box<dyn FnOnce(&mut Keeper) + Send>),
}

/// How others reach the keeper. Cheap to clone; the keeper ends when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Handle {
    mailbox: mpsc::Sender<Message>,
    finished: watch::Receiver<u64>,
    controlled: watch::Receiver<u64>,
    moved: watch::Receiver<u64>,
}

/// The owner of all state.
pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) board: Board,
    pub(crate) reports: Reports,
    metrics: Metrics,
    /// The view made last, and when.
    pub(crate) view: Option<(u64, View)>,
    /// What happened lately.
    pub(crate) events: Events,
    /// How many jobs have finished since the start.
    pub(crate) finished: watch::Sender<u64>,
    /// How often it was decided which jobs run, or a chunk was parked, since the start.
    pub(crate) controlled: watch::Sender<u64>,
    /// How often a job moved, or was ended, since the start.
    pub(crate) moved: watch::Sender<u64>,
    /// The queues whose last batch the disk has refused.
    refused: HashSet<Queue>,
    /// Why the store is not open yet, and an empty one stands in for it.
    unopened: Option<String>,
}

/// The keeper is gone: the process is stopping.
fn gone() -> Status {
    Status::unavailable("the master is shutting down")
}

impl Handle {
    /// Starts the keeper's thread; it ends when every handle is dropped.
    pub(crate) fn start(
        store: Store,
        master: MasterStatus,
        metrics: Metrics,
        lost_after: Option<Duration>,
        unopened: Option<String>,
    ) -> std::io::Result<Self> {
        let (mailbox, mut messages) = mpsc::channel(MAILBOX);
        let (finished_sender, finished) = watch::channel(0);
        let (controlled_sender, controlled) = watch::channel(0);
        let (moved_sender, moved) = watch::channel(0);
        let master = MasterStatus {
            store_trouble: unopened.clone().unwrap_or_default(),
            ..master
        };
        let mut keeper = Keeper {
            store,
            board: Board::new(master, lost_after),
            reports: Reports::default(),
            metrics,
            view: None,
            events: Events::default(),
            finished: finished_sender,
            controlled: controlled_sender,
            moved: moved_sender,
            refused: HashSet::new(),
            unopened,
        };
        keeper.tell_store();
        std::thread::Builder::new()
            .name("keeper".into())
            .spawn(move || {
                while let Some(message) = messages.blocking_recv() {
                    keeper.take(message);
                }
            })?;
        Ok(Self {
            mailbox,
            finished,
            controlled,
            moved,
        })
    }

    /// Commits a batch that came `from` a queue: when this returns well, it may be acknowledged. The outer error
    /// says that the keeper has stopped.
    pub(crate) async fn commit(
        &self,
        from: Queue,
        arrivals: Arc<Vec<Arrival>>,
        unreadable: Arc<Vec<UnreadableMessage>>,
    ) -> Result<Result<(), StoreError>, Status> {
        let (done, outcome) = oneshot::channel();
        let commit = Message::Commit {
            from,
            arrivals,
            unreadable,
            done,
        };
        self.send(commit).await?;
        outcome.await.map_err(|_| gone())
    }

    /// Passes on a heartbeat. A full mailbox drops it: the next one says the same and more.
    pub(crate) fn beat(&self, beat: Heartbeat) {
        if self.mailbox.try_send(Message::Beat(beat)).is_err() {
            tracing::debug!("a heartbeat was dropped: the keeper is busy");
        }
    }

    /// Says how the broker is.
    pub(crate) async fn broker(&self, status: BrokerStatus) -> Result<(), Status> {
        self.send(Message::Broker(status)).await
    }

    /// A receiver that changes whenever a job finishes.
    pub(crate) fn finished(&self) -> watch::Receiver<u64> {
        self.finished.clone()
    }

    /// A receiver that changes whenever other jobs are to be run, or a chunk was parked.
    pub(crate) fn controlled(&self) -> watch::Receiver<u64> {
        self.controlled.clone()
    }

    /// A receiver that changes whenever something was committed of any job.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.clone()
    }

    /// Asks the keeper, and waits for its answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Keeper) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        let ask = move |keeper: &mut Keeper| {
            // Whoever asked may have gone away meanwhile; then nobody misses the answer.
            drop(reply.send(question(keeper)));
        };
        self.send(Message::Ask(Box::new(ask))).await?;
        answer.await.map_err(|_| gone())
    }

    async fn send(&self, message: Message) -> Result<(), Status> {
        self.mailbox.send(message).await.map_err(|_| gone())
    }
}

impl Keeper {
    /// Goes on with the store that can be opened now.
    pub(crate) fn adopt(&mut self, store: Store) {
        self.store = store;
        self.unopened = None;
        self.board.store_trouble(String::new());
        self.tell_store();
        for signal in [&self.finished, &self.controlled, &self.moved] {
            signal.send_modify(|count| *count += 1);
        }
    }

    /// Tells what the store was found with when it was opened.
    fn tell_store(&mut self) {
        for loss in self.store.losses() {
            self.events
                .say(proto::unix_ms(), EventLevel::Error, loss.clone());
        }
        self.board.set_losses(self.store.losses().to_vec());
        let unreadable = self.store.unreadable_total().unwrap_or_else(|error| {
            tracing::error!(%error, "the store cannot count the messages that were set aside");
            0
        });
        self.board.set_unreadable(unreadable);
        self.view = None;
    }

    /// Looks whether somebody has removed what is kept of losses.
    fn reread_losses(&mut self) {
        if self.store.reread_losses() {
            self.board.set_losses(self.store.losses().to_vec());
            self.view = None;
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Commit {
                from,
                arrivals,
                unreadable,
                done,
            } => {
                let mut outcome = self.set_aside(&unreadable);
                if outcome.is_ok() && !arrivals.is_empty() {
                    outcome = self.commit(&arrivals);
                }
                self.note_disk(from, outcome.as_ref().err());
                drop(done.send(outcome));
            }
            Message::Beat(beat) => self.board.hear(beat, proto::unix_ms()),
            Message::Broker(status) => {
                self.metrics.broker(&status);
                self.reread_losses();
                let now_ms = proto::unix_ms();
                if self.board.broker(status, &self.store, now_ms) {
                    // Readers that wait for rows of the job have to learn that none will come.
                    self.moved.send_modify(|count| *count += 1);
                }
                self.view = None;
                // It comes once a second, so that what happens is noted though nobody watches.
                self.view(now_ms);
                self.metrics.jobs(self.board.states(&self.store, now_ms));
                let workers = self.board.workers(now_ms);
                self.metrics
                    .workers(workers.iter().map(|worker| worker.state()));
                let finished = self.store.settle_late(now_ms);
                if !finished.is_empty() {
                    self.ended(&finished, &[]);
                    self.moved.send_modify(|count| *count += 1);
                }
            }
            Message::Ask(question) => question(self),
        }
    }

    /// Keeps what cannot be used for people to look at.
    fn set_aside(&mut self, unreadable: &[UnreadableMessage]) -> Result<(), StoreError> {
        if unreadable.is_empty() {
            return Ok(());
        }
        self.store.keep_unreadable(unreadable, proto::unix_ms())?;
        self.board.set_unreadable(self.store.unreadable_total()?);
        Ok(())
    }

    fn commit(&mut self, arrivals: &[Arrival]) -> Result<(), StoreError> {
        let now_ms = proto::unix_ms();
        let began = Instant::now();
        let before: HashMap<JobId, _> = arrivals
            .iter()
            .map(|arrival| (arrival.job(), self.counted(arrival.job())))
            .collect();
        let applied = self.store.apply(arrivals, now_ms)?;
        self.metrics.commit.observe(began.elapsed().as_secs_f64());
        self.metrics.messages.inc_by(arrivals.len() as u64);
        self.metrics.duplicates.inc_by(applied.duplicates);
        for (id, before) in before {
            self.metrics.counted(before, self.counted(id));
        }
        self.board.committed(arrivals, applied.duplicates, now_ms);
        for job in applied.touched.iter().filter_map(|id| self.store.job(*id)) {
            self.board.moved(job, now_ms);
        }
        if arrivals.iter().any(Arrival::is_of_control) {
            self.controlled.send_modify(|count| *count += 1);
        }
        self.ended(&applied.finished, &applied.stopped);
        self.moved.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Tells of jobs that are finished, or were stopped by their publishers.
    fn ended(&mut self, finished: &[JobId], stopped: &[JobId]) {
        for job in finished {
            tracing::info!(%job, "job finished");
        }
        for job in stopped {
            tracing::info!(%job, "a job's publisher stopped it");
        }
        if !stopped.is_empty() {
            self.view = None;
            self.controlled.send_modify(|count| *count += 1);
        }
        let ended = (finished.len() + stopped.len()) as u64;
        if ended > 0 {
            self.metrics.jobs_finished.inc_by(ended);
            self.finished.send_modify(|count| *count += ended);
        }
    }

    /// Notes whether the disk takes the messages of a queue, and logs when that changes.
    pub(crate) fn note_disk(&mut self, from: Queue, error: Option<&StoreError>) {
        let was_well = self.refused.is_empty();
        match error.filter(|error| error.is_of_disk()) {
            Some(error) => {
                self.refused.insert(from);
                if was_well {
                    let trouble = format!("results cannot be stored: {error}");
                    tracing::error!("{trouble}; they wait at the broker, and are tried again");
                    self.board.store_trouble(trouble);
                    self.view = None;
                }
            }
            None if self.refused.remove(&from) && self.refused.is_empty() => {
                tracing::info!("results are stored again");
                self.board.store_trouble(String::new());
                self.view = None;
            }
            None => {}
        }
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
        let page = self.store.missing(job, from);
        let page = page.map_err(|error| internal(&error))?;
        let range = |(first_seq, last_seq)| v1::ChunkRange {
            first_seq,
            last_seq,
        };
        let response = v1::ListMissingResponse {
            state: self.board.state(job, now_ms).into(),
            has_open: job.open.is_some(),
            has_seal: job.seal.is_some(),
            missing: page.ranges.into_iter().map(range).collect(),
            next_seq: page.next,
        };
        let id = job.id;
        if response.next_seq.is_none() {
            self.board.expect(id);
        }
        Ok(response)
    }

    /// What was counted of a job so far, and how often one of its chunks died since the start; nothing, of one that
    /// is not there yet.
    fn counted(&self, id: JobId) -> (Tally, u64) {
        let job = self.store.job(id);
        job.map_or_else(Default::default, |job| (job.tally, job.deaths))
    }

    /// What a dashboard shows that looks at the job `focus`, or at none; and what there is to compute for a
    /// newer report.
    pub(crate) fn sight(&mut self, focus: &str) -> Result<(Sight, Option<Task>), Status> {
        let now_ms = proto::unix_ms();
        let id = match focus {
            "" => None,
            focus => Some(self.find(focus)?.id),
        };
        let job = id.and_then(|id| self.store.job(id));
        let rows = self.board.rows(id, &self.store);
        let look = job.map_or_else(Look::default, |job| self.reports.look(job));
        let chunks = match job {
            Some(job) => Some(
                self.board
                    .chunks(job, &self.store, now_ms)
                    .map_err(|error| internal(&error))?,
            ),
            None => None,
        };
        let sight = Sight {
            view: self.view(now_ms),
            rows,
            report: look.report,
            chunks,
            events: self.events.since(0),
        };
        Ok((sight, look.task))
    }

    fn view(&mut self, now_ms: u64) -> View {
        match &self.view {
            Some((made_ms, view)) if now_ms.saturating_sub(*made_ms) < VIEW_EVERY_MS => {
                view.clone()
            }
            _ => {
                let view = self.board.view(&self.store, now_ms);
                let why = |job: &v1::Job| self.store.last_reason(job.job_id.parse().ok()?);
                self.events.note(&view, now_ms, why);
                self.view = Some((now_ms, view.clone()));
                view
            }
        }
    }

    /// The job that `text` names: its id, or the beginning of exactly one.
    pub(crate) fn find(&self, text: &str) -> Result<&Job, Status> {
        if let Some(reason) = &self.unopened {
            return Err(Status::unavailable(reason.clone()));
        }
        if let Ok(id) = text.parse::<JobId>() {
            return self.store.job(id).ok_or_else(|| no_job(text));
        }
        if text.is_empty() {
            return Err(no_job(text));
        }
        let jobs = self.store.jobs();
        let fits: Vec<&Job> = jobs
            .filter(|job| job.id.to_string().starts_with(text))
            .collect();
        match fits[..] {
            [] => Err(no_job(text)),
            [job] => Ok(job),
            _ => Err(Status::invalid_argument(several(
                text,
                fits,
                proto::unix_ms(),
            ))),
        }
    }

    pub(crate) fn master(&mut self) -> MasterStatus {
        self.reread_losses();
        self.board.master().clone()
    }

    /// A page of the workers, from the place that `token` names.
    pub(crate) fn workers(&self, token: &str) -> Result<v1::ListWorkersResponse, Status> {
        let from: usize = match token {
            "" => 0,
            token => token
                .parse()
                .map_err(|_| Status::invalid_argument("that page token is none of ours"))?,
        };
        let all = self.board.workers(proto::unix_ms());
        let rest = all.iter().skip(from);
        let mut workers: Vec<v1::Worker> = rest.map(|worker| (**worker).clone()).collect();
        let fitting = fitting(&workers, PAGE_BYTES);
        let is_last = fitting == workers.len();
        workers.truncate(fitting);
        Ok(v1::ListWorkersResponse {
            workers,
            next_page_token: if is_last {
                String::new()
            } else {
                (from + fitting).to_string()
            },
            workers_total: all.len() as u64,
        })
    }

    pub(crate) fn rows(&self, focus: &str) -> Result<Option<LatestRows>, Status> {
        let job = if focus.is_empty() {
            None
        } else {
            Some(self.find(focus)?.id)
        };
        Ok(self.board.rows(job, &self.store))
    }

    /// At most `limit` jobs, newest first, after the one whose id is `after`; and how many there are.
    pub(crate) fn jobs(&self, after: &str, limit: usize) -> v1::ListJobsResponse {
        let now_ms = proto::unix_ms();
        let mut jobs: Vec<&Job> = self.store.jobs().collect();
        newest_first(&mut jobs);
        let total = jobs.len() as u64;
        let start = match after {
            "" => 0,
            id => jobs
                .iter()
                .position(|job| job.id.to_string() == id)
                .map_or(jobs.len(), |at| at + 1),
        };
        let page = jobs.into_iter().skip(start).take(limit);
        let mut jobs: Vec<v1::Job> = page.map(|job| self.board.job(job, now_ms)).collect();
        jobs.truncate(fitting(&jobs, PAGE_BYTES));
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

    /// One job, without its result, which [`complete`] puts in where it is asked for.
    pub(crate) fn job(
        &mut self,
        text: &str,
        with_result: bool,
    ) -> Result<(v1::GetJobResponse, Look), Status> {
        let id = self.find(text)?.id;
        let job = self.store.job(id).ok_or_else(|| no_job(text))?;
        let look = if with_result {
            self.reports.newest(job)
        } else {
            Look::default()
        };
        let dead = self
            .store
            .dead(job, DEAD_LISTED)
            .map_err(|error| internal(&error))?;
        let open = job.open.as_ref();
        let mut dead: Vec<_> = dead.into_iter().map(listed).collect();
        dead.truncate(fitting(&dead, PAGE_BYTES));
        let response = v1::GetJobResponse {
            job: Some(self.board.job(job, proto::unix_ms())),
            dialect: open.and_then(|open| open.dialect),
            columns: open.map_or_else(Vec::new, |open| open.columns.clone()),
            partial: job.finished_unix_ms.is_none()
                || job.tally.chunks_dead > 0
                || !job.damage.is_empty(),
            dead,
            input: open.and_then(|open| open.input.clone()),
            operation: open.and_then(|open| open.operation.clone()),
            ..v1::GetJobResponse::default()
        };
        Ok((response, look))
    }

    /// Whether the job has come to its end.
    pub(crate) fn is_finished(&self, text: &str) -> Result<bool, Status> {
        Ok(self.find(text)?.finished_unix_ms.is_some())
    }

    /// Some of a job's rejects, from the place that `token` names.
    pub(crate) fn rejects(
        &self,
        text: &str,
        token: &str,
        limit: usize,
    ) -> Result<v1::ListRejectsResponse, Status> {
        let job = self.find(text)?;
        let from = read_token(token)?;
        let page = self
            .store
            .rejects(job, from, limit)
            .map_err(|error| internal(&error))?;
        Ok(v1::ListRejectsResponse {
            rejects: page.rejects,
            next_page_token: page
                .next
                .map_or_else(String::new, |(seq, at)| format!("{seq}.{at}")),
            rejects_total: job.tally.rejects,
        })
    }
}

/// Puts the result so far into the answer about a job.
pub(crate) fn complete(response: &mut v1::GetJobResponse, report: Option<&Report>) {
    match report.map(|report| &report.whole) {
        Some(Finished::Profile(profile)) => response.profile = Some(profile.clone()),
        Some(Finished::Exec(report)) => response.exec = Some(report.clone()),
        Some(Finished::Validate(report)) => response.validate = Some(report.clone()),
        None => {}
    }
}

fn read_token(token: &str) -> Result<(u64, u64), Status> {
    if token.is_empty() {
        return Ok((0, 0));
    }
    token
        .split_once('.')
        .and_then(|(seq, at)| Some((seq.parse().ok()?, at.parse().ok()?)))
        .ok_or_else(|| Status::invalid_argument("that page token is none of ours"))
}

fn no_job(text: &str) -> Status {
    let shown: String = text.chars().take(64).collect();
    Status::not_found(format!("there is no job {shown:?}"))
}

pub(crate) fn internal(error: &StoreError) -> Status {
    tracing::error!(%error, "the store cannot answer");
    Status::internal(error.to_string())
}
