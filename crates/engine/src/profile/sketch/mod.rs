//! Mergeable summaries of a column's values: exact sums, the table of distinct values, and the sketches that take its
//! place when there are too many.

pub(crate) mod big_sums;
pub(crate) mod decimal_sums;
pub(crate) mod distinct_sample;
pub(crate) mod heavy_hitters;
pub(crate) mod hyperloglog;
mod int256;
pub(crate) mod long_sums;
pub(crate) mod quantiles;
pub(crate) mod value_table;
