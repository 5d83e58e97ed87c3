//! What to read, and how, as the command line says it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use cli::{Exit, Failure, OrExit};
use engine::chunk::Packing;
use engine::dialect::Ragged;
use engine::split::Limits;
use engine::validate::has_keys;
use proto::JobId;
use proto::v1::{ExecSpec, OperationSpec, operation_spec::Kind};
use telemetry::Tracer;
use tokio_util::sync::CancellationToken;

use super::format_args::FormatArgs;
use super::profile_args::ProfileArgs;
use super::schema_args::SchemaArgs;
use crate::dry_run::dry_run;
use crate::input::{self, InputSpec, StopAt, expand};
use crate::progress::Progress;
use crate::run::Config;
use crate::start::Persistence;

/// Where help lists flags about what is bad.
pub const BAD_RECORDS: &str = "What is bad, and what becomes of it";

/// Bytes of CSV in a chunk for a command: its rows are slow, and with many chunks they are shared out
/// better and less is done again when one fails.
const EXEC_CHUNK_BYTES: usize = 64 << 10;

/// Bytes of CSV in a chunk whose rows' keys come with it: of very short rows they are many times as much.
const KEYED_CHUNK_BYTES: usize = 1 << 20;

/// What workers are to do.
#[derive(Debug, Clone, Default)]
pub struct OperationOptions {
    /// The command that every chunk goes through. Absent: a profile.
    pub exec: Option<ExecSpec>,
    /// What comes of it is not sent back.
    pub no_rows: bool,
}

/// What to read, and how: the same for `publish` and `run`.
#[derive(Debug, clap::Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct InputArgs {
    /// The CSV to read: files, or patterns like 'day-*.csv.gz'; - is standard input. Files packed
    /// with gzip, zstd, bzip2 or xz are unpacked
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    /// What to call the job [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    #[command(flatten)]
    format: FormatArgs,

    /// Let files have different columns: the job has all of them, and what a file lacks is empty
    /// [default: all files have the first one's header]
    #[arg(long)]
    union: bool,

    /// What becomes of a record with fewer fields than there are columns; one with more is bad in
    /// any case
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

    /// Read all of it, say how it is written, how it would be cut and what is bad, and send nothing;
    /// needs no broker
    #[arg(long)]
    dry_run: bool,

    /// Bytes of CSV in a chunk, 1 to 4194304; a record that is longer has one to itself [default:
    /// 4194304; with a command 65536, with a schema that has keys 1048576]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=4 << 20))]
    chunk_bytes: Option<u32>,

    #[command(flatten)]
    profile: ProfileArgs,

    #[command(flatten)]
    schema: SchemaArgs,

    /// Show no progress, and say nothing of what was sniffed
    #[arg(long, short)]
    quiet: bool,
}

/// What becomes of a record with fewer fields than there are columns.
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
    /// Whether no progress is to be shown.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether records are held against a schema.
    pub fn has_schema(&self) -> bool {
        self.schema.is_given()
    }

    /// Whether nothing is to be sent.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Reads all of it, says what would come of it, and sends nothing.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or has a bad record where none may be.
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

    /// What FILE says. Empty only where another publish is gone on with.
    pub fn files(&self) -> &[PathBuf] {
        &self.file
    }

    /// A publish of this input to `broker`, which may be away for `first_connect` at the start, for
    /// workers to do `work`.
    ///
    /// # Errors
    ///
    /// When no file matches a pattern.
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

    /// What workers are to do with each chunk.
    fn operation(&self, work: &OperationOptions) -> Result<OperationSpec, Failure> {
        let kind = match (&work.exec, self.schema.spec()?) {
            (Some(spec), _) => Kind::Exec(spec.clone()),
            (None, Some(spec)) => Kind::Validate(spec),
            (None, None) => Kind::Profile(self.profile.spec()),
        };
        Ok(OperationSpec {
            kind: Some(kind),
            no_rows: work.no_rows,
        })
    }

    fn limits(&self, operation: &OperationSpec) -> Limits {
        let usual = Limits::default();
        let target_bytes = match (self.chunk_bytes, &operation.kind) {
            (Some(bytes), _) => bytes as usize,
            (None, Some(Kind::Exec(_))) => EXEC_CHUNK_BYTES,
            (None, Some(Kind::Validate(spec))) if has_keys(spec).unwrap_or(false) => {
                KEYED_CHUNK_BYTES
            }
            (None, _) => usual.target_bytes,
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

/// What a body needs to be carried so far.
fn packing(broker: &Broker) -> Packing {
    match broker {
        Broker::Memory(_) => Packing::Nothing,
        Broker::Rabbit(_) => Packing::Hash,
    }
}
