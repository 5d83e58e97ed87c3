//! The flags that choose the input, and how it is read.

use std::path::PathBuf;

use engine::dialect::Ragged;

use crate::error::InputError;
use crate::format_args::FormatArgs;
use crate::input_spec::InputSpec;
use crate::source::expand;
use crate::strict::StopAt;

/// The heading in `--help` of the flags about bad records.
pub const BAD_RECORDS: &str = "Bad records";

/// The input, and how it is read. Shared by all commands that publish.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// The CSV to read: files, or patterns like 'day-*.csv.gz'; - is standard input. Files compressed with gzip, zstd,
    /// bzip2 or xz are decompressed
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    #[command(flatten)]
    format: FormatArgs,

    /// Let files have different columns: the job has the columns of all, and the ones that a file lacks are empty
    /// [default: all files have the first one's header]
    #[arg(long)]
    union: bool,

    /// What happens to a record with fewer fields than there are columns; one with more is always bad
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "reject",
        help_heading = BAD_RECORDS
    )]
    ragged: OnRagged,

    /// Stop at the first bad record of any kind, malformed text included, with exit code 5
    #[arg(long, help_heading = BAD_RECORDS)]
    strict: bool,
}

/// What happens to a record with fewer fields than there are columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnRagged {
    /// It is left out, counted and kept as a reject
    Reject,
    /// It is good, and its missing fields are empty
    Pad,
    /// It ends the job, with exit code 5
    Error,
}

impl InputArgs {
    /// The FILE arguments. Empty only for a resumed publish.
    pub fn files(&self) -> &[PathBuf] {
        &self.file
    }

    /// The sources, and how to read them.
    ///
    /// # Errors
    ///
    /// If no file matches a pattern, or an argument is not a file.
    pub fn input_spec(&self) -> Result<InputSpec, InputError> {
        let stop_at = match self.ragged {
            _ if self.strict => StopAt::AnyBad,
            OnRagged::Error => StopAt::Ragged,
            OnRagged::Reject | OnRagged::Pad => StopAt::Nothing,
        };
        let ragged = match self.ragged {
            OnRagged::Pad => Ragged::Pad,
            OnRagged::Reject | OnRagged::Error => Ragged::Reject,
        };
        Ok(InputSpec {
            ragged,
            union: self.union,
            stop_at,
            ..self.format.input_spec(expand(&self.file)?)
        })
    }
}
