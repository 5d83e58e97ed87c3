//! The publisher's command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerArgs};
use cli::{Exit, Failure, Meter, OrExit, Reading};
use engine::Dialect;
use engine::split::Limits;
use proto::JobId;
use proto::v1::{OperationSpec, ProfileSpec, operation_spec::Kind};
use tokio_util::sync::CancellationToken;

use crate::input::Source;
use crate::progress::Progress;
use crate::run::{Config, PublishError, Published};

/// Cut CSV into chunks and hand them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    broker: BrokerArgs,

    /// How long the broker may be away at the start, in seconds; once connected, a lost broker is
    /// waited for as long as it takes
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    connect_timeout: u64,
}

/// What to read, and how: the same for `publish` and `run`.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// The CSV to read; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What to call the job [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// What stands between fields: one byte, or \t
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = delimiter)]
    delimiter: u8,

    /// The first record is data; columns are called "column 1", "column 2", …
    #[arg(long)]
    no_headers: bool,

    /// Bytes of CSV in a chunk, 1 to 4194304; a record that is longer has one to itself
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..=4 << 20))]
    chunk_bytes: u32,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err("one ASCII character is expected, not a quote or a line end".into()),
    }
}

impl InputArgs {
    /// Whether no progress is to be shown.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A publish of this input to `broker`, which may be away for `first_connect` at the start.
    pub fn config(&self, broker: Broker, first_connect: Duration) -> Config {
        let source = Source::new(&self.file);
        Config {
            broker,
            name: self.name.clone().unwrap_or_else(|| source.name()),
            source,
            job: JobId::new(),
            operation: OperationSpec {
                kind: Some(Kind::Profile(ProfileSpec {})),
            },
            dialect: Dialect {
                delimiter: self.delimiter,
                has_header: !self.no_headers,
                ..Dialect::default()
            },
            limits: Limits {
                target_bytes: self.chunk_bytes as usize,
                ..Limits::default()
            },
            first_connect,
            progress: Arc::new(Progress::default()),
        }
    }
}

impl Args {
    /// What to read, and how.
    pub fn input(&self) -> &InputArgs {
        &self.input
    }

    /// Publishes as the command line says, with progress on stderr; calls `opened` once the broker
    /// has the job's opening.
    ///
    /// # Errors
    ///
    /// Why the job is not sealed, with the exit code that it deserves.
    pub async fn publish(
        &self,
        opened: impl FnOnce(JobId),
        shutdown: CancellationToken,
    ) -> Result<Published, Failure> {
        let broker = self.broker.broker().or_exit(Exit::Usage)?;
        let config = self
            .input
            .config(broker, Duration::from_secs(self.connect_timeout));
        let (progress, job) = (Arc::clone(&config.progress), config.job);
        let mut meter = Meter::new(self.input.quiet);
        let mut ticks = tokio::time::interval(Meter::EVERY);
        let mut opened = Some(opened);
        let mut publishing = std::pin::pin!(crate::run(config, shutdown));
        let outcome = loop {
            tokio::select! {
                outcome = &mut publishing => break outcome,
                () = progress.opened(), if opened.is_some() => {
                    meter.suspend(|| opened.take().map(|tell| tell(job)));
                }
                _ = ticks.tick() => meter.show(&reading(&progress)),
            }
        };
        meter.clear();
        // A small input is opened and sealed before anybody looks.
        if outcome.is_ok()
            && let Some(tell) = opened
        {
            tell(job);
        }
        outcome.map_err(failure)
    }

    /// `rowmill publish`, without waiting for the result: the id on stdout, the rest on stderr.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let published = self.publish(print_id, shutdown).await?;
        report(&published);
        Ok(Exit::Ok)
    }
}

/// A reader that closed the pipe does not stop the publish: the job is what counts.
fn print_id(job: JobId) {
    use std::io::Write;
    if let Err(error) = writeln!(std::io::stdout(), "{job}") {
        tracing::debug!(%error, "nobody reads the id");
    }
}

/// Says on stderr what was published.
pub fn report(published: &Published) {
    let Published {
        chunks,
        rows,
        rejects,
        bytes,
        ..
    } = published;
    eprintln!(
        "rowmill: published {rows} rows in {chunks} chunks ({bytes} bytes), each confirmed by the broker"
    );
    if *rejects > 0 {
        eprintln!(
            "rowmill: {rejects} records were too long to carry; `rowmill rejects` lists them"
        );
    }
}

fn reading(progress: &Progress) -> Reading {
    let (bytes, rows) = progress.confirmed();
    Reading {
        bytes,
        total_bytes: progress.total_bytes(),
        rows,
        note: progress.waiting().unwrap_or_default(),
    }
}

fn failure(error: PublishError) -> Failure {
    let exit = match &error {
        PublishError::Input(_) | PublishError::Panic(_) => Exit::UnreadableInput,
        PublishError::Broker(_) => Exit::Unreachable,
        PublishError::Interrupted { .. } => Exit::Cancelled,
    };
    Failure::new(exit, error)
}
