//! Shell completion: flags and commands, and the ids of the master's current jobs. The shell runs this
//! command with `COMPLETE` set to the shell's name.

use std::ffi::OsStr;
use std::time::Duration;

use access::MasterArgs;
use clap::{CommandFactory, Parser};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use cli::Settings;
use proto::v1::{Job, ListJobsRequest};

use crate::command::Command;
use report::state_name;

/// Short, since the user is waiting for the completion.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum number of jobs offered.
const MAX_OFFERED: u32 = 50;

/// Prints the completions and exits, if a shell runs this process for completion.
pub(crate) fn run_completion() {
    CompleteEnv::with_factory(Command::command).complete();
}

/// Completes job ids, newest first, with the jobs' names.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_str().unwrap_or_default();
        let jobs = list_jobs().unwrap_or_default();
        let fitting = jobs.iter().filter(|job| job.job_id.starts_with(typed));
        fitting.map(candidate).collect()
    })
}

fn candidate(job: &Job) -> CompletionCandidate {
    let help = format!(
        "{}, {}",
        cli::text::for_message(&job.name),
        state_name(job.state())
    );
    CompletionCandidate::new(&job.job_id).help(Some(help.into()))
}

/// The master from the environment or `rowmill.toml`.
#[derive(Debug, Parser)]
struct MasterFromEnv {
    #[command(flatten)]
    master: MasterArgs,
}

/// The master's jobs. `None` if it cannot be reached in time; a completion has no place for an error.
fn list_jobs() -> Option<Vec<Job>> {
    let arguments: MasterFromEnv = cli::try_parse_from(Settings::find, ["rowmill".into()]).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = async {
        let mut client = arguments.master.connect().await.ok()?;
        let request = ListJobsRequest {
            page_size: MAX_OFFERED,
            ..ListJobsRequest::default()
        };
        Some(client.list_jobs(request).await.ok()?.into_inner().jobs)
    };
    runtime
        .block_on(async { tokio::time::timeout(TIMEOUT, asked).await })
        .ok()?
}
