//! A process that outlives the worker briefly: when the worker is gone, even after a SIGKILL, it kills the process
//! groups of the commands that were running. It reads the group ids from its standard input; end of file means that the
//! worker is gone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal};

/// The worker's side of the guard process, which is started with the first command.
#[derive(Debug)]
pub(super) struct GroupGuard {
    program: PathBuf,
    args: Vec<OsString>,
    state: Mutex<GuardState>,
}

#[derive(Debug, Default)]
struct GuardState {
    groups: BTreeSet<i32>,
    process: Option<(Child, ChildStdin)>,
}

impl GroupGuard {
    pub(super) fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        Self {
            program,
            args,
            state: Mutex::default(),
        }
    }

    /// Registers a group, to be killed if the worker ends.
    pub(super) fn add(&self, group: Pid) -> std::io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let group = group.as_raw_pid();
        state.groups.insert(group);
        if send(&mut state, &format!("+{group}\n")).is_ok() {
            return Ok(());
        }
        // The guard is not running yet, or was killed: start one and register all groups.
        state.process = Some(self.open()?);
        let all: Vec<String> = state.groups.iter().map(|id| format!("+{id}\n")).collect();
        send(&mut state, &all.concat())
    }

    /// Removes a group that has ended.
    pub(super) fn remove(&self, group: Pid) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let group = group.as_raw_pid();
        state.groups.remove(&group);
        if let Err(error) = send(&mut state, &format!("-{group}\n")) {
            tracing::debug!(%error, "the guard of commands is gone");
        }
    }

    fn open(&self) -> std::io::Result<(Child, ChildStdin)> {
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .arg("--exec-guard")
            // Any command could read the environment of this process.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // In its own process group, so that Ctrl-C does not reach it.
            .process_group(0)
            .spawn()?;
        let stdin = child.stdin.take();
        let stdin = stdin.ok_or_else(|| std::io::Error::other("no pipe to the guard"))?;
        Ok((child, stdin))
    }
}

/// One write, which the pipe takes completely, or not at all if the guard is gone.
fn send(state: &mut GuardState, lines: &str) -> std::io::Result<()> {
    match &mut state.process {
        Some((_, stdin)) => stdin.write_all(lines.as_bytes()),
        None => Err(std::io::ErrorKind::NotConnected.into()),
    }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if let Some((mut child, stdin)) = state.process.take() {
            drop(stdin);
            // It ends as soon as it has killed the remaining groups.
            if let Err(error) = child.wait() {
                tracing::debug!(%error, "the guard of commands was not waited for");
            }
        }
    }
}

/// Runs as the guard process.
///
/// # Errors
///
/// If its standard input cannot be read; the known groups are killed all the same.
pub(crate) fn run_guard() -> std::io::Result<()> {
    let mut groups = BTreeSet::new();
    let mut failed = Ok(());
    for line in std::io::stdin().lock().lines() {
        match line {
            Ok(line) => apply_line(&mut groups, &line),
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        kill(group);
    }
    failed
}

/// Kills the process group of a command.
pub(super) fn kill(group: Pid) {
    if let Err(error) = rustix::process::kill_process_group(group, Signal::KILL) {
        tracing::debug!(%error, "a command's processes were gone before they were killed");
    }
}

fn apply_line(groups: &mut BTreeSet<i32>, line: &str) {
    let (sign, number) = line.split_at_checked(1).unwrap_or(("", ""));
    match (sign, number.parse()) {
        ("+", Ok(group)) if group > 1 => drop(groups.insert(group)),
        ("-", Ok(group)) => drop(groups.remove(&group)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_existing_groups_are_remembered_and_never_the_guards_own() {
        let mut groups = BTreeSet::new();
        for line in ["+7", "+8", "-7", "+0", "+1", "+-5", "", "é", "+x", "-9"] {
            apply_line(&mut groups, line);
        }
        assert_eq!(groups, [8].into());
    }
}
