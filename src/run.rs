//! `rowmill run`: one file, one machine, no broker.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::Client;
use cli::{Exit, Failure, OrExit, ProgressMeter};
use engine::rate::Rate;
use proto::v1::{ExecMode, ExecSpec, GetJobResponse, OutputEnd};
use publisher::{ExecModeArg, JobArgs, OperationOptions, PublishError, learn, print_description};
use tokio_util::sync::CancellationToken;
use worker::exec::{AllowedCommands, ExecConfig, IsolateArgs};

use crate::follow::{WaitPolicy, follow};
use crate::in_process::{InProcess, threads};
use crate::output::{OutputArgs, say_bad};
use crate::rejects::export_csv;
use crate::rows::{CopyOptions, LaterAccess, RowsArgs, RowsOutcome, RowsWriter, copy, finish};

/// How often the master in this process is asked how long chunks take.
const LEARNING: Duration = Duration::from_millis(10);

/// Profile a file in this process, without a broker; or run a command on every chunk of it
///
/// With a command: rowmill run in.csv -- python3 clean.py
#[derive(Debug, clap::Args)]
#[command(mut_arg("stats", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("exact", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("schema", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("json", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("csv", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("markdown", |arg| arg.conflicts_with("command")))]
#[command(mut_arg("html", |arg| arg.conflicts_with("command")))]
pub(crate) struct Args {
    #[command(flatten)]
    job: JobArgs,

    /// Chunks to process at once [default: the number of cores plus one; with a command, the number of cores]
    #[arg(long, value_name = "N", value_parser = cli::at_least_one)]
    workers: Option<NonZeroUsize>,

    /// Write the bad records unchanged to FILE, below the header, to be corrected and read again
    #[arg(
        long,
        value_name = "FILE",
        help_heading = input::BAD_RECORDS
    )]
    rejects: Option<PathBuf>,

    /// Show the dashboard until you press q; the result is printed afterwards
    #[arg(long)]
    tui: bool,

    #[command(flatten)]
    rows: RowsArgs,

    #[command(flatten)]
    output: OutputArgs,

    /// How chunks are passed to the command [default: chunk]
    #[arg(long, value_name = "HOW", requires = "command")]
    exec_mode: Option<ExecModeArg>,

    /// Rate limit for the command: rows as 50/s, 10/m or 600/h, or chunks as 5chunks/s
    #[arg(long, value_name = "RATE", requires = "command")]
    rate: Option<Rate>,

    /// Count the rows that the command writes, and discard them
    #[arg(long, requires = "command")]
    no_rows: bool,

    #[command(flatten)]
    isolate: IsolateArgs,

    /// A command and its arguments: it gets every chunk as CSV with a header on its standard input, and
    /// must write CSV with a header to its standard output
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let (work, commands) = self.work()?;
        let mut rows_writer = self.rows_writer()?;
        if self.job.is_dry_run() {
            return self.job.dry_run(&work, shutdown).await;
        }
        let threads = self.workers.unwrap_or_else(if self.command.is_empty() {
            threads
        } else {
            worker::cores
        });
        let mut roles = InProcess::start(threads, commands).await?;
        let broker = roles.broker.clone();
        let mut publish = self.job.publish(broker, Duration::ZERO, &work)?;
        let ahead = self.rows.ahead();
        publish.settings.backpressure = rows_writer.is_some().then(|| Arc::clone(&ahead));
        let progress = Arc::clone(&publish.settings.progress);
        let job_id = publish.source.job().to_string();
        let sizer = publish.source.sizer();
        let mut progress_meter = ProgressMeter::new(self.job.is_quiet() || self.tui);
        let client = roles.client.clone();

        let publishing = async {
            let published = publisher::run(publish, shutdown.clone()).await;
            published.map_err(failure)?;
            // All input is published, but commands may still be running.
            shutdown.cancelled().await;
            Err::<std::convert::Infallible, _>(interrupted())
        };
        let connect = || std::future::ready(Ok(client.clone()));
        let following = async {
            progress.opened().await;
            print_description(&progress, self.job.is_quiet() || self.tui);
            follow(connect, &job_id, WaitPolicy::EXPECTED, &mut progress_meter).await
        };
        let closed = rows_writer.as_ref().map(RowsWriter::closed);
        let copying = async {
            let Some(rows_writer) = &mut rows_writer else {
                return Ok(None);
            };
            progress.opened().await;
            let wanted = CopyOptions {
                job_id: &job_id,
                unordered: self.rows.is_unordered(),
                follow: true,
                wait_policy: WaitPolicy::EXPECTED,
            };
            copy(connect, wanted, rows_writer, |seq| ahead.release(seq))
                .await
                .map(Some)
        };
        let watching = self.watch(client.clone());
        let learning = learn(connect, &job_id, sizer.as_deref(), LEARNING);
        let outcome = tokio::select! {
            all = async { tokio::try_join!(following, copying, watching) } => {
                all.map(|(response, end, ())| (response, end))
            }
            Err(failure) = publishing => Err(failure),
            failure = roles.failed() => Err(failure),
            never = learning => match never {},
            // The reader of the rows is gone, so there is nothing left to do.
            Some(failure) = async { Some(closed?.await) } => Err(failure),
        };
        progress_meter.clear();
        let said = match outcome {
            Ok((response, end)) => self.finish(client, &response, rows_writer.zip(end)).await,
            Err(failure) => {
                rows_writer
                    .into_iter()
                    .for_each(RowsWriter::report_incomplete);
                return Err(failure);
            }
        };
        roles.stop().await;
        said
    }

    /// Shows the dashboard until the user quits it; a job still running then continues with the progress
    /// on the plain terminal.
    async fn watch(&self, client: Client) -> Result<(), Failure> {
        if !self.tui {
            return Ok(());
        }
        let config = tui::Config::new(tui::Source::Client(client));
        let watched = tui::run(config, CancellationToken::new()).await;
        watched.map_err(tui::failure)
    }

    /// Whether the dashboard uses the terminal.
    pub(crate) fn has_dashboard(&self) -> bool {
        self.tui
    }

    /// The writer for the rows, if the job produces any; a command's rows go to stdout by default.
    fn rows_writer(&self) -> Result<Option<RowsWriter>, Failure> {
        let from_command = !self.command.is_empty() && !self.no_rows;
        let otherwise = from_command.then_some(Path::new("-"));
        let target = self.rows.target(otherwise);
        if target.is_some() && !from_command && !self.job.makes_rows() {
            let said = "-o is for the output rows of a command, as in: rowmill run in.csv -o \
                        out.csv -- python3 clean.py, or the valid rows with a schema: rowmill run \
                        in.csv --schema schema.json -o valid.csv";
            return Err(Failure::message(Exit::Usage, said));
        }
        if self.tui && target.is_some_and(RowsWriter::is_stdout) {
            let said = "--tui has the terminal; give the rows a file: -o FILE";
            return Err(Failure::message(Exit::Usage, said));
        }
        if self.job.is_dry_run() {
            return Ok(None);
        }
        let rows_writer = target.map(RowsWriter::open).transpose()?;
        Ok(rows_writer.map(|rows_writer| rows_writer.with_safe_spreadsheets(self.output.safe())))
    }

    /// The operation for every chunk, and its command. It is the user's own command: it inherits the user's environment
    /// and limits, and no others apply.
    fn work(&self) -> Result<(OperationOptions, Option<ExecConfig>), Failure> {
        if self.command.is_empty() {
            let work = OperationOptions {
                exec: None,
                no_rows: self.rows.target(None).is_none(),
            };
            return Ok((work, None));
        }
        let (allowed, name) = AllowedCommands::own(&self.command).or_exit(Exit::Usage)?;
        let mode = self.exec_mode.map_or(ExecMode::Chunk, Into::into);
        let spec = ExecSpec {
            command: name,
            mode: mode.into(),
            rate: self.rate.map(Into::into),
            ..ExecSpec::default()
        };
        let work = OperationOptions {
            exec: Some(spec),
            no_rows: self.no_rows,
        };
        let commands = ExecConfig {
            allowed,
            program: std::env::current_exe().or_exit(Exit::Defect)?,
            args: vec!["worker".into()],
            memory_mib: None,
            isolate: self.isolate.runs(),
        };
        Ok((work, Some(commands)))
    }

    async fn finish(
        &self,
        mut client: Client,
        response: &GetJobResponse,
        rows: Option<(RowsWriter, OutputEnd)>,
    ) -> Result<Exit, Failure> {
        let job = response.job.clone().unwrap_or_default();
        // The publisher reports the same reason, but may not have done so yet.
        if !job.reason.is_empty() {
            if let Some((rows_writer, _)) = rows {
                rows_writer.report_incomplete();
            }
            return Err(Failure::message(Exit::UnreadableInput, job.reason));
        }
        let rows_on_stdout = self.rows.target(None).is_some_and(RowsWriter::is_stdout);
        let exit = if self.command.is_empty() && !rows_on_stdout {
            self.output.write(response)?
        } else {
            // Standard output is reserved for the rows.
            self.output.report(response)?
        };
        let hint = match &self.rejects {
            Some(path) => {
                let exported =
                    export_csv(client.clone(), response, path, self.output.safe()).await?;
                exported.report();
                format!("{} of them are in {}", exported.written, path.display())
            }
            None => "--rejects FILE keeps them".to_owned(),
        };
        say_bad(&mut client, &job, &hint).await?;
        let Some((rows_writer, end)) = rows else {
            return Ok(exit);
        };
        let rows = finish(
            rows_writer,
            &RowsOutcome::new(end, response),
            LaterAccess::Never,
        )
        .await?;
        Ok(if rows == Exit::Ok { exit } else { rows })
    }
}

fn interrupted() -> Failure {
    Failure::message(Exit::Cancelled, "interrupted")
}

fn failure(error: PublishError) -> Failure {
    match error {
        // The job exists only in this process and cannot be resumed.
        PublishError::Interrupted { .. } => interrupted(),
        error => publisher::failure(error),
    }
}
