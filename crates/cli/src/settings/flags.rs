//! Which flags are settings, and by which variables they are said.

use std::env;
use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::xdg::set;

/// A flag, and the variables that stand for it.
type Unshown = (&'static str, &'static [&'static str]);

/// Flags that clap knows not every variable of, because it would show what is in it. Those of a group
/// are ways to say the same: one that is said silences the file on all.
const UNSHOWN: [&[Unshown]; 2] = [
    &[
        ("broker", &["ROWMILL_BROKER", "AMQP_URL"]),
        ("broker-file", &["ROWMILL_BROKER_FILE"]),
    ],
    &[("token-file", &["ROWMILL_TOKEN_FILE", "ROWMILL_TOKEN"])],
];
/// Variables whose values are not to be shown, nor told to other programs.
pub const SECRET_VARIABLES: [&str; 3] = ["ROWMILL_BROKER", "AMQP_URL", "ROWMILL_TOKEN"];

/// The flags of a command that are settings.
pub(super) fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let is_unshown = arg.get_long().and_then(unshown).is_some();
        arg.get_long().is_some() && (arg.get_env().is_some() || is_unshown)
    })
}

fn unshown(name: &str) -> Option<&'static Unshown> {
    UNSHOWN
        .iter()
        .copied()
        .flatten()
        .find(|(flag, _)| *flag == name)
}

/// Whether a flag or a variable says what it is.
pub(super) fn is_given(command: &Command, matches: &ArgMatches, arg: &Arg) -> bool {
    let is_said = |arg: &Arg| {
        let source = matches.value_source(arg.get_id().as_str());
        matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    let name = arg.get_long().unwrap_or_default();
    let is_of = |group: &&&[Unshown]| group.iter().any(|(flag, _)| *flag == name);
    let Some(group) = UNSHOWN.iter().find(is_of) else {
        return is_said(arg);
    };
    let is_one = |arg: &&Arg| group.iter().any(|(flag, _)| arg.get_long() == Some(flag));
    let mut variables = group.iter().flat_map(|(_, variables)| *variables);
    command.get_arguments().filter(is_one).any(is_said) || variables.any(|name| set(name).is_some())
}

/// The variables that say what a setting is, first things first.
pub(super) fn variables_of(arg: &Arg) -> Vec<&str> {
    match arg.get_long().and_then(unshown) {
        Some((_, variables)) => variables.to_vec(),
        None => arg.get_env().and_then(OsStr::to_str).into_iter().collect(),
    }
}

/// The command that was given, and what was given to it: one of `command`'s, or itself where it has none.
pub(super) fn chosen<'a>(
    command: &'a Command,
    matches: &'a ArgMatches,
) -> (&'a Command, &'a ArgMatches) {
    let given = matches.subcommand();
    let given = given.and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    given.unwrap_or((command, matches))
}

/// Whether a flag is given that no person gives.
pub(super) fn is_told_all(command: &Command, matches: &ArgMatches) -> bool {
    let mut hidden = command.get_arguments().filter(|arg| arg.is_hide_set());
    hidden.any(|arg| {
        let source = matches.value_source(arg.get_id().as_str());
        source == Some(ValueSource::CommandLine)
    })
}

/// What a variable says, if that may be shown.
pub(super) fn shown_variable(name: &str) -> Option<String> {
    env::var(name)
        .ok()
        .filter(|_| !SECRET_VARIABLES.contains(&name))
}
