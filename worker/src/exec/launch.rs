//! Starts commands: as this same program, called with `--exec-child`, which sets the limits on itself and then executes
//! the command. A command leads its own process group, which is killed as a whole at the end of the attempt or of the
//! worker.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cli::Exit;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};

use super::allowed::{Environment, Invocation, Memory};
use super::guard::{GroupGuard, kill};

/// The first argument of a process that becomes a command; the limit of its address space in MiB (0 for no limit) and
/// the words of the command follow.
const EXEC_CHILD: &str = "--exec-child";
/// Variables of the worker's environment that every command gets.
const ALWAYS: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Starts commands.
#[derive(Debug)]
pub(super) struct Launcher {
    /// This program, and the arguments that select the worker's command line.
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Limit of a command's address space unless its operator sets one. `None` for no limit.
    pub(super) memory_mib: Option<u64>,
    pub(super) guard: Arc<GroupGuard>,
}

/// A started command and its process group.
#[derive(Debug)]
pub(super) struct SpawnedCommand {
    pub(super) child: Child,
    pub(super) group: Group,
}

impl Launcher {
    /// Starts a command, with `more` added to its environment. Call it on a thread that lives as long as the worker:
    /// the system kills the command when the thread that started it ends.
    pub(super) fn start(
        &self,
        invocation: &Invocation,
        more: &[(&str, String)],
    ) -> std::io::Result<SpawnedCommand> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .arg(EXEC_CHILD)
            .arg(self.memory_mib(invocation).to_string())
            .args(&invocation.argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        match &invocation.environment {
            Environment::Only(names) => {
                command.env_clear();
                let names = ALWAYS.into_iter().chain(names.iter().map(String::as_str));
                command.envs(names.filter_map(|name| Some((name, std::env::var_os(name)?))));
            }
            Environment::Inherited => {
                for name in cli::SECRET_VARIABLES {
                    command.env_remove(name);
                }
            }
        }
        command.envs(more.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &invocation.directory {
            command.current_dir(directory);
        }
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let group = Group(Arc::new(GroupState {
            pid: Mutex::new(Some(pid)),
            guard: Arc::clone(&self.guard),
        }));
        if let Err(error) = self.guard.add(pid) {
            tracing::warn!(%error, "without the guard, a command would survive a kill of this worker");
        }
        Ok(SpawnedCommand { child, group })
    }

    /// 0 for no limit.
    pub(super) fn memory_mib(&self, invocation: &Invocation) -> u64 {
        match invocation.memory {
            Memory::AsWorker => self.memory_mib.unwrap_or(0),
            Memory::Mib(mib) => mib,
            Memory::Unlimited => 0,
        }
    }
}

/// The process group of a command, while its id is valid.
#[derive(Debug, Clone)]
pub(super) struct Group(Arc<GroupState>);

#[derive(Debug)]
struct GroupState {
    pid: Mutex<Option<Pid>>,
    guard: Arc<GroupGuard>,
}

impl Group {
    /// Kills every process of the group, unless the group has ended.
    pub(super) fn kill(&self) {
        if let Some(pid) = *self.0.lock() {
            kill(pid);
        }
    }

    /// Whether the command's process is still running.
    pub(super) fn is_running(&self, child: &Child) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended = rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), options);
        self.0.lock().is_some() && matches!(ended, Ok(None))
    }

    /// Waits for the end of the command's process, and kills the rest of its group. Blocks. The process is reaped only
    /// afterwards, so that its id cannot be reused before the kill.
    pub(super) fn wait(&self, child: &mut Child) -> std::io::Result<ExitStatus> {
        let is_over = self.0.lock().is_none();
        if is_over {
            return child.wait();
        }
        let id = WaitId::Pid(Pid::from_child(child));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = rustix::process::waitid(id.clone(), options) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        let mut pid = self.0.lock();
        if let Some(pid) = pid.take() {
            kill(pid);
            self.0.guard.remove(pid);
        }
        child.wait()
    }
}

impl GroupState {
    fn lock(&self) -> MutexGuard<'_, Option<Pid>> {
        self.pid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills the group of a command when the attempt that waits for it is dropped.
#[derive(Debug)]
pub(super) struct KillOnDrop {
    group: Group,
    is_armed: bool,
}

impl KillOnDrop {
    pub(super) fn new(group: &Group) -> Self {
        Self {
            group: group.clone(),
            is_armed: true,
        }
    }

    /// Lets the command live on, because its output is complete.
    pub(super) fn disarm(mut self) {
        self.is_armed = false;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if self.is_armed {
            self.group.kill();
        }
    }
}

/// Becomes the command, if the arguments of this process are those that `Launcher` passes: sets the limits on this
/// process and executes the command. Returns the exit code if that fails, and `None` if it has other arguments.
///
/// Call it first in `main`: parsing a command line and starting a runtime would take several times as long.
pub fn become_command() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1).peekable();
    args.next_if(|arg| arg == "worker");
    args.next_if(|arg| arg == EXEC_CHILD)?;
    let memory_mib = args.next()?.to_str()?.parse().ok()?;
    let error = execute(memory_mib, args.collect());
    cli::stderr_line!("rowmill: {error}");
    Some(ExitCode::from(Exit::Usage as u8))
}

/// Returns only if the command cannot be executed.
fn execute(memory_mib: u64, words: Vec<OsString>) -> std::io::Error {
    if let Err(error) = limit(memory_mib) {
        return error;
    }
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let error = Command::new(&program).args(words).exec();
    let program = program.to_string_lossy();
    std::io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
}

fn limit(memory_mib: u64) -> std::io::Result<()> {
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    if memory_mib > 0 {
        rustix::process::setrlimit(Resource::As, limit(memory_mib << 20))?;
    }
    // A crash is expected here; a core file would only fill the disk.
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    // The guard kills the whole group when the worker is gone; this kills the command's process without that delay.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}
