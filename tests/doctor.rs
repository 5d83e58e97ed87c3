//! `rowmill doctor` with healthy and faulty brokers, and the users of `docs/broker.md`, who may do what their role
//! needs and nothing else.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::process::{Command, Stdio};

use broker::{Broker, Queue, RabbitConfig};
use serde_json::Value;
use support::node::Node;
use support::passive::Way;
use support::{Process, Stage, published, stderr};

/// The exit code of doctor, and (check, verdict, said and run) of each finding.
fn doctor(command: &mut Command) -> (i32, Vec<(String, String, String)>) {
    let output = command.arg("--json").output().unwrap();
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let findings = stdout.lines().map(|line| {
        let finding: Value = serde_json::from_str(line).unwrap();
        let said = text(&finding, "said") + "\n" + &text(&finding, "run");
        (text(&finding, "check"), text(&finding, "verdict"), said)
    });
    let code = output.status.code().unwrap();
    (code, findings.collect())
}

/// The text of doctor for `check` with that verdict.
fn told(findings: &[(String, String, String)], check: &str, verdict: &str) -> String {
    let found = findings.iter().find(|(c, v, _)| c == check && v == verdict);
    let (.., said) = found.unwrap_or_else(|| panic!("no {check} {verdict} in {findings:#?}"));
    said.clone()
}

#[test]
fn a_mill_that_is_well_has_nothing_to_mend() {
    let stage = Stage::new();
    let _master = stage.master();
    let data = stage.dir.path().join("master");
    let data = data.to_str().unwrap();
    let (code, findings) = doctor(&mut stage.command(&["doctor", "--data", data]));
    assert_eq!(code, 0, "{findings:#?}");
    for check in [
        "broker",
        "version",
        "limits",
        "queues",
        "publisher",
        "worker",
        "master",
        "protocol",
        "clock",
        "same broker",
        "disk",
        "fsync",
    ] {
        assert!(
            findings.iter().any(|(c, ..)| c == check),
            "{check}: {findings:#?}"
        );
    }
    assert!(findings.iter().all(|(_, verdict, _)| verdict != "fail"));
}

#[test]
fn what_is_not_there_is_told_with_what_to_run() {
    let stage = Stage::at("amqp://127.0.0.1:1".into());
    let (code, findings) = doctor(&mut stage.command(&["doctor"]));
    assert_eq!(code, 4);
    assert!(told(&findings, "broker", "fail").contains("rabbitmqctl status"));
    assert!(told(&findings, "master", "fail").contains("rowmill master"));
    let (code, findings) = doctor(&mut stage.command(&["doctor", "--no-master"]));
    assert_eq!((code, findings.len()), (4, 1), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_elsewhere_than_at_our_broker_is_told() {
    let stage = Stage::new();
    let _master = stage.master();
    support::takes_results(&mut stage.client().await).await;
    let mut command = stage.command(&["doctor", "--role", "publisher"]);
    command.env("AMQP_URL", "amqp://127.0.0.1:1");
    let (code, findings) = doctor(&mut command);
    assert_eq!(code, 4);
    assert!(told(&findings, "same broker", "warn").contains("ours 127.0.0.1:1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_of_another_kind_and_one_that_nobody_empties_are_told() {
    let stage = Stage::new();
    let csv = stage.file("in.csv", b"a\n1\n");
    stage.publish(&csv);
    let alone = ["doctor", "--no-master", "--role", "publisher"];
    let (code, findings) = doctor(&mut stage.command(&alone));
    assert_eq!(code, 0, "{findings:#?}");
    assert!(told(&findings, "queues", "warn").contains("without a consumer"));
    stage.erase().await;

    pika(
        &stage,
        "v2.results",
        "c.channel().queue_declare(queue, durable=True)",
    );
    let (code, findings) = doctor(&mut stage.command(&alone));
    assert_eq!(code, 2, "{findings:#?}");
    let said = told(&findings, "queues", "fail");
    assert!(
        said.contains("rabbitmqctl delete_queue") && said.contains("results"),
        "{said}"
    );
}

#[test]
fn a_queue_of_an_older_version_that_still_holds_messages_is_told() {
    let stage = Stage::new();
    let publish = "h = c.channel(); h.queue_declare(queue, durable=True); \
                   h.confirm_delivery(); h.basic_publish('', queue, b'x')";
    pika(&stage, "v1.tasks", publish);
    let alone = ["doctor", "--no-master", "--role", "publisher"];
    let (code, findings) = doctor(&mut stage.command(&alone));
    assert_eq!(code, 0, "{findings:#?}");
    let said = told(&findings, "queues", "warn");
    let old = format!(
        "{}.v1.tasks, of an older version, holds 1 message",
        stage.namespace()
    );
    assert!(
        said.contains(&old) && said.contains("docs/operations.md"),
        "{said}"
    );
    pika(&stage, "v1.tasks", "c.channel().queue_delete(queue)");
}

/// Runs a line of Python with a connection `c` to the stage's broker and the full name of a `queue`.
fn pika(stage: &Stage, queue: &str, line: &str) {
    let Some(pika) = std::env::var_os("ROWMILL_TEST_PIKA") else {
        panic!("ROWMILL_TEST_PIKA is not set: run scripts/test");
    };
    let script = format!(
        "import os, pika\n\
         c = pika.BlockingConnection(pika.URLParameters(os.environ['AMQP_URL']))\n\
         queue = os.environ['QUEUE']\n{line}\n"
    );
    let ran = Command::new(pika)
        .args(["-c", &script])
        .env("AMQP_URL", std::env::var("AMQP_URL").unwrap())
        .env("QUEUE", format!("{}.{queue}", stage.namespace()))
        .status();
    assert!(ran.unwrap().success());
}

/// A broker logs a warning for each connection that ends without a close, and an error for each request that it
/// refuses. A healthy run causes neither.
#[test]
fn nothing_that_is_well_leaves_a_warning_in_the_brokers_log() {
    let node = Node::start();
    let stage = Stage::at(node.url().to_owned());
    let run = |args: &[&str]| {
        let output = stage.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    };
    let csv = stage.file("in.csv", b"a\n1\n2\n");
    let csv = csv.to_str().unwrap();
    run(&["doctor", "--no-master"]);
    let master = stage.master();
    let worker = stage.worker();
    run(&["publish", "--wait", csv]);
    run(&["doctor"]);
    for process in [worker, master] {
        process.signal(rustix::process::Signal::TERM);
        let (_, code) = process.end();
        assert_eq!(code, 0);
    }
    assert_eq!(complaints(&node), [""; 0]);
}

#[tokio::test]
async fn a_session_that_is_closed_while_channels_close_leaves_no_warning_in_the_brokers_log() {
    let node = Node::start();
    let config = RabbitConfig::new(node.url().into(), "closing").unwrap();
    let broker = Broker::rabbit(config);
    for _ in 0..100 {
        let session = broker.connect("closing").await.unwrap();
        let tasks = session.consume(Queue::Tasks, 1).await.unwrap();
        let control = session.consume(Queue::Control, 1).await.unwrap();
        tasks.cancel().await.unwrap();
        drop(control);
        session.close().await;
    }
    assert_eq!(complaints(&node), [""; 0]);
}

/// Stops the node, and returns the lines of its log about connections without a close and about refused requests.
fn complaints(node: &Node) -> Vec<String> {
    // The log is complete on disk after RabbitMQ has stopped.
    node.script("stop");
    let log = node.log();
    let complaints = log.lines().filter(|line| {
        line.contains("closing AMQP connection") && line.contains("[warning]")
            // Queues of the previous version can only be found by asking for their names.
            || line.contains("caused a channel exception") && !line.contains(".v1.")
    });
    complaints.map(str::to_owned).collect()
}

/// The users of the docs, made by its commands on a node of the test.
struct Users {
    node: Node,
    /// The URL of the node.
    url: String,
    stage: Stage,
}

impl Users {
    fn new() -> Self {
        let node = Node::start();
        let stage = Stage::at(node.url().to_owned());
        let url = node.url().to_owned();
        let users = Self { node, url, stage };
        let page = include_str!("../docs/broker.md");
        let mut lines = 0;
        for line in page
            .lines()
            .filter_map(|line| line.strip_prefix("rabbitmqctl "))
        {
            let namespace = users.stage.namespace().replace('.', r"\.");
            let line = line.replace(r"rowmill\.v2", &format!(r"{namespace}\.v2"));
            // As in a shell, quoted text is one word.
            let words = line.split('\'').enumerate().flat_map(|(i, part)| {
                if i % 2 == 1 {
                    vec![part]
                } else {
                    part.split_whitespace().collect()
                }
            });
            users.node.ctl(&words.collect::<Vec<_>>());
            lines += 1;
        }
        assert_eq!(lines, 7, "the commands of docs/broker.md");
        users
    }

    /// `rowmill ARGS` as the user of `role`.
    fn command(&self, role: &str, args: &[&str]) -> Command {
        let number = ["master", "worker", "publisher"]
            .iter()
            .position(|&r| r == role);
        let user = format!("rowmill-{role}:SECRET-{}", number.unwrap() + 1);
        let mut command = self.stage.command(args);
        command.env("AMQP_URL", self.url.replace("guest:guest", &user));
        command
    }

    fn start(&self, role: &str, args: &[&str]) -> Process {
        let process = Process::start(self.command(role, args).stdin(Stdio::null()));
        process.wait_for("connected");
        process
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_the_docs_may_do_what_their_role_does_and_no_more() {
    let mut users = Users::new();
    let csv = users.stage.file("in.csv", b"a\n1\n2\n");
    let csv = csv.to_str().unwrap();
    // Before a master runs, the other roles cannot declare the queues.
    let output = users
        .command("publisher", &["publish", csv])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("set_permissions"),
        "{}",
        stderr(&output)
    );

    let data = users.stage.dir.path().join("master");
    let listen = [
        "--listen",
        users.stage.address(),
        "--data",
        data.to_str().unwrap(),
    ];
    let _master = users.start("master", &[&["master"], &listen[..]].concat());
    // A lane's queue is declared by the first user with the permission.
    published(&mut users.command("master", &["publish", csv, "--lane", "gpu"]));
    do_what_roles_do(&users, csv).await;
    let (code, findings) = doctor(&mut users.command("master", &["doctor", "--role", "master"]));
    assert_eq!(code, 0, "{findings:#?}");

    // The same if only users who may declare a queue may declare it passively.
    let node = users.url.rsplit_once('@').unwrap().1.split('/').next();
    let node = node.unwrap().to_owned();
    let way = Way::to(node.parse().unwrap()).await;
    users.url = users.url.replace(&node, &way.address().to_string());
    do_what_roles_do(&users, csv).await;
}

/// Runs every path of a chunk, and doctor, with the users of a publisher and a worker.
async fn do_what_roles_do(users: &Users, csv: &str) {
    let worker = users.start(
        "worker",
        &["worker", "--allow", "copy=cat", "--allow", "no=false"],
    );
    let mut client = users.stage.client().await;
    let job = published(&mut users.command("publisher", &["publish", csv]));
    let job = support::finished(&mut client, &job).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (2, 0));
    let job = published(&mut users.command("publisher", &["publish", csv, "--exec", "copy"]));
    let job = support::finished(&mut client, &job).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (2, 0));
    let _of_lane = users.start("worker", &["worker", "--lane", "gpu"]);
    let job = published(&mut users.command("publisher", &["publish", csv, "--lane", "gpu"]));
    let job = support::finished(&mut client, &job).await.job.unwrap();
    assert_eq!((job.rows, job.chunks_dead), (2, 0));
    // A dead chunk is listed and replayed, too; and a job whose command no worker allows waits and is cancelled.
    let failing = published(&mut users.command("publisher", &["publish", csv, "--exec", "no"]));
    let job = support::finished(&mut client, &failing).await.job.unwrap();
    assert_eq!(job.chunks_dead, 1);
    let replayed = users
        .stage
        .command(&["dead", "replay", &failing])
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{}", stderr(&replayed));
    let other = published(&mut users.command("publisher", &["publish", csv, "--exec", "other"]));
    worker.wait_for("passing chunks on");
    support::job_when(&mut client, &other, |_| true).await;
    let cancelled = users.stage.command(&["cancel", &other]).output().unwrap();
    assert!(cancelled.status.success(), "{}", stderr(&cancelled));

    for role in ["publisher", "worker"] {
        let (code, findings) = doctor(&mut users.command(role, &["doctor", "--role", role]));
        assert_eq!(code, 0, "{role}: {findings:#?}");
    }
    for (user, role) in [
        ("publisher", "worker"),
        ("worker", "master"),
        ("publisher", "master"),
    ] {
        let (code, findings) = doctor(&mut users.command(user, &["doctor", "--role", role]));
        assert_eq!(code, 2, "{user} as {role}: {findings:#?}");
        assert!(told(&findings, role, "fail").contains("docs/broker.md"));
    }
}
