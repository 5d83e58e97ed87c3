//! What the dashboard can be told, from the command line and from whoever embeds it. How it is
//! carried out is `run`'s.

use access::{Client, MasterArgs, Target};
use cli::{Exit, Failure};
use tokio_util::sync::CancellationToken;

use crate::error::TuiError;
use crate::text::Charset;

/// Watch jobs, workers and rows live.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    master: MasterArgs,
    /// Updates a second that the master is asked for, at most 30
    #[arg(long, value_name = "HZ", default_value_t = 5.0, value_parser = rate_hz)]
    pub rate: f64,
    /// The tab to start on, and the one that --once prints
    #[arg(long, value_name = "TAB", value_enum, default_value_t = Tab::Jobs)]
    pub tab: Tab,
    /// Print one plain screen on standard output and exit; its size is COLUMNS by LINES, 80 by 24
    /// where those are not set
    #[arg(long)]
    pub once: bool,
    /// Offer no keys that change anything
    #[arg(long)]
    pub read_only: bool,
    /// Draw with ASCII only, as happens by itself where the locale is not UTF-8
    #[arg(long)]
    pub ascii: bool,
}

impl Args {
    /// Shows the dashboard until the person quits or `shutdown` is cancelled; with `--once`, prints
    /// one screen.
    ///
    /// # Errors
    ///
    /// What ended it otherwise, with the exit code that it deserves.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Exit, Failure> {
        let config = self.config()?;
        let ended = crate::run(config, shutdown).await;
        ended.map(|()| Exit::Ok).map_err(failure)
    }
}

/// Why the dashboard ended, with the exit code that it deserves.
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
    /// Every job with its gauge, and the throughput of all.
    Jobs,
    /// The column profile of one job.
    Job,
    /// The rows processed last.
    Rows,
    /// Every worker with its rates.
    Workers,
    /// The dead chunks of all jobs.
    Dead,
    /// The broker's queues.
    Broker,
    /// What happened lately.
    Log,
}

impl Tab {
    /// In the order in which they stand on the screen; the number key is the place from 1.
    pub const ALL: [Self; 7] = [
        Self::Jobs,
        Self::Job,
        Self::Rows,
        Self::Workers,
        Self::Dead,
        Self::Broker,
        Self::Log,
    ];

    /// What stands on the tab.
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

    /// Where it stands, from 0.
    pub(crate) fn place(self) -> usize {
        Self::ALL.iter().position(|&tab| tab == self).unwrap_or(0)
    }

    /// The tab `steps` places to the right, around the end.
    #[must_use]
    pub fn step(self, steps: isize) -> Self {
        let at = self.place() as isize;
        Self::ALL[(at + steps).rem_euclid(Self::ALL.len() as isize) as usize]
    }
}

/// Where the stream comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A master to connect to.
    Master(Box<Target>),
    /// A connection that is there already, such as one to a master in this process.
    Client(Client),
}

impl Source {
    /// What the status line calls it.
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

/// What [`run`](crate::run) needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the stream comes from.
    pub source: Source,
    /// Updates a second that the master is asked for, above 0 and at most 30.
    pub rate_hz: f64,
    /// The tab to start on.
    pub tab: Tab,
    /// Print one plain screen and return.
    pub once: bool,
    /// Whether keys that change anything are left out.
    pub read_only: bool,
    /// What the terminal can show.
    pub charset: Charset,
    /// Whether to use colours.
    pub colour: bool,
}

impl Config {
    /// The defaults for `source`, and what the environment says of the terminal: the locale, and
    /// `NO_COLOR` (any value but the empty one, <https://no-color.org>).
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
