//! A RabbitMQ node that a test starts, kills and restarts, alone or in a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PATIENCE, Stage, node_directory};

/// A broker node. Drop stops it and removes its directory.
pub(crate) struct Node {
    dir: TempDir,
    url: String,
}

impl Node {
    /// Starts a single node.
    pub(crate) fn start() -> Self {
        Self::started(None)
    }

    /// Starts a node in the cluster of `other`.
    pub(crate) fn join(other: &Self) -> Self {
        Self::started(Some(other))
    }

    fn started(other: Option<&Self>) -> Self {
        let mut node = Self {
            dir: node_directory(),
            url: String::new(),
        };
        let mut start = node.command("start");
        if let Some(other) = other {
            start.arg(other.dir.path());
        }
        assert!(start.status().unwrap().success(), "scripts/broker start");
        let env = std::fs::read_to_string(node.dir.path().join("env")).unwrap();
        let url = env.lines().find_map(|l| l.strip_prefix("AMQP_URL="));
        url.unwrap().clone_into(&mut node.url);
        node
    }

    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The node's directory, the DIR of `scripts/broker VERB DIR`.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs `scripts/broker VERB` on this node: start, stop or kill.
    pub(crate) fn script(&self, verb: &str) {
        let status = self.command(verb).status().unwrap();
        assert!(status.success(), "scripts/broker {verb}");
    }

    /// The output of `rabbitmqctl ARGS` on this node.
    pub(crate) fn ctl(&self, args: &[&str]) -> String {
        let output = self.command("ctl").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "rabbitmqctl {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The log of RabbitMQ.
    pub(crate) fn log(&self) -> String {
        let files = std::fs::read_dir(self.dir.path().join("log")).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.collect()
    }

    fn command(&self, verb: &str) -> Command {
        script(verb, self.dir.path())
    }
}

/// A broker that a test may control with rabbitmqctl: the broker of `scripts/test`, or the test's own node.
pub(crate) struct Ruled {
    dir: PathBuf,
    /// Stopped on drop.
    _own: Option<Node>,
}

impl Ruled {
    /// The shared broker if there is one. A test may change only its own namespace or user there.
    pub(crate) fn any() -> Self {
        match std::env::var_os("ROWMILL_TEST_BROKER_DIR") {
            Some(dir) => Self {
                dir: dir.into(),
                _own: None,
            },
            None => Self::own(),
        }
    }

    /// A broker that no other test uses.
    pub(crate) fn own() -> Self {
        let node = Node::start();
        Self {
            dir: node.path().to_owned(),
            _own: Some(node),
        }
    }

    /// `HOST:PORT`
    pub(crate) fn address(&self) -> String {
        let url = self.url();
        let (_, rest) = url.rsplit_once('@').unwrap();
        rest.split_once('/').unwrap().0.to_owned()
    }

    /// A stage at this broker.
    pub(crate) fn stage(&self) -> Stage {
        Stage::at(self.url())
    }

    /// Runs `rabbitmqctl ARGS`, which must succeed.
    pub(crate) fn ctl(&self, args: &[&str]) {
        assert!(self.runs(args), "rabbitmqctl {args:?}");
    }

    /// Closes every connection of a user. rabbitmqctl fails if a connection ends by itself meanwhile, so the call is
    /// repeated until all are closed.
    pub(crate) fn close_connections(&self, user: &str, reason: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.runs(&["close_all_user_connections", user, reason]) {
            assert!(Instant::now() < deadline, "connections of {user} are open");
        }
    }

    /// Runs `rabbitmqctl ARGS`, and returns whether it succeeded.
    fn runs(&self, args: &[&str]) -> bool {
        let status = script("ctl", &self.dir).arg("-q").args(args).status();
        status.unwrap().success()
    }

    fn url(&self) -> String {
        let env = std::fs::read_to_string(self.dir.join("env")).unwrap();
        env.trim().strip_prefix("AMQP_URL=").unwrap().to_owned()
    }
}

/// `scripts/broker VERB DIR`
pub(crate) fn script(verb: &str, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_MANIFEST_DIR").to_owned() + "/scripts/broker");
    command.arg(verb).arg(dir);
    command
}

impl Node {
    /// Waits until the node has stored the queues of `namespace` in its register on disk. RabbitMQ 3.10 writes it
    /// every half second; a node that is killed before that restarts without the queues.
    pub(crate) async fn has_registered(&self, namespace: &str) {
        let names = ["tasks", "results", "dead"].map(|queue| format!("{namespace}.v2.{queue}"));
        let is_registered = || {
            let register = register(&self.dir.path().join("data")).unwrap_or_default();
            let text = String::from_utf8_lossy(&register);
            names.iter().all(|name| text.contains(name))
        };
        while !is_registered() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// `NODE/quorum/NODE/names.dets`
fn register(data: &Path) -> Option<Vec<u8>> {
    let only = |dir: PathBuf| Some(std::fs::read_dir(dir).ok()?.next()?.ok()?.path());
    let nodes = std::fs::read_dir(data)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    let quorum = nodes
        .map(|node| node.join("quorum"))
        .find(|quorum| quorum.is_dir())?;
    std::fs::read(only(quorum)?.join("names.dets")).ok()
}

impl Drop for Node {
    fn drop(&mut self) {
        self.script("stop");
    }
}
