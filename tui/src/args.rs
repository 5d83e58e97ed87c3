//! The command line of the dashboard.

use access::MasterArgs;
use cli::text::Charset;
use cli::{Exit, Failure};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Source};
use crate::error::TuiError;
use crate::tab::Tab;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_out_of_range_is_refused() {
        assert!(rate_hz("0").is_err());
        assert!(rate_hz("31").is_err());
        assert!(rate_hz("NaN").is_err());
        assert_eq!(rate_hz("0.5"), Ok(0.5));
    }
}
