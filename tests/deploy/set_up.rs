//! `deploy/rabbitmq/set-up`: the script that prepares a RabbitMQ for rowmill.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::node::Node;
use crate::support::{Process, Stage, finished, published, stderr};

/// Runs `deploy/rabbitmq/set-up` on a node.
fn set_up(node: &Node, args: &[&str]) -> Output {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let broker = repository.join("scripts/broker");
    let ctl = format!("{} ctl {}", broker.display(), node.path().display());
    let mut command = Command::new(repository.join("deploy/rabbitmq/set-up"));
    command.args(["--timeout", "240"]).args(args);
    command.env("RABBITMQCTL", ctl).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_was_set_up_gives_each_role_what_it_needs() {
    let node = Node::start();
    let stage = Stage::at(node.url().to_owned());
    let directory = stage.dir.path().join("etc");
    let host = node.url().rsplit_once('@').unwrap().1;
    let host = host.split('/').next().unwrap();
    let to = directory.to_str().unwrap();
    let args = [
        "--host",
        host,
        "--namespace",
        stage.namespace(),
        "--limit",
        "1000000",
        to,
    ];
    let first = set_up(&node, &args);
    assert!(first.status.success(), "{}", stderr(&first));
    let file = |role: &str| -> PathBuf { directory.join(role) };
    let words = |role: &str| std::fs::read_to_string(file(role)).unwrap();
    let before = words("worker");
    let mode = file("worker").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A second run keeps the passwords.
    let again = set_up(&node, &args);
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(words("worker"), before);
    let policies = node.ctl(&["--quiet", "list_policies", "-p", "rowmill"]);
    assert!(
        policies.contains("\"max-length-bytes\":1000000"),
        "{policies}"
    );

    // The file takes precedence over `AMQP_URL`.
    let of = |role: &str, args: &[&str]| {
        let mut command = stage.command(args);
        command.env("ROWMILL_BROKER_FILE", file(role));
        command
    };
    let data = stage.dir.path().join("data");
    let args = [
        "master",
        "--listen",
        stage.address(),
        "--data",
        data.to_str().unwrap(),
    ];
    let master = Process::start(&mut of("master", &args));
    master.wait_for("connected");
    let worker = Process::start(&mut of("worker", &["worker"]));
    worker.wait_for("connected");
    let path = stage.file("in.csv", b"a\n1\n2\n");
    let id = published(&mut of("publisher", &["publish", path.to_str().unwrap()]));
    assert_eq!(
        finished(&mut stage.client().await, &id)
            .await
            .job
            .unwrap()
            .rows,
        2
    );
    for role in ["master", "worker", "publisher"] {
        let doctor = of(role, &["doctor", "--role", role, "--no-master"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(doctor.status.success(), "{role}: {said}{}", stderr(&doctor));
    }
    // The permissions are limited: a publisher takes no chunk.
    let refused = of("publisher", &["worker"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(9), "{}", stderr(&refused));
}

#[test]
fn a_call_of_rabbitmqctl_that_hangs_or_fails_ends_the_set_up_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let set_up = |script: &str, timeout: &str| {
        let path = dir.path().join("rabbitmqctl");
        std::fs::write(&path, script).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let output = Command::new(repository.join("deploy/rabbitmq/set-up"))
            .args(["--timeout", timeout])
            .arg(dir.path().join("etc"))
            .env("RABBITMQCTL", path)
            .output()
            .unwrap();
        assert!(!output.status.success());
        stderr(&output)
    };
    // Long enough for the calls before it.
    let said = set_up("#!/bin/sh\ncase $1 in add_user) sleep 1000 ;; esac\n", "4");
    let hung = "no answer within 4 s from: rabbitmqctl add_user rowmill-master";
    assert!(said.contains(hung), "{said}");
    let said = set_up(
        "#!/bin/sh\ncase $2 in set_permissions) exit 69 ;; esac\n",
        "60",
    );
    let failed = "failed with exit code 69: rabbitmqctl --quiet set_permissions -p rowmill";
    assert!(said.contains(failed), "{said}");
}

#[test]
fn what_is_no_use_of_it_is_told() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    for args in [&[][..], &["--limit", "much", "x"], &["--what", "x"]] {
        let mut command = Command::new(repository.join("deploy/rabbitmq/set-up"));
        let output = command
            .args(args)
            .env("RABBITMQCTL", "false")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains("--namespace NAME"),
            "{}",
            stderr(&output)
        );
    }
}
