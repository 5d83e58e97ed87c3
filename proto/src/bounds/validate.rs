//! Bounds of the messages of `validate`.

use super::operation::OperationBounds;
use super::{Excess, counts, fits, truncate};
use crate::v1::{ValidatePartial, ValidateReport, ValidateSpec};

const SCHEMA_BYTES: usize = 1 << 20;

impl OperationBounds for ValidateSpec {
    type Partial = ValidatePartial;
    type Report = ValidateReport;

    fn check_spec(&self) -> Result<(), Excess> {
        fits("schema", self.schema.len(), SCHEMA_BYTES)
    }

    fn check_partial(partial: &ValidatePartial) -> Result<(), Excess> {
        counts("the partial", &[partial.rows, partial.valid, partial.again])?;
        counts("broken rules", &partial.broken)
    }

    fn truncate_report(report: &mut ValidateReport, bytes: usize) -> u64 {
        truncate(&mut report.rules, bytes)
    }
}
