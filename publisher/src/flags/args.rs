//! The flags of `rowmill publish`, and the command itself.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use access::{MasterArgs, SigningArgs};
use broker::BrokerArgs;
use cli::format::{self, plural};
use cli::{Exit, Failure, OrExit, OrUnwritable, ProgressMeter, ProgressSample, STDOUT};
use engine::chunk::Packing;
use input::{InputDescription, InputError};
use proto::{JobId, Lane};
use telemetry::TraceArgs;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::exec_args::ExecArgs;
use super::job_args::{JobArgs, OperationOptions};
use super::resume_args::ResumeArgs;
use crate::backpressure::Backpressure;
use crate::chunk_size::learn;
use crate::error::{PublishError, failure};
use crate::progress::Progress;
use crate::publish::{Publish, PublishSettings, PublishSource};
use crate::resume::{Decision, ResumeLookup, query_missing};
use crate::run::PublishSummary;

/// How often the master is asked how long chunks take.
const LEARNING: Duration = Duration::from_millis(200);

/// Split CSV into chunks and publish them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
#[command(mut_arg("file", |file| file.required(false).required_unless_present("resume")))]
pub struct Args {
    #[command(flatten)]
    job: JobArgs,

    #[command(flatten)]
    exec: ExecArgs,

    /// Send the chunks only to workers that were started with the same lane: 1 to 32 of a-z, 0-9, _ and - [default:
    /// workers without a lane]
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    lane: Option<Lane>,

    #[command(flatten)]
    broker: BrokerArgs,

    #[command(flatten)]
    signing: SigningArgs,

    /// How long the first connection to the broker may take, in seconds; a lost connection is retried without limit
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 10,
        hide_short_help = true
    )]
    connect_timeout: u64,

    /// How chunks are packed for the broker; zstd reduces most CSV to a third, for about 3 ms of a core per MiB here
    /// and 1 ms at the worker
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
    resume: ResumeArgs,

    #[command(flatten)]
    master: MasterArgs,
}

/// How chunks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Compress {
    /// Not packed
    None,
    /// With zstd, level 1
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

/// The result of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// The broker has confirmed all of it.
    Published(PublishSummary),
    /// It was sealed before, with the reason why nothing is sent.
    Sealed(JobId, String),
}

impl PublishOutcome {
    /// The job's id.
    pub fn job(&self) -> JobId {
        match self {
            Self::Published(published) => published.job,
            Self::Sealed(job, _) => *job,
        }
    }
}

impl Args {
    /// The flags that describe the job.
    pub fn job(&self) -> &JobArgs {
        &self.job
    }

    /// The master, which reports the missing chunks of a resumed publish.
    pub fn master(&self) -> &MasterArgs {
        &self.master
    }

    /// Whether the job may produce rows. Always true for a resumed publish: only its journal knows the operation.
    pub fn makes_rows(&self) -> bool {
        let makes_rows = self.exec.spec().is_some() || self.job.makes_rows();
        let makes_rows = makes_rows && !self.exec.no_rows();
        makes_rows || self.resume.is_resumed()
    }

    fn operation_options(&self) -> OperationOptions {
        OperationOptions {
            exec: self.exec.spec(),
            no_rows: self.exec.no_rows(),
        }
    }

    /// The publish to run, or a sealed job with the reason why nothing of it is sent.
    async fn prepare(&self) -> Result<Result<Publish, (JobId, String)>, Failure> {
        let broker = self.broker.broker().or_exit(Exit::Usage)?;
        let settings = PublishSettings {
            packing: self.compress.into(),
            signing: self.signing.key().or_exit(Exit::Usage)?,
            tracer: self
                .trace
                .tracer("rowmill-publisher")
                .or_exit(Exit::Usage)?,
            ..PublishSettings::new(broker, Duration::from_secs(self.connect_timeout))
        };
        let source = match self.resume.find(self.job.files())? {
            None => {
                let mut fresh = self.job.fresh_publish(&self.operation_options())?;
                fresh.persistence = self.resume.persistence(&fresh.input_spec.sources)?;
                fresh.lane = self.lane.map_or_else(String::new, |lane| lane.to_string());
                PublishSource::Fresh(Box::new(fresh))
            }
            Some(ResumeLookup::Sealed(job)) => {
                let reason = "the broker has all of it; its input can no longer be read, so no chunk can be sent again";
                return Ok(Err((job, reason.to_owned())));
            }
            Some(ResumeLookup::Resumable(unfinished)) => {
                let job = unfinished.job();
                let report = query_missing(&self.master, job).await;
                let unfinished = match unfinished.decide(report) {
                    Decision::Send(unfinished) => unfinished,
                    Decision::Nothing(reason) => return Ok(Err((job, reason))),
                };
                cli::stderr_line!("rowmill: {}", unfinished.summary());
                PublishSource::Resumed(unfinished)
            }
        };
        Ok(Ok(Publish { settings, source }))
    }

    /// Publishes, with progress on stderr. Calls `opened` once the broker has confirmed the job's opening.
    /// `backpressure` limits the chunks in flight until their rows are read.
    ///
    /// # Errors
    ///
    /// Why the job is not sealed, with the matching exit code.
    pub async fn publish(
        &self,
        opened: impl FnOnce(JobId),
        backpressure: Option<Arc<Backpressure>>,
        shutdown: CancellationToken,
    ) -> Result<PublishOutcome, Failure> {
        let mut publish = match self.prepare().await? {
            Ok(publish) => publish,
            Err((job, reason)) => {
                opened(job);
                return Ok(PublishOutcome::Sealed(job, reason));
            }
        };
        publish.settings.backpressure = backpressure;
        let progress = Arc::clone(&publish.settings.progress);
        let tracer = publish.settings.tracer.clone();
        let (job, sizer) = (publish.source.job(), publish.source.sizer());
        let job_id = job.to_string();
        let connect = || self.master.connect();
        let learning = learn(connect, &job_id, sizer.as_deref(), LEARNING);
        let mut learning = std::pin::pin!(learning);
        let span = tracing::error_span!("publish", %job);
        let mut meter = ProgressMeter::new(self.job.is_quiet());
        let mut ticks = tokio::time::interval(ProgressMeter::EVERY);
        let mut opened = Some(|job| {
            print_description(&progress, self.job.is_quiet());
            opened(job);
        });
        let mut publishing = std::pin::pin!(crate::run(publish, shutdown).instrument(span));
        let outcome = loop {
            tokio::select! {
                outcome = &mut publishing => break outcome,
                () = progress.opened(), if opened.is_some() => {
                    meter.suspend(|| opened.take().map(|call| call(job)));
                }
                _ = ticks.tick() => meter.show(&reading(&progress)),
                never = &mut learning => match never {},
            }
        };
        meter.clear();
        tracer.finish().await;
        // A small input may be opened and sealed before the first poll of `opened`.
        if outcome.is_ok()
            && let Some(call) = opened
        {
            call(job);
        }
        outcome.map(PublishOutcome::Published).map_err(|error| {
            let needs_hint = progress.is_resumable() && !says_how_to_resume(&error);
            let failure = failure(error);
            if needs_hint {
                let hint = format!(
                    "{failure}; once that is fixed, resume with: rowmill publish --resume {job}"
                );
                return Failure::message(failure.exit, hint);
            }
            failure
        })
    }

    /// Runs `rowmill publish` without waiting for the result: prints the id on stdout, and the rest on stderr.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if self.job.is_dry_run() {
            return self.job.dry_run(&self.operation_options(), shutdown).await;
        }
        let mut printed = Ok(());
        let print_id = |job| printed = print_id(job);
        let outcome = self.publish(print_id, None, shutdown).await?;
        print_outcome(&outcome);
        // If the id cannot be printed, the job is published all the same.
        printed.map(|()| Exit::Ok)
    }
}

/// Prints the sniffed properties of the input on stderr, if any is unusual.
pub fn print_description(progress: &Progress, is_quiet: bool) {
    let line = progress.description().and_then(InputDescription::line);
    if let Some(line) = line.filter(|_| !is_quiet) {
        cli::stderr_line!("rowmill: {line}");
    }
}

fn print_id(job: JobId) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{job}").or_unwritable(STDOUT)
}

/// Prints the result of the publish on stderr.
pub fn print_outcome(outcome: &PublishOutcome) {
    let PublishSummary {
        job,
        chunks,
        rows,
        rejects,
        bytes,
        resent,
    } = match outcome {
        PublishOutcome::Published(published) => published,
        PublishOutcome::Sealed(job, reason) => {
            cli::stderr_line!("rowmill: job {job} is sealed already: {reason}");
            return;
        }
    };
    if let Some(resent) = resent {
        cli::stderr_line!(
            "rowmill: sent {} of {chunks} again, which the master lacked, each confirmed by the broker",
            plural(*resent, "chunk")
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

/// Whether the error's message already says how to resume, or resuming is pointless.
fn says_how_to_resume(error: &PublishError) -> bool {
    match error {
        // A job that was stopped at a bad record is cancelled, and cannot be resumed.
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
