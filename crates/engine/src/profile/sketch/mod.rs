//! Mergeable summaries of a column's values: exact sums, the table of distinct values, and the sketches that take its
//! place when there are too many.

pub(crate) mod big_sums;
pub(crate) mod buckets;
pub(crate) mod decimal;
pub(crate) mod frequent;
pub(crate) mod hyperloglog;
pub(crate) mod long_sums;
pub(crate) mod sample;
pub(crate) mod table;
mod wide;
