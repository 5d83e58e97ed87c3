//! One process and its planned kill.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustix::process::Signal;

use crate::plan::{Kind, Plan};

/// The output of a process.
#[derive(Debug, Default)]
struct Said {
    is_connected: AtomicBool,
    last: Mutex<VecDeque<String>>,
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lives,
    /// Killed as planned.
    Dead,
    /// All work is complete. Only a publisher reaches this state.
    Done,
}

/// A running process.
pub(crate) struct Role {
    pub(crate) kind: Kind,
    pub(crate) plan: Plan,
    child: Child,
    said: Arc<Said>,
    /// The start of the time until the planned kill.
    alive: Option<Instant>,
}

impl Role {
    /// Starts the process; counts every redelivered message that it logs.
    pub(crate) fn start(
        kind: Kind,
        plan: Plan,
        command: &mut Command,
        redelivered: &Arc<AtomicU64>,
    ) -> Self {
        if let Plan::Failpoint(name, passage) = plan {
            command.env("ROWMILL_FAILPOINT", format!("{name}:{passage}"));
        }
        let mut child = command
            .env("ROWMILL_LOG", "info,worker=debug,master=debug,lapin=off")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Said::default());
        let (heard, redelivered) = (Arc::clone(&said), Arc::clone(redelivered));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                hear(&heard, &redelivered, line);
            }
        });
        Self {
            kind,
            plan,
            child,
            said,
            alive: (kind != Kind::Worker).then(Instant::now),
        }
    }

    /// The state of the process. `may_kill`: whether it may be killed at a random time now.
    pub(crate) fn look(&mut self, may_kill: bool) -> Fate {
        if let Some(status) = self.child.try_wait().unwrap() {
            if self.kind == Kind::Publisher && status.success() {
                return Fate::Done;
            }
            let is_planned = matches!(self.plan, Plan::Failpoint(..))
                && status.signal() == Some(Signal::KILL.as_raw());
            let (name, words) = (self.kind.name(), self.last_words());
            assert!(is_planned, "a {name} ended: {status}\n{words}");
            return Fate::Dead;
        }
        if self.alive.is_none() && self.said.is_connected.load(Ordering::Relaxed) {
            self.alive = Some(Instant::now());
        }
        let lived = self.alive.map(|since| since.elapsed());
        let is_due =
            matches!(self.plan, Plan::After(life) if lived.is_some_and(|lived| lived >= life));
        if is_due && may_kill {
            self.kill();
            return Fate::Dead;
        }
        Fate::Lives
    }

    /// Its standard output, after it has ended.
    pub(crate) fn printed(&mut self) -> String {
        let mut printed = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut printed).unwrap();
        }
        printed
    }

    /// SIGKILL, at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The last lines that it logged.
    pub(crate) fn last_words(&self) -> String {
        let last = self.said.last.lock().unwrap();
        last.iter().flat_map(|line| ["    ", line, "\n"]).collect()
    }
}

fn hear(said: &Said, redelivered: &AtomicU64, line: String) {
    if line.contains("took a redelivered message") {
        redelivered.fetch_add(1, Ordering::Relaxed);
        return;
    }
    if line.contains("connected") {
        said.is_connected.store(true, Ordering::Relaxed);
    }
    let mut last = said.last.lock().unwrap();
    last.push_back(line);
    if last.len() > 30 {
        last.pop_front();
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
