//! The flags that are settings, and their environment variables.

use std::env;
use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::xdg::set;

/// A flag and its variables.
type SecretFlag = (&'static str, &'static [&'static str]);

/// Flags with variables that are not declared to clap, since it would print their values. The flags of a group
/// are alternatives: if one is set, the file's values of all of them are ignored.
const SECRET_FLAGS: [&[SecretFlag]; 2] = [
    &[
        ("broker", &["ROWMILL_BROKER", "AMQP_URL"]),
        ("broker-file", &["ROWMILL_BROKER_FILE"]),
    ],
    &[("token-file", &["ROWMILL_TOKEN_FILE", "ROWMILL_TOKEN"])],
];
/// Variables whose values must not be printed or passed to other programs.
pub const SECRET_VARIABLES: [&str; 3] = ["ROWMILL_BROKER", "AMQP_URL", "ROWMILL_TOKEN"];

/// The flags of a command that are settings.
pub(super) fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| {
        let is_secret_flag = arg.get_long().and_then(secret_flag).is_some();
        arg.get_long().is_some() && (arg.get_env().is_some() || is_secret_flag)
    })
}

fn secret_flag(name: &str) -> Option<&'static SecretFlag> {
    SECRET_FLAGS
        .iter()
        .copied()
        .flatten()
        .find(|(flag, _)| *flag == name)
}

/// Whether a flag or a variable sets `arg` or an alternative of it.
pub(super) fn is_given(command: &Command, matches: &ArgMatches, arg: &Arg) -> bool {
    let is_set = |arg: &Arg| {
        let source = matches.value_source(arg.get_id().as_str());
        matches!(
            source,
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        )
    };
    let name = arg.get_long().unwrap_or_default();
    let contains = |group: &&&[SecretFlag]| group.iter().any(|(flag, _)| *flag == name);
    let Some(group) = SECRET_FLAGS.iter().find(contains) else {
        return is_set(arg);
    };
    let is_in_group = |arg: &&Arg| group.iter().any(|(flag, _)| arg.get_long() == Some(flag));
    let mut variables = group.iter().flat_map(|(_, variables)| *variables);
    command.get_arguments().filter(is_in_group).any(is_set)
        || variables.any(|name| set(name).is_some())
}

/// The variables of a setting, in order of precedence.
pub(super) fn variables_of(arg: &Arg) -> Vec<&str> {
    match arg.get_long().and_then(secret_flag) {
        Some((_, variables)) => variables.to_vec(),
        None => arg.get_env().and_then(OsStr::to_str).into_iter().collect(),
    }
}

/// The subcommand given and its matches; `command` itself if it has no subcommands.
pub(super) fn selected_command<'a>(
    command: &'a Command,
    matches: &'a ArgMatches,
) -> (&'a Command, &'a ArgMatches) {
    let given = matches.subcommand();
    let given = given.and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    given.unwrap_or((command, matches))
}

/// Whether a hidden flag is given.
pub(super) fn has_hidden_flag(command: &Command, matches: &ArgMatches) -> bool {
    let mut hidden = command.get_arguments().filter(|arg| arg.is_hide_set());
    hidden.any(|arg| {
        let source = matches.value_source(arg.get_id().as_str());
        source == Some(ValueSource::CommandLine)
    })
}

/// The value of a variable. `None` if it is secret.
pub(super) fn public_variable(name: &str) -> Option<String> {
    env::var(name)
        .ok()
        .filter(|_| !SECRET_VARIABLES.contains(&name))
}
