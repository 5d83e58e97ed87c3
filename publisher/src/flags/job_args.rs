//! The flags that describe a job: its input and its operation.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use cli::{Exit, Failure, OrExit};
use engine::operation;
use engine::split::Limits;
use input::InputArgs;
use proto::JobId;
use proto::v1::{ExecSpec, OperationSpec};
use tokio_util::sync::CancellationToken;

use super::operation_args::OperationArgs;
use crate::chunk_size::ChunkSizer;
use crate::dry_run::dry_run;
use crate::fresh_publish::{FreshPublish, Persistence};
use crate::publish::{Publish, PublishSettings, PublishSource};

/// The options of the operation that workers run.
#[derive(Debug, Clone, Default)]
pub struct OperationOptions {
    /// The command that processes every chunk. `None` for a profile or a schema.
    pub exec: Option<ExecSpec>,
    /// Whether the resulting rows are not sent back.
    pub no_rows: bool,
}

/// A job: its input and its operation. Shared by all commands that publish.
#[derive(Debug, clap::Args)]
pub struct JobArgs {
    /// The job's name [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    #[command(flatten)]
    input: InputArgs,

    /// Read all of the input, report its format, its chunks and its bad records, and send nothing; needs no broker
    #[arg(long)]
    dry_run: bool,

    /// Bytes of CSV in a chunk, 1 to 4194304; a longer record has a chunk to itself [default: 4194304; with a schema
    /// that has keys 1048576; with a command 65536 at first, and up to 4194304 as long as a chunk takes less than half a
    /// second, but always 65536 if it has a rate limit]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=4 << 20))]
    chunk_bytes: Option<u32>,

    #[command(flatten)]
    operation: OperationArgs,

    /// Show no progress and no sniffed properties
    #[arg(long, short)]
    quiet: bool,
}

impl JobArgs {
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
        let input_spec = self.input.input_spec().or_exit(Exit::UnreadableInput)?;
        let operation = self.operation(work)?;
        let limits = self.limits(&operation);
        dry_run(input_spec, operation, limits, self.quiet, shutdown).await
    }

    /// The FILE arguments. Empty only for a resumed publish.
    pub fn files(&self) -> &[PathBuf] {
        self.input.files()
    }

    /// A publish of this job to `broker`. The first connection may take `first_connect`.
    ///
    /// # Errors
    ///
    /// If no file matches a pattern, or the schema cannot be used.
    pub fn publish(
        &self,
        broker: Broker,
        first_connect: Duration,
        work: &OperationOptions,
    ) -> Result<Publish, Failure> {
        Ok(Publish {
            settings: PublishSettings::new(broker, first_connect),
            source: PublishSource::Fresh(Box::new(self.fresh_publish(work)?)),
        })
    }

    /// A publish of this job that stores nothing on disk, for workers without a lane.
    ///
    /// # Errors
    ///
    /// If no file matches a pattern, or the schema cannot be used.
    pub(crate) fn fresh_publish(&self, work: &OperationOptions) -> Result<FreshPublish, Failure> {
        let input_spec = self.input.input_spec().or_exit(Exit::UnreadableInput)?;
        let operation = self.operation(work)?;
        let name = self.name.clone();
        let limits = self.limits(&operation);
        Ok(FreshPublish {
            name: name.unwrap_or_else(|| input::name(&input_spec.sources)),
            input_spec,
            job: JobId::new(),
            lane: String::new(),
            sizer: self.sizer(&operation, limits),
            limits,
            operation,
            persistence: Persistence::Disabled,
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

    /// Commands differ in their speed by orders of magnitude, so the size of their chunks is found while the job runs. A
    /// rate limit counts chunks, or waits for all rows of one.
    fn sizer(&self, operation: &OperationSpec, limits: Limits) -> Option<Arc<ChunkSizer>> {
        let spec = operation::command(Some(operation))?;
        let is_fixed = self.chunk_bytes.is_some() || spec.rate.is_some();
        let sizer = || ChunkSizer::new(limits.target_bytes, operation.no_rows);
        (!is_fixed).then(|| Arc::new(sizer()))
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
}
