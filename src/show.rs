//! `rowmill show`: one job with its result so far.

use cli::{Exit, Failure};
use proto::v1::GetJobRequest;

use crate::output::OutputArgs;
use crate::server::{MasterArgs, refused};

/// Print a job's result as it stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB")]
    job: String,

    #[command(flatten)]
    master: MasterArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let request = GetJobRequest {
            job_id: self.job,
            wait_ms: 0,
        };
        let response = client
            .get_job(request)
            .await
            .map_err(|status| refused(&status))?;
        self.output.write(response.get_ref())
    }
}
