//! `rowmill run`: one file, one machine, no broker.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cli::{Exit, Failure, Meter};
use proto::Client;
use proto::v1::GetJobResponse;
use publisher::{InputArgs, PublishError, say_described};
use tokio_util::sync::CancellationToken;

use crate::follow::{Patience, follow};
use crate::in_process::InProcess;
use crate::output::{OutputArgs, say_bad};
use crate::rejects::export_csv;

/// Profile a file in this process, with no broker
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    /// Chunks to work on at once [default: this host's cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// Write the bad records to FILE, as they came and under the header, so that they can be mended
    /// and read again
    #[arg(
        long,
        value_name = "FILE",
        help_heading = publisher::BAD
    )]
    rejects: Option<PathBuf>,

    #[command(flatten)]
    rows: RowsArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if self.input.is_dry_run() {
            return self.input.dry_run(shutdown).await;
        }
        let mut roles = InProcess::start(self.workers.unwrap_or_else(worker::cores)).await?;
        let config = self.input.config(roles.broker.clone(), Duration::ZERO)?;
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
            say_described(&progress, self.input.is_quiet());
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
        let said = self.finish(client, &response).await;
        roles.stop().await;
        said
    }

    async fn finish(&self, mut client: Client, response: &GetJobResponse) -> Result<Exit, Failure> {
        let job = response.job.clone().unwrap_or_default();
        // The publisher says the same, but may not have come to it.
        if !job.reason.is_empty() {
            return Err(Failure::message(Exit::UnreadableInput, job.reason));
        }
        let exit = self.output.write(response)?;
        let hint = match &self.rejects {
            Some(path) => {
                let exported = export_csv(client.clone(), response, path).await?;
                exported.say();
                format!("{} of them are in {}", exported.written, path.display())
            }
            None => "--rejects FILE keeps them".to_owned(),
        };
        say_bad(&mut client, &job, &hint).await?;
        Ok(exit)
    }
}

fn failure(error: PublishError) -> Failure {
    match error {
        // The job lives in this process: nothing of it stays.
        PublishError::Interrupted { .. } => Failure::message(Exit::Cancelled, "interrupted"),
        error => publisher::failure(error),
    }
}
