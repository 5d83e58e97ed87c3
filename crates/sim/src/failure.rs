//! Errors that a run can find.

use engine::split::SplitError;
use master::store::StoreError;

/// An error of a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("the input cannot be split: {0}")]
    Split(#[from] SplitError),
    #[error("the oracle cannot read the input: {0}")]
    Oracle(#[from] csv::Error),
    #[error("a chunk cannot be processed: {0}")]
    Observe(#[from] engine::operation::ObserveError),
    #[error("a result cannot be merged or finished: {0}")]
    Partial(#[from] engine::PartialError),
    #[error("the store does not open, or cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("the database cannot be made or limited: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("not done {steps} steps after the last fault")]
    Stuck { steps: u64 },
    #[error(transparent)]
    Id(#[from] proto::IdError),
    #[error("the store is not open")]
    NoStore,
    #[error("job {job}: nothing is in progress any more, and it is not finished: {tally}")]
    Lost { job: usize, tally: String },
    #[error("job {job}: its {what} is {found} where the oracle says {expected}")]
    Differs {
        job: usize,
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "the spill file {file} has {length} bytes after recovery where {committed} are committed"
    )]
    Tail {
        file: String,
        length: u64,
        committed: u64,
    },
    #[error("after a crash the store reports a loss: {0}")]
    Loss(String),
    #[error("rows are not as they were sent: {0}")]
    Damage(#[from] engine::chunk::Damage),
    #[error("a chunk killed its worker while another chunk of the retry queue was in flight")]
    RetryNotAlone,
    #[error("chunks are dead that should not be: {0:?}")]
    Dead(Vec<(String, u64)>),
}

/// A seed whose run failed.
#[derive(Debug, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The error.
    pub what: String,
    /// The trace of all steps.
    pub trace: Vec<String>,
}
