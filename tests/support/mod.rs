//! Shared test support: a stage with its own master on a free port and its own namespace at the test broker, and
//! processes that are stopped by their ids when the test ends.

#![allow(dead_code)] // each test file uses its own part
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failed unwrap fails the test

pub(crate) mod node;
pub(crate) mod passive;
pub(crate) mod proxy;
pub(crate) mod seed;
pub(crate) mod truth;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use access::Client;
use proto::v1::{BrokerState, GetJobRequest, GetJobResponse, GetMasterRequest};
use tempfile::TempDir;

/// Longer than any wait takes on a busy machine, and shorter than the time limit of .config/nextest.toml.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// The built command, without the settings of the surrounding shell.
pub(crate) fn rowmill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowmill"));
    for name in [
        "AMQP_URL",
        "ROWMILL_BROKER",
        "ROWMILL_NAMESPACE",
        "ROWMILL_MASTER",
        "ROWMILL_LOG",
        "ROWMILL_JOURNAL",
        "ROWMILL_TOKEN",
        "ROWMILL_TOKEN_FILE",
        "ROWMILL_CA",
        "ROWMILL_SIGNING_KEY_FILE",
        "ROWMILL_METRICS",
        "ROWMILL_METRICS_ALLOW_REMOTE",
        "ROWMILL_OTLP",
    ] {
        command.env_remove(name);
    }
    // The settings of the user who runs the tests do not apply.
    command.env("ROWMILL_CONFIG", "");
    command.stdin(Stdio::null());
    command
}

/// The seed of orders whose content does not matter.
pub(crate) const SEED: u64 = 20_240_101;

/// About `bytes` bytes of orders, some with quoted commas, quotes and line ends.
pub(crate) fn orders(bytes: u64, seed: u64) -> String {
    let (size, seed) = (format!("{bytes}B"), seed.to_string());
    let output = rowmill()
        .args(["sample", &size, "--seed", &seed])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command with `input` on its standard input. The command need not read all of it.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    match writer.join().unwrap() {
        // A command that refuses its arguments exits before it reads.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written.unwrap(),
    }
    output
}

/// Another program with the environment of a command.
pub(crate) fn in_place_of(command: &Command, program: &str) -> Command {
    let mut other = Command::new(program);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

/// The peak resident memory of a process, in kB.
pub(crate) fn peak_kb(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kb = line.unwrap().split_whitespace().nth(1);
    kb.unwrap().parse().unwrap()
}

/// The standard error of a finished command.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The job id that a publish prints.
pub(crate) fn published(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory for a broker node that a test starts. `scripts/test` stops the nodes that are left there.
pub(crate) fn node_directory() -> TempDir {
    match std::env::var_os("ROWMILL_TEST_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

/// A process that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Process {
    /// Starts the process and reads its stderr line by line.
    #[allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                eprintln!("    {line}");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The standard input of the process, if it is a pipe.
    pub(crate) fn stdin(&mut self) -> std::process::ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Waits for a line of stderr that contains `text`.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .unwrap_or_else(|e| panic!("{text:?}: {e}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Whether the process has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process ends; returns the lines of stderr that `wait_for` has not read.
    pub(crate) fn said(mut self) -> String {
        self.child.wait().unwrap();
        self.lines.iter().map(|line| line + "\n").collect()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM or SIGINT.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the process ends; returns its stdout and its exit code.
    pub(crate) fn end(mut self) -> (String, i32) {
        let mut stdout = String::new();
        std::io::Read::read_to_string(&mut self.child.stdout.take().unwrap(), &mut stdout).unwrap();
        (stdout, self.child.wait().unwrap().code().unwrap_or(-1))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already; then the kill fails.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `HOST:PORT` with a port that was free a moment ago, for a master that keeps it across restarts. The loopback
/// address depends on the process id, so that no other test's connection takes the port meanwhile.
pub(crate) fn free_address() -> String {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    let own = std::net::Ipv4Addr::new(127, 1 + b % 64, c, d);
    let free = std::net::TcpListener::bind((own, 0)).unwrap();
    free.local_addr().unwrap().to_string()
}

/// A namespace at the test broker, and a directory for a master and its files.
pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    url: String,
    namespace: String,
    address: String,
}

impl Stage {
    /// A stage at the broker that `scripts/test` started.
    pub(crate) fn new() -> Self {
        let url = std::env::var("AMQP_URL").expect("no broker: run scripts/test");
        Self::at(url)
    }

    /// A stage at another broker.
    pub(crate) fn at(url: String) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            url,
            namespace: format!("test-{}", proto::JobId::new()),
            address: free_address(),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The listen address of the master: `HOST:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `rowmill ARGS` for this stage's broker and master.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = rowmill();
        command
            .env("AMQP_URL", &self.url)
            .env("ROWMILL_NAMESPACE", &self.namespace)
            .env("ROWMILL_MASTER", format!("http://{}", self.address))
            .env("ROWMILL_JOURNAL", self.dir.path().join("journal"))
            .args(args);
        command
    }

    pub(crate) fn master(&self) -> Process {
        let master = self.master_with(&[]);
        master.wait_for("connected");
        master
    }

    /// Starts a master with additional arguments; does not wait until it is ready.
    pub(crate) fn master_with(&self, more: &[&str]) -> Process {
        let data = self.dir.path().join("master");
        let data = data.to_str().unwrap();
        let args = ["master", "--listen", &self.address, "--data", data];
        Process::start(self.command(&args).args(more))
    }

    pub(crate) fn worker(&self) -> Process {
        let worker = Process::start(&mut self.command(&["worker", "--threads", "1"]));
        worker.wait_for("connected");
        worker
    }

    pub(crate) async fn client(&self) -> Client {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            match access::connect(&self.address).await {
                Ok(client) => return client,
                Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Publishes a file; returns the job's id.
    pub(crate) fn publish(&self, path: &Path) -> String {
        published(&mut self.command(&["publish", path.to_str().unwrap()]))
    }

    /// Writes a file into the stage's directory.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Deletes this stage's queues.
    pub(crate) async fn erase(&self) {
        self.broker().erase().await.unwrap();
    }

    /// This stage's broker, for tests that inspect it.
    pub(crate) fn broker(&self) -> broker::Broker {
        let uri = self.url.clone().into();
        let config = broker::RabbitConfig::new(uri, &self.namespace).unwrap();
        broker::Broker::rabbit(config)
    }
}

/// Waits until the master consumes results. It logs that it is connected before that.
pub(crate) async fn takes_results(client: &mut Client) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let request = GetMasterRequest {
            protocol: proto::PROTOCOL,
        };
        let answer = client.get_master(request).await.unwrap().into_inner();
        let broker = answer.master.unwrap().broker.unwrap();
        if broker.state() == BrokerState::Connected {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{broker:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The id of the first job with more than `chunks` chunks done.
pub(crate) async fn begun(client: &mut Client, chunks: u64) -> String {
    loop {
        let jobs = client
            .list_jobs(proto::v1::ListJobsRequest::default())
            .await
            .unwrap();
        let mut jobs = jobs.into_inner().jobs.into_iter();
        if let Some(job) = jobs.find(|job| job.chunks_done > chunks) {
            return job.job_id;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `is_so` holds for the job; returns the job.
pub(crate) async fn job_when(
    client: &mut Client,
    job_id: &str,
    is_so: impl Fn(&GetJobResponse) -> bool,
) -> GetJobResponse {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let request = GetJobRequest {
            job_id: job_id.to_owned(),
            wait_ms: 50,
            no_result: false,
        };
        match client.get_job(request).await {
            Ok(response) if is_so(response.get_ref()) => return response.into_inner(),
            Ok(response) if tokio::time::Instant::now() > deadline => panic!("{response:#?}"),
            Err(status) if tokio::time::Instant::now() > deadline => panic!("{status}"),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Waits until the job is finished; returns the job.
pub(crate) async fn finished(client: &mut Client, job_id: &str) -> GetJobResponse {
    let is_finished =
        |r: &GetJobResponse| r.job.as_ref().is_some_and(|j| j.finished_unix_ms.is_some());
    job_when(client, job_id, is_finished).await
}
