//! The dashboard's configuration, made by the command line or by an embedding program.

use access::{Client, Target};
use cli::text::Charset;

use crate::tab::Tab;

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
