//! The input of a publish as the user describes it.

use engine::dialect::Ragged;
use engine::sniff::DialectOverrides;

use crate::encoding::EncodingLabel;
use crate::source::Source;
use crate::strict::StopAt;

/// The input of a publish, and how it is read.
#[derive(Debug, Clone)]
pub struct InputSpec {
    /// The sources, in order.
    pub sources: Vec<Source>,
    /// The properties that the user gave; the others are sniffed.
    pub given: DialectOverrides,
    /// The handling of a record with fewer fields than there are columns.
    pub ragged: Ragged,
    /// Lines to skip at the start of each file.
    pub skip_lines: u64,
    /// The encoding of files that do not start with a byte order mark.
    pub encoding: Option<EncodingLabel>,
    /// Whether trailing bytes behind compressed data are ignored.
    pub ignore_trailing: bool,
    /// Whether the columns are the union over all files.
    pub union: bool,
    /// Which bad records stop the publish.
    pub stop_at: StopAt,
}
