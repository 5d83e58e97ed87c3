//! The publisher's command line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, BrokerArgs};
use cli::{Exit, Failure, Meter, OrExit, Reading};
use engine::Dialect;
use engine::split::Limits;
use proto::JobId;
use proto::v1::{OperationSpec, operation_spec::Kind};
use tokio_util::sync::CancellationToken;

use crate::going_on::GoingOnArgs;
use crate::input::Source;
use crate::journal::JournalError;
use crate::profile_args::ProfileArgs;
use crate::progress::Progress;
use crate::resume::{Found, ResumeError};
use crate::run::{Config, PublishError, Published};
use crate::start::Keeping;

/// Cut CSV into chunks and hand them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
#[command(mut_arg("file", |file| file.required(false).required_unless_present("resume")))]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    broker: BrokerArgs,

    /// How long the broker may be away at the start, in seconds; once connected, a lost broker is
    /// waited for as long as it takes
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    connect_timeout: u64,

    #[command(flatten)]
    going_on: GoingOnArgs,
}

/// What a publish came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has all of it.
    Published(Published),
    /// The broker had all of it before.
    Sealed(JobId),
}

impl Outcome {
    /// The job.
    pub fn job(&self) -> JobId {
        match self {
            Self::Published(published) => published.job,
            Self::Sealed(job) => *job,
        }
    }
}

/// What to read, and how: the same for `publish` and `run`.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// The CSV to read; - is standard input
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,

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

    #[command(flatten)]
    profile: ProfileArgs,

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
        let source = self.source();
        Config {
            broker,
            name: self.name.clone().unwrap_or_else(|| source.name()),
            source,
            job: JobId::new(),
            operation: OperationSpec {
                kind: Some(Kind::Profile(self.profile.spec())),
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
            keeping: Keeping::Nothing,
        }
    }

    /// Only where another publish is gone on with may there be no file.
    fn source(&self) -> Source {
        self.file.as_deref().map_or(Source::Stdin, Source::new)
    }
}

impl Args {
    /// What to read, and how.
    pub fn input(&self) -> &InputArgs {
        &self.input
    }

    /// The publish that is asked for, or the job that needs no more of it.
    fn config(&self) -> Result<Result<Config, JobId>, Failure> {
        let broker = self.broker.broker().or_exit(Exit::Usage)?;
        let first_connect = Duration::from_secs(self.connect_timeout);
        let more = self.input.file.as_ref().map(|_| self.input.source());
        match self.going_on.found(more.as_ref())? {
            None => {
                let mut config = self.input.config(broker, first_connect);
                config.keeping = self.going_on.keeping(&config.source)?;
                Ok(Ok(config))
            }
            Some(Found::Sealed(job)) => Ok(Err(job)),
            Some(Found::Unfinished(unfinished)) => {
                eprintln!("rowmill: {}", unfinished.summary());
                Ok(Ok(unfinished.config(broker, first_connect)))
            }
        }
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
    ) -> Result<Outcome, Failure> {
        let config = match self.config()? {
            Ok(config) => config,
            Err(job) => {
                opened(job);
                return Ok(Outcome::Sealed(job));
            }
        };
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
        outcome.map(Outcome::Published).map_err(|error| {
            let needs_hint = progress.is_kept() && !says_how_to_go_on(&error);
            let failure = failure(error);
            if needs_hint {
                let hint =
                    format!("{failure}; when that is mended: rowmill publish --resume {job}");
                return Failure::message(failure.exit, hint);
            }
            failure
        })
    }

    /// `rowmill publish`, without waiting for the result: the id on stdout, the rest on stderr.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let outcome = self.publish(print_id, shutdown).await?;
        report(&outcome);
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
pub fn report(outcome: &Outcome) {
    let Published {
        chunks,
        rows,
        rejects,
        bytes,
        ..
    } = match outcome {
        Outcome::Published(published) => published,
        Outcome::Sealed(job) => {
            eprintln!("rowmill: job {job} is sealed already: the broker has all of it");
            return;
        }
    };
    eprintln!(
        "rowmill: published {rows} rows in {chunks} chunks ({bytes} bytes), each confirmed by the broker"
    );
    if *rejects > 0 {
        eprintln!(
            "rowmill: {rejects} records were too long to carry, or cut off; `rowmill rejects` lists them"
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

/// Whether the error's own words are enough for a person who wants to go on.
fn says_how_to_go_on(error: &PublishError) -> bool {
    match error {
        PublishError::Interrupted { .. }
        | PublishError::Unsealed { .. }
        | PublishError::Resume(_) => true,
        PublishError::Input(_)
        | PublishError::Broker(_)
        | PublishError::Journal(_)
        | PublishError::Panic(_) => false,
    }
}

pub(crate) fn failure(error: PublishError) -> Failure {
    let exit = match &error {
        PublishError::Resume(ResumeError::Changed { .. })
        | PublishError::Input(_)
        | PublishError::Unsealed { .. }
        | PublishError::Panic(_)
        | PublishError::Journal(JournalError::Io { .. }) => Exit::UnreadableInput,
        PublishError::Resume(_) | PublishError::Journal(_) => Exit::Usage,
        PublishError::Broker(_) => Exit::Unreachable,
        PublishError::Interrupted { .. } => Exit::Cancelled,
    };
    Failure::new(exit, error)
}
