//! Settings: from a flag, else an environment variable, else `rowmill.toml`, else the default.
//!
//! A setting is a flag that has a variable; its name in the file is the flag's name. At the top level of
//! the file it applies to all commands that have it, in a table like `[worker]` to that command only. The
//! file's values are inserted into the arguments of the command line, so that clap checks both alike.

mod flags;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};
use toml::{Table, Value};

use crate::dumpable::forbid_dumps;
use crate::journald;
use crate::xdg::{set, xdg};

pub use flags::SECRET_VARIABLES;
use flags::{
    has_hidden_flag, is_given, public_variable, selected_command, settings_of, variables_of,
};

/// The variable that names the file, instead of the XDG directories. If it is empty, no file is read.
const CONFIG_VARIABLE: &str = "ROWMILL_CONFIG";
/// Path of the file in each of the XDG directories.
const CONFIG_PATH: &str = "rowmill/rowmill.toml";

/// Minimum similarity of a name to be suggested; the same as in clap.
const MIN_SIMILARITY: f64 = 0.7;

/// An error in the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not valid TOML.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The path of the file.
        path: PathBuf,
        /// The parser's error, with its position.
        source: Box<toml::de::Error>,
    },
    /// A setting is unknown or has an invalid value.
    #[error("{}: {what}", path.display())]
    Setting {
        /// The path of the file.
        path: PathBuf,
        /// The message, with the setting's name.
        what: String,
    },
    /// The command line is invalid.
    #[error(transparent)]
    CommandLine(clap::Error),
    /// The command line is invalid with the arguments added from the file.
    #[error("{source}\nThe cause is a setting in {}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of clap.
        source: clap::Error,
    },
}

/// The contents of the settings file.
#[derive(Debug, Default)]
pub struct Settings {
    path: PathBuf,
    table: Table,
}

/// The origin of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Variable(String),
    /// The file, and the table in it; `None` for the top level.
    File(PathBuf, Option<String>),
    /// The setting is not set.
    Default,
}

/// One setting with its effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name in the file; with the command as prefix if that command has a value of its own.
    pub name: String,
    /// The environment variable.
    pub variable: String,
    /// The value in the form of the flag's argument. `None` if there is none or it is secret.
    pub value: Option<String>,
    /// Whether there is a value that is secret.
    pub is_secret: bool,
    /// The origin of the value.
    pub origin: Origin,
}

/// Parses the command line, variables and the file; exits the process on an error. First of all it
/// protects this process against other processes of the same user (see `forbid_dumps`).
pub fn parse<P: Parser>() -> P {
    forbid_dumps();
    match try_parse_from(Settings::find, env::args_os()) {
        Ok(parsed) => parsed,
        Err(SettingsError::CommandLine(error))
            if error.use_stderr() && journald::reads_stderr() =>
        {
            journald::say_error(&error.render().to_string());
            std::process::exit(error.exit_code());
        }
        Err(SettingsError::CommandLine(error)) => error.exit(),
        Err(error) => {
            journald::say_error(&format!("rowmill: {error}"));
            std::process::exit(crate::Exit::Usage as i32);
        }
    }
}

/// Parses a number of at least 1, with a plainer error message than that of `NonZeroUsize`.
///
/// # Errors
///
/// If the text is not a number of at least 1.
pub fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse();
    number.map_err(|_| "a number from 1 on is expected".to_owned())
}

/// Parses `args`, variables and the settings returned by `find`.
///
/// With a hidden flag, `find` is not called: such a process is started by another one of ours, possibly many
/// times a second, and gets its whole configuration in its arguments.
///
/// # Errors
///
/// If an argument, a variable or a setting is invalid.
pub fn try_parse_from<P: Parser>(
    find: impl FnOnce() -> Result<Settings, SettingsError>,
    args: impl IntoIterator<Item = OsString>,
) -> Result<P, SettingsError> {
    let command = P::command();
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = command.clone().try_get_matches_from(&args);
    let matches = matches.map_err(|error| SettingsError::CommandLine(with_advice(error, &args)))?;
    let (given, of_command) = selected_command(&command, &matches);
    if has_hidden_flag(given, of_command) {
        return P::from_arg_matches(&matches).map_err(SettingsError::CommandLine);
    }
    let settings = find()?;
    settings.check(&command)?;
    let more = settings.with_file_args(&command, &matches, &args)?;
    let Some(args) = more else {
        return P::from_arg_matches(&matches).map_err(SettingsError::CommandLine);
    };
    let parsed = command.try_get_matches_from(args);
    let parsed = parsed.and_then(|matches| P::from_arg_matches(&matches));
    parsed.map_err(|source| SettingsError::File {
        path: settings.path.clone(),
        source,
    })
}

/// Replaces clap's suggestion by one that works: `run` and similar commands take the arguments after `--` as
/// a command, so a file whose name begins with a dash cannot be given after `--`.
fn with_advice(mut error: clap::Error, args: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    if error.kind() != ErrorKind::UnknownArgument || !unknown.starts_with('-') {
        return error;
    }
    let texts = args.iter().map(|arg| arg.to_string_lossy());
    let file = texts.into_iter().find(|arg| {
        let is_file = arg.contains('.') || Path::new(arg.as_ref()).exists();
        is_file && arg.starts_with(unknown) && !arg.starts_with("--")
    });
    let advice = file.map(|file| {
        let text = format!("a file of that name is given as ./{file}");
        StyledStr::from(text)
    });
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(advice.into_iter().collect()),
    );
    error
}

impl Settings {
    /// Reads the file named by `ROWMILL_CONFIG`, or else the first existing `rowmill/rowmill.toml` in
    /// `XDG_CONFIG_HOME` (`~/.config`) and `XDG_CONFIG_DIRS` (`/etc/xdg`). Without a file there are no
    /// settings.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is not valid TOML.
    pub fn find() -> Result<Self, SettingsError> {
        match env::var_os(CONFIG_VARIABLE) {
            Some(path) if path.is_empty() => Ok(Self::default()),
            Some(path) => Self::read(Path::new(&path)),
            None => match search_paths().find(|path| path.is_file()) {
                Some(path) => Self::read(&path),
                None => Ok(Self::default()),
            },
        }
    }

    /// The path of the file, or the path at which one would be read. `None` if there is no such path, or if
    /// `ROWMILL_CONFIG` is set and empty.
    pub fn path(&self) -> Option<PathBuf> {
        if self.path.as_os_str().is_empty() {
            return search_paths()
                .next()
                .filter(|_| env::var_os(CONFIG_VARIABLE).is_none());
        }
        Some(self.path.clone())
    }

    fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path).map_err(|source| SettingsError::Read {
            path: path.to_owned(),
            source,
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let table = text.parse().map_err(|source| SettingsError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }

    /// Checks that `command`'s subcommands know every name in the file. A command without subcommands (a
    /// role's own binary) checks nothing, since it does not know the settings of the others.
    fn check(&self, command: &Command) -> Result<(), SettingsError> {
        if !command.has_subcommands() {
            return Ok(());
        }
        let commands: Vec<&Command> = command.get_subcommands().collect();
        let all = || commands.iter().copied().flat_map(settings_of);
        for (key, value) in &self.table {
            let Value::Table(section) = value else {
                self.check_known(key, all().filter_map(Arg::get_long))?;
                continue;
            };
            self.check_known(key, commands.iter().map(|command| command.get_name()))?;
            let of = commands.iter().find(|command| command.get_name() == key);
            for key in section.keys() {
                let known = of.iter().copied().copied().flat_map(settings_of);
                self.check_known(key, known.filter_map(Arg::get_long))?;
            }
        }
        Ok(())
    }

    fn check_known<'a>(
        &self,
        key: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Result<(), SettingsError> {
        let known: Vec<&str> = known.collect();
        if known.contains(&key) {
            return Ok(());
        }
        let similarity = |name: &&str| strsim::jaro(name, key);
        let nearest = known
            .into_iter()
            .max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let hint = match nearest.filter(|name| similarity(name) > MIN_SIMILARITY) {
            Some(name) => format!("did you mean {name:?}?"),
            None => "`rowmill config` lists all settings".to_owned(),
        };
        Err(self.invalid(format!("there is no setting {key:?}; {hint}")))
    }

    fn invalid(&self, what: String) -> SettingsError {
        SettingsError::Setting {
            path: self.path.clone(),
            what,
        }
    }

    /// The command line with arguments from the file, inserted directly after the subcommand and so before
    /// any `--`. `None` if the file adds nothing.
    fn with_file_args(
        &self,
        command: &Command,
        matches: &ArgMatches,
        args: &[OsString],
    ) -> Result<Option<Vec<OsString>>, SettingsError> {
        let name = matches.subcommand_name().map(OsStr::new);
        let at = args
            .iter()
            .skip(1)
            .position(|arg| Some(arg.as_os_str()) == name);
        let at = at.map_or(1, |at| at + 2);
        let (command, matches) = selected_command(command, matches);
        let mut more = Vec::new();
        for arg in settings_of(command) {
            let name = arg.get_long().unwrap_or_default();
            let Some((value, _)) = self.value(command.get_name(), name) else {
                continue;
            };
            if !is_given(command, matches, arg) {
                more.extend(self.to_args(arg, name, value)?);
            }
        }
        if more.is_empty() {
            return Ok(None);
        }
        let (before, behind) = args.split_at(at.min(args.len()));
        Ok(Some([before, &more, behind].concat()))
    }

    /// The arguments that set `arg` to `value`.
    fn to_args(
        &self,
        arg: &Arg,
        name: &str,
        value: &Value,
    ) -> Result<Vec<OsString>, SettingsError> {
        let to_arg = |value: &Value| text(value).map(|text| format!("--{name}={text}").into());
        let args = match value {
            Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
                values.iter().map(to_arg).collect()
            }
            value => to_arg(value).map(|arg| vec![arg]),
        };
        args.ok_or_else(|| self.invalid(format!("{name} cannot be {}", type_name(value))))
    }

    /// The value of a setting in the file, and its table.
    fn value(&self, section: &str, key: &str) -> Option<(&Value, Option<String>)> {
        let of_command = self.table.get(section).and_then(Value::as_table);
        if let Some(value) = of_command.and_then(|table| table.get(key)) {
            return Some((value, Some(section.to_owned())));
        }
        let value = self.table.get(key).filter(|value| !value.is_table())?;
        Some((value, None))
    }

    /// The effective values of all settings of `command`'s subcommands without flags, by name.
    ///
    /// # Errors
    ///
    /// If the file contains an unknown name.
    pub fn effective(&self, command: &Command) -> Result<Vec<Setting>, SettingsError> {
        self.check(command)?;
        let mut all: Vec<Setting> = Vec::new();
        for command in command.get_subcommands() {
            for arg in settings_of(command) {
                let mut setting = self.setting(command.get_name(), arg);
                if let Origin::File(_, Some(section)) = &setting.origin {
                    setting.name = format!("{section}.{}", setting.name);
                }
                if !all.contains(&setting) {
                    all.push(setting);
                }
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    fn setting(&self, section: &str, arg: &Arg) -> Setting {
        let name = arg.get_long().unwrap_or_default().to_owned();
        let variables = variables_of(arg);
        let (value, origin) =
            if let Some(variable) = variables.iter().find(|name| set(name).is_some()) {
                let value = public_variable(variable);
                (value, Origin::Variable((*variable).to_owned()))
            } else if let Some((value, section)) = self.value(section, &name) {
                let value = display(value);
                (Some(value), Origin::File(self.path.clone(), section))
            } else {
                let defaults = arg.get_default_values().iter();
                let value = defaults.map(|value| value.to_string_lossy()).next();
                (value.map(Into::into), Origin::Default)
            };
        Setting {
            name,
            variable: variables.join(", "),
            is_secret: value.is_none() && origin != Origin::Default,
            value,
            origin,
        }
    }
}

/// The paths where the file is searched for, in order.
fn search_paths() -> impl Iterator<Item = PathBuf> {
    let home = xdg("XDG_CONFIG_HOME", ".config");
    let others = set("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
    let others: Vec<PathBuf> = env::split_paths(&others).collect();
    let all = home.into_iter().chain(others);
    all.map(|directory| directory.join(CONFIG_PATH))
}

/// The type of a value, as words of a message.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "several values",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date",
        _ => "that",
    }
}

/// A value as text; the elements of an array are separated by commas.
fn display(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(display).collect();
            values.join(", ")
        }
        value => text(value).unwrap_or_default(),
    }
}

/// A value as a flag's argument. `None` if it is not a single value.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests;
