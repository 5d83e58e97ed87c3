//! `rowmill run`: one file, one machine, no broker.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use access::Client;
use cli::{Exit, Failure, Meter, OrExit};
use engine::rate::Rate;
use proto::v1::{ExecMode, ExecSpec, GetJobResponse, OutputEnd};
use publisher::{ExecModeArg, InputArgs, PublishError, Work, say_described};
use tokio_util::sync::CancellationToken;
use worker::exec::{AllowedCommands, ExecConfig};

use crate::follow::{Patience, follow};
use crate::in_process::{InProcess, threads};
use crate::output::{OutputArgs, say_bad};
use crate::rejects::export_csv;
use crate::rows::{Came, Later, RowsArgs, Sink, Wanted, copy, finish};

/// Profile a file in this process, with no broker; or run a command on every chunk of it
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
    input: InputArgs,

    /// Chunks to work on at once [default: one more than this host has cores; with a command, its cores]
    #[arg(long, value_name = "N", value_parser = cli::at_least_one)]
    workers: Option<NonZeroUsize>,

    /// Write the bad records to FILE, as they came and under the header, so that they can be mended
    /// and read again
    #[arg(
        long,
        value_name = "FILE",
        help_heading = publisher::BAD
    )]
    rejects: Option<PathBuf>,

    /// Show the dashboard while it runs, and until q leaves it; the result comes then
    #[arg(long)]
    tui: bool,

    #[command(flatten)]
    rows: RowsArgs,

    #[command(flatten)]
    output: OutputArgs,

    /// How chunks meet the command [default: chunk]
    #[arg(long, value_name = "HOW", requires = "command")]
    exec_mode: Option<ExecModeArg>,

    /// How much of the command's work may be begun a second: 50/s, 10/m or 600/h, of rows; or 5chunks/s
    #[arg(long, value_name = "RATE", requires = "command")]
    rate: Option<Rate>,

    /// Count the rows that come of the command, and do not write them
    #[arg(long, requires = "command")]
    no_rows: bool,

    /// A command and its arguments: every chunk is CSV with a header on its standard input, and CSV
    /// with a header is expected on its standard output
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Args {
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let (work, commands) = self.work()?;
        let mut sink = self.sink()?;
        if self.input.is_dry_run() {
            return self.input.dry_run(&work, shutdown).await;
        }
        let threads = self.workers.unwrap_or_else(if self.command.is_empty() {
            threads
        } else {
            worker::cores
        });
        let mut roles = InProcess::start(threads, commands).await?;
        let broker = roles.broker.clone();
        let mut config = self.input.config(broker, Duration::ZERO, &work)?;
        let ahead = self.rows.ahead();
        config.ahead = sink.is_some().then(|| Arc::clone(&ahead));
        let progress = Arc::clone(&config.progress);
        let job_id = config.job.to_string();
        let mut meter = Meter::new(self.input.is_quiet() || self.tui);
        let client = roles.client.clone();

        let publishing = async {
            let published = publisher::run(config, shutdown.clone()).await;
            published.map_err(failure)?;
            // All is read, but commands may take long over it.
            shutdown.cancelled().await;
            Err::<std::convert::Infallible, _>(interrupted())
        };
        let connect = || std::future::ready(Ok(client.clone()));
        let following = async {
            progress.opened().await;
            say_described(&progress, self.input.is_quiet() || self.tui);
            follow(connect, &job_id, Patience::EXPECTED, &mut meter).await
        };
        let closed = sink.as_ref().map(Sink::closed);
        let copying = async {
            let Some(sink) = &mut sink else {
                return Ok(None);
            };
            progress.opened().await;
            let wanted = Wanted {
                job_id: &job_id,
                unordered: self.rows.is_unordered(),
                follow: true,
                patience: Patience::EXPECTED,
            };
            copy(connect, wanted, sink, |seq| ahead.settle(seq))
                .await
                .map(Some)
        };
        let watching = self.watch(client.clone());
        let outcome = tokio::select! {
            all = async { tokio::try_join!(following, copying, watching) } => {
                all.map(|(response, end, ())| (response, end))
            }
            Err(failure) = publishing => Err(failure),
            failure = roles.failed() => Err(failure),
            // Nobody wants the rows, so nothing is left to be done.
            Some(failure) = async { Some(closed?.await) } => Err(failure),
        };
        meter.clear();
        let said = match outcome {
            Ok((response, end)) => self.finish(client, &response, sink.zip(end)).await,
            Err(failure) => {
                sink.into_iter().for_each(Sink::leave);
                return Err(failure);
            }
        };
        roles.stop().await;
        said
    }

    /// The dashboard, until it is left. Whoever leaves it before the end waits for that on the plain
    /// terminal.
    async fn watch(&self, client: Client) -> Result<(), Failure> {
        if !self.tui {
            return Ok(());
        }
        let config = tui::Config::new(tui::Source::Client(client));
        let watched = tui::run(config, CancellationToken::new()).await;
        watched.map_err(tui::failure)
    }

    /// Whether the terminal is the dashboard's.
    pub(crate) fn has_dashboard(&self) -> bool {
        self.tui
    }

    /// Where the rows go, if any come: those of a command to stdout, where no flag says otherwise.
    fn sink(&self) -> Result<Option<Sink>, Failure> {
        let from_command = !self.command.is_empty() && !self.no_rows;
        let otherwise = from_command.then_some(Path::new("-"));
        let target = self.rows.target(otherwise);
        if target.is_some() && !from_command && !self.input.has_schema() {
            let said = "-o is for the rows that come of a command, as in: rowmill run in.csv -o \
                        out.csv -- python3 clean.py, or that hold against a schema: rowmill run \
                        in.csv --schema schema.json -o valid.csv";
            return Err(Failure::message(Exit::Usage, said));
        }
        if self.tui && target.is_some_and(Sink::is_stdout) {
            let said = "--tui has the terminal; give the rows a file: -o FILE";
            return Err(Failure::message(Exit::Usage, said));
        }
        if self.input.is_dry_run() {
            return Ok(None);
        }
        let sink = target.map(Sink::open).transpose()?;
        Ok(sink.map(|sink| sink.guarded(self.output.safe())))
    }

    /// What is done with every chunk, and the command that does it, which is the person's own: it has
    /// their environment, and no limits but theirs.
    fn work(&self) -> Result<(Work, Option<ExecConfig>), Failure> {
        if self.command.is_empty() {
            let work = Work {
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
        let work = Work {
            exec: Some(spec),
            no_rows: self.no_rows,
        };
        let commands = ExecConfig {
            allowed,
            program: std::env::current_exe().or_exit(Exit::Defect)?,
            args: vec!["worker".into()],
            memory_mib: None,
        };
        Ok((work, Some(commands)))
    }

    async fn finish(
        &self,
        mut client: Client,
        response: &GetJobResponse,
        rows: Option<(Sink, OutputEnd)>,
    ) -> Result<Exit, Failure> {
        let job = response.job.clone().unwrap_or_default();
        // The publisher says the same, but may not have come to it.
        if !job.reason.is_empty() {
            if let Some((sink, _)) = rows {
                sink.leave();
            }
            return Err(Failure::message(Exit::UnreadableInput, job.reason));
        }
        let rows_on_stdout = self.rows.target(None).is_some_and(Sink::is_stdout);
        let exit = if self.command.is_empty() && !rows_on_stdout {
            self.output.write(response)?
        } else {
            // Standard output is for the rows.
            self.output.report(response)?
        };
        let hint = match &self.rejects {
            Some(path) => {
                let exported =
                    export_csv(client.clone(), response, path, self.output.safe()).await?;
                exported.say();
                format!("{} of them are in {}", exported.written, path.display())
            }
            None => "--rejects FILE keeps them".to_owned(),
        };
        say_bad(&mut client, &job, &hint).await?;
        let Some((sink, end)) = rows else {
            return Ok(exit);
        };
        let rows = finish(sink, &Came::new(end, response), Later::No).await?;
        Ok(if rows == Exit::Ok { exit } else { rows })
    }
}

fn interrupted() -> Failure {
    Failure::message(Exit::Cancelled, "interrupted")
}

fn failure(error: PublishError) -> Failure {
    match error {
        // The job lives in this process: nothing of it stays.
        PublishError::Interrupted { .. } => interrupted(),
        error => publisher::failure(error),
    }
}
