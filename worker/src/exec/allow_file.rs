//! `--allow-file`: commands in a TOML file, for settings that do not fit into `--allow`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::v1::ExecMode;
use serde::Deserialize;

use super::allowed::{AllowError, AllowedCommands, Command, Environment, Memory};
use super::parameter::{Parameter, Rule};
use super::template::{ArgTemplate, is_name};

/// One command of the file: `[NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    command: Vec<String>,
    #[serde(default)]
    parameters: BTreeMap<String, ParameterEntry>,
    mode: Option<Mode>,
    timeout_s: Option<u64>,
    memory_mib: Option<u64>,
    #[serde(default)]
    environment: Vec<String>,
    directory: Option<PathBuf>,
    #[serde(default)]
    once: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Chunk,
    Persistent,
}

/// A parameter: a list of values, a pattern, or a table.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ParameterEntry {
    Values(Vec<String>),
    Pattern(String),
    Table(Table),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    values: Option<Vec<String>>,
    pattern: Option<String>,
    default: Option<String>,
    #[serde(default)]
    may_begin_with_dash: bool,
}

impl AllowedCommands {
    /// Adds every command of the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or one of its commands is invalid.
    pub fn add_file(&mut self, path: &Path) -> Result<(), AllowError> {
        let wrong =
            |error: &dyn std::fmt::Display| AllowError(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        self.add_toml(&text).map_err(|error| wrong(&error))
    }

    fn add_toml(&mut self, text: &str) -> Result<(), AllowError> {
        let entries: BTreeMap<String, Entry> =
            toml::from_str(text).map_err(|error| AllowError(error.to_string()))?;
        for (name, entry) in entries {
            let command = entry.command();
            let command = command.map_err(|error| AllowError(format!("{name}: {error}")))?;
            self.add(&name, command)?;
        }
        Ok(())
    }
}

impl Entry {
    fn command(self) -> Result<Command, AllowError> {
        let argv = self
            .command
            .iter()
            .map(|arg| ArgTemplate::parse(arg))
            .collect();
        let mut command = Command::new(argv);
        for (name, input_payload) in self.parameters {
            if !is_name(&name) || !command.parameters.contains_key(&name) {
                let message = format!("no argument of the command contains {{{name}}}");
                return Err(AllowError(message));
            }
            command.parameters.insert(name, input_payload.parameter()?);
        }
        Ok(Command {
            mode: match self.mode {
                Some(Mode::Persistent) => ExecMode::Persistent,
                Some(Mode::Chunk) | None => ExecMode::Chunk,
            },
            timeout: self.timeout_s.map(Duration::from_secs),
            memory: match self.memory_mib {
                None => Memory::AsWorker,
                Some(0) => Memory::Unlimited,
                Some(mib) => Memory::Mib(mib),
            },
            environment: Environment::Only(self.environment),
            directory: self.directory,
            once: self.once,
            ..command
        })
    }
}

impl ParameterEntry {
    fn parameter(self) -> Result<Parameter, AllowError> {
        let table = match self {
            Self::Values(values) => Table {
                values: Some(values),
                ..Table::default()
            },
            Self::Pattern(pattern) => Table {
                pattern: Some(pattern),
                ..Table::default()
            },
            Self::Table(table) => table,
        };
        let rule = match (table.values, table.pattern) {
            (None, None) => Rule::Any,
            (Some(values), None) => Rule::Values(values),
            (None, Some(pattern)) => {
                Rule::pattern(pattern).map_err(|error| AllowError(error.to_string()))?
            }
            (Some(_), Some(_)) => {
                let message = "a parameter has values or a pattern, not both";
                return Err(AllowError(message.into()));
            }
        };
        Ok(Parameter {
            rule,
            default: table.default,
            may_be_flag: table.may_begin_with_dash,
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::{ExecArgument, ExecSpec};

    use super::*;

    const FILE: &str = r#"
        [clean]
        command = ["cat", "--lang={lang}", "--since={year}", "{depth}"]
        mode = "persistent"
        timeout_s = 30
        memory_mib = 512
        environment = ["API_KEY"]
        directory = "/tmp"
        once = true

        [clean.parameters]
        lang = ["de", "en"]
        year = "20[0-9]{2}"
        depth = { pattern = "-?[0-9]+", default = "-1", may_begin_with_dash = true }

        [plain]
        command = ["cat"]
        memory_mib = 0
    "#;

    #[test]
    fn a_file_sets_every_setting_of_a_command() {
        let mut allowed = AllowedCommands::default();
        allowed.add_toml(FILE).unwrap();
        assert_eq!(allowed.names(), ["clean", "plain"]);
        let argument = |name: &str, value: &str| ExecArgument {
            name: name.into(),
            value: value.into(),
        };
        let spec = |arguments| ExecSpec {
            command: "clean".into(),
            arguments,
            ..ExecSpec::default()
        };
        let found = allowed.find(&spec(vec![
            argument("lang", "de"),
            argument("year", "2024"),
        ]));
        let found = found.unwrap();
        assert_eq!(found.argv, ["cat", "--lang=de", "--since=2024", "-1"]);
        assert_eq!(found.mode, ExecMode::Persistent);
        assert_eq!(found.memory, Memory::Mib(512));
        assert!(found.once);
        assert_eq!(found.environment, Environment::Only(vec!["API_KEY".into()]));
        let refused = allowed.find(&spec(vec![
            argument("lang", "fr"),
            argument("year", "2024"),
        ]));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("one of de, en"), "{refused}");
    }

    #[test]
    fn an_error_in_a_file_is_reported() {
        let refused = |text: &str| {
            AllowedCommands::default()
                .add_toml(text)
                .unwrap_err()
                .to_string()
        };
        for (text, expected) in [
            ("[a]\ncommand = []", "is empty"),
            ("[a]\ncommand = [\"cat\"]\nmemory = 3", "memory"),
            ("[a]\ncommand = [\"cat\"]\nparameters.x = \".\"", "{x}"),
            (
                "[a]\ncommand = [\"cat\", \"{x}\"]\nparameters.x = \"(\"",
                "unclosed",
            ),
            (
                "[a]\ncommand = [\"cat\", \"{x}\"]\nparameters.x = { values = [], pattern = \"\" }",
                "not both",
            ),
        ] {
            let refused = refused(text);
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
