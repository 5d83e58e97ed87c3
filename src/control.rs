//! `rowmill cancel`, `pause` and `resume`.

use access::{Client, MasterArgs};
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::{CancelJobRequest, Job, PauseJobRequest, ResumeJobRequest};

use crate::query::call_retrying;
use report::json::write_line as json_line;
use report::{JobJson, state_name};

/// The job to change
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Write the job as JSON, as `rowmill jobs --json` does
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    master: MasterArgs,
}

impl Args {
    pub(crate) async fn cancel(self) -> Result<Exit, Failure> {
        let request = CancelJobRequest {
            job_id: self.job.clone(),
        };
        let client = self.master.connect().await?;
        let cancel = async |mut client: Client| client.cancel_job(request.clone()).await;
        let answer = call_retrying(&client, &self.job, cancel).await?;
        self.say(answer.job)
    }

    pub(crate) async fn pause(self) -> Result<Exit, Failure> {
        let request = PauseJobRequest {
            job_id: self.job.clone(),
        };
        let client = self.master.connect().await?;
        let pause = async |mut client: Client| client.pause_job(request.clone()).await;
        let answer = call_retrying(&client, &self.job, pause).await?;
        self.say(answer.job)
    }

    pub(crate) async fn resume(self) -> Result<Exit, Failure> {
        let request = ResumeJobRequest {
            job_id: self.job.clone(),
        };
        let client = self.master.connect().await?;
        let resume = async |mut client: Client| client.resume_job(request.clone()).await;
        let answer = call_retrying(&client, &self.job, resume).await?;
        self.say(answer.job)
    }

    fn say(&self, job: Option<Job>) -> Result<Exit, Failure> {
        let job = job.unwrap_or_default();
        if self.json {
            json_line(&mut std::io::stdout(), &JobJson::from(job)).or_unwritable(STDOUT)?;
        } else {
            cli::stderr_line!("rowmill: job {} is {}", job.job_id, state_name(job.state()));
        }
        Ok(Exit::Ok)
    }
}
