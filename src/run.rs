//! `rowmill run`: one file, one machine, no broker.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cli::{Exit, Failure, Meter};
use proto::v1::GetJobResponse;
use publisher::{InputArgs, PublishError};
use tokio_util::sync::CancellationToken;

use crate::follow::{Patience, follow};
use crate::in_process::InProcess;
use crate::output::OutputArgs;

/// Profile a file in this process, with no broker
// Chunks are as large as they may be: nothing carries them, and what is done once a chunk counts.
#[derive(Debug, clap::Args)]
#[command(mut_arg("chunk_bytes", |bytes| bytes.default_value("4194304")))]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Chunks to work on at once [default: this host's cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let mut roles = InProcess::start(self.workers.unwrap_or_else(worker::cores)).await?;
        let config = self.input.config(roles.broker.clone(), Duration::ZERO);
        let progress = Arc::clone(&config.progress);
        let job_id = config.job.to_string();
        let mut meter = Meter::new(self.input.is_quiet());
        let client = roles.client.clone();

        let publishing = async {
            publisher::run(config, shutdown).await.map_err(failure)?;
            // Where publishing fails there is no result to wait for.
            Ok(std::future::pending::<std::convert::Infallible>().await)
        };
        let following = async {
            progress.opened().await;
            let patience = Patience {
                deadline: None,
                is_expected: true,
            };
            follow(
                || std::future::ready(Ok(client.clone())),
                &job_id,
                patience,
                &mut meter,
            )
            .await
        };
        let outcome: Result<GetJobResponse, Failure> = tokio::select! {
            outcome = following => outcome,
            Err(failure) = publishing => Err(failure),
            failure = roles.failed() => Err(failure),
        };
        meter.clear();
        let response = outcome?;
        roles.stop().await;
        self.output.write(&response)
    }
}

fn failure(error: PublishError) -> Failure {
    match error {
        // The job lives in this process: nothing of it stays.
        PublishError::Interrupted { .. } => Failure::message(Exit::Cancelled, "interrupted"),
        error => Failure::new(Exit::UnreadableInput, error),
    }
}
