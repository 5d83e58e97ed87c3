//! `rowmill publish`, with or without waiting for the result.

use cli::{Exit, Failure, Meter};
use tokio_util::sync::CancellationToken;

use crate::follow::{Patience, follow};
use crate::output::OutputArgs;
use crate::server::MasterArgs;
use crate::show::write;

/// Cut CSV into chunks and hand them to the broker; prints the job's id
#[derive(Debug, clap::Args)]
#[group(id = "publish_and_wait")] // its own name: the publisher's arguments are a group called Args
pub(crate) struct Args {
    #[command(flatten)]
    publish: publisher::Args,

    /// Wait for the result and print it, instead of the id. The first Ctrl-C stops the waiting
    /// only, a second one stops everything
    #[arg(long, help_heading = "Result")]
    wait: bool,

    #[command(flatten, next_help_heading = "Result")]
    master: MasterArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        if !self.wait || self.publish.input().is_dry_run() {
            return self.publish.run(shutdown).await;
        }
        // The first signal ends the waiting, not the publishing.
        let publishing = self.publish.publish(
            |job| eprintln!("rowmill: job {job}"),
            CancellationToken::new(),
        );
        let saying = async {
            shutdown.cancelled().await;
            eprintln!("rowmill: publishing goes on, and is not waited for; Ctrl-C again stops it");
            std::future::pending::<std::convert::Infallible>().await
        };
        let published = tokio::select! {
            published = publishing => published?,
            never = saying => match never {},
        };
        publisher::report(&published);
        let job_id = published.job().to_string();
        let mut meter = Meter::new(self.publish.input().is_quiet());
        let patience = Patience {
            deadline: None,
            is_expected: true,
        };
        let outcome = tokio::select! {
            outcome = follow(|| self.master.connect(), &job_id, patience, &mut meter) => outcome,
            () = shutdown.cancelled() => Err(detached(&job_id)),
        };
        meter.clear();
        write(&self.output, &self.master, &outcome?).await
    }
}

/// What to say when a person stops waiting.
pub(crate) fn detached(job_id: &str) -> Failure {
    let message = format!("not waiting any longer; the job goes on: rowmill wait {job_id}");
    Failure::message(Exit::Cancelled, message)
}
