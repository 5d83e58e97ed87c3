//! How a command becomes a process: through this same program, called once more with `--exec-child`,
//! which limits itself and then turns into the command. It is the leader of a process group of its own,
//! which ends as a whole: with the attempt, and with the worker, however that ends.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};

use super::allowed::{Environment, Invocation, Memory};
use super::guard::GroupGuard;

/// What every command gets of the worker's environment.
const ALWAYS: [&str; 3] = ["PATH", "HOME", "LANG"];

/// How commands are started.
#[derive(Debug)]
pub(super) struct Launcher {
    /// This program, and what makes it read a worker's arguments.
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// The address space of a command whose operator says nothing. Absent: no limit.
    pub(super) memory_mib: Option<u64>,
    pub(super) guard: Arc<GroupGuard>,
}

/// A command that was started. Whoever has its group can end it.
#[derive(Debug)]
pub(super) struct SpawnedCommand {
    pub(super) child: Child,
    pub(super) group: Group,
}

impl Launcher {
    /// Starts a command, with `more` in its environment. To be called on a thread that lives as long
    /// as the worker: the system kills the command when the thread that started it ends.
    pub(super) fn start(
        &self,
        invocation: &Invocation,
        more: &[(&str, String)],
    ) -> std::io::Result<SpawnedCommand> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .arg("--exec-child")
            .arg(self.memory_mib(invocation).to_string())
            .arg("--")
            .args(&invocation.words)
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
            Environment::Own => {
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
            tracing::warn!(%error, "nobody would end a command if this worker were killed");
        }
        Ok(SpawnedCommand { child, group })
    }

    /// 0: no limit.
    pub(super) fn memory_mib(&self, invocation: &Invocation) -> u64 {
        match invocation.memory {
            Memory::AsWorker => self.memory_mib.unwrap_or(0),
            Memory::Mib(mib) => mib,
            Memory::Unlimited => 0,
        }
    }
}

/// The process group of a command, for as long as its number is its own.
#[derive(Debug, Clone)]
pub(super) struct Group(Arc<GroupState>);

#[derive(Debug)]
struct GroupState {
    pid: Mutex<Option<Pid>>,
    guard: Arc<GroupGuard>,
}

impl Group {
    /// Kills every process in it, unless it is gone.
    pub(super) fn kill(&self) {
        if let Some(pid) = *self.0.lock() {
            kill(pid);
        }
    }

    /// Whether the command itself has not ended yet.
    pub(super) fn is_running(&self, child: &Child) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended = rustix::process::waitid(WaitId::Pid(Pid::from_child(child)), options);
        self.0.lock().is_some() && matches!(ended, Ok(None))
    }

    /// Waits until the command itself has ended, and ends what it left behind. Blocks. Only then is
    /// the command reaped: until then its number cannot become another's.
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

/// Kills a command's group when whoever waits for its answer is gone.
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

    /// The answer is there: the command may live on.
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

pub(super) fn kill(group: Pid) {
    if let Err(error) = rustix::process::kill_process_group(group, Signal::KILL) {
        tracing::debug!(%error, "a command's processes were gone before they were killed");
    }
}

/// Limits this process and turns it into the command. Comes back only where that fails.
pub(crate) fn become_command(memory_mib: u64, words: &[OsString]) -> std::io::Error {
    if let Err(error) = limit(memory_mib) {
        return error;
    }
    let (program, args) = words
        .split_first()
        .map_or((OsStr::new(""), words), |(program, args)| (program, args));
    let error = Command::new(program).args(args).exec();
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
    // What dies here dies on purpose; a core of it would only fill a disk.
    rustix::process::setrlimit(Resource::Core, limit(0))?;
    // The guard ends the whole group when the worker is gone; the command itself need not wait for it.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}
