//! What the dashboard asks of the master beside the stream: lists that are too long for it, and what
//! people do to jobs and chunks. One errand at a time, on a task of its own, so that the event loop
//! never waits; what an answer means is `update`'s.

use std::time::Duration;

use access::Client;
use proto::v1::{
    CancelJobRequest, DeadChunkInfo, DropDeadRequest, GetDeadRequest, GetDeadResponse,
    ListDeadRequest, ListRejectsRequest, PauseJobRequest, Reject, ReplayDeadRequest,
    ResumeJobRequest,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;

use crate::args::Source;
use crate::feed::{connect, said};
use crate::format::plural;
use crate::message::News;

/// How many errands wait for those before them; a person who asks for more gets a notice.
pub(crate) const ERRANDS_WAITING: usize = 16;

/// How long an answer is waited for: a replay waits for the broker.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most dead chunks, and bad records, that are asked for.
pub(crate) const DEAD_LISTED: u32 = 1000;
const REJECTS_LISTED: u32 = 20;

/// Something to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Errand {
    /// The dead chunks of all jobs.
    Dead,
    /// One of them, with its first rows.
    Chunk { job_id: String, seq: u64 },
    /// A job's first bad records.
    Rejects { job_id: String },
    /// A person wants it.
    Deed(Deed),
}

/// What people do to jobs and dead chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Cancel { job_id: String },
    Pause { job_id: String },
    Resume { job_id: String },
    Replay { job_id: String, seqs: Vec<u64> },
    Drop { job_id: String, seqs: Vec<u64> },
}

/// What came of an errand.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Dead(Vec<DeadChunkInfo>),
    Chunk(Box<GetDeadResponse>),
    Rejects {
        job_id: String,
        rejects: Vec<Reject>,
    },
    /// It is done: what, for a person.
    Done(String),
    /// It is not: why, for a person.
    Failed(String),
}

/// Runs until nobody asks any more.
pub(crate) async fn run(
    source: Source,
    mut errands: mpsc::Receiver<Errand>,
    news: mpsc::Sender<News>,
) {
    while let Some(errand) = errands.recv().await {
        let answered = timeout(PATIENCE, answer(&source, errand)).await;
        let answer = answered.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Answer::Failed(format!("no answer within {seconds} s; it may be done yet"))
        });
        if news.send(News::Answer(answer)).await.is_err() {
            return;
        }
    }
}

/// Asks the master, and waits for its answer.
pub(crate) async fn answer(source: &Source, errand: Errand) -> Answer {
    // Errands are rare, so each has a connection of its own, and none is kept for a night.
    let client = match connect(source).await {
        Ok(client) => client,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let answered = match errand {
        Errand::Deed(deed) => deed.done(client).await.map(Answer::Done),
        errand => errand.asked(client).await,
    };
    answered.unwrap_or_else(|status| Answer::Failed(said(&status)))
}

impl Errand {
    async fn asked(self, mut client: Client) -> Result<Answer, Status> {
        match self {
            Self::Dead => {
                let request = ListDeadRequest {
                    page_size: DEAD_LISTED,
                    ..ListDeadRequest::default()
                };
                let response = client.list_dead(request).await?.into_inner();
                Ok(Answer::Dead(response.dead))
            }
            Self::Chunk { job_id, seq } => {
                let response = client.get_dead(GetDeadRequest { job_id, seq }).await?;
                Ok(Answer::Chunk(Box::new(response.into_inner())))
            }
            Self::Rejects { job_id } => {
                let request = ListRejectsRequest {
                    job_id: job_id.clone(),
                    page_size: REJECTS_LISTED,
                    page_token: String::new(),
                };
                let response = client.list_rejects(request).await?.into_inner();
                Ok(Answer::Rejects {
                    job_id,
                    rejects: response.rejects,
                })
            }
            Self::Deed(deed) => deed.done(client).await.map(Answer::Done),
        }
    }
}

impl Deed {
    /// What to ask before it is done. Absent: what can be undone is done at once.
    pub(crate) fn question(&self, name: &str) -> Option<String> {
        Some(match self {
            Self::Cancel { .. } => format!("Cancel {name} for good?"),
            Self::Replay { seqs, .. } => match seqs[..] {
                [seq] => format!("Send chunk {seq} of {name} to the workers again?"),
                _ => format!("Send all dead chunks of {name} to the workers again?"),
            },
            Self::Drop { seqs, .. } => match seqs[..] {
                [seq] => {
                    format!("Delete the body of chunk {seq} of {name}? It stays dead for good.")
                }
                _ => format!("Delete the bodies of all dead chunks of {name}?"),
            },
            Self::Pause { .. } | Self::Resume { .. } => return None,
        })
    }

    async fn done(self, mut client: Client) -> Result<String, Status> {
        Ok(match self {
            Self::Cancel { job_id } => {
                client.cancel_job(CancelJobRequest { job_id }).await?;
                "cancelled".to_owned()
            }
            Self::Pause { job_id } => {
                client.pause_job(PauseJobRequest { job_id }).await?;
                "paused: what is being worked on is finished".to_owned()
            }
            Self::Resume { job_id } => {
                client.resume_job(ResumeJobRequest { job_id }).await?;
                "goes on".to_owned()
            }
            Self::Replay { job_id, seqs } => {
                let request = ReplayDeadRequest { job_id, seqs };
                let replayed = client.replay_dead(request).await?.into_inner().replayed;
                format!("{} sent again", plural(replayed, "chunk"))
            }
            Self::Drop { job_id, seqs } => {
                let request = DropDeadRequest { job_id, seqs };
                let dropped = client.drop_dead(request).await?.into_inner().dropped;
                format!("{} dropped", plural(dropped, "chunk"))
            }
        })
    }
}
