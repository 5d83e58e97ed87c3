//! Settings: what a flag says, else its variable, else `rowmill.toml`, else the default.
//!
//! A setting is a flag that has a variable; in the file it is called like the flag. At the top of the
//! file it is for every command that has it, and in a table like `[worker]` for that command alone. What
//! the file says is put among the arguments of the command line, so that it is checked as they are.

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
use flags::{chosen, is_given, is_told_all, settings_of, shown_variable, variables_of};

/// The file, where it is not where XDG has it. Empty: there is none.
const VARIABLE: &str = "ROWMILL_CONFIG";
/// Where it is in each of XDG's directories.
const PLACE: &str = "rowmill/rowmill.toml";

/// How near another word must be to be what was meant: what clap holds to.
const NEAR: f64 = 0.7;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is not there, or not to be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{}: {source}", path.display())]
    Toml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// No command has such a setting, or it cannot be that.
    #[error("{}: {what}", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// What is wrong with what.
        what: String,
    },
    /// The command line, as it was given.
    #[error(transparent)]
    CommandLine(clap::Error),
    /// The command line with what the file adds to it.
    #[error("{source}\nThat is said, or brought about, by {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What clap says.
        source: clap::Error,
    },
}

/// What the file says.
#[derive(Debug, Default)]
pub struct Settings {
    path: PathBuf,
    table: Table,
}

/// Where a setting's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A variable.
    Variable(String),
    /// The file, and the table in it where it is not at the top.
    File(PathBuf, Option<String>),
    /// Nobody says anything.
    Default,
}

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is called in the file; with the command in front, where that one has a value of its own.
    pub name: String,
    /// Its variable.
    pub variable: String,
    /// As it would be given to the flag. Absent: nothing; or it is not to be shown.
    pub value: Option<String>,
    /// Whether there is a value that is not to be shown.
    pub is_secret: bool,
    /// Who says so.
    pub origin: Origin,
}

/// Parses the command line, with what variables and the file add to it; ends the process where that
/// cannot be. Before anything else it closes this process to others of the same user.
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

/// A number of things at work, for clap: `Option<NonZeroUsize>` would speak of types.
///
/// # Errors
///
/// When it is no number from 1 on.
pub fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.trim().parse();
    number.map_err(|_| "a number from 1 on is expected".to_owned())
}

/// Parses `args`, with what variables and the settings that `find` gives add to them.
///
/// A hidden flag is for a process that another of ours starts, many a second maybe, and tells all: it has no
/// settings, and does not look for them.
///
/// # Errors
///
/// When one of them is not right.
pub fn try_parse_from<P: Parser>(
    find: impl FnOnce() -> Result<Settings, SettingsError>,
    args: impl IntoIterator<Item = OsString>,
) -> Result<P, SettingsError> {
    let command = P::command();
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = command.clone().try_get_matches_from(&args);
    let matches = matches.map_err(|error| SettingsError::CommandLine(advised(error, &args)))?;
    let (given, of_command) = chosen(&command, &matches);
    if is_told_all(given, of_command) {
        return P::from_arg_matches(&matches).map_err(SettingsError::CommandLine);
    }
    let settings = find()?;
    settings.check(&command)?;
    let more = settings.added(&command, &matches, &args)?;
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

/// The error with advice that works: `run` and its like take what follows `--` for a command, so a file
/// whose name begins with a dash is not given behind one, and a flag that is not known is no value.
fn advised(mut error: clap::Error, args: &[OsString]) -> clap::Error {
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
    /// The file that `ROWMILL_CONFIG` names; or else the first `rowmill/rowmill.toml` that is there in
    /// `XDG_CONFIG_HOME` (`~/.config`) and `XDG_CONFIG_DIRS` (`/etc/xdg`). None is none.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no TOML.
    pub fn find() -> Result<Self, SettingsError> {
        match env::var_os(VARIABLE) {
            Some(path) if path.is_empty() => Ok(Self::default()),
            Some(path) => Self::read(Path::new(&path)),
            None => match places().find(|path| path.is_file()) {
                Some(path) => Self::read(&path),
                None => Ok(Self::default()),
            },
        }
    }

    /// The file; where there is none, where one would be read. Absent: no place is known, or none is wanted.
    pub fn path(&self) -> Option<PathBuf> {
        if self.path.as_os_str().is_empty() {
            return places().next().filter(|_| env::var_os(VARIABLE).is_none());
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

    /// Whether every word of the file is one that `command`, or one of its commands, knows. One that has
    /// none is a part of the whole, and does not know the others' words.
    fn check(&self, command: &Command) -> Result<(), SettingsError> {
        if !command.has_subcommands() {
            return Ok(());
        }
        let commands: Vec<&Command> = command.get_subcommands().collect();
        let all = || commands.iter().copied().flat_map(settings_of);
        for (key, value) in &self.table {
            let Value::Table(section) = value else {
                self.know(key, all().filter_map(Arg::get_long))?;
                continue;
            };
            self.know(key, commands.iter().map(|command| command.get_name()))?;
            let of = commands.iter().find(|command| command.get_name() == key);
            for key in section.keys() {
                let known = of.iter().copied().copied().flat_map(settings_of);
                self.know(key, known.filter_map(Arg::get_long))?;
            }
        }
        Ok(())
    }

    fn know<'a>(
        &self,
        key: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Result<(), SettingsError> {
        let known: Vec<&str> = known.collect();
        if known.contains(&key) {
            return Ok(());
        }
        let likeness = |word: &&str| strsim::jaro(word, key);
        let near = known
            .into_iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let hint = match near.filter(|word| likeness(word) > NEAR) {
            Some(word) => format!("did you mean {word:?}?"),
            None => "`rowmill config` lists those that there are".to_owned(),
        };
        Err(self.wrong(format!("there is no setting {key:?}; {hint}")))
    }

    fn wrong(&self, what: String) -> SettingsError {
        SettingsError::Setting {
            path: self.path.clone(),
            what,
        }
    }

    /// The command line with what the file adds to it: behind the command that was given, so that it
    /// stands before whatever comes after a `--`. Absent: nothing.
    fn added(
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
        let (command, matches) = chosen(command, matches);
        let mut more = Vec::new();
        for arg in settings_of(command) {
            let name = arg.get_long().unwrap_or_default();
            let Some((value, _)) = self.value(command.get_name(), name) else {
                continue;
            };
            if !is_given(command, matches, arg) {
                more.extend(self.words(arg, name, value)?);
            }
        }
        if more.is_empty() {
            return Ok(None);
        }
        let (before, behind) = args.split_at(at.min(args.len()));
        Ok(Some([before, &more, behind].concat()))
    }

    /// The arguments that say `value`.
    fn words(&self, arg: &Arg, name: &str, value: &Value) -> Result<Vec<OsString>, SettingsError> {
        let word = |value: &Value| text(value).map(|text| format!("--{name}={text}").into());
        let words = match value {
            Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
                values.iter().map(word).collect()
            }
            value => word(value).map(|word| vec![word]),
        };
        words.ok_or_else(|| self.wrong(format!("{name} cannot be {}", kind_of(value))))
    }

    /// What the file says of a setting, and in which table.
    fn value(&self, section: &str, key: &str) -> Option<(&Value, Option<String>)> {
        let of_command = self.table.get(section).and_then(Value::as_table);
        if let Some(value) = of_command.and_then(|table| table.get(key)) {
            return Some((value, Some(section.to_owned())));
        }
        let value = self.table.get(key).filter(|value| !value.is_table())?;
        Some((value, None))
    }

    /// Every setting of `command`'s commands as it is in force where no flag says otherwise, by name.
    ///
    /// # Errors
    ///
    /// When the file has a word that is none.
    pub fn in_force(&self, command: &Command) -> Result<Vec<Setting>, SettingsError> {
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
                let value = shown_variable(variable);
                (value, Origin::Variable((*variable).to_owned()))
            } else if let Some((value, section)) = self.value(section, &name) {
                let value = shown(value);
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

/// Where a file may be, in the order in which they are looked at.
fn places() -> impl Iterator<Item = PathBuf> {
    let home = xdg("XDG_CONFIG_HOME", ".config");
    let others = set("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
    let others: Vec<PathBuf> = env::split_paths(&others).collect();
    let all = home.into_iter().chain(others);
    all.map(|directory| directory.join(PLACE))
}

/// What sort of value it is, for a person.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "several values",
        Value::Table(_) => "a table",
        Value::Datetime(_) => "a date",
        _ => "that",
    }
}

/// A value for people: several with commas between them.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            values.join(", ")
        }
        value => text(value).unwrap_or_default(),
    }
}

/// A value as it is given to a flag; nothing, where it is more than one.
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
