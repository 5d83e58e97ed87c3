//! One reader's stream of a job's rows: in input order or as they are committed, to the job's end if
//! asked. A reader that is slow makes this wait, and nobody else: what it holds is one slice on its
//! way and one in hand.

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

use crate::state::state_actor::Handle;
use crate::store::{OutputPlace, Passage};
use cursor::Cursor;
use next::{DEAD_AT_ONCE, Look};
use slices::Slices;

/// Dead chunks that are named at the end.
const DEAD_NAMED: usize = 1000;

/// Where parts go. It holds one: the next slice is read when that is on its way.
type Parts = mpsc::Sender<Result<OutputPart, Status>>;

/// Sends the job's rows until their end, or until the reader goes away or the master stops.
pub(crate) async fn stream(
    keeper: Handle,
    request: ReadOutputRequest,
    parts: Parts,
    shutdown: CancellationToken,
) {
    let sending = async {
        let moved = keeper.moved();
        let sent = match Reader::new(keeper, request, &parts).await {
            Ok(reader) => reader.send_all(moved).await,
            Err(status) => Err(Stop::Status(status)),
        };
        // A reader that is gone does not miss the reason.
        if let Err(Stop::Status(status)) = sent {
            drop(parts.send(Err(status)).await);
        }
    };
    tokio::select! {
        () = sending => {}
        () = parts.closed() => {}
        () = shutdown.cancelled() => {
            drop(parts.try_send(Err(Status::unavailable("the master is shutting down"))));
        }
    }
}

/// Why nothing more is sent.
enum Stop {
    /// The reader is gone.
    Gone,
    Status(Status),
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Where a reader is, and what it was told.
struct Reader<'p> {
    keeper: Handle,
    job_id: String,
    follow: bool,
    parts: &'p Parts,
    cursor: Cursor,
    /// Whether the header is still to come. It was sent before whatever has a token.
    owes_head: bool,
    file: Option<Arc<File>>,
    dead: Dead,
}

/// What the reader knows of dead chunks.
#[derive(Default)]
struct Dead {
    /// In order: the first of those that were passed over. Without: all that it was told of.
    told: HashSet<u64>,
    /// How many deaths there were when it was told last.
    deaths: Option<u64>,
}

impl<'p> Reader<'p> {
    async fn new(
        keeper: Handle,
        request: ReadOutputRequest,
        parts: &'p Parts,
    ) -> Result<Self, Status> {
        let cursor = Cursor::read(&request.token, request.unordered)?;
        let text = request.job_id;
        let job_id = keeper.ask(move |keeper| keeper.full_id(&text)).await??;
        Ok(Self {
            keeper,
            job_id,
            follow: request.follow,
            parts,
            cursor,
            owes_head: request.token.is_empty(),
            file: None,
            dead: Dead::default(),
        })
    }

    async fn send_all(mut self, mut moved: watch::Receiver<u64>) -> Result<(), Stop> {
        loop {
            moved.mark_unchanged();
            let mut look = self.look().await?;
            self.send_head(&mut look).await?;
            self.tell_dead(&look).await?;
            if look.next.is_empty() {
                if look.is_finished || look.is_stuck || !self.follow {
                    return self.send_end(&look).await;
                }
                let gone = |_| Status::unavailable("the master is shutting down");
                moved.changed().await.map_err(gone)?;
            }
            for passage in look.next {
                self.pass(passage).await?;
            }
        }
    }

    async fn look(&mut self) -> Result<Look, Status> {
        let (job_id, cursor) = (self.job_id.clone(), self.cursor);
        let needs_file = self.file.is_none();
        let look = self
            .keeper
            .ask(move |keeper| keeper.look(&job_id, cursor, needs_file));
        let mut look = look.await??;
        if let Some(file) = look.file.take() {
            self.file = Some(Arc::new(file));
        }
        Ok(look)
    }

    async fn send_head(&mut self, look: &mut Look) -> Result<(), Stop> {
        if self.owes_head
            && let Some(columns) = look.columns.take()
        {
            self.send(Part::Head(OutputHead { columns })).await?;
            self.owes_head = false;
        }
        Ok(())
    }

    /// Sends what comes of one chunk.
    async fn pass(&mut self, passage: Passage) -> Result<(), Stop> {
        match passage {
            Passage::Rows(place) => return self.send_rows(&place).await,
            Passage::Nothing(_) => self.cursor = self.cursor.behind(),
            Passage::Dead(seq) => {
                self.cursor = self.cursor.passing();
                if self.dead.told.len() < DEAD_NAMED {
                    self.dead.told.insert(seq);
                }
            }
        }
        self.send_nothing(passage.seq()).await
    }

    async fn send_rows(&mut self, place: &OutputPlace) -> Result<(), Stop> {
        if place.bytes == 0 {
            self.cursor = self.next_to(place).behind();
            return self.send_nothing(place.seq).await;
        }
        let missing = || Status::data_loss("the file of rows is not there");
        let file = Arc::clone(self.file.as_ref().ok_or_else(missing)?);
        let (at, skip) = (place.clone(), self.cursor.skip());
        let mut slices = reading(move || Slices::open(file, &at, skip)).await?;
        self.cursor = self.next_to(place);
        loop {
            let room = self.parts.reserve().await.map_err(|_| Stop::Gone)?;
            let (rest, body, is_last) = reading(move || {
                let (body, is_last) = slices.next()?;
                Ok((slices, body, is_last))
            })
            .await?;
            slices = rest;
            self.cursor = if is_last {
                self.cursor.behind()
            } else {
                self.cursor.within(body.len() as u64)
            };
            room.send(Ok(part(Part::Rows(OutputRows {
                seq: place.seq,
                body,
                is_last,
                token: self.cursor.to_string(),
            }))));
            if is_last {
                return Ok(());
            }
        }
    }

    /// In the order of commits there may be results without rows before it.
    fn next_to(&self, place: &OutputPlace) -> Cursor {
        match self.cursor {
            Cursor::Unordered { skip, .. } => Cursor::Unordered {
                place: place.place,
                skip,
            },
            ordered @ Cursor::Ordered { .. } => ordered,
        }
    }

    /// Without order, dead chunks have no place: they are told of when they have died.
    async fn tell_dead(&mut self, look: &Look) -> Result<(), Stop> {
        let is_unordered = matches!(self.cursor, Cursor::Unordered { .. });
        if !is_unordered || self.dead.deaths == Some(look.deaths) {
            return Ok(());
        }
        self.dead.deaths = Some(look.deaths);
        let mut from = 0;
        loop {
            let seqs = self.dead_from(from).await?;
            for seq in &seqs {
                from = seq + 1;
                if self.dead.told.insert(*seq) {
                    self.send_nothing(*seq).await?;
                }
            }
            if seqs.len() < DEAD_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn send_end(&self, look: &Look) -> Result<(), Stop> {
        // Whoever died since, or was passed over before a token, is named from the store.
        let mut dead = self.dead_from(0).await?;
        let dead_total = match self.cursor {
            Cursor::Unordered { .. } => look.chunks_dead,
            Cursor::Ordered { seq, passed, .. } => {
                dead.retain(|dead| *dead < seq);
                dead.extend(&self.dead.told);
                dead.sort_unstable();
                dead.dedup();
                passed
            }
        };
        dead.truncate(DEAD_NAMED);
        let end = OutputEnd {
            dead,
            dead_total,
            is_whole: look.is_finished,
            dead_without_body: look.dead_without_body,
        };
        self.send(Part::End(end)).await
    }

    async fn dead_from(&self, seq: u64) -> Result<Vec<u64>, Status> {
        let job_id = self.job_id.clone();
        let dead = self
            .keeper
            .ask(move |keeper| keeper.dead_from(&job_id, seq));
        dead.await?
    }

    /// Says of a chunk that it is passed, with nothing of it.
    async fn send_nothing(&self, seq: u64) -> Result<(), Stop> {
        let rows = OutputRows {
            seq,
            body: Bytes::new(),
            is_last: true,
            token: self.cursor.to_string(),
        };
        self.send(Part::Rows(rows)).await
    }

    async fn send(&self, what: Part) -> Result<(), Stop> {
        let sent = self.parts.send(Ok(part(what))).await;
        sent.map_err(|_| Stop::Gone)
    }
}

fn part(part: Part) -> OutputPart {
    OutputPart { part: Some(part) }
}

/// Reads on a thread that may wait for the disk.
async fn reading<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, UnpackError> + Send + 'static,
) -> Result<T, Status> {
    let outcome = spawn_blocking(read).await;
    let outcome = outcome.map_err(|panic| Status::internal(panic.to_string()))?;
    outcome.map_err(|error| {
        tracing::error!(%error, "rows cannot be read back");
        Status::data_loss(error.to_string())
    })
}
