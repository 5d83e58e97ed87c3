//! `rowmill wait`: waits until a job is finished, then prints its result.

use std::time::Duration;

use access::MasterArgs;
use cli::{Exit, Failure, ProgressMeter};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::follow::{WaitPolicy, follow};
use crate::output::OutputArgs;
use crate::publish::stopped_waiting;
use crate::show::write;

/// Wait until a job is finished and print its result
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Give up after this many seconds, with exit code 6 [default: never]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,

    /// Show no progress
    #[arg(long, short)]
    quiet: bool,

    #[command(flatten)]
    master: MasterArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let deadline = self
            .timeout
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let wait_policy = WaitPolicy {
            deadline,
            is_expected: false,
        };
        let mut progress_meter = ProgressMeter::new(self.quiet);
        let outcome = tokio::select! {
            outcome = follow(|| self.master.connect(), &self.job, wait_policy, &mut progress_meter) => outcome,
            () = shutdown.cancelled() => Err(stopped_waiting(&self.job)),
        };
        progress_meter.clear();
        write(&self.output, &self.master, &outcome?).await
    }
}
