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
use crate::journal::{JournalError, Shelf};
use crate::progress::Progress;
use crate::resume::{Found, Rest, ResumeError, Resumed};
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

/// What outlives the process, and how to go on with it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Going on after an end that was not meant")]
struct GoingOnArgs {
    /// Go on with a publish that was stopped or killed, on the host where it began: a job's id, the
    /// beginning of it, or "last". Refused where the file was changed since. For standard input
    /// that was kept with --spool, FILE - gives the rest of it
    #[arg(long, value_name = "JOB",
          conflicts_with_all = ["name", "delimiter", "no_headers", "chunk_bytes", "spool"])]
    resume: Option<String>,

    /// With --resume: the rest of a spooled standard input is lost; finish the job without it. A
    /// record that was cut off becomes a reject
    #[arg(long, requires = "resume", conflicts_with = "file")]
    seal: bool,

    /// Keep what is read of standard input in DIR until the broker has all of it, so that it can be
    /// gone on with. Needs room for the whole input, and waits for the disk [default: nothing is
    /// kept, and what a killed process had read is lost]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,

    /// Where to note how far each publish has come [default: rowmill/journal in XDG_STATE_HOME, or
    /// in ~/.local/state]
    #[arg(long, value_name = "DIR", env = "ROWMILL_JOURNAL")]
    journal: Option<PathBuf>,
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
        let Some(text) = &self.going_on.resume else {
            let mut config = self.input.config(broker, first_connect);
            config.keeping = self.keeping(&config.source)?;
            return Ok(Ok(config));
        };
        match self.resumed(text)? {
            Found::Sealed(job) => Ok(Err(job)),
            Found::Unfinished(resumed) => {
                eprintln!("rowmill: {}", resumed.summary());
                Ok(Ok(resumed.config(broker, first_connect)))
            }
        }
    }

    fn resumed(&self, text: &str) -> Result<Found, Failure> {
        let rest = match (&self.input.file, self.going_on.seal) {
            (None, false) => Rest::Waits,
            (None, true) => Rest::Lost,
            (Some(_), _) if self.input.source() == Source::Stdin => Rest::Comes,
            (Some(_), _) => {
                let said = "with --resume, FILE can only be -; the journal knows which file it was";
                return Err(Failure::message(Exit::Usage, said));
            }
        };
        let found = self.shelf().ok_or_else(no_shelf)?;
        Resumed::find(found, text, rest).map_err(|error| failure(error.into()))
    }

    fn keeping(&self, source: &Source) -> Result<Keeping, Failure> {
        match (self.shelf(), &self.going_on.spool) {
            (_, Some(_)) if *source != Source::Stdin => {
                let said = "--spool is for standard input; a file is there to be read again";
                Err(Failure::message(Exit::Usage, said))
            }
            (Some(shelf), Some(dir)) => Ok(Keeping::Spool(shelf, dir.clone())),
            (Some(shelf), None) => Ok(Keeping::Journal(shelf)),
            (None, Some(_)) => Err(no_shelf()),
            (None, None) => Ok(Keeping::Nothing),
        }
    }

    fn shelf(&self) -> Option<Shelf> {
        let named = self.going_on.journal.clone().map(Shelf::new);
        named.or_else(Shelf::of_user)
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
            say_how_to_go_on(&error, &progress, job);
            failure(error)
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

/// Where the error itself does not say it.
fn say_how_to_go_on(error: &PublishError, progress: &Progress, job: JobId) {
    let fits = matches!(
        error,
        PublishError::Input(_) | PublishError::Broker(_) | PublishError::Panic(_)
    );
    if fits && progress.is_kept() {
        eprintln!("rowmill: when that is mended: rowmill publish --resume {job}");
    }
}

fn no_shelf() -> Failure {
    let said = "there is no home directory to keep a journal in; name one with --journal DIR";
    Failure::message(Exit::Usage, said)
}

fn failure(error: PublishError) -> Failure {
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
