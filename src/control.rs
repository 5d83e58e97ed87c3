//! `rowmill cancel`, `pause` and `resume`: whether a job's chunks are run.

use access::MasterArgs;
use cli::{Exit, Failure};
use proto::v1::{CancelJobRequest, Job, PauseJobRequest, ResumeJobRequest};

use crate::output::state_name;
use crate::server::refused;

/// Which job
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    #[command(flatten)]
    master: MasterArgs,
}

impl Args {
    pub(crate) async fn cancel(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let answer = client
            .cancel_job(CancelJobRequest { job_id: self.job })
            .await
            .map_err(|status| refused(&status))?;
        Ok(say(answer.into_inner().job))
    }

    pub(crate) async fn pause(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let answer = client
            .pause_job(PauseJobRequest { job_id: self.job })
            .await
            .map_err(|status| refused(&status))?;
        Ok(say(answer.into_inner().job))
    }

    pub(crate) async fn resume(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let answer = client
            .resume_job(ResumeJobRequest { job_id: self.job })
            .await
            .map_err(|status| refused(&status))?;
        Ok(say(answer.into_inner().job))
    }
}

fn say(job: Option<Job>) -> Exit {
    let job = job.unwrap_or_default();
    eprintln!("rowmill: job {} is {}", job.job_id, state_name(job.state()));
    Exit::Ok
}
