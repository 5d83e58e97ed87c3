//! From files and standard input to pieces of whole records: what is read in which order, taken out
//! of its compression, and turned into UTF-8. Where records end is for the engine, and what becomes
//! of the pieces for `run`.

mod ahead;
mod checksum;
mod compression;
mod encoding;
mod error;
mod file;
mod foreign;
mod head;
mod lines;
mod look;
mod packed;
mod peek;
mod plan;
mod raw;
mod reading;
mod remarks;
mod source;
mod stream;
mod strict;
mod survey;
mod text;
mod union;
mod unpack;
mod walk;

pub(crate) use compression::Compression;
pub use encoding::Label;
pub use error::InputError;
pub use head::Described;
pub(crate) use head::Head;
pub use look::{Look, look, write_look};
pub(crate) use plan::Plan;
pub use plan::Wanted;
pub(crate) use raw::Raw;
pub use reading::Totals;
pub(crate) use reading::{Found, FoundPiece, Reading, Resumption, Standing, Tail};
pub use source::{Source, expand};
pub(crate) use source::{name, stdin};
pub(crate) use stream::Stream;
pub use strict::StopAt;
pub use text::Text;
