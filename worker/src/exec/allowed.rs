//! The commands that a worker may run for others, as its operator allowed them, and what becomes of
//! one that a publisher asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::v1::{ExecMode, ExecSpec};
use rustix::fs::Access;

use super::parameter::Parameter;
use super::template::ArgTemplate;

/// The longest name of a command.
const NAME_BYTES: usize = 64;

/// Commands by name.
#[derive(Debug, Clone, Default)]
pub struct AllowedCommands {
    commands: BTreeMap<String, Command>,
}

/// A command as its operator allowed it.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) words: Vec<ArgTemplate>,
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// How it meets chunks where a publisher does not say.
    pub(super) mode: ExecMode,
    /// Of an attempt. Absent: the chunk's own limit alone.
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Memory,
    pub(super) environment: Environment,
    /// Where it runs. Absent: where the worker does.
    pub(super) directory: Option<PathBuf>,
}

/// How much address space a process of a command may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// As much as the worker gives every chunk's process.
    AsWorker,
    /// So many MiB.
    Mib(u64),
    /// No limit.
    Unlimited,
}

/// Which of the worker's environment a command gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Environment {
    /// PATH, HOME, LANG, and these.
    Only(Vec<String>),
    /// All of it but what is secret of rowmill's: the command is the person's own.
    Own,
}

/// A command that is to be run: its words are filled in, and nothing else in it can vary.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) mode: ExecMode,
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Memory,
    pub(super) environment: Environment,
    pub(super) directory: Option<PathBuf>,
}

/// Why a command is not allowed as an operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AllowError(pub(super) String);

/// Why a command is not run for a publisher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody allowed it here.
    #[error("this worker does not allow `{name}`; start one with --allow {name}='...'")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// It is allowed, but not so.
    #[error("`{name}`: {why}")]
    Argument {
        /// The command.
        name: String,
        /// Which argument, and what would be allowed.
        why: String,
    },
}

impl Refusal {
    /// Of a name that anybody may have sent.
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown {
            name: engine::excerpt(name.as_bytes(), NAME_BYTES),
        }
    }
}

impl AllowedCommands {
    /// One command that is the person's own, word for word: for a process that works for nobody else.
    ///
    /// # Errors
    ///
    /// When there is no such program.
    pub fn own(words: &[String]) -> Result<(Self, String), AllowError> {
        let program = words.first().map_or("", String::as_str);
        let name = Path::new(program).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let command = Command {
            words: words.iter().map(|word| ArgTemplate::plain(word)).collect(),
            memory: Memory::Unlimited,
            environment: Environment::Own,
            ..Command::new(Vec::new())
        };
        command.check()?;
        let commands = [(name.clone(), command)].into();
        Ok((Self { commands }, name))
    }

    /// Adds what `--allow NAME='cmd args'` says.
    ///
    /// # Errors
    ///
    /// When it is no such thing, the name is taken, or there is no such program.
    pub fn add_line(&mut self, line: &str) -> Result<(), AllowError> {
        let wrong = || AllowError(format!("{line:?} is not like clean='python3 clean.py'"));
        let (name, command) = line.split_once('=').ok_or_else(wrong)?;
        let words = shell_words::split(command)
            .map_err(|_| AllowError(format!("{name}: a quote never closes")))?;
        if words.is_empty() {
            return Err(wrong());
        }
        let words = words.iter().map(|word| ArgTemplate::parse(word)).collect();
        self.add(name, Command::new(words))
    }

    pub(super) fn add(&mut self, name: &str, command: Command) -> Result<(), AllowError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES || !name.bytes().all(is_good) {
            return Err(AllowError(format!(
                "{name:?} is no name for a command: letters, digits, '.', '_' and '-', at most \
                 {NAME_BYTES}"
            )));
        }
        command
            .check()
            .map_err(|error| AllowError(format!("{name}: {error}")))?;
        if self.commands.insert(name.to_owned(), command).is_some() {
            return Err(AllowError(format!("{name} is allowed twice")));
        }
        Ok(())
    }

    /// What may be asked for, by name.
    pub fn names(&self) -> Vec<String> {
        self.commands.keys().cloned().collect()
    }

    /// Whether a command of that name may be asked for.
    pub fn has(&self, name: &str) -> bool {
        self.commands.contains_key(name)
    }

    /// The command that a publisher asks for, ready to be run.
    ///
    /// # Errors
    ///
    /// When it is not allowed, or not so.
    pub(super) fn find(&self, spec: &ExecSpec) -> Result<Invocation, Refusal> {
        let name = spec.command.clone();
        let Some(command) = self.commands.get(&name) else {
            return Err(Refusal::unknown(&name));
        };
        let words = command.fill(spec);
        let words = words.map_err(|why| Refusal::Argument {
            name: name.clone(),
            why,
        })?;
        Ok(Invocation {
            name,
            words,
            mode: match spec.mode() {
                ExecMode::Unspecified => command.mode,
                mode => mode,
            },
            timeout: command.timeout,
            memory: command.memory,
            environment: command.environment.clone(),
            directory: command.directory.clone(),
        })
    }
}

impl Command {
    /// A command of these words, with nothing else said.
    pub(super) fn new(words: Vec<ArgTemplate>) -> Self {
        let parameters = words.iter().flat_map(ArgTemplate::parameters);
        Self {
            parameters: parameters
                .map(|name| (name.to_owned(), Parameter::default()))
                .collect(),
            words,
            mode: ExecMode::Chunk,
            timeout: None,
            memory: Memory::AsWorker,
            environment: Environment::Only(Vec::new()),
            directory: None,
        }
    }

    /// A typing error is told when the worker starts, not by the first chunk.
    fn check(&self) -> Result<(), AllowError> {
        let Some(program) = self.words.first() else {
            return Err(AllowError("the command has no words".to_owned()));
        };
        if program.parameters().next().is_some() {
            return Err(AllowError(
                "the program itself cannot be a parameter".into(),
            ));
        }
        let program = program.fill(&BTreeMap::new());
        why_not_run(&program, self.directory.as_deref()).map_or(Ok(()), |why| {
            Err(AllowError(format!("{program:?} cannot be run: {why}")))
        })
    }

    /// The words with the publisher's values in their places; or which value is wrong, and what is
    /// allowed.
    fn fill(&self, spec: &ExecSpec) -> Result<Vec<String>, String> {
        let mut values: BTreeMap<&str, &str> = BTreeMap::new();
        let mut input_payload = BTreeSet::new();
        for argument in &spec.arguments {
            let (name, value) = (argument.name.as_str(), argument.value.as_str());
            let Some(parameter) = self.parameters.get(name) else {
                return Err(format!("it has no parameter {name:?}; {}", self.offers()));
            };
            if !input_payload.insert(name) {
                return Err(format!("{name} is given twice"));
            }
            if let Some(refusal) = parameter.refusal(value) {
                return Err(format!("{name} cannot be {value:?}: {refusal}"));
            }
            values.insert(name, value);
        }
        for (name, parameter) in &self.parameters {
            match &parameter.default {
                _ if input_payload.contains(name.as_str()) => {}
                Some(default) => drop(values.insert(name, default)),
                None => {
                    let rule = &parameter.rule;
                    return Err(format!("--exec-arg {name}=... is missing: {rule}"));
                }
            }
        }
        Ok(self.words.iter().map(|word| word.fill(&values)).collect())
    }

    fn offers(&self) -> String {
        if self.parameters.is_empty() {
            return "it has none".to_owned();
        }
        let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        format!("it has {}", names.join(", "))
    }
}

/// Whether the system would find the program.
/// Why a program cannot be run, and what to do. `None`: it can.
fn why_not_run(program: &str, directory: Option<&Path>) -> Option<String> {
    if program.contains('/') {
        return why_not_file(&directory.unwrap_or(Path::new("")).join(program));
    }
    if program.is_empty() {
        return Some("it has no name".to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|dir| dir.join(program));
    let there: Vec<PathBuf> = places.filter(|path| path.is_file()).collect();
    if there.iter().any(|path| why_not_file(path).is_none()) {
        return None;
    }
    if let Some(why) = there.first().and_then(|path| why_not_file(path)) {
        return Some(why);
    }
    let here = directory.unwrap_or(Path::new("")).join(program);
    Some(if here.is_file() {
        format!("no directory of PATH has it; the one here is ./{program}")
    } else {
        "no directory of PATH has it".to_owned()
    })
}

/// The same of a file.
fn why_not_file(path: &Path) -> Option<String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Err(error) => return Some(error.to_string()),
        Ok(about) if about.is_dir() => return Some(format!("{shown} is a directory")),
        Ok(_) => {}
    }
    if let Err(error) = rustix::fs::access(path, Access::EXEC_OK) {
        let error = std::io::Error::from(error);
        return Some(format!("{error}; if it is a program: chmod +x {shown}"));
    }
    let interpreter = interpreter(path)?;
    let is_missing = !interpreter.exists();
    is_missing.then(|| {
        let interpreter = interpreter.display();
        format!("the first line of {shown} asks for {interpreter}, which is not there")
    })
}

/// What the first line of a script names: `#!/bin/sh`.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(256).read_to_end(&mut start).ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|&byte| byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    line.split([' ', '\t'])
        .find(|word| !word.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use proto::v1::ExecArgument;

    use super::*;

    fn allowed(line: &str) -> AllowedCommands {
        let mut allowed = AllowedCommands::default();
        allowed.add_line(line).unwrap();
        allowed
    }

    fn spec(command: &str, arguments: &[(&str, &str)]) -> ExecSpec {
        let argument = |&(name, value): &(&str, &str)| ExecArgument {
            name: name.into(),
            value: value.into(),
        };
        ExecSpec {
            command: command.into(),
            arguments: arguments.iter().map(argument).collect(),
            ..ExecSpec::default()
        }
    }

    #[test]
    fn a_line_is_split_as_a_shell_would_and_no_shell_is_asked() {
        let allowed = allowed(r#"first=awk -F, '{ print $1 "x y" }' "{file} $HOME""#);
        let found = allowed.find(&spec("first", &[("file", "a b")])).unwrap();
        assert_eq!(
            found.words,
            ["awk", "-F,", "{ print $1 \"x y\" }", "a b $HOME"]
        );
    }

    #[test]
    fn a_publisher_sets_what_was_left_open_and_nothing_else() {
        let allowed = allowed("clean=cat --lang={lang}");
        let refused = |arguments: &[(&str, &str)]| {
            let found = allowed.find(&spec("clean", arguments));
            found.map(|found| found.words).unwrap_err().to_string()
        };
        let missing = refused(&[]);
        assert!(missing.contains("--exec-arg lang=..."), "{missing}");
        let other = refused(&[("lang", "de"), ("file", "x")]);
        assert!(other.contains("\"file\"; it has lang"), "{other}");
        let twice = refused(&[("lang", "de"), ("lang", "en")]);
        assert!(twice.contains("twice"), "{twice}");
        let flag = refused(&[("lang", "-x")]);
        assert!(flag.contains("does not begin with -"), "{flag}");
        let unknown = allowed.find(&spec("clear", &[])).unwrap_err();
        assert!(matches!(unknown, Refusal::Unknown { .. }));
    }

    #[test]
    fn a_program_that_cannot_be_run_is_not_called_missing() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("clean");
        let why = |words: &str| {
            AllowedCommands::own(&[words.to_owned()])
                .unwrap_err()
                .to_string()
        };
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        let program = path.to_str().unwrap();
        assert!(why(program).contains("No such file"), "{}", why(program));
        std::fs::write(&path, "#!/no/such/python\n").unwrap();
        std::fs::set_permissions(&path, mode(0o644)).unwrap();
        assert!(why(program).contains("chmod +x"), "{}", why(program));
        std::fs::set_permissions(&path, mode(0o755)).unwrap();
        assert!(
            why(program).contains("asks for /no/such/python"),
            "{}",
            why(program)
        );
        let directory = directory.path().to_str().unwrap();
        assert!(
            why(directory).contains("is a directory"),
            "{}",
            why(directory)
        );
        assert!(why("no-such-program").contains("no directory of PATH"));
    }

    #[test]
    fn what_an_operator_got_wrong_is_told_at_the_start() {
        let refused = |line: &str| {
            AllowedCommands::default()
                .add_line(line)
                .unwrap_err()
                .to_string()
        };
        assert!(refused("clean").contains("is not like"));
        assert!(refused("clean=").contains("is not like"));
        assert!(refused("a b=cat").contains("no name"));
        assert!(refused("clean='cat").contains("never closes"));
        assert!(refused("clean=no-such-program-here x").contains("no-such-program-here"));
        assert!(refused("clean=/etc/passwd").contains("/etc/passwd"));
        assert!(refused("clean={program}").contains("parameter"));
        let mut twice = allowed("clean=cat");
        assert!(twice.add_line("clean=cat").is_err());
    }

    #[test]
    fn a_command_of_ones_own_is_taken_word_for_word() {
        let words = ["awk", "{print}"].map(str::to_owned);
        let (allowed, name) = AllowedCommands::own(&words).unwrap();
        assert_eq!(name, "awk");
        assert_eq!(allowed.find(&spec("awk", &[])).unwrap().words, words);
    }
}
