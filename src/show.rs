//! `rowmill show`: one job with its result so far.

use access::MasterArgs;
use cli::{Exit, Failure};
use proto::v1::GetJobResponse;
use publisher::Described;

use crate::output::{OutputArgs, gone, say_bad};
use crate::server;

/// Print a job's result as it stands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    #[command(flatten)]
    master: MasterArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let response = server::job(&self.master.connect().await?, &self.job).await?;
        if let Some(line) = described(&response).and_then(|described| described.line()) {
            cli::stderr_line!("rowmill: {line}");
        }
        write(&self.output, &self.master, &response).await
    }
}

/// How the job's input is written. `None`: the master does not know.
fn described(response: &GetJobResponse) -> Option<Described> {
    Some(Described {
        dialect: response.dialect.as_ref()?.try_into().ok()?,
        input: response.input.clone()?,
        rows: Vec::new(),
        source_bytes: None,
    })
}

/// Writes a job's result, and says on stderr what was bad in it.
pub(crate) async fn write(
    output: &OutputArgs,
    master: &MasterArgs,
    response: &GetJobResponse,
) -> Result<Exit, Failure> {
    let exit = output.write(response)?;
    say(master, response).await?;
    Ok(exit)
}

/// The same of a job whose rows have stdout: only what is for a person.
pub(crate) async fn tell(
    output: &OutputArgs,
    master: &MasterArgs,
    response: &GetJobResponse,
) -> Result<Exit, Failure> {
    let exit = output.report(response)?;
    say(master, response).await?;
    Ok(exit)
}

/// Says on stderr what was bad in a job, and what is gone.
async fn say(master: &MasterArgs, response: &GetJobResponse) -> Result<(), Failure> {
    let job = response.job.clone().unwrap_or_default();
    if job.rejects + job.replaced > 0 || !job.reason.is_empty() {
        let hint = format!("rowmill rejects {} lists them", job.job_id);
        say_bad(&mut master.connect().await?, &job, &hint).await?;
    }
    if let Some(line) = gone(&job) {
        cli::stderr_line!("rowmill: {line}");
    }
    Ok(())
}
