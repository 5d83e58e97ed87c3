//! The commands that the operator of a worker allows, and the lookup of the command that a publisher asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::v1::{ExecMode, ExecSpec};
use rustix::fs::Access;

use super::parameter::Parameter;
use super::template::ArgTemplate;

/// Longest name of a command, bytes.
const NAME_BYTES: usize = 64;

/// The allowed commands by name.
#[derive(Debug, Clone, Default)]
pub struct AllowedCommands {
    commands: BTreeMap<String, Command>,
}

/// A command as its operator allowed it.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) argv: Vec<ArgTemplate>,
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// How it reads chunks unless the publisher chooses a mode.
    pub(super) mode: ExecMode,
    /// Time limit of an attempt. `None` if only the chunk's own limit applies.
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Memory,
    pub(super) environment: Environment,
    /// Working directory. `None` for the worker's.
    pub(super) directory: Option<PathBuf>,
    /// Never to be run again on parts of a chunk, to isolate rows.
    pub(super) once: bool,
}

/// Limit of the address space of a command's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// The limit that the worker sets for every child process.
    AsWorker,
    /// Limit in MiB.
    Mib(u64),
    /// No limit.
    Unlimited,
}

/// The variables of the worker's environment that a command gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Environment {
    /// PATH, HOME, LANG, and these.
    Only(Vec<String>),
    /// All except rowmill's secrets: the command belongs to the user who runs this process.
    Inherited,
}

/// A command that is ready to run: the parameters in its arguments are filled in.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    pub(super) name: String,
    pub(super) argv: Vec<String>,
    pub(super) mode: ExecMode,
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Memory,
    pub(super) environment: Environment,
    pub(super) directory: Option<PathBuf>,
    pub(super) once: bool,
}

/// Why an operator's definition of a command is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AllowError(pub(super) String);

/// Why a publisher's request for a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// This worker does not allow a command of that name.
    #[error("this worker does not allow `{name}`; start one with --allow {name}='...'")]
    Unknown {
        /// The requested name.
        name: String,
    },
    /// The command is allowed, but not with these arguments.
    #[error("`{name}`: {why}")]
    Argument {
        /// The command.
        name: String,
        /// The invalid argument, and which values are allowed.
        why: String,
    },
}

impl Refusal {
    /// Refuses a name, which any client may have sent.
    pub(crate) fn unknown(name: &str) -> Self {
        Self::Unknown {
            name: engine::excerpt(name.as_bytes(), NAME_BYTES),
        }
    }
}

impl AllowedCommands {
    /// Allows one command, taken literally: for a process that only works for the user who started it.
    ///
    /// # Errors
    ///
    /// If the program cannot be run.
    pub fn own(argv: &[String]) -> Result<(Self, String), AllowError> {
        let program = argv.first().map_or("", String::as_str);
        let name = Path::new(program).file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let command = Command {
            argv: argv.iter().map(|arg| ArgTemplate::plain(arg)).collect(),
            memory: Memory::Unlimited,
            environment: Environment::Inherited,
            ..Command::new(Vec::new())
        };
        command.check()?;
        let commands = [(name.clone(), command)].into();
        Ok((Self { commands }, name))
    }

    /// Adds the command of an argument `--allow NAME='cmd args'`.
    ///
    /// # Errors
    ///
    /// If it has another form, the name is taken, or the program cannot be run.
    pub fn add_line(&mut self, line: &str) -> Result<(), AllowError> {
        let wrong = || AllowError(format!("{line:?} is not like clean='python3 clean.py'"));
        let (name, command) = line.split_once('=').ok_or_else(wrong)?;
        let argv = shell_words::split(command)
            .map_err(|_| AllowError(format!("{name}: a quote never closes")))?;
        if argv.is_empty() {
            return Err(wrong());
        }
        let argv = argv.iter().map(|arg| ArgTemplate::parse(arg)).collect();
        self.add(name, Command::new(argv))
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

    /// The names of the allowed commands.
    pub fn names(&self) -> Vec<String> {
        self.commands.keys().cloned().collect()
    }

    /// Whether a command of that name is allowed.
    pub fn has(&self, name: &str) -> bool {
        self.commands.contains_key(name)
    }

    /// Looks up the command that a publisher asks for, and fills in its parameters.
    ///
    /// # Errors
    ///
    /// If the command or one of its arguments is not allowed.
    pub(super) fn find(&self, spec: &ExecSpec) -> Result<Invocation, Refusal> {
        let name = spec.command.clone();
        let Some(command) = self.commands.get(&name) else {
            return Err(Refusal::unknown(&name));
        };
        let argv = command.fill(spec);
        let argv = argv.map_err(|why| Refusal::Argument {
            name: name.clone(),
            why,
        })?;
        Ok(Invocation {
            name,
            argv,
            mode: match spec.mode() {
                ExecMode::Unspecified => command.mode,
                mode => mode,
            },
            timeout: command.timeout,
            memory: command.memory,
            environment: command.environment.clone(),
            directory: command.directory.clone(),
            once: command.once,
        })
    }
}

impl Command {
    /// A command with these arguments and default settings.
    pub(super) fn new(argv: Vec<ArgTemplate>) -> Self {
        let parameters = argv.iter().flat_map(ArgTemplate::parameters);
        Self {
            parameters: parameters
                .map(|name| (name.to_owned(), Parameter::default()))
                .collect(),
            argv,
            mode: ExecMode::Chunk,
            timeout: None,
            memory: Memory::AsWorker,
            environment: Environment::Only(Vec::new()),
            directory: None,
            once: false,
        }
    }

    /// Checks the command when the worker starts, so that a typing error does not first appear at a chunk.
    fn check(&self) -> Result<(), AllowError> {
        let Some(program) = self.argv.first() else {
            return Err(AllowError("the command is empty".to_owned()));
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

    /// Fills the publisher's values into the arguments. The error says which value is wrong, and what is allowed.
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
        Ok(self.argv.iter().map(|arg| arg.fill(&values)).collect())
    }

    fn offers(&self) -> String {
        if self.parameters.is_empty() {
            return "it has none".to_owned();
        }
        let names: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        format!("it has {}", names.join(", "))
    }
}

/// Why a program cannot be run, and what to do. `None` if it can be run.
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

/// Why a file cannot be run. `None` if it can be run.
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

/// The interpreter in the first line of a script: `#!/bin/sh`.
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
        .find(|arg| !arg.is_empty())
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
            found.argv,
            ["awk", "-F,", "{ print $1 \"x y\" }", "a b $HOME"]
        );
    }

    #[test]
    fn a_publisher_sets_the_parameters_and_nothing_else() {
        let allowed = allowed("clean=cat --lang={lang}");
        let refused = |arguments: &[(&str, &str)]| {
            let found = allowed.find(&spec("clean", arguments));
            found.map(|found| found.argv).unwrap_err().to_string()
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
        let why = |argv: &str| {
            AllowedCommands::own(&[argv.to_owned()])
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
    fn an_operators_error_is_reported_at_the_start() {
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
        let argv = ["awk", "{print}"].map(str::to_owned);
        let (allowed, name) = AllowedCommands::own(&argv).unwrap();
        assert_eq!(name, "awk");
        assert_eq!(allowed.find(&spec("awk", &[])).unwrap().argv, argv);
    }
}
