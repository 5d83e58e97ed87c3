//! `rowmill jobs`: lists the master's jobs, newest first.

use std::io::Write;

use access::{Client, MasterArgs};
use cli::format;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::{GetMasterRequest, Job, ListJobsRequest, MasterStatus};
use report::result_text::incomplete_reason;

use report::json::write_line as json_line;
use report::{Align, JobJson, Table, state_name};

use crate::output::width;
use crate::query::request_failure;

/// List jobs, newest first
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    master: MasterArgs,

    /// List at most this many jobs
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,

    /// Write JSON, one line per job
    #[arg(long)]
    json: bool,
}

/// Maximum number of incomplete jobs that are explained.
const INCOMPLETE_NAMED: usize = 3;

const COLUMNS: [(&str, Align); 8] = [
    ("job", Align::Left),
    ("name", Align::Left),
    ("state", Align::Left),
    ("done", Align::Right),
    ("rows", Align::Right),
    ("rejects", Align::Right),
    ("dead", Align::Right),
    ("opened", Align::Right),
];

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let master = master(&mut client).await?;
        let (jobs, total) = self.list(client).await?;
        let mut out = std::io::stdout().lock();
        let left_out = total.saturating_sub(jobs.len() as u64);
        if self.json {
            for job in jobs {
                json_line(&mut out, &JobJson::from(job)).or_unwritable(STDOUT)?;
            }
        } else if jobs.is_empty() && !master.store_trouble.is_empty() {
            // The master may not know its jobs yet.
        } else if jobs.is_empty() {
            cli::stderr_line!(
                "rowmill: no jobs yet; publish one with: cat data.csv | rowmill publish -"
            );
        } else {
            let mut table = Table::new(&COLUMNS);
            for job in &jobs {
                table.row(cells(job));
            }
            table.write(&mut out, width()).or_unwritable(STDOUT)?;
            say_gone(&jobs);
            for line in jobs
                .iter()
                .filter_map(incomplete_reason)
                .take(INCOMPLETE_NAMED)
            {
                cli::stderr_line!("rowmill: {}", cli::text::visible(&line));
            }
        }
        if !master.store_trouble.is_empty() {
            cli::stderr_line!(
                "rowmill: {}; they wait at the broker",
                cli::text::visible(&master.store_trouble)
            );
        }
        for loss in &master.losses {
            cli::stderr_line!("rowmill: DATA LOST: {}", cli::text::visible(loss));
        }
        if left_out > 0 {
            cli::stderr_line!("rowmill: {left_out} more; --limit N lists more of them");
        }
        out.flush().or_unwritable(STDOUT)?;
        Ok(Exit::Ok)
    }

    async fn list(&self, mut client: Client) -> Result<(Vec<Job>, u64), Failure> {
        let (mut jobs, mut page_token) = (Vec::new(), String::new());
        loop {
            let page_size = (self.limit - jobs.len()).clamp(1, 1000) as u32;
            let request = ListJobsRequest {
                page_size,
                page_token,
            };
            let page = client
                .list_jobs(request)
                .await
                .map_err(|status| request_failure(&status))?;
            let page = page.into_inner();
            jobs.extend(page.jobs);
            page_token = page.next_page_token;
            if page_token.is_empty() || jobs.len() >= self.limit {
                jobs.truncate(self.limit);
                return Ok((jobs, page.jobs_total));
            }
        }
    }
}

/// Reports problems of the master.
async fn master(client: &mut Client) -> Result<MasterStatus, Failure> {
    let request = GetMasterRequest {
        protocol: proto::PROTOCOL,
    };
    let response = client.get_master(request).await;
    let response = response
        .map_err(|status| request_failure(&status))?
        .into_inner();
    Ok(response.master.unwrap_or_default())
}

/// Reports the jobs whose rows and bad records were removed.
fn say_gone(jobs: &[Job]) {
    let gone: Vec<&Job> = jobs
        .iter()
        .filter(|job| job.expired_unix_ms.is_some())
        .collect();
    if let [first, ..] = gone[..] {
        cli::stderr_line!(
            "rowmill: the rows and bad records of {} of these were removed (rowmill master --keep); \
             rowmill show {} says when and why",
            gone.len(),
            first.job_id
        );
    }
}

fn cells(job: &Job) -> [String; 8] {
    let state = if job.no_workers {
        "NO WORKERS"
    } else {
        state_name(job.state())
    };
    let age_ms = proto::unix_ms().saturating_sub(job.opened_unix_ms);
    [
        job.job_id.clone(),
        match (job.name.as_str(), job.lane.as_str()) {
            // The job's opening has not arrived.
            ("", _) => "(no name)".to_owned(),
            (name, "") => name.to_owned(),
            (name, lane) => format!("{name} (lane {lane})"),
        },
        state.to_owned(),
        job.progress.map_or_else(|| "?".to_owned(), format::percent),
        format::grouped(job.rows),
        format::grouped(job.rejects),
        format::grouped(job.chunks_dead),
        format!("{} ago", format::duration(age_ms)),
    ]
}
