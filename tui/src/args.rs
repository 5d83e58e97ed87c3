//! The dashboard's configuration, from the command line or from an embedding program.

use access::{Client, MasterArgs, Target};
use cli::text::Charset;
use cli::{Exit, Failure};
use tokio_util::sync::CancellationToken;

use crate::error::TuiError;

/// Watch jobs, workers and rows live.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    master: MasterArgs,
    /// Updates per second to request from the master, at most 30
    #[arg(long, value_name = "HZ", default_value_t = 5.0, value_parser = rate_hz)]
    pub rate: f64,
    /// The tab to start on, or to print with --once
    #[arg(long, value_name = "TAB", value_enum, default_value_t = Tab::Jobs)]
    pub tab: Tab,
    /// Print one plain screen on standard output and exit; its size is COLUMNS by LINES, 80 by 24
    /// if they are not set
    #[arg(long)]
    pub once: bool,
    /// Disable all keys that change something on the master
    #[arg(long)]
    pub read_only: bool,
    /// Draw with ASCII only; the default if the locale is not UTF-8
    #[arg(long)]
    pub ascii: bool,
}

impl Args {
    /// Shows the dashboard until the user quits or `shutdown` is cancelled; with `--once`, prints one
    /// screen.
    ///
    /// # Errors
    ///
    /// The error that ended the dashboard, with its exit code.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let config = self.config()?;
        let result = crate::run(config, shutdown).await;
        result.map(|()| Exit::Ok).map_err(failure)
    }
}

/// Adds the exit code to an error of the dashboard.
pub fn failure(error: TuiError) -> Failure {
    let exit = match &error {
        TuiError::Unreachable(_) | TuiError::NoData { .. } => Exit::Unreachable,
        TuiError::NotATerminal => Exit::Usage,
        TuiError::Terminal(_) | TuiError::Write(_) => Exit::Unwritable,
        TuiError::Feed(_) => Exit::Defect,
    };
    Failure::new(exit, error)
}

impl Args {
    fn config(self) -> Result<Config, Failure> {
        let defaults = Config::new(Source::Master(Box::new(self.master.target()?)));
        Ok(Config {
            rate_hz: self.rate,
            tab: self.tab,
            once: self.once,
            read_only: self.read_only,
            charset: if self.ascii {
                Charset::Ascii
            } else {
                defaults.charset
            },
            ..defaults
        })
    }
}

fn rate_hz(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hz) if hz > 0.0 && hz <= 30.0 => Ok(hz),
        _ => Err("a number above 0 and at most 30 is expected".to_owned()),
    }
}

/// One page of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Tab {
    /// All jobs with their progress, and the total throughput.
    Jobs,
    /// The result of one job.
    Job,
    /// The rows processed last.
    Rows,
    /// All workers with their rates.
    Workers,
    /// The dead chunks of all jobs.
    Dead,
    /// The broker's queues.
    Broker,
    /// The latest events.
    Log,
}

impl Tab {
    /// In the order on the screen; the number key of a tab is its index plus 1.
    pub const ALL: [Self; 7] = [
        Self::Jobs,
        Self::Job,
        Self::Rows,
        Self::Workers,
        Self::Dead,
        Self::Broker,
        Self::Log,
    ];

    /// The title of the tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Jobs => "Jobs",
            Self::Job => "Job",
            Self::Rows => "Rows",
            Self::Workers => "Workers",
            Self::Dead => "Dead",
            Self::Broker => "Broker",
            Self::Log => "Log",
        }
    }

    /// The position on the screen, from 0.
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|&tab| tab == self).unwrap_or(0)
    }

    /// The tab `steps` positions to the right, cyclically.
    #[must_use]
    pub fn step(self, steps: isize) -> Self {
        let at = self.index() as isize;
        Self::ALL[(at + steps).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}

/// The source of the stream.
#[derive(Debug, Clone)]
pub enum Source {
    /// A master to connect to.
    Master(Box<Target>),
    /// An existing connection, such as one to a master in this process.
    Client(Client),
}

impl Source {
    /// The name of the source in the status line.
    pub fn name(&self) -> String {
        match self {
            Self::Master(target) => {
                let address = target.address();
                address
                    .strip_prefix("http://")
                    .unwrap_or(address)
                    .trim_end_matches('/')
                    .to_owned()
            }
            Self::Client(_) => "in this process".to_owned(),
        }
    }
}

/// Configuration of [`run`](crate::run).
#[derive(Debug, Clone)]
pub struct Config {
    /// The source of the stream.
    pub source: Source,
    /// Updates per second to request from the master, above 0 and at most 30.
    pub rate_hz: f64,
    /// The tab to start on.
    pub tab: Tab,
    /// Print one plain screen and return.
    pub once: bool,
    /// Whether keys that change something on the master are disabled.
    pub read_only: bool,
    /// The characters that the terminal can show.
    pub charset: Charset,
    /// Whether to use colours.
    pub colour: bool,
}

impl Config {
    /// The defaults for `source`, with the charset from the locale and colours unless `NO_COLOR` is
    /// set and not empty (<https://no-color.org>).
    pub fn new(source: Source) -> Self {
        Self {
            source,
            rate_hz: 5.0,
            tab: Tab::Jobs,
            once: false,
            read_only: false,
            charset: Charset::from_env(),
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_go_around() {
        assert_eq!(Tab::Log.step(1), Tab::Jobs);
        assert_eq!(Tab::Jobs.step(-1), Tab::Log);
    }

    #[test]
    fn a_rate_out_of_range_is_refused() {
        assert!(rate_hz("0").is_err());
        assert!(rate_hz("31").is_err());
        assert!(rate_hz("NaN").is_err());
        assert_eq!(rate_hz("0.5"), Ok(0.5));
    }
}
