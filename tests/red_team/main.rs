//! Sends a live master thousands of forged messages of every kind, size and number, with the permissions that
//! docs/broker.md gives to a publisher and to a worker. No message may stop the master, let its memory grow, make the
//! reading commands fail, or change the result of an honest job.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod forge;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use access::Client;
use forge::{Forged, Forger, OF_PUBLISHER, OF_WORKER};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Connection, ConnectionProperties};
use proto::v1::{GetJobResponse, GetMasterRequest, JobState};
use random::Random;
use rustix::process::Signal;
use support::node::Node;
use support::seed::{seed, setting};
use support::truth::{Outcome, Truth};
use support::{PATIENCE, Process, Stage, job_when, orders, peak_kb, published, stderr};

/// The limit of the master's memory, in kB.
const MOST_MEMORY_KB: u64 = 300_000;
/// Messages sent before their confirms are awaited.
const WINDOW: usize = 200;

/// A stage at a broker that `deploy/rabbitmq/set-up` has prepared.
struct Field {
    stage: Stage,
    etc: PathBuf,
    _node: Node,
}

impl Field {
    fn new() -> Self {
        let node = Node::start();
        let stage = Stage::at(node.url().to_owned());
        let etc = stage.dir.path().join("etc");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let broker = repository.join("scripts/broker");
        let ctl = format!("{} ctl {}", broker.display(), node.path().display());
        let host = node.url().rsplit_once('@').unwrap().1;
        let host = host.split('/').next().unwrap();
        let output = Command::new(repository.join("deploy/rabbitmq/set-up"))
            .args([
                "--host",
                host,
                "--namespace",
                stage.namespace(),
                "--limit",
                "0",
                "--timeout",
                "240",
            ])
            .arg(&etc)
            .env("RABBITMQCTL", ctl)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        Self {
            stage,
            etc,
            _node: node,
        }
    }

    fn command(&self, role: &str, args: &[&str]) -> Command {
        let mut command = self.stage.command(args);
        command.env("ROWMILL_BROKER_FILE", self.etc.join(role));
        command
    }

    fn master(&self) -> Process {
        let data = self.stage.dir.path().join("data");
        let data = data.to_str().unwrap();
        let args = ["master", "--listen", self.stage.address(), "--data", data];
        let mut command = self.command("master", &args);
        // Log lines about single messages are not needed.
        let master =
            Process::start(command.env("ROWMILL_LOG", "warn,master::run=info,master::intake=info"));
        master.wait_for("connected");
        master
    }

    /// A channel of the attacker, as the user of `role`.
    async fn channel(&self, role: &str) -> (Connection, Channel) {
        let uri = std::fs::read_to_string(self.etc.join(role)).unwrap();
        let connection = Connection::connect(uri.trim(), ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        let options = ConfirmSelectOptions::default();
        channel.confirm_select(options).await.unwrap();
        (connection, channel)
    }

    /// Checks that every reading command works, and in time.
    fn is_seen(&self, job: &str) {
        for args in [
            &["jobs"][..],
            &["jobs", "--json"],
            &["workers"],
            &["workers", "--json"],
            &["dead", "list"],
            &["dead", "list", "--json"],
            &["show", job],
            &["tui", "--once"],
        ] {
            let output = self.command("publisher", args).output().unwrap();
            let said = stderr(&output);
            assert!(output.status.success(), "{args:?}: {said}");
            assert!(!said.contains("panicked"), "{args:?}: {said}");
            let shown = String::from_utf8_lossy(&output.stdout);
            let is_harmless = !shown.contains('\u{1b}') && !shown.contains('\u{202e}');
            assert!(is_harmless || args.contains(&"--json"), "{args:?}");
        }
    }
}

/// Waits until the master has consumed all its messages.
async fn is_taken(client: &mut Client) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let request = GetMasterRequest {
            protocol: proto::PROTOCOL,
        };
        let master = client.get_master(request).await.unwrap().into_inner();
        let broker = master.master.unwrap().broker.unwrap();
        if broker.results_ready == Some(0) && broker.dead_ready == Some(0) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{broker:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends forged messages as a publisher and as a worker, half of them to their own queues.
async fn attack(field: &Field, forger: &mut Forger, count: usize) {
    let (publisher, worker) = (
        field.channel("publisher").await,
        field.channel("worker").await,
    );
    let mut confirms = Vec::new();
    for number in 0..count {
        let is_publisher = forger.random().between(0, 1) == 0;
        let (channel, may): (&Channel, &[&str]) = if is_publisher {
            (&publisher.1, &OF_PUBLISHER)
        } else {
            (&worker.1, &OF_WORKER)
        };
        let Forged {
            belongs_to,
            properties,
            body,
        } = forger.message();
        // Few messages go to the workers, which are slow on each.
        let elsewhere = [may[1], may[may.len() - 1]];
        let word = if may.contains(&belongs_to) {
            belongs_to
        } else {
            forger.random().pick(&elsewhere)
        };
        let exchange = format!("{}.v2.{word}", field.stage.namespace());
        let options = BasicPublishOptions::default();
        let sent = channel
            .basic_publish(exchange.into(), word.into(), options, &body, properties)
            .await;
        // The first pending confirm has the reason for which a channel is closed.
        let is_sent = sent.is_ok();
        confirms.extend(sent);
        if confirms.len() == WINDOW || number + 1 == count || !is_sent {
            for confirm in confirms.drain(..) {
                confirm.await.unwrap();
            }
        }
        assert!(is_sent, "message {number} to {word}");
    }
    for (connection, _) in [publisher, worker] {
        connection.close(200, "".into()).await.unwrap();
    }
}

async fn equals_the_truth(client: &mut Client, id: &str, truth: &Truth) {
    // A chunk whose result did not fit counts as dead until the worker's own result arrives.
    let is_done = |response: &GetJobResponse| {
        let job = response.job.as_ref();
        job.is_some_and(|job| job.state() == JobState::Done)
    };
    let job = job_when(client, id, is_done).await;
    let outcome = Outcome::read(client, &job).await.unwrap();
    assert_eq!(outcome.sha256(), truth.result.sha256());
    assert_eq!(outcome, truth.result);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_message_stops_the_master_or_lets_it_grow_or_changes_another_job() {
    let seed = seed();
    let messages = setting("ROWMILL_FORGED", 5_000) as usize;
    println!("ROWMILL_SEED={seed} ROWMILL_FORGED={messages}");
    let field = Field::new();
    let master = field.master();
    let args = ["worker", "--threads", "2"];
    let worker = Process::start(
        field
            .command("worker", &args)
            .env("ROWMILL_LOG", "error,worker=info"),
    );
    worker.wait_for("connected");
    let truth = Truth::new(&orders(200_000, seed), &mut Random::new(seed));
    let path = field.stage.file("orders.csv", &truth.csv);
    let args = ["publish", path.to_str().unwrap(), "--chunk-bytes", "4096"];

    let mut forger = Forger::new(seed);
    attack(&field, &mut forger, messages / 4).await;
    let honest = published(&mut field.command("publisher", &args));
    forger.aim_at(&honest);
    attack(&field, &mut forger, messages / 4).await;
    field.is_seen(&honest);
    let mut client = field.stage.client().await;
    attack(&field, &mut forger, messages - 2 * (messages / 4)).await;
    is_taken(&mut client).await;
    equals_the_truth(&mut client, &honest, &truth).await;
    field.is_seen(&honest);
    let peak = peak_kb(master.id());
    println!("the master had {peak} kB at most");
    assert!(peak < MOST_MEMORY_KB, "{peak} kB");

    drop(client);
    master.signal(Signal::TERM);
    let (_, code) = master.end();
    assert_eq!(code, 0);
    let master = field.master();
    let mut client = field.stage.client().await;
    equals_the_truth(&mut client, &honest, &truth).await;
    field.is_seen(&honest);
    let peak = peak_kb(master.id());
    println!("started again on that data, it had {peak} kB at most");
    assert!(peak < MOST_MEMORY_KB, "{peak} kB");
}
