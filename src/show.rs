//! `rowmill show`: prints one job with its result so far.

use access::MasterArgs;
use cli::{Exit, Failure};
use input::InputDescription;
use proto::v1::GetJobResponse;

use crate::output::{OutputArgs, gone, say_bad};
use crate::query;

/// Print a job's result so far
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
        let response = query::get_job(&self.master.connect().await?, &self.job).await?;
        if let Some(line) = described(&response).and_then(|described| described.line()) {
            cli::stderr_line!("rowmill: {line}");
        }
        write(&self.output, &self.master, &response).await
    }
}

/// The format of the job's input. `None` if the master does not know it.
fn described(response: &GetJobResponse) -> Option<InputDescription> {
    Some(InputDescription {
        dialect: response.dialect.as_ref()?.try_into().ok()?,
        input: response.input.clone()?,
        rows: Vec::new(),
        source_bytes: None,
    })
}

/// Writes a job's result, and reports its bad records on stderr.
pub(crate) async fn write(
    output: &OutputArgs,
    master: &MasterArgs,
    response: &GetJobResponse,
) -> Result<Exit, Failure> {
    let exit = output.write(response)?;
    say(master, response).await?;
    Ok(exit)
}

/// Like [`write()`], without stdout, which is reserved for the rows.
pub(crate) async fn tell(
    output: &OutputArgs,
    master: &MasterArgs,
    response: &GetJobResponse,
) -> Result<Exit, Failure> {
    let exit = output.report(response)?;
    say(master, response).await?;
    Ok(exit)
}

/// Reports a job's bad records on stderr, and whether its rows were removed.
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
