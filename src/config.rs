//! `rowmill config`: prints the effective settings and their origin.

use std::io::Write;
use std::path::PathBuf;

use broker::BrokerArgs;
use clap::CommandFactory;
use cli::{Exit, Failure, OrExit, OrUnwritable, Origin, STDOUT, Setting, Settings};
use serde::Serialize;

use crate::command::Command;
use report::json::write_line as json_line;
use report::{Align, Table};

use crate::output::width;

/// Print the effective value of every setting if no flag is given, and its origin
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write JSON, one line per setting
    #[arg(long)]
    json: bool,
}

const COLUMNS: [(&str, Align); 3] = [
    ("setting", Align::Left),
    ("value", Align::Left),
    ("from", Align::Left),
];

#[derive(Debug, Serialize)]
struct SettingJson {
    setting: String,
    /// `None` if there is none or it is secret.
    value: Option<String>,
    /// `environment`, `file` or `default`.
    from: &'static str,
    /// The environment variable, or several alternatives.
    variable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let settings = Settings::find().or_exit(Exit::Usage)?;
        let mut all = settings
            .effective(&Command::command())
            .or_exit(Exit::Usage)?;
        for setting in &mut all {
            if setting.name == "broker" && setting.value.is_none() {
                setting.value = address();
            }
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            for setting in all {
                json_line(&mut out, &SettingJson::from(setting)).or_unwritable(STDOUT)?;
            }
        } else {
            let mut table = Table::new(&COLUMNS);
            for setting in all {
                table.row(cells(setting));
            }
            table.write(&mut out, width()).or_unwritable(STDOUT)?;
            match settings.path() {
                Some(path) if path.is_file() => {}
                Some(path) => {
                    cli::stderr_line!("rowmill: a file with settings may be at {}", path.display());
                }
                None => {}
            }
        }
        out.flush().or_unwritable(STDOUT)?;
        Ok(Exit::Ok)
    }
}

/// The broker's address without its credentials. `None` if the setting is invalid.
fn address() -> Option<String> {
    let config = BrokerArgs::default().config().ok()?;
    Some(format!(
        "amqp://{}",
        broker::Broker::rabbit(config).address()
    ))
}

fn cells(setting: Setting) -> [String; 3] {
    let value = match setting.value {
        Some(value) => value,
        None if setting.is_secret => "(set)".to_owned(),
        None => "–".to_owned(),
    };
    let from = match setting.origin {
        Origin::Variable(variable) => variable,
        Origin::File(path, _) => path.display().to_string(),
        Origin::Default => "default".to_owned(),
    };
    [setting.name, value, from]
}

impl From<Setting> for SettingJson {
    fn from(setting: Setting) -> Self {
        let (from, file) = match setting.origin {
            Origin::Variable(_) => ("environment", None),
            Origin::File(path, _) => ("file", Some(path)),
            Origin::Default => ("default", None),
        };
        Self {
            setting: setting.name,
            value: setting.value,
            from,
            variable: setting.variable,
            file,
        }
    }
}
