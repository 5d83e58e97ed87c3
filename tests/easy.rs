//! Ease of use: the list of workers, logs for machines, shell completions, and manual pages.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures a test's output

mod support;

use std::process::Command;
use std::time::Instant;

use serde_json::Value;
use support::{Process, Stage, finished, rowmill, stderr};

fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_listed_for_people_and_for_scripts() {
    let stage = Stage::new();
    let _master = stage.master();
    assert_eq!(stdout(&mut stage.command(&["workers"])), "");
    let args = [
        "worker",
        "--threads",
        "2",
        "--lane",
        "gpu",
        "--allow",
        "copy=cat",
    ];
    let worker = Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let json = loop {
        let listed = stdout(&mut stage.command(&["workers", "--json"]));
        if !listed.is_empty() {
            break serde_json::from_str::<Value>(listed.trim()).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(json["pid"], worker.id());
    assert_eq!(
        (&json["lane"], &json["threads"]),
        (&"gpu".into(), &2.into())
    );
    assert_eq!(
        (&json["state"], &json["commands"][0]),
        (&"running".into(), &"copy".into())
    );
    let listed = stdout(&mut stage.command(&["workers"]));
    assert!(
        listed.contains("running") && listed.contains("gpu"),
        "{listed}"
    );
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_lines_of_json_if_wanted() {
    let stage = Stage::new();
    let master = stage.master_with(&["--log-format", "json"]);
    let mut worker = stage.command(&["worker", "--threads", "1"]);
    let worker = Process::start(worker.env("ROWMILL_LOG_FORMAT", "json"));
    let connected: Value = serde_json::from_str(&worker.wait_for("connected")).unwrap();
    assert_eq!(
        (&connected["level"], &connected["message"]),
        (&"INFO".into(), &"connected".into())
    );
    assert!(connected["worker"].is_string() && connected["timestamp"].is_string());
    let job = stage.publish(&stage.file("in.csv", b"a\n1\n"));
    finished(&mut stage.client().await, &job).await;
    let finished: Value = serde_json::from_str(&master.wait_for("job finished")).unwrap();
    assert_eq!(finished["job"], job);

    let output = rowmill()
        .args(["worker", "--log-format", "xml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("text or json"),
        "{}",
        stderr(&output)
    );
    stage.erase().await;
}

/// The completions that a shell gets for the last of `words`.
fn offered(mut command: Command, words: &[&str]) -> String {
    let last = (words.len() - 1).to_string();
    command.args(["--"]).args(words);
    command
        .env("COMPLETE", "bash")
        .env("_CLAP_IFS", "\n")
        .env("_CLAP_COMPLETE_INDEX", last)
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "true");
    stdout(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_completes_commands_flags_and_jobs() {
    let stage = Stage::new();
    // Without a master there are no jobs to offer, and no error is printed.
    assert_eq!(offered(stage.command(&[]), &["rowmill", "show", "0"]), "");
    let _master = stage.master();
    let job = stage.publish(&stage.file("in.csv", b"a\n1\n"));
    support::job_when(&mut stage.client().await, &job, |_| true).await;

    let commands = offered(stage.command(&[]), &["rowmill", "pu"]);
    assert_eq!(commands.trim(), "publish");
    let flags = offered(stage.command(&[]), &["rowmill", "worker", "--chunk-"]);
    assert_eq!(flags.lines().count(), 2, "{flags}");
    for words in [
        ["rowmill", "show", &job[..8]],
        ["rowmill", "wait", ""],
        ["rowmill", "cancel", &job[..1]],
    ] {
        // No job is offered if the master takes longer than a second to answer.
        let deadline = Instant::now() + support::PATIENCE;
        loop {
            let jobs = offered(stage.command(&[]), &words);
            if jobs.lines().any(|line| line == job) {
                break;
            }
            assert!(Instant::now() < deadline, "{words:?}: {jobs:?}");
        }
    }
    assert_eq!(offered(stage.command(&[]), &["rowmill", "show", "zz"]), "");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(rowmill().env("COMPLETE", shell));
        assert!(script.contains("rowmill"), "{shell}: {script}");
    }
    stage.erase().await;
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = tempfile::tempdir().unwrap();
    let output = rowmill().arg("man").arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for page in [
        "rowmill",
        "rowmill-publish",
        "rowmill-dead-replay",
        "rowmill-doctor",
    ] {
        let path = directory.path().join(format!("{page}.1"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{page}: {e}"));
        assert!(
            text.contains(".SH NAME") && text.contains(".SH OPTIONS"),
            "{page}"
        );
    }
}

/// `publish` prints an id as soon as the broker has the job, a moment before the master has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_just_published_can_be_asked_about_and_cancelled() {
    let stage = Stage::new();
    let _master = stage.master();
    let path = stage.file("in.csv", b"a\n1\n");
    for _ in 0..5 {
        let id = stage.publish(&path);
        let cancelled = stdout(&mut stage.command(&["cancel", &id, "--json"]));
        let cancelled: Value = serde_json::from_str(&cancelled).unwrap();
        assert_eq!(
            (&cancelled["job_id"], &cancelled["state"]),
            (&id.as_str().into(), &"cancelled".into())
        );
        let id = stage.publish(&path);
        let shown = stdout(&mut stage.command(&["show", &id, "--json"]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["job_id"], id);
    }
    // An old id, or a part of one, is not waited for.
    let old = "01900000-0000-7000-8000-000000000001";
    let output = stage.command(&["show", old]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    stage.erase().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_dead_chunks_are_json_for_scripts() {
    let stage = Stage::new();
    let _master = stage.master();
    let args = [
        "worker",
        "--threads",
        "1",
        "--allow",
        "copy=cat",
        "--allow",
        "fail=false",
    ];
    let worker = Process::start(&mut stage.command(&args));
    worker.wait_for("connected");
    let path = stage.file("in.csv", b"id,name\n1,\"Ada, \"\"A\"\"\"\n2,\n");
    let path = path.to_str().unwrap();
    let mut client = stage.client().await;
    let good = support::published(&mut stage.command(&["publish", path, "--exec", "copy"]));
    finished(&mut client, &good).await;
    assert_eq!(
        stdout(&mut stage.command(&["rows", &good, "--json"])),
        "{\"id\":\"1\",\"name\":\"Ada, \\\"A\\\"\"}\n{\"id\":\"2\",\"name\":\"\"}\n"
    );
    let bad = support::published(&mut stage.command(&["publish", path, "--exec", "fail"]));
    finished(&mut client, &bad).await;
    let json = |args: &[&str]| -> Value {
        let text = stdout(&mut stage.command(args));
        serde_json::from_str(&text).unwrap()
    };
    let listed = json(&["dead", "list", &bad, "--json"]);
    assert_eq!(
        (&listed["seq"], &listed["state"]),
        (&0.into(), &"dead".into())
    );
    let shown = json(&["dead", "show", &bad, "0", "--json"]);
    assert_eq!(shown["columns"], serde_json::json!(["id", "name"]));
    assert_eq!(shown["reason"], listed["reason"]);
    let body = "1,\"Ada, \"\"A\"\"\"\n2,\n";
    assert_eq!(
        (&shown["body"], &shown["body_bytes"]),
        (&body.into(), &body.len().into())
    );
    assert_eq!(json(&["dead", "replay", &bad, "--json"])["replayed"], 1);
    finished(&mut client, &bad).await;
    assert_eq!(json(&["dead", "drop", &bad, "--json"])["dropped"], 1);
    stage.erase().await;
}

/// Wrong command lines of new users: each error names the cause, and gives advice that works.
#[test]
fn what_is_wrong_is_told_with_advice_that_works() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("-x.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(path("in.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(
        path("schema.json"),
        "\u{feff}{\"fields\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}",
    )
    .unwrap();
    let nobody = "http://127.0.0.1:1";
    for (args, code, says, never) in [
        (&["run", "-x.csv"][..], 2, "./-x.csv", "-- -x"),
        (&["run", "./-x.csv", "-q"], 0, "1 row", "error"),
        (
            &["run", "--workerz", "1", "in.csv"],
            2,
            "--workers",
            "-- --workerz",
        ),
        (
            &["worker", "--threads", "0"],
            2,
            "a number from 1 on",
            "non-zero type",
        ),
        (
            &["run", "in.csv", "--workers", "0"],
            2,
            "a number from 1 on",
            "non-zero type",
        ),
        (
            &["dead", "list", "--master", nobody],
            4,
            "no master answers at http://127.0.0.1:1",
            "unexpected",
        ),
        (
            &["dead", "--master", nobody, "list"],
            4,
            "no master answers at http://127.0.0.1:1",
            "unexpected",
        ),
        (
            &["run", "in.csv", "--schema", "schema.json", "-q"],
            0,
            "1 row",
            "JSON",
        ),
        (
            &["run", "http://host/a.csv"],
            5,
            "curl -sSfL 'http://host/a.csv' | rowmill run -",
            "No such file",
        ),
        (
            &["sniff", "s3://b/a.csv"],
            5,
            "aws s3 cp s3://b/a.csv -",
            "No such file",
        ),
        (
            &["run", "in.csv", "--", "./in.csv"],
            2,
            "chmod +x ./in.csv",
            "no program",
        ),
        (
            &["run", "."],
            5,
            "is a directory; its files are named by './*.csv'",
            "os error",
        ),
        (
            &["diff", "no.json", "in.csv"],
            5,
            "cannot read no.json: No such file",
            "master",
        ),
        (
            &["master", "--listen", "6455"],
            2,
            "HOST:PORT is expected",
            "no master",
        ),
        (
            &["run", "in.csv", "--", "/"],
            2,
            "/ is a directory",
            "no program",
        ),
    ] {
        let mut command = rowmill();
        let output = command.args(args).current_dir(&directory).output().unwrap();
        let said = support::stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
        assert!(!said.contains(never), "{args:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_answer_as_asked_is_told_apart() {
    let stage = Stage::new();
    let url = std::env::var("AMQP_URL").unwrap();
    let host = url.rsplit('@').next().unwrap().split('/').next().unwrap();
    let csv = stage.file("in.csv", b"a,b\n1,2\n");
    let csv = csv.to_str().unwrap();
    for (address, code, says, never) in [
        (
            format!("amqps://{host}"),
            4,
            "does not speak TLS",
            "is RabbitMQ running",
        ),
        (format!("amqp://{host}/"), 9, "leave it out", "add_vhost"),
        (
            "amqp://no-such-host.invalid".to_owned(),
            4,
            "check its spelling",
            "is RabbitMQ running",
        ),
    ] {
        let args = [
            "publish",
            csv,
            "--connect-timeout",
            "0",
            "--broker",
            &address,
        ];
        let output = stage.command(&args).output().unwrap();
        let said = support::stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{address}: {said}");
        assert!(
            said.contains(says) && !said.contains(never),
            "{address}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_begin_alike_are_listed() {
    let stage = Stage::new();
    let _master = stage.master();
    let path = stage.file("day.csv", b"a,b\n1,2\n");
    let ids: Vec<String> = (0..10).map(|_| stage.publish(&path)).collect();
    let mut client = stage.client().await;
    for id in &ids {
        support::job_when(&mut client, id, |_| true).await;
    }
    // A UUIDv7 begins with the time.
    let output = stage.command(&["show", &ids[0][..6]]).output().unwrap();
    let said = support::stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("10 jobs begin with"), "{said}");
    assert!(said.contains("and 2 more"), "{said}");
    let listed = said.lines().find(|line| line.contains(&ids[9])).unwrap();
    assert!(
        listed.contains("day.csv, running, ") && listed.ends_with("s ago"),
        "{listed}"
    );
    stage.erase().await;
}
