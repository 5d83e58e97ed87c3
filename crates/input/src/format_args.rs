//! The flags that describe the format of CSV, for every command that reads CSV.

use engine::dialect::Ragged;
use engine::sniff::DialectOverrides;

use crate::encoding::EncodingLabel;
use crate::input_spec::InputSpec;
use crate::source::Source;
use crate::strict::StopAt;

/// The heading in `--help`.
const HEADING: &str = "Input format";

/// The format of the input.
#[derive(Debug, clap::Args)]
#[group(id = "InputFormat", multiple = true)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct FormatArgs {
    /// The delimiter between fields: one byte, \t or tab [default: sniffed]
    #[arg(long, help_heading = HEADING, value_name = "CHAR", value_parser = byte)]
    delimiter: Option<u8>,

    /// The quote around fields, or none [default: sniffed]
    #[arg(long, help_heading = HEADING, value_name = "CHAR|none", value_parser = byte_or_none)]
    quote: Option<ByteOrNone>,

    /// The escape, which makes the next byte literal within quotes, or none [default: sniffed]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "CHAR|none",
        value_parser = byte_or_none,
        hide_short_help = true
    )]
    escape: Option<ByteOrNone>,

    /// Do not read a doubled quote within quotes as one literal quote
    #[arg(long, help_heading = HEADING, hide_short_help = true)]
    no_double_quote: bool,

    /// The character that starts a comment line, or none [default: sniffed]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "CHAR|none",
        value_parser = byte_or_none,
        hide_short_help = true
    )]
    comment: Option<ByteOrNone>,

    /// The first record names the columns [default: sniffed]
    #[arg(long, help_heading = HEADING)]
    headers: bool,

    /// The first record is data; columns are called "column 1", "column 2", …
    #[arg(long, help_heading = HEADING, conflicts_with = "headers")]
    no_headers: bool,

    /// Lines to skip at the start of each file; line numbers count them
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "N",
        default_value_t = 0,
        hide_short_help = true
    )]
    skip: u64,

    /// The encoding of files that do not start with a byte order mark: latin1, windows-1252, utf-16le, or any other
    /// label of the Encoding Standard [default: UTF-8, or UTF-16 where half of the bytes are zero]
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    encoding: Option<EncodingLabel>,

    /// Ignore bytes behind the data of a compressed file that are not compressed data [default: refuse the file;
    /// trailing zeros are always ignored]
    #[arg(long, help_heading = HEADING, hide_short_help = true)]
    ignore_trailing: bool,
}

#[derive(Debug, Clone, Copy)]
struct ByteOrNone(Option<u8>);

fn byte_or_none(text: &str) -> Result<ByteOrNone, String> {
    match text {
        "none" => Ok(ByteOrNone(None)),
        _ => byte(text).map(|byte| ByteOrNone(Some(byte))),
    }
}

fn byte(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(*byte),
        _ => Err("one ASCII character is expected, and no line end".into()),
    }
}

impl FormatArgs {
    /// The specification to read `sources` in this format, without rules for bad records.
    pub fn input_spec(&self, sources: Vec<Source>) -> InputSpec {
        InputSpec {
            sources,
            given: self.given(),
            ragged: Ragged::Reject,
            skip_lines: self.skip,
            encoding: self.encoding,
            ignore_trailing: self.ignore_trailing,
            union: false,
            stop_at: StopAt::Nothing,
        }
    }

    fn given(&self) -> DialectOverrides {
        let has_header = match (self.headers, self.no_headers) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        DialectOverrides {
            delimiter: self.delimiter,
            quote: self.quote.map(|quote| quote.0),
            escape: self.escape.map(|escape| escape.0),
            double_quote: self.no_double_quote.then_some(false),
            comment: self.comment.map(|comment| comment.0),
            has_header,
        }
    }
}
