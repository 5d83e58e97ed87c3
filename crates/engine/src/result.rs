//! Checks that a result is valid for its job before it is committed: its operation, the consistency of its counts, and
//! that its rows and keys can be read.

use proto::v1::{ChunkResult, JobOpen};

use crate::chunk::packed::Damage;
use crate::dialect::Dialect;
use crate::operation::{self, Merged, Operation};
use crate::output;
use crate::partial::PartialError;
use crate::records::Records;
use crate::validate;

/// The maximum of a chunk's records and bytes, so that sums of counts cannot overflow.
const MOST: u64 = 1 << 40;

/// Why a result is invalid for its job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// It has no partial.
    #[error("it has no partial")]
    NoPartial,
    /// The partial is malformed, or of another operation or other columns.
    #[error(transparent)]
    Partial(#[from] PartialError),
    /// Two counts contradict each other.
    #[error("its counts contradict each other: {first_count} {first}, {second_count} {second}")]
    Contradiction {
        /// The first counted thing.
        first: &'static str,
        /// Its count.
        first_count: u64,
        /// The second counted thing.
        second: &'static str,
        /// Its count.
        second_count: u64,
    },
    /// A count exceeds the limit of one chunk.
    #[error("it counts {count} {what}, which is more than a chunk can have")]
    Count {
        /// The counted thing.
        what: &'static str,
        /// The count.
        count: u64,
    },
    /// It has rows although the operation makes none, or lacks them; the same with keys.
    #[error("it has {what}, unlike the other results of its job")]
    Shape {
        /// The thing that it has or lacks.
        what: &'static str,
    },
    /// The rows are damaged.
    #[error(transparent)]
    Output(#[from] Damage),
    /// The keys do not match the rows.
    #[error("its keys are not those of its rows: {0}")]
    Keys(&'static str),
    /// The job's schema is invalid, so no worker can have validated rows against it.
    #[error("the job's schema cannot be used")]
    Schema,
}

/// Checks that `result` is valid for the job of `open`, and returns its state. If `open` is `None`, because the opening
/// has not arrived, the checks that need it are made later, by [`Merged::check_job`] and [`key_rules`].
///
/// # Errors
///
/// If no worker can have made the result for this job.
pub fn check(result: &ChunkResult, open: Option<&JobOpen>) -> Result<Merged, ResultError> {
    let partial = result.partial.as_ref().ok_or(ResultError::NoPartial)?;
    let merged = Merged::try_from(partial)?;
    if let Some(open) = open {
        merged.check_job(open)?;
        check_shape(result, open)?;
    }
    check_counts(result, &merged)?;
    check_output(result)?;
    Ok(merged)
}

/// The number of lists of unique keys in each result of the job. 0 if there are none.
///
/// # Errors
///
/// If the job's schema is invalid.
pub fn key_rules(open: &JobOpen) -> Result<usize, ResultError> {
    let operation = operation::of(open.operation.as_ref());
    operation.map_or(Ok(0), |operation| operation.key_rules(&open.columns))
}

/// Checks that the result has rows and keys exactly if the operation makes them.
fn check_shape(result: &ChunkResult, open: &JobOpen) -> Result<(), ResultError> {
    let rules = key_rules(open)?;
    let spec = open.operation.as_ref();
    let makes_rows = operation::of(spec).is_some_and(Operation::makes_rows);
    let no_rows = spec.is_none_or(|spec| spec.no_rows);
    // Rows with keys are always sent: the master determines which of them are repeated.
    let wants_rows = makes_rows && (!no_rows || rules > 0);
    let what = match (&result.output, wants_rows, &result.keys, rules) {
        (None, true, ..) => "no rows",
        (Some(_), false, ..) => "rows",
        (_, _, None, 1..) => "no keys",
        (_, _, Some(_), 0) => "keys",
        (_, _, Some(keys), rules) if keys.hashes.len() != rules => "keys of other rules",
        _ => return Ok(()),
    };
    Err(ResultError::Shape { what })
}

fn check_counts(result: &ChunkResult, merged: &Merged) -> Result<(), ResultError> {
    for (what, count) in [
        ("rows", result.rows),
        ("bad records", result.rejected),
        ("bytes", result.bytes),
        ("malformed sequences", result.replaced),
    ] {
        if count > MOST {
            return Err(ResultError::Count { what, count });
        }
    }
    let listed = result.rejects.len() as u64;
    at_most(("bad records listed", listed), ("counted", result.rejected))?;
    let made = ("rows made", merged.check_counts(result)?);
    if made.1 > MOST {
        let (what, count) = made;
        return Err(ResultError::Count { what, count });
    }
    match &result.output {
        Some(output) => same(made, ("sent", output.rows)),
        None => Ok(()),
    }
}

/// A counted thing and its count.
type Counted = (&'static str, u64);

/// Checks that two counts are equal.
pub(crate) fn same(first: Counted, second: Counted) -> Result<(), ResultError> {
    if first.1 == second.1 {
        return Ok(());
    }
    Err(contradiction(first, second))
}

/// Checks that the first count is not greater than the second.
pub(crate) fn at_most(first: Counted, second: Counted) -> Result<(), ResultError> {
    if first.1 <= second.1 {
        return Ok(());
    }
    Err(contradiction(first, second))
}

fn contradiction((first, first_count): Counted, (second, second_count): Counted) -> ResultError {
    ResultError::Contradiction {
        first,
        first_count,
        second,
        second_count,
    }
}

/// Unpacks the rows, as readers do later, and checks the keys against them.
fn check_output(result: &ChunkResult) -> Result<(), ResultError> {
    let body = match &result.output {
        Some(output) => output::unpack(output, result.seq)?,
        None if result.keys.is_some() => {
            return Err(ResultError::Shape {
                what: "keys without rows",
            });
        }
        None => return Ok(()),
    };
    let Some(keys) = &result.keys else {
        return Ok(());
    };
    let dialect = Dialect::default();
    let mut records = Records::new(&dialect, &body);
    let mut found = 0;
    while records.read().is_some() {
        found += 1;
    }
    same(("rows sent", found), ("counted", result.rows))?;
    validate::check_keys(keys, found as usize).map_err(ResultError::Keys)
}

#[cfg(test)]
mod tests;
