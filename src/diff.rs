//! `rowmill diff`: shows the changes between two profiles, each a job on the master or a file written by
//! `--json`.

use std::path::Path;

use access::MasterArgs;
use cli::text::{Charset, for_message};
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::GetJobResponse;

use report::{diff, read_json};

use crate::output::width;
use crate::query;
use crate::schema::is_id;

/// Show the changes between two profiles, most important first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The earlier job's id, or the beginning of it, or a file written by --json
    #[arg(value_name = "BEFORE")]
    before: String,

    /// The later job or file
    #[arg(value_name = "AFTER")]
    after: String,

    /// Show small changes too
    #[arg(long)]
    all: bool,

    /// Write JSON instead of a table, with every change
    #[arg(long)]
    json: bool,

    /// Exit with 1 if anything differs, like git
    #[arg(long)]
    exit_code: bool,

    #[command(flatten)]
    master: MasterArgs,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let before = self.profile(&self.before).await?;
        let after = self.profile(&self.after).await?;
        let changes = diff::changes(&before, &after);
        let mut out = std::io::stdout().lock();
        let written = if self.json {
            diff::write_json(&mut out, &before, &after, &changes)
        } else {
            let charset = Charset::from_env();
            diff::write_table(&mut out, &changes, self.all, width(), charset)
        };
        written.or_unwritable(STDOUT)?;
        if self.exit_code && !changes.is_empty() {
            Ok(Exit::DIFFERENT)
        } else {
            Ok(Exit::Ok)
        }
    }

    /// Reads one profile. A file takes precedence over a job id of the same name.
    async fn profile(&self, side: &str) -> Result<GetJobResponse, Failure> {
        let response = if Path::new(side).is_file() || !is_id(side) {
            read_file(side)?
        } else {
            query::get_job(&self.master.connect().await?, side).await?
        };
        if response.partial {
            cli::stderr_line!(
                "rowmill: {} is partial: it may still change",
                for_message(side)
            );
        }
        Ok(response)
    }
}

fn read_file(path: &str) -> Result<GetJobResponse, Failure> {
    let cannot = |why: &dyn std::fmt::Display| {
        let message = format!("cannot read {}: {why}", for_message(path));
        Failure::message(Exit::UnreadableInput, message)
    };
    let text = std::fs::read_to_string(path).map_err(|error| cannot(&error))?;
    read_json(&text).map_err(|error| {
        cannot(&format!(
            "not a profile, as rowmill run FILE --json writes one: {error}"
        ))
    })
}
