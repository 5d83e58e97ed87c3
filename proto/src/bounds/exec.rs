//! Bounds of the messages of `exec`.

use super::jobs::header;
use super::operation::OperationBounds;
use super::{Excess, List, MOST_COLUMNS, counts, fits, truncate};
use crate::v1::{ExecPartial, ExecReport, ExecSpec};

/// The name of a command, or of one of its parameters.
pub(super) const COMMAND_BYTES: usize = 256;
/// The value of a parameter: the limit of workers.
const ARGUMENT_BYTES: usize = 4 << 10;

impl OperationBounds for ExecSpec {
    type Partial = ExecPartial;
    type Report = ExecReport;

    const SPEC_LISTS: &'static [List] = &[List::new("arguments", &[2, 2], 256)];
    const PARTIAL_LISTS: &'static [List] = &[List::new("columns", &[13, 1], MOST_COLUMNS)];

    fn check_spec(&self) -> Result<(), Excess> {
        fits("command's name", self.command.len(), COMMAND_BYTES)?;
        for argument in &self.arguments {
            fits("parameter's name", argument.name.len(), COMMAND_BYTES)?;
            fits("parameter's value", argument.value.len(), ARGUMENT_BYTES)?;
        }
        Ok(())
    }

    fn check_partial(partial: &ExecPartial) -> Result<(), Excess> {
        header("header", &partial.columns)?;
        let all = [partial.chunks, partial.rows_in, partial.rows_out];
        counts("the partial", &all)
    }

    fn truncate_report(report: &mut ExecReport, bytes: usize) -> u64 {
        truncate(&mut report.columns, bytes)
    }
}
