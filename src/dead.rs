//! `rowmill dead`: lists, shows, replays and drops chunks that failed every attempt.

use std::io::Write;

use access::MasterArgs;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use cli::{format, text};
use proto::v1::{
    DeadChunkInfo, DeadState, DropDeadRequest, GetDeadRequest, GetDeadResponse, ListDeadRequest,
    ReplayDeadRequest,
};
use serde::Serialize;

use report::json::write_line as json_line;
use report::{Align, Table};

use crate::output::width;
use crate::query::request_failure;
use crate::unreadable;

/// List chunks that failed every attempt, and replay or drop them
#[derive(Debug, clap::Args)]
#[group(id = "dead_args")] // its own name: each verb's arguments are a group of their own
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Subcommand,

    /// Write JSON; `list` writes one line per chunk
    #[arg(long, global = true)]
    json: bool,

    #[command(flatten)]
    master: MasterArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// List dead chunks of one job or of all; without a job, also unusable messages
    List {
        /// The job's id, or the beginning of it [default: every job]
        #[arg(value_name = "JOB", add = crate::complete::jobs())]
        job: Option<String>,
    },
    /// Show one dead chunk with its first rows, or an unusable message
    Show {
        /// The job's id, or the beginning of it; or the word `message`
        #[arg(value_name = "JOB", add = crate::complete::jobs())]
        job: String,
        /// The number of the chunk or message, from `dead list`
        #[arg(value_name = "SEQ")]
        seq: u64,
    },
    /// Send dead chunks to the workers again; each runs in a process of its own
    Replay {
        /// The job's id, or the beginning of it
        #[arg(value_name = "JOB", add = crate::complete::jobs())]
        job: String,
        /// The numbers of the chunks [default: all]
        #[arg(value_name = "SEQ")]
        seqs: Vec<u64>,
    },
    /// Delete the bodies of dead chunks, which stay counted as dead and can no longer be replayed; or
    /// unusable messages
    Drop {
        /// The job's id, or the beginning of it; or the word `message`
        #[arg(value_name = "JOB", add = crate::complete::jobs())]
        job: String,
        /// The numbers of the chunks or messages [default: all]
        #[arg(value_name = "SEQ")]
        seqs: Vec<u64>,
    },
}

/// The word in place of a job id that selects messages; no id begins with it.
const MESSAGE: &str = "message";
/// Maximum number of rows of a body that are shown.
const ROWS_SHOWN: usize = 10;
const COLUMNS: [(&str, Align); 8] = [
    ("job", Align::Left),
    ("seq", Align::Right),
    ("state", Align::Left),
    ("from line", Align::Right),
    ("rows", Align::Right),
    ("attempts", Align::Right),
    ("died", Align::Right),
    ("reason", Align::Left),
];

#[derive(Debug, Serialize)]
struct DeadJson {
    job_id: String,
    seq: u64,
    state: &'static str,
    reason: String,
    worker_id: String,
    attempts: u32,
    first_line: u64,
    rows: u64,
    died_unix_ms: u64,
    /// The end of the command's stderr.
    #[serde(skip_serializing_if = "String::is_empty")]
    stderr: String,
}

/// A dead chunk with its body.
#[derive(Debug, Serialize)]
struct DeadBodyJson {
    #[serde(flatten)]
    dead: DeadJson,
    columns: Vec<String>,
    /// The beginning of its CSV, without the header; invalid UTF-8 is replaced by U+FFFD.
    body: String,
    /// Size of its whole CSV.
    body_bytes: u64,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        match self.verb {
            Subcommand::List { job } => list(client, job.unwrap_or_default(), self.json).await,
            Subcommand::Show { job, seq } if job == MESSAGE => {
                unreadable::show(&mut client, seq, self.json).await
            }
            Subcommand::Show { job, seq } => {
                let request = GetDeadRequest { job_id: job, seq };
                let shown = client.get_dead(request).await;
                let shown = shown
                    .map_err(|status| request_failure(&status))?
                    .into_inner();
                if self.json {
                    return write(&DeadBodyJson::from(shown));
                }
                let mut out = std::io::stdout().lock();
                show(&mut out, &shown).or_unwritable(STDOUT)?;
                Ok(Exit::Ok)
            }
            Subcommand::Replay { job, seqs } => {
                let request = ReplayDeadRequest { job_id: job, seqs };
                let replayed = client.replay_dead(request).await;
                let replayed = replayed
                    .map_err(|status| request_failure(&status))?
                    .into_inner();
                if self.json {
                    return write(&serde_json::json!({ "replayed": replayed.replayed }));
                }
                cli::stderr_line!("rowmill: replayed: {}", replayed.replayed);
                Ok(Exit::Ok)
            }
            Subcommand::Drop { job, seqs } if job == MESSAGE => {
                unreadable::drop(&mut client, seqs, self.json).await
            }
            Subcommand::Drop { job, seqs } => {
                let request = DropDeadRequest { job_id: job, seqs };
                let dropped = client.drop_dead(request).await;
                let dropped = dropped
                    .map_err(|status| request_failure(&status))?
                    .into_inner();
                say_dropped(dropped.dropped, self.json)
            }
        }
    }
}

async fn list(mut client: access::Client, job_id: String, json: bool) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    let mut table = Table::new(&COLUMNS);
    let (mut page_token, mut listed) = (String::new(), 0);
    loop {
        let request = ListDeadRequest {
            job_id: job_id.clone(),
            page_size: 1000,
            page_token,
        };
        let page = client.list_dead(request).await;
        let page = page
            .map_err(|status| request_failure(&status))?
            .into_inner();
        listed += page.dead.len();
        for dead in page.dead {
            if json {
                json_line(&mut out, &DeadJson::from(dead)).or_unwritable(STDOUT)?;
            } else {
                table.row(cells(&dead));
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if listed == 0 {
        cli::stderr_line!("rowmill: no dead chunks");
    } else if !json {
        table.write(&mut out, width()).or_unwritable(STDOUT)?;
    }
    if job_id.is_empty() {
        unreadable::list(&mut client, &mut out, json).await?;
    }
    out.flush().or_unwritable(STDOUT)?;
    Ok(Exit::Ok)
}

fn cells(dead: &DeadChunkInfo) -> [String; 8] {
    let age_ms = proto::unix_ms().saturating_sub(dead.died_unix_ms);
    [
        dead.job_id.clone(),
        dead.seq.to_string(),
        state_name(dead.state()).to_owned(),
        format::grouped(dead.first_line),
        format::grouped(dead.rows),
        dead.attempts.to_string(),
        format!("{} ago", format::duration(age_ms)),
        dead.reason.clone(),
    ]
}

/// Writes the chunk's fields, then the header and the first rows, with control characters made visible.
fn show(out: &mut impl Write, shown: &GetDeadResponse) -> std::io::Result<()> {
    let dead = shown.dead.clone().unwrap_or_default();
    let facts = [
        ("job", dead.job_id.clone()),
        ("chunk", dead.seq.to_string()),
        ("state", state_name(dead.state()).to_owned()),
        ("reason", dead.reason.clone()),
        ("attempts", dead.attempts.to_string()),
        ("worker", dead.worker_id.clone()),
        ("from line", format::grouped(dead.first_line)),
        ("rows", format::grouped(dead.rows)),
        ("bytes", format::grouped(shown.body_bytes)),
    ];
    for (name, value) in facts {
        writeln!(out, "{name:<10} {}", text::visible(&value))?;
    }
    if !dead.stderr.is_empty() {
        writeln!(out, "\nstderr")?;
        for line in dead.stderr.lines() {
            writeln!(out, "  {}", text::visible(line))?;
        }
    }
    if shown.body.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", text::visible(&shown.columns.join(",")))?;
    let body = String::from_utf8_lossy(&shown.body);
    for line in body.lines().take(ROWS_SHOWN) {
        writeln!(out, "{}", text::visible(line))?;
    }
    if body.lines().count() > ROWS_SHOWN || shown.body_bytes > shown.body.len() as u64 {
        writeln!(out, "...")?;
    }
    out.flush()
}

fn state_name(state: DeadState) -> &'static str {
    match state {
        DeadState::Unspecified => "unknown",
        DeadState::Dead => "dead",
        DeadState::Replaying => "replaying",
        DeadState::Dropped => "dropped",
        DeadState::SetAside => "set aside",
    }
}

/// Reports the number of chunks or messages dropped.
pub(crate) fn say_dropped(dropped: u64, json: bool) -> Result<Exit, Failure> {
    if json {
        return write(&serde_json::json!({ "dropped": dropped }));
    }
    cli::stderr_line!("rowmill: dropped: {dropped}");
    Ok(Exit::Ok)
}

/// Writes JSON for a script.
fn write(json: &impl Serialize) -> Result<Exit, Failure> {
    json_line(&mut std::io::stdout(), json).or_unwritable(STDOUT)?;
    Ok(Exit::Ok)
}

impl From<GetDeadResponse> for DeadBodyJson {
    fn from(shown: GetDeadResponse) -> Self {
        Self {
            dead: shown.dead.unwrap_or_default().into(),
            columns: shown.columns,
            body: String::from_utf8_lossy(&shown.body).into_owned(),
            body_bytes: shown.body_bytes,
        }
    }
}

impl From<DeadChunkInfo> for DeadJson {
    fn from(dead: DeadChunkInfo) -> Self {
        Self {
            state: state_name(dead.state()),
            job_id: dead.job_id,
            seq: dead.seq,
            reason: dead.reason,
            worker_id: dead.worker_id,
            attempts: dead.attempts,
            first_line: dead.first_line,
            rows: dead.rows,
            died_unix_ms: dead.died_unix_ms,
            stderr: dead.stderr,
        }
    }
}
