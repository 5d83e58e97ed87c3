//! From files and standard input to pieces of whole records: opens the sources in order, decompresses them, and decodes
//! them to UTF-8. The engine finds the ends of records; `run` turns the pieces into messages.

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
mod inspector;
mod peek;
mod plan;
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

pub(crate) use compression::Compression;
pub use description::InputDescription;
pub(crate) use description::InputHead;
pub use encoding::EncodingLabel;
pub use error::InputError;
pub(crate) use file_identity::{FileVersion, change, identity};
pub(crate) use plan::InputPlan;
pub use plan::InputSpec;
pub use preview::{Preview, preview, write_preview};
pub(crate) use raw_input::RawInput;
pub use read_task::Totals;
pub(crate) use read_task::{
    EndOfInput, InputEvent, InputPiece, InputPosition, ReadTask, ResumePoint,
};
pub use source::{Source, expand};
pub(crate) use source::{name, stdin};
pub(crate) use spool::{Spool, SpoolFile};
pub use strict::StopAt;
pub use text_reader::TextReader;
pub(crate) use text_stream::TextStream;
