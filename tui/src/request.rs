//! Unary requests to the master: lists that are too long for the stream, and the user's commands on
//! jobs and chunks. `request_task` sends them; `update` handles the response.

use proto::v1::{DeadChunkInfo, GetDeadResponse, Reject};

/// Maximum number of dead chunks requested at once.
pub(crate) const DEAD_LIMIT: u32 = 1000;

/// A request to the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// The dead chunks of all jobs.
    Dead,
    /// One dead chunk with its first rows.
    Chunk { job_id: String, seq: u64 },
    /// A job's first bad records.
    Rejects { job_id: String },
    /// A change that the user asked for.
    Command(Command),
}

/// A change to a job or to dead chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Cancel { job_id: String },
    Pause { job_id: String },
    Resume { job_id: String },
    Replay { job_id: String, seqs: Vec<u64> },
    Drop { job_id: String, seqs: Vec<u64> },
}

/// The outcome of a request.
#[derive(Debug, Clone)]
pub(crate) enum Response {
    Dead(Vec<DeadChunkInfo>),
    Chunk(Box<GetDeadResponse>),
    Rejects {
        job_id: String,
        rejects: Vec<Reject>,
    },
    /// A command succeeded: the notice for the user.
    Done(String),
    /// The request failed: the reason for the user.
    Failed(String),
}

impl Command {
    /// The confirmation question. `None` if the command can be undone and needs none.
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
}
