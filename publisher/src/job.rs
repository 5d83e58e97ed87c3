//! Builds the messages of one job.

use access::SigningKey;
use engine::Dialect;
use engine::chunk::Packing;
use engine::operation;
use engine::split::Piece;
use engine::validate::SchemaError;
use input::{InputDescription, Totals};
use proto::v1::{Chunk, JobOpen, JobSeal, OperationSpec};
use proto::{Envelope, JobId, Payload};

/// Builds a job's messages, in order.
#[derive(Debug)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// How the input is written.
    pub dialect: Dialect,
    /// The operation that workers run.
    pub operation: OperationSpec,
    /// The lane of the workers. Empty: workers without a lane.
    pub lane: String,
    /// The column names, once the header is read.
    pub columns: Vec<String>,
    /// The seq of the next chunk, which is also the number of chunks so far.
    pub chunks: u64,
}

impl Job {
    /// A job without chunks and without a lane. Its dialect and columns are set when the input is opened.
    pub fn new(id: JobId, operation: OperationSpec) -> Self {
        Self {
            id,
            dialect: Dialect::default(),
            operation,
            lane: String::new(),
            columns: Vec::new(),
            chunks: 0,
        }
    }

    /// Checks the columns against the job's schema, if it has one.
    ///
    /// # Errors
    ///
    /// If the columns do not match the schema, or the schema is invalid.
    pub(crate) fn check_schema(&self) -> Result<(), SchemaError> {
        operation::of(Some(&self.operation)).map_or(Ok(()), |operation| {
            operation.check_columns(&self.columns, self.dialect.has_header)
        })
    }

    /// The opening of a job whose input is `description`.
    pub fn open(&self, name: &str, description: &InputDescription) -> Envelope {
        let open = JobOpen {
            job_id: self.id.to_string(),
            name: name.chars().take(200).collect(),
            operation: Some(self.operation.clone()),
            dialect: Some((&self.dialect).into()),
            columns: self.columns.clone(),
            source_bytes: description.source_bytes,
            opened_unix_ms: proto::unix_ms(),
            publisher: publisher(),
            input: Some(description.input.clone()),
            lane: self.lane.clone(),
        };
        Envelope::new(format!("{}.open", self.id), self.id, Payload::Open(open))
    }

    /// The next chunk. `file` is the name of its file, and empty if the job has one input. [`message`] turns the chunk
    /// into a message.
    pub fn chunk(&mut self, mut piece: Piece, file: &str) -> Chunk {
        let seq = self.chunks;
        self.chunks += 1;
        for reject in &mut piece.rejects {
            file.clone_into(&mut reject.file);
        }
        Chunk {
            job_id: self.id.to_string(),
            seq,
            file: file.to_owned(),
            lane: self.lane.clone(),
            ..piece.into_chunk(&self.operation, &self.dialect, &self.columns)
        }
    }

    /// A chunk without rows, for a command that makes its header from the input's: sent if there is no other chunk.
    pub(crate) fn header_only_chunk(&mut self) -> Option<Chunk> {
        let has_command = operation::command(Some(&self.operation)).is_some();
        let is_alone = has_command && self.chunks == 0 && !self.columns.is_empty();
        is_alone.then(|| self.chunk(Piece::default(), ""))
    }

    /// The job's seal.
    pub fn seal(&self, totals: Totals) -> Envelope {
        let seal = JobSeal {
            job_id: self.id.to_string(),
            chunks: self.chunks,
            rows: totals.rows,
            rejects: totals.rejects,
            bytes: totals.bytes,
            sealed_unix_ms: proto::unix_ms(),
            replaced: totals.replaced,
            stopped: totals.stopped,
        };
        Envelope::new(format!("{}.seal", self.id), self.id, Payload::Seal(seal))
    }
}

/// The message of a chunk of job `id`. Packing and signing take milliseconds.
pub fn message(
    id: JobId,
    mut chunk: Chunk,
    packing: Packing,
    signing: Option<&SigningKey>,
) -> Envelope {
    engine::chunk::pack(&mut chunk, packing);
    if let Some(key) = signing {
        key.sign(&mut chunk);
    }
    Envelope::new(id.chunk(chunk.seq), id, Payload::Chunk(chunk))
}

/// `user@host` of this process.
fn publisher() -> String {
    let uname = rustix::system::uname();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    let user = user.unwrap_or_else(|_| rustix::process::getuid().as_raw().to_string());
    format!("{user}@{}", uname.nodename().to_string_lossy())
}
