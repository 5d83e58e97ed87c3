//! Bounds of the messages of operations.

use super::{Excess, List};
use crate::v1::chunk_result::Partial;
use crate::v1::operation_spec::Kind;
use crate::v1::{self, OperationSpec, Report, report};

/// The bounds of one operation's messages. Implemented for its spec.
pub(super) trait OperationBounds {
    /// The mergeable state of a chunk.
    type Partial;
    /// The result for people.
    type Report;

    /// The lists of the spec, by paths from `OperationSpec`.
    const SPEC_LISTS: &'static [List] = &[];

    /// The lists of the partial, by paths from `ChunkResult`.
    const PARTIAL_LISTS: &'static [List] = &[];

    /// Checks the texts of the spec. None of them may be truncated, because a chunk may be signed.
    fn check_spec(&self) -> Result<(), Excess> {
        Ok(())
    }

    /// Checks that no count can overflow 64 bits when merged. The rest is checked when merging.
    fn check_partial(partial: &Self::Partial) -> Result<(), Excess>;

    /// Memory of the partial beyond the length of its encoding, approximately, in bytes.
    fn extra_memory_bytes(_partial: &Self::Partial) -> usize {
        0
    }

    /// Truncates the list of the report that may be long to `bytes`. Returns how many entries were removed.
    fn truncate_report(report: &mut Self::Report, bytes: usize) -> u64;
}

macro_rules! bounds {
    ($($kind:ident($spec:ident, $partial:ident, $report:ident);)*) => {
        /// The lists of all specs, by paths from `OperationSpec`.
        pub(super) const SPEC_LISTS: &[&[List]] = &[$(v1::$spec::SPEC_LISTS),*];

        /// The lists of all partials, by paths from `ChunkResult`.
        pub(super) const PARTIAL_LISTS: &[&[List]] = &[$(v1::$spec::PARTIAL_LISTS),*];

        /// Checks the texts of a spec.
        pub(super) fn check_spec(operation: Option<&OperationSpec>) -> Result<(), Excess> {
            match operation.and_then(|operation| operation.kind.as_ref()) {
                $(Some(Kind::$kind(spec)) => spec.check_spec(),)*
                None => Ok(()),
            }
        }

        /// Checks the counts of a partial.
        pub(super) fn check_partial(partial: &Partial) -> Result<(), Excess> {
            match partial {
                $(Partial::$kind(partial) => v1::$spec::check_partial(partial),)*
            }
        }

        /// Memory of a partial beyond the length of its encoding, approximately, in bytes.
        pub(crate) fn extra_memory_bytes(partial: &Partial) -> usize {
            match partial {
                $(Partial::$kind(partial) => v1::$spec::extra_memory_bytes(partial),)*
            }
        }

        /// Truncates the columns or rules of a report to `bytes`, except the first one. Returns how many were removed.
        pub fn truncate_report(report: &mut Report, bytes: usize) -> u64 {
            match &mut report.kind {
                $(Some(report::Kind::$kind(report)) => v1::$spec::truncate_report(report, bytes),)*
                None => 0,
            }
        }
    };
}

crate::operations!(bounds);
