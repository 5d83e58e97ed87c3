//! `exec` as an operation. A worker runs the command itself: between [`feed()`](super::feed()), which makes the command's
//! input, and [`answer::read`](super::answer::read), which reads its output.

use proto::Csv;
use proto::v1::{self, Chunk, ExecReport, ExecSpec};

use super::state::ExecState;
use crate::dialect::Dialect;
use crate::operation::{ObserveError, Observed, Operation};
use crate::partial::PartialError;
use crate::result::ResultError;

/// Bytes of CSV in a chunk. Commands are slow per row; small chunks spread the rows evenly over the workers, and less work
/// is repeated after a failure.
const CHUNK_BYTES: usize = 64 << 10;

impl Operation for ExecSpec {
    type State = ExecState;
    type Report = ExecReport;

    fn name(&self) -> &'static str {
        "exec"
    }

    /// Always an error: a worker runs the command.
    fn observe(&self, _: &Chunk, _: &Dialect, _: bool) -> Result<Observed, ObserveError> {
        Err(ObserveError::NoOperation)
    }

    fn finish(&self, state: &ExecState, _columns: &[String]) -> Result<ExecReport, PartialError> {
        Ok(state.finish(self))
    }

    /// A command may make any columns.
    fn check_state(&self, _state: &ExecState, _columns: &[String]) -> Result<(), ResultError> {
        Ok(())
    }

    fn makes_rows(&self) -> bool {
        true
    }

    fn command(&self) -> Option<&ExecSpec> {
        Some(self)
    }

    fn rate(&self) -> Option<&v1::Rate> {
        self.rate.as_ref()
    }

    fn chunk_bytes(&self) -> Option<usize> {
        Some(CHUNK_BYTES)
    }

    fn requested_by(csv: &Csv) -> Option<Self> {
        (!csv.exec.is_empty()).then(|| Self {
            command: csv.exec.clone(),
            ..Self::default()
        })
    }
}
