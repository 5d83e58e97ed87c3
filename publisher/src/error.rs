//! Why a publish fails, and the matching exit codes.

use std::path::PathBuf;

use broker::BrokerError;
use cli::{Exit, Failure};
use input::InputError;
use proto::JobId;

use crate::journal::JournalError;

/// The reason why a publish ends before its seal.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The input cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The broker refused the publish permanently, or was unreachable at the start.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The user or the system stopped the publish.
    #[error("interrupted after {rows} rows; {}", resume_hint(*job, *is_resumable))]
    Interrupted {
        /// The job's id.
        job: JobId,
        /// Records that the broker has confirmed.
        rows: u64,
        /// Whether another process can resume the publish.
        is_resumable: bool,
    },
    /// The publish cannot be resumed.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// The schema does not match the input's columns.
    #[error(transparent)]
    Schema(#[from] engine::validate::SchemaError),
    /// A spool needs a journal, and the journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// All complete chunks of the spool are confirmed, but the end of the input is missing.
    #[error(
        "job {job} stays unsealed, because its standard input was cut off after {bytes} bytes; give \
         the rest, from byte {} on, to `rowmill publish --resume {job} -`, or finish the job without it: rowmill \
         publish --resume {job} --seal", bytes + 1
    )]
    Unsealed {
        /// The job's id.
        job: JobId,
        /// Bytes of input in the spool.
        bytes: u64,
    },
    /// The reading thread panicked.
    #[error("reading the input panicked: {0}")]
    Panic(tokio::task::JoinError),
}

fn resume_hint(job: JobId, is_resumable: bool) -> String {
    if is_resumable {
        return format!("resume it with: rowmill publish --resume {job}");
    }
    format!("job {job} stays unsealed, and the chunks sent so far are processed")
}

/// Why a publish cannot be resumed.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// There is no usable journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal has an invalid field.
    #[error("the journal of job {job} has {field} that cannot be used; another version wrote it")]
    Unusable {
        /// The job's id.
        job: JobId,
        /// The field.
        field: &'static str,
    },
    /// The input is a file, so `-` and `--seal` do not apply.
    #[error("job {job} reads the file {}; - and --seal are for standard input kept with --spool", path.display())]
    NotSpooled {
        /// The job's id.
        job: JobId,
        /// The file.
        path: PathBuf,
    },
    /// The input is complete.
    #[error(
        "all of job {job}'s input is spooled, so nothing can be added to it; resume it without -"
    )]
    Whole {
        /// The job's id.
        job: JobId,
    },
    /// The input has changed.
    #[error(
        "{} has changed since job {job} began to read it: {difference}; its chunks would come from two \
         versions of the file: start a new publish", path.display()
    )]
    Changed {
        /// The job's id.
        job: JobId,
        /// The file or spool.
        path: PathBuf,
        /// The change.
        difference: String,
    },
}

/// A publish's error with the matching exit code.
pub fn failure(error: PublishError) -> Failure {
    let exit = match &error {
        PublishError::Input(InputError::Dialect(_) | InputError::UnionOfNameless { .. }) => {
            Exit::Usage
        }
        PublishError::Input(InputError::Spool { .. })
        | PublishError::Journal(JournalError::Io { .. })
        | PublishError::Resume(ResumeError::Journal(JournalError::Io { .. })) => Exit::Unwritable,
        PublishError::Resume(ResumeError::Changed { .. })
        | PublishError::Input(_)
        | PublishError::Unsealed { .. } => Exit::UnreadableInput,
        PublishError::Resume(_) | PublishError::Journal(_) | PublishError::Schema(_) => Exit::Usage,
        PublishError::Panic(_) => Exit::Defect,
        PublishError::Broker(error) if error.is_refusal() => Exit::Refused,
        PublishError::Broker(_) => Exit::Unreachable,
        PublishError::Interrupted { .. } => Exit::Cancelled,
    };
    Failure::new(exit, error)
}
