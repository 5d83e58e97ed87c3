//! The flags that choose the input, and how it is read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use cli::{Exit, Failure, OrExit};
use engine::chunk::Packing;
use engine::dialect::Ragged;
use engine::operation;
use engine::split::Limits;
use proto::JobId;
use proto::v1::{ExecSpec, OperationSpec};
use telemetry::Tracer;
use tokio_util::sync::CancellationToken;

use super::format_args::FormatArgs;
use super::operation_args::OperationArgs;
use crate::dry_run::dry_run;
use crate::input::{self, InputSpec, StopAt, expand};
use crate::progress::Progress;
use crate::run::Config;
use crate::start::Persistence;

/// The heading in `--help` of the flags about bad records.
pub const BAD_RECORDS: &str = "Bad records";

/// The options of the operation that workers run.
#[derive(Debug, Clone, Default)]
pub struct OperationOptions {
    /// The command that processes every chunk. `None` for a profile or a schema.
    pub exec: Option<ExecSpec>,
    /// Whether the resulting rows are not sent back.
    pub no_rows: bool,
}

/// The input, and how it is read. Shared by `publish` and `run`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct InputArgs {
    /// The CSV to read: files, or patterns like 'day-*.csv.gz'; - is standard input. Files compressed with gzip, zstd,
    /// bzip2 or xz are decompressed
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// The job's name [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

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

    /// Read all of the input, report its format, its chunks and its bad records, and send nothing; needs no broker
    #[arg(long)]
    dry_run: bool,

    /// Bytes of CSV in a chunk, 1 to 4194304; a longer record has a chunk to itself [default: 4194304; with a command
    /// 65536, with a schema that has keys 1048576]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=4 << 20))]
    chunk_bytes: Option<u32>,

    #[command(flatten)]
    operation: OperationArgs,

    /// Show no progress and no sniffed properties
    #[arg(long, short)]
    quiet: bool,
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
    /// Whether `--quiet` is given.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether the requested operation makes rows.
    pub fn makes_rows(&self) -> bool {
        self.operation.makes_rows()
    }

    /// Whether `--dry-run` is given.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Reads all of the input, prints what would be sent, and sends nothing.
    ///
    /// # Errors
    ///
    /// If the input cannot be read, or has a bad record and `--strict` is given.
    pub async fn dry_run(
        &self,
        work: &OperationOptions,
        shutdown: CancellationToken,
    ) -> Result<Exit, Failure> {
        let input_spec = self.input_spec()?;
        let operation = self.operation(work)?;
        let limits = self.limits(&operation);
        dry_run(input_spec, operation, limits, self.quiet, shutdown).await
    }

    /// The FILE arguments. Empty only for a resumed publish.
    pub fn files(&self) -> &[PathBuf] {
        &self.file
    }

    /// The configuration of a publish of this input to `broker`. The first connection may take `first_connect`.
    ///
    /// # Errors
    ///
    /// If no file matches a pattern.
    pub fn config(
        &self,
        broker: Broker,
        first_connect: Duration,
        work: &OperationOptions,
    ) -> Result<Config, Failure> {
        let input_spec = self.input_spec()?;
        let operation = self.operation(work)?;
        let limits = self.limits(&operation);
        let name = self.name.clone();
        Ok(Config {
            packing: packing(&broker),
            signing: None,
            tracer: Tracer::default(),
            broker,
            name: name.unwrap_or_else(|| input::name(&input_spec.sources)),
            input_spec,
            job: JobId::new(),
            operation,
            lane: String::new(),
            limits,
            first_connect,
            progress: Arc::new(Progress::default()),
            persistence: Persistence::Disabled,
            backpressure: None,
        })
    }

    /// The operation that workers run on each chunk.
    fn operation(&self, work: &OperationOptions) -> Result<OperationSpec, Failure> {
        let kind = match &work.exec {
            Some(spec) => Some(spec.clone().into()),
            None => self.operation.kind()?,
        };
        Ok(OperationSpec {
            kind,
            no_rows: work.no_rows,
        })
    }

    fn limits(&self, operation: &OperationSpec) -> Limits {
        let usual = Limits::default();
        let of_operation = || operation::of(Some(operation))?.chunk_bytes();
        let target_bytes = match self.chunk_bytes {
            Some(bytes) => bytes as usize,
            None => of_operation().unwrap_or(usual.target_bytes),
        };
        Limits {
            target_bytes,
            ..usual
        }
    }

    fn input_spec(&self) -> Result<InputSpec, Failure> {
        let stop_at = match self.ragged {
            _ if self.strict => StopAt::AnyBad,
            OnRagged::Error => StopAt::Ragged,
            OnRagged::Reject | OnRagged::Pad => StopAt::Nothing,
        };
        let ragged = match self.ragged {
            OnRagged::Pad => Ragged::Pad,
            OnRagged::Reject | OnRagged::Error => Ragged::Reject,
        };
        let sources = expand(&self.file).or_exit(Exit::UnreadableInput)?;
        Ok(InputSpec {
            ragged,
            union: self.union,
            stop_at,
            ..self.format.input_spec(sources)
        })
    }
}

/// How chunk bodies are packed for this broker by default.
fn packing(broker: &Broker) -> Packing {
    match broker {
        Broker::Memory(_) => Packing::Nothing,
        Broker::Rabbit(_) => Packing::Hash,
    }
}
