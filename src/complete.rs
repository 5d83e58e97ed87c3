//! What a shell offers when Tab is pressed: flags and commands by themselves, and for a job the ids that
//! the master has just now. The shell asks this command, with `COMPLETE` set to its name.

use std::ffi::OsStr;
use std::time::Duration;

use access::MasterArgs;
use clap::{CommandFactory, Parser};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;
use cli::Settings;
use proto::v1::{Job, ListJobsRequest};

use crate::command::Command;
use crate::output::state_name;

/// A person waits, with a finger on the key.
const PATIENCE: Duration = Duration::from_secs(1);
/// More than anybody chooses from.
const OFFERED: u32 = 50;

/// Answers the shell, if it is the shell that asks; then this process is done.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(Command::command).complete();
}

/// Offers jobs, newest first, with their names.
pub(crate) fn jobs() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_str().unwrap_or_default();
        let jobs = known().unwrap_or_default();
        let fitting = jobs.iter().filter(|job| job.job_id.starts_with(typed));
        fitting.map(candidate).collect()
    })
}

fn candidate(job: &Job) -> CompletionCandidate {
    let told = format!(
        "{}, {}",
        tui::text::for_message(&job.name),
        state_name(job.state())
    );
    CompletionCandidate::new(&job.job_id).help(Some(told.into()))
}

/// The master that the environment names, or `rowmill.toml`.
#[derive(Debug, Parser)]
struct ByEnvironment {
    #[command(flatten)]
    master: MasterArgs,
}

/// None where there is no master, or it does not answer in time: then there is nothing to offer, and no
/// line of a shell is the place to say why.
fn known() -> Option<Vec<Job>> {
    let arguments: ByEnvironment = cli::try_parse_from(Settings::find, ["rowmill".into()]).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let asked = async {
        let mut client = arguments.master.connect().await.ok()?;
        let request = ListJobsRequest {
            page_size: OFFERED,
            ..ListJobsRequest::default()
        };
        Some(client.list_jobs(request).await.ok()?.into_inner().jobs)
    };
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
        .ok()?
}
