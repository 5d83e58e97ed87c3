//! Streams a job's output rows to one client, in input order or in commit order, on request until the job's end. A slow
//! client delays only its own stream, which holds two slices at most.

mod cursor;
mod next;
mod slices;

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use engine::output::UnpackError;
use proto::v1::output_part::Part;
use proto::v1::{OutputEnd, OutputHead, OutputPart, OutputRows, ReadOutputRequest};
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::state::state_handle::{StateHandle, shutting_down};
use crate::store::{ChunkOutput, OutputLocation};
use cursor::Cursor;
use next::{DEAD_AT_ONCE, NextOutput};
use slices::Slices;

/// The most dead chunks that are named at the end.
const MAX_DEAD_NAMED: usize = 1000;

/// Sends parts to the client. Its capacity is one: the next slice is read when the previous one is sent.
type PartSender = mpsc::Sender<Result<OutputPart, Status>>;

/// Sends the job's rows until their end, or until the client disconnects or the master stops.
pub(crate) async fn stream(
    state: StateHandle,
    request: ReadOutputRequest,
    parts: PartSender,
    shutdown: CancellationToken,
) {
    let sending = async {
        let job_changes = state.job_changes();
        let sent = match Reader::new(state, request, &parts).await {
            Ok(reader) => reader.send_all(job_changes).await,
            Err(status) => Err(StreamEnd::Status(status)),
        };
        // A client that disconnected does not need the reason.
        if let Err(StreamEnd::Status(status)) = sent {
            drop(parts.send(Err(status)).await);
        }
    };
    tokio::select! {
        () = sending => {}
        () = parts.closed() => {}
        () = shutdown.cancelled() => {
            drop(parts.try_send(Err(shutting_down())));
        }
    }
}

/// Why a stream ended early.
enum StreamEnd {
    /// The client disconnected.
    Disconnected,
    Status(Status),
}

impl From<Status> for StreamEnd {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// The position of a client in the rows, and what was sent to it.
struct Reader<'p> {
    state: StateHandle,
    job_id: String,
    follow: bool,
    parts: &'p PartSender,
    cursor: Cursor,
    /// Whether the header is still to be sent. A request with a token has received it already.
    header_pending: bool,
    file: Option<Arc<File>>,
    dead: ReportedDead,
}

/// The dead chunks that were reported to the client.
#[derive(Default)]
struct ReportedDead {
    /// In input order: the first ones that were skipped. In commit order: all that were reported.
    reported: HashSet<u64>,
    /// The job's number of failures at the last report.
    failures: Option<u64>,
}

impl<'p> Reader<'p> {
    async fn new(
        state: StateHandle,
        request: ReadOutputRequest,
        parts: &'p PartSender,
    ) -> Result<Self, Status> {
        let cursor = Cursor::parse(&request.token, request.unordered)?;
        let text = request.job_id;
        let job_id = state.ask(move |actor| actor.full_id(&text)).await??;
        Ok(Self {
            state,
            job_id,
            follow: request.follow,
            parts,
            cursor,
            header_pending: request.token.is_empty(),
            file: None,
            dead: ReportedDead::default(),
        })
    }

    async fn send_all(mut self, mut job_changes: watch::Receiver<u64>) -> Result<(), StreamEnd> {
        loop {
            job_changes.mark_unchanged();
            let mut next = self.next().await?;
            self.send_head(&mut next).await?;
            self.tell_dead(&next).await?;
            if next.chunks.is_empty() {
                if next.is_finished || next.is_stuck || !self.follow {
                    return self.send_end(&next).await;
                }
                let gone = |_| shutting_down();
                job_changes.changed().await.map_err(gone)?;
            }
            for chunk_output in next.chunks {
                self.send_chunk(chunk_output).await?;
            }
        }
    }

    async fn next(&mut self) -> Result<NextOutput, Status> {
        let (job_id, cursor) = (self.job_id.clone(), self.cursor);
        let needs_file = self.file.is_none();
        let next = self
            .state
            .ask(move |actor| actor.next_output(&job_id, cursor, needs_file));
        let mut next = next.await??;
        if let Some(file) = next.file.take() {
            self.file = Some(Arc::new(file));
        }
        Ok(next)
    }

    async fn send_head(&mut self, next: &mut NextOutput) -> Result<(), StreamEnd> {
        if self.header_pending
            && let Some(columns) = next.columns.take()
        {
            self.send(Part::Head(OutputHead { columns })).await?;
            self.header_pending = false;
        }
        Ok(())
    }

    /// Sends the output of one chunk.
    async fn send_chunk(&mut self, chunk_output: ChunkOutput) -> Result<(), StreamEnd> {
        match chunk_output {
            ChunkOutput::Rows(location) => return self.send_rows(&location).await,
            ChunkOutput::Empty(_) => self.cursor = self.cursor.after_chunk(),
            ChunkOutput::Dead(seq) => {
                self.cursor = self.cursor.after_dead();
                if self.dead.reported.len() < MAX_DEAD_NAMED {
                    self.dead.reported.insert(seq);
                }
            }
        }
        self.send_empty(chunk_output.seq()).await
    }

    async fn send_rows(&mut self, location: &OutputLocation) -> Result<(), StreamEnd> {
        if location.bytes == 0 {
            self.cursor = self.cursor_at(location).after_chunk();
            return self.send_empty(location.seq).await;
        }
        let missing = || Status::data_loss("the file of rows is not there");
        let file = Arc::clone(self.file.as_ref().ok_or_else(missing)?);
        let (at, sent_bytes) = (location.clone(), self.cursor.sent_bytes());
        let mut slices = read_blocking(move || Slices::open(file, &at, sent_bytes)).await?;
        self.cursor = self.cursor_at(location);
        loop {
            let permit = self
                .parts
                .reserve()
                .await
                .map_err(|_| StreamEnd::Disconnected)?;
            let (rest, body, is_last) = read_blocking(move || {
                let (body, is_last) = slices.next()?;
                Ok((slices, body, is_last))
            })
            .await?;
            slices = rest;
            self.cursor = if is_last {
                self.cursor.after_chunk()
            } else {
                self.cursor.after_bytes(body.len() as u64)
            };
            permit.send(Ok(part(Part::Rows(OutputRows {
                seq: location.seq,
                body,
                is_last,
                token: self.cursor.to_string(),
            }))));
            if is_last {
                return Ok(());
            }
        }
    }

    /// In commit order, results without rows may come before this one.
    fn cursor_at(&self, location: &OutputLocation) -> Cursor {
        match self.cursor {
            Cursor::Unordered { sent_bytes, .. } => Cursor::Unordered {
                commit_index: location.commit_index,
                sent_bytes,
            },
            ordered @ Cursor::Ordered { .. } => ordered,
        }
    }

    /// Dead chunks have no commit index: in commit order they are reported when they fail.
    async fn tell_dead(&mut self, next: &NextOutput) -> Result<(), StreamEnd> {
        let is_unordered = matches!(self.cursor, Cursor::Unordered { .. });
        if !is_unordered || self.dead.failures == Some(next.failures) {
            return Ok(());
        }
        self.dead.failures = Some(next.failures);
        let mut from = 0;
        loop {
            let seqs = self.dead_from(from).await?;
            for seq in &seqs {
                from = seq + 1;
                if self.dead.reported.insert(*seq) {
                    self.send_empty(*seq).await?;
                }
            }
            if seqs.len() < DEAD_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn send_end(&self, next: &NextOutput) -> Result<(), StreamEnd> {
        // Chunks that failed since then, or were skipped before the token, are read from the store.
        let mut dead = self.dead_from(0).await?;
        let dead_total = match self.cursor {
            Cursor::Unordered { .. } => next.chunks_dead,
            Cursor::Ordered {
                seq, dead_passed, ..
            } => {
                dead.retain(|dead| *dead < seq);
                dead.extend(&self.dead.reported);
                dead.sort_unstable();
                dead.dedup();
                dead_passed
            }
        };
        dead.truncate(MAX_DEAD_NAMED);
        let end = OutputEnd {
            dead,
            dead_total,
            is_whole: next.is_finished,
            dead_without_body: next.dead_without_body,
        };
        self.send(Part::End(end)).await
    }

    async fn dead_from(&self, seq: u64) -> Result<Vec<u64>, Status> {
        let job_id = self.job_id.clone();
        let dead = self.state.ask(move |actor| actor.dead_from(&job_id, seq));
        dead.await?
    }

    /// Reports a chunk without rows.
    async fn send_empty(&self, seq: u64) -> Result<(), StreamEnd> {
        let rows = OutputRows {
            seq,
            body: Bytes::new(),
            is_last: true,
            token: self.cursor.to_string(),
        };
        self.send(Part::Rows(rows)).await
    }

    async fn send(&self, what: Part) -> Result<(), StreamEnd> {
        let sent = self.parts.send(Ok(part(what))).await;
        sent.map_err(|_| StreamEnd::Disconnected)
    }
}

fn part(part: Part) -> OutputPart {
    OutputPart { part: Some(part) }
}

/// Reads on a thread for blocking I/O.
async fn read_blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, UnpackError> + Send + 'static,
) -> Result<T, Status> {
    let outcome = spawn_blocking(read).await;
    let outcome = outcome.map_err(|panic| Status::internal(panic.to_string()))?;
    outcome.map_err(|error| {
        tracing::error!(%error, "rows cannot be read back");
        Status::data_loss(error.to_string())
    })
}
