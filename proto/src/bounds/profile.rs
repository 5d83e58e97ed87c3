//! Bounds of the messages of `profile`.

use super::operation::OperationBounds;
use super::{CHUNK_COUNT, Excess, List, MOST_COLUMNS, at_most, counts, truncate};
use crate::v1::{ColumnPartial, Profile, ProfilePartial, ProfileSpec};

/// For one chunk. A job may have more, by merging.
const MOST_DECIMALS: usize = 19;
/// More list entries than a profile keeps for one column: sums of floats, runs of order, frequent values.
const MOST_OF_COLUMN: usize = 64;

impl OperationBounds for ProfileSpec {
    type Partial = ProfilePartial;
    type Report = Profile;

    const PARTIAL_LISTS: &'static [List] = &[
        List::new("columns", &[9, 2], MOST_COLUMNS),
        List::new("sums", &[9, 2, 3], MOST_DECIMALS * MOST_COLUMNS),
        List::new("sums", &[9, 2, 4, 2], MOST_OF_COLUMN * MOST_COLUMNS),
        List::new("sums", &[9, 2, 4, 3], MOST_OF_COLUMN * MOST_COLUMNS),
        List::new("sums", &[9, 2, 4, 6], MOST_OF_COLUMN * MOST_COLUMNS),
        List::new("runs", &[9, 2, 14, 3], MOST_COLUMNS),
        List::new("values", &[9, 2, 19, 2], MOST_OF_COLUMN * MOST_COLUMNS),
    ];

    fn check_partial(partial: &ProfilePartial) -> Result<(), Excess> {
        at_most("records of the partial", partial.rows, CHUNK_COUNT)?;
        partial.columns.iter().try_for_each(column)
    }

    fn extra_memory_bytes(partial: &ProfilePartial) -> usize {
        partial.columns.len() * size_of::<ColumnPartial>()
    }

    fn truncate_report(report: &mut Profile, bytes: usize) -> u64 {
        truncate(&mut report.columns, bytes)
    }
}

/// Checks that no count of a column can overflow 64 bits when merged. The rest is checked when merging.
fn column(column: &ColumnPartial) -> Result<(), Excess> {
    let what = "a column's cells";
    counts(
        what,
        &[
            column.empty,
            column.leading_zeros,
            column.surrounding_space,
            column.length_min,
            column.length_max,
            column.length_sum,
            column.out_of_range,
        ],
    )?;
    if let Some(kinds) = &column.kinds {
        let all = [
            kinds.integer,
            kinds.decimal,
            kinds.boolean,
            kinds.date,
            kinds.datetime,
            kinds.time,
            kinds.uuid,
            kinds.email,
            kinds.url,
            kinds.text,
        ];
        counts(what, &all)?;
    }
    for sums in &column.decimals {
        at_most(what, sums.count, CHUNK_COUNT)?;
    }
    if let Some(floats) = &column.floats {
        at_most(what, floats.count, CHUNK_COUNT)?;
    }
    if let Some(sums) = &column.big {
        at_most(what, sums.count, CHUNK_COUNT)?;
    }
    if let Some(table) = &column.table {
        counts(what, &table.counts)?;
        counts(what, &table.ranks)?;
        counts("a cell's length", &table.lengths)?;
    }
    if let Some(buckets) = &column.buckets {
        at_most(what, buckets.zeros, CHUNK_COUNT)?;
        counts(what, &buckets.counts)?;
    }
    if let Some(frequent) = &column.frequent {
        counts(what, &frequent.counters)?;
        for nominee in &frequent.nominees {
            at_most(what, nominee.rank, CHUNK_COUNT)?;
        }
    }
    if let Some(sample) = &column.sample {
        counts(what, &sample.counts)?;
    }
    Ok(())
}
