//! The publisher's command line.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use access::{MasterArgs, SigningArgs};
use broker::BrokerArgs;
use cli::format::{self, plural};
use cli::{Exit, Failure, OrExit, OrUnwritable, ProgressMeter, ProgressSample, STDOUT};
use engine::chunk::Packing;
use proto::{JobId, Lane};
use telemetry::TraceArgs;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::exec_args::ExecArgs;
use super::input_args::{InputArgs, OperationOptions};
use super::resume_args::ResumeArgs;
use crate::backpressure::Backpressure;
use crate::input::{InputDescription, InputError};
use crate::journal::JournalError;
use crate::progress::Progress;
use crate::resume::{Decision, ResumeError, ResumeLookup, query_missing};
use crate::run::{Config, PublishError, PublishSummary};

/// Cut CSV into chunks and hand them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
#[command(mut_arg("file", |file| file.required(false).required_unless_present("resume")))]
pub struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    exec: ExecArgs,

    /// Send the chunks to the workers of this lane only, which were started with the same: 1 to 32 of
    /// a-z, 0-9, _ and - [default: to those that were started without]
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    lane: Option<Lane>,

    #[command(flatten)]
    broker: BrokerArgs,

    #[command(flatten)]
    signing: SigningArgs,

    /// How long the broker may be away at the start, in seconds; once connected, a lost broker is
    /// waited for as long as it takes
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        hide_short_help = true
    )]
    connect_timeout: u64,

    /// How chunks are packed on their way to the workers; zstd makes a third of most CSV, for some
    /// 3 ms of a core a MiB here and 1 ms there, which the broker spends less
    #[arg(
        long,
        value_name = "HOW",
        default_value = "zstd",
        hide_short_help = true
    )]
    compress: Compress,

    #[command(flatten)]
    trace: TraceArgs,

    #[command(flatten)]
    resume_args: ResumeArgs,

    #[command(flatten)]
    master: MasterArgs,
}

/// How chunks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Compress {
    /// Not at all
    None,
    /// With zstd, at its level 1
    Zstd,
}

impl From<Compress> for Packing {
    fn from(compress: Compress) -> Self {
        match compress {
            Compress::None => Self::Hash,
            Compress::Zstd => Self::Zstd,
        }
    }
}

/// What a publish came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker has all of it.
    Published(PublishSummary),
    /// The broker had all of it before; what more there is to say.
    Sealed(JobId, String),
}

impl PublishOutcome {
    /// The job.
    pub fn job(&self) -> JobId {
        match self {
            Self::Published(published) => published.job,
            Self::Sealed(job, _) => *job,
        }
    }
}

impl Args {
    /// What to read, and how.
    pub fn input(&self) -> &InputArgs {
        &self.input
    }

    /// The master, which is asked which chunks of a resumed publish it lacks.
    pub fn master(&self) -> &MasterArgs {
        &self.master
    }

    /// Whether rows may come of it. Of a publish that is gone on with, its journal knows.
    pub fn makes_rows(&self) -> bool {
        let makes_rows = self.exec.spec().is_some() || self.input.has_schema();
        let makes_rows = makes_rows && !self.exec.no_rows();
        makes_rows || self.resume_args.is_resumed()
    }

    fn work(&self) -> OperationOptions {
        OperationOptions {
            exec: self.exec.spec(),
            no_rows: self.exec.no_rows(),
        }
    }

    /// The publish to run, or a sealed job of which nothing is sent, with the reason.
    async fn config(&self) -> Result<Result<Config, (JobId, String)>, Failure> {
        let broker = self.broker.broker().or_exit(Exit::Usage)?;
        let first_connect = Duration::from_secs(self.connect_timeout);
        let packing = self.compress.into();
        let signing = self.signing.key().or_exit(Exit::Usage)?;
        let tracer = self
            .trace
            .tracer("rowmill-publisher")
            .or_exit(Exit::Usage)?;
        match self.resume_args.found(self.input.files())? {
            None => {
                let mut config = self.input.config(broker, first_connect, &self.work())?;
                config.persistence = self.resume_args.persistence(&config.input_spec.sources)?;
                config.packing = packing;
                config.signing = signing;
                config.tracer = tracer;
                config.lane = self.lane.map_or_else(String::new, |lane| lane.to_string());
                Ok(Ok(config))
            }
            Some(ResumeLookup::Sealed(job)) => {
                let said = "the broker has all of it; its input is not known any more, so nothing of it can be \
                            sent again";
                Ok(Err((job, said.to_owned())))
            }
            Some(ResumeLookup::Resumable(unfinished)) => {
                let job = unfinished.job();
                let report = query_missing(&self.master, job).await;
                let unfinished = match unfinished.decide(report) {
                    Decision::Send(unfinished) => unfinished,
                    Decision::Nothing(said) => return Ok(Err((job, said))),
                };
                cli::stderr_line!("rowmill: {}", unfinished.summary());
                let mut config = unfinished.config(broker, first_connect);
                config.packing = packing;
                config.signing = signing;
                config.tracer = tracer;
                Ok(Ok(config))
            }
        }
    }

    /// Publishes as the command line says, with progress on stderr; calls `opened` once the broker
    /// has the job's opening. With `ahead` it is no further ahead of whoever takes the rows that come
    /// of it.
    ///
    /// # Errors
    ///
    /// Why the job is not sealed, with the exit code that it deserves.
    pub async fn publish(
        &self,
        opened: impl FnOnce(JobId),
        backpressure: Option<Arc<Backpressure>>,
        shutdown: CancellationToken,
    ) -> Result<PublishOutcome, Failure> {
        let config = match self.config().await? {
            Ok(config) => Config {
                backpressure,
                ..config
            },
            Err((job, said)) => {
                opened(job);
                return Ok(PublishOutcome::Sealed(job, said));
            }
        };
        let (progress, job) = (Arc::clone(&config.progress), config.job);
        let tracer = config.tracer.clone();
        let span = tracing::error_span!("publish", %job);
        let mut meter = ProgressMeter::new(self.input.is_quiet());
        let mut ticks = tokio::time::interval(ProgressMeter::EVERY);
        let mut opened = Some(|job| {
            print_description(&progress, self.input.is_quiet());
            opened(job);
        });
        let mut publishing = std::pin::pin!(crate::run(config, shutdown).instrument(span));
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
        tracer.finish().await;
        // A small input is opened and sealed before anybody looks.
        if outcome.is_ok()
            && let Some(tell) = opened
        {
            tell(job);
        }
        outcome.map(PublishOutcome::Published).map_err(|error| {
            let needs_hint = progress.is_resumable() && !says_how_to_go_on(&error);
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
        if self.input.is_dry_run() {
            return self.input.dry_run(&self.work(), shutdown).await;
        }
        let mut printed = Ok(());
        let print_id = |job| printed = print_id(job);
        let outcome = self.publish(print_id, None, shutdown).await?;
        print_outcome(&outcome);
        // The job is what counts: also where the id cannot be printed, all of it is published.
        printed.map(|()| Exit::Ok)
    }
}

/// Says on stderr what was found out about the input, where it is worth a line.
pub fn print_description(progress: &Progress, is_quiet: bool) {
    let line = progress.description().and_then(InputDescription::line);
    if let Some(line) = line.filter(|_| !is_quiet) {
        cli::stderr_line!("rowmill: {line}");
    }
}

fn print_id(job: JobId) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{job}").or_unwritable(STDOUT)
}

/// Says on stderr what was published.
pub fn print_outcome(outcome: &PublishOutcome) {
    let PublishSummary {
        job,
        chunks,
        rows,
        rejects,
        bytes,
        again,
    } = match outcome {
        PublishOutcome::Published(published) => published,
        PublishOutcome::Sealed(job, said) => {
            cli::stderr_line!("rowmill: job {job} is sealed already: {said}");
            return;
        }
    };
    if let Some(again) = again {
        cli::stderr_line!(
            "rowmill: sent {} of {chunks} again, which the master lacked, each confirmed by the broker",
            plural(*again, "chunk")
        );
        return;
    }
    cli::stderr_line!(
        "rowmill: published {} in {}, {} in all, each confirmed by the broker",
        plural(*rows, "row"),
        plural(*chunks, "chunk"),
        format::bytes(*bytes)
    );
    if *rejects > 0 {
        cli::stderr_line!(
            "rowmill: {} left out already; rowmill rejects {job} lists all",
            plural(*rejects, "bad record")
        );
    }
}

fn reading(progress: &Progress) -> ProgressSample {
    let (bytes, rows) = progress.confirmed();
    ProgressSample {
        bytes,
        total_bytes: progress.total_bytes(),
        rows,
        note: progress.waiting().unwrap_or_default(),
    }
}

/// Whether the error's own words are enough for a person who wants to go on.
fn says_how_to_go_on(error: &PublishError) -> bool {
    match error {
        // What was stopped is cancelled, and not to be gone on with.
        PublishError::Input(InputError::Stopped(_) | InputError::Changed { .. })
        | PublishError::Interrupted { .. }
        | PublishError::Unsealed { .. }
        | PublishError::Resume(_) => true,
        PublishError::Input(_)
        | PublishError::Broker(_)
        | PublishError::Schema(_)
        | PublishError::Journal(_)
        | PublishError::Panic(_) => false,
    }
}

/// A publish's end before its seal, with the exit code that it deserves.
pub fn failure(error: PublishError) -> Failure {
    let exit = match &error {
        PublishError::Input(InputError::Dialect(_) | InputError::UnionOfNameless { .. }) => {
            Exit::Usage
        }
        PublishError::Input(InputError::Spool { .. })
        | PublishError::Journal(JournalError::Io { .. })
        | PublishError::Resume(ResumeError::Journal(JournalError::Io { .. })) => Exit::Unwritable,
        PublishError::Resume(ResumeError::Changed { .. })
        | PublishError::Input(_)
        | PublishError::Unsealed { .. } => Exit::UnreadableInput,
        PublishError::Resume(_) | PublishError::Journal(_) | PublishError::Schema(_) => Exit::Usage,
        PublishError::Panic(_) => Exit::Defect,
        PublishError::Broker(error) if error.is_refusal() => Exit::Refused,
        PublishError::Broker(_) => Exit::Unreachable,
        PublishError::Interrupted { .. } => Exit::Cancelled,
    };
    Failure::new(exit, error)
}
