//! `rowmill schema`: proposes a Table Schema from a profile: of a file, which is profiled in this process,
//! of a job on the master, or from a file written by `--json`.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use access::MasterArgs;
use cli::{Exit, Failure, OrUnwritable, ProgressMeter, STDOUT};
use engine::validate::propose;
use proto::v1::GetJobResponse;
use publisher::{JobArgs, OperationOptions, print_description};
use tokio_util::sync::CancellationToken;

use crate::follow::{WaitPolicy, follow};
use crate::in_process::{InProcess, threads};
use crate::query;
use report::read_json;

/// Propose a Table Schema for --schema from a profile: types, and whether values are required, unique or
/// one of few
///
/// FILE is CSV, or a profile written by --json; or else a job's id, or the beginning of it.
#[derive(Debug, clap::Args)]
#[command(mut_arg("name", |arg| arg.hide(true)))]
#[command(mut_arg("schema", |arg| arg.hide(true)))]
#[command(mut_arg("stats", |arg| arg.hide(true)))]
#[command(mut_arg("dry_run", |arg| arg.hide(true)))]
#[command(mut_arg("chunk_bytes", |arg| arg.hide(true)))]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    /// Propose also minimum, maximum and maxLength from the values in the profile
    #[arg(long)]
    bounds: bool,

    /// Chunks to process at once [default: the number of cores plus one]
    #[arg(long, value_name = "N", value_parser = cli::at_least_one)]
    workers: Option<NonZeroUsize>,

    #[command(flatten)]
    master: MasterArgs,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let response = tokio::select! {
            response = self.profile(&shutdown) => response?,
            () = shutdown.cancelled() => return Err(Failure::message(Exit::Cancelled, "interrupted")),
        };
        let Some(profile) = report::profile_of(response.report.as_ref()) else {
            let said = "a schema is proposed from a profile, and this job has another operation";
            return Err(Failure::message(Exit::Usage, said));
        };
        if response.partial {
            cli::stderr_line!("rowmill: the profile is partial: later rows may break the schema");
        }
        let schema = propose(profile, &response.columns, self.bounds);
        let mut out = std::io::stdout().lock();
        let written = report::json::write_pretty(&mut out, &schema);
        written.and_then(|()| out.flush()).or_unwritable(STDOUT)?;
        Ok(Exit::Ok)
    }

    /// A file takes precedence over a job id of the same name.
    async fn profile(&self, shutdown: &CancellationToken) -> Result<GetJobResponse, Failure> {
        if let [path] = self.job.files()
            && path.as_os_str() != "-"
        {
            if let Some(profile) = written(path) {
                return Ok(profile);
            }
            let id = path.to_str().filter(|text| is_id(text) && !path.exists());
            if let Some(id) = id {
                return query::get_job(&self.master.connect().await?, id).await;
            }
        }
        Box::pin(self.profiled(shutdown)).await
    }

    async fn profiled(&self, shutdown: &CancellationToken) -> Result<GetJobResponse, Failure> {
        let threads = self.workers.unwrap_or_else(threads);
        let mut roles = InProcess::start(threads, None).await?;
        let broker = roles.broker.clone();
        let publish = self
            .job
            .publish(broker, Duration::ZERO, &OperationOptions::default())?;
        let (progress, job_id) = (
            Arc::clone(&publish.settings.progress),
            publish.source.job().to_string(),
        );
        let mut progress_meter = ProgressMeter::new(self.job.is_quiet());
        let client = roles.client.clone();
        let following = async {
            progress.opened().await;
            print_description(&progress, self.job.is_quiet());
            let connect = || std::future::ready(Ok(client.clone()));
            follow(connect, &job_id, WaitPolicy::EXPECTED, &mut progress_meter).await
        };
        let publishing = async {
            let published = publisher::run(publish, shutdown.clone()).await;
            published.map_err(publisher::failure)?;
            // The wait for the job ends this future.
            std::future::pending::<Result<std::convert::Infallible, Failure>>().await
        };
        let response = tokio::select! {
            response = following => response,
            Err(failure) = publishing => Err(failure),
            failure = roles.failed() => Err(failure),
        };
        progress_meter.clear();
        roles.stop().await;
        let response = response?;
        match &response.job {
            // The publisher reports the same reason, but may not have done so yet.
            Some(job) if !job.reason.is_empty() => {
                Err(Failure::message(Exit::UnreadableInput, job.reason.clone()))
            }
            _ => Ok(response),
        }
    }
}

/// The profile in a file written by `--json`. `None` if the file is something else, such as CSV.
fn written(path: &Path) -> Option<GetJobResponse> {
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let text = is_json.then(|| std::fs::read_to_string(path).ok())??;
    read_json(&text).ok()
}

/// Whether the text could be a job's id, or the beginning of one.
pub(crate) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
