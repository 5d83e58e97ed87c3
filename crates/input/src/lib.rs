//! Reads an input: from files and standard input to pieces of whole records. Opens the sources in order, decompresses
//! them, decodes them to UTF-8, and checks that several files fit together. The engine finds the ends of records.

mod checksum;
mod compressed;
mod compression;
mod decompress;
mod description;
mod encoding;
mod error;
mod file;
mod file_identity;
mod foreign_format;
mod format_args;
mod input_args;
mod input_spec;
mod inspector;
mod peek;
mod piece_size;
mod plan;
mod planned_file;
mod preview;
mod raw_input;
mod read_ahead;
mod read_task;
mod reader;
mod skip_lines;
mod source;
mod spool;
mod strict;
mod text_reader;
mod text_stream;
mod union;
mod warnings;

pub use description::{InputDescription, InputHead};
pub use encoding::EncodingLabel;
pub use error::InputError;
pub use file_identity::{FileIdentity, FileVersion, change, identity};
pub use format_args::FormatArgs;
pub use input_args::{BAD_RECORDS, InputArgs};
pub use input_spec::InputSpec;
pub use piece_size::{PieceSizes, SizeChange};
pub use preview::{Preview, preview, write_preview};
pub use read_task::{
    EVENT_QUEUE, EndOfInput, InputEvent, InputPiece, InputPosition, ReadTask, ResumePoint,
    SpoolEnd, Totals,
};
pub use source::{Source, expand, name, standard_input};
pub use spool::{Spool, SpoolFile};
pub use strict::StopAt;
pub use text_reader::TextReader;
