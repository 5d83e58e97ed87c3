//! CSV messages from a client without rowmill's code: real pika, over a real RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::format_collect, clippy::unnecessary_debug_formatting)] // inputs and scripts are made once

mod support;

use std::process::Command;

use proto::v1::{Job, JobState, ListJobsRequest};
use support::{PATIENCE, Process, Stage, stderr};

/// The Python block of docs/amqp.md, for this stage and file.
fn documented(stage: &Stage, file: &str) -> String {
    let page = include_str!("../docs/amqp.md");
    let (_, block) = page.split_once("```python\n").unwrap();
    let (code, _) = block.split_once("```").unwrap();
    let url = std::env::var("AMQP_URL").unwrap();
    let replaced = [
        ("amqp://guest:guest@127.0.0.1:5672/%2f", url.as_str()),
        (
            "rowmill.v2.tasks",
            &format!("{}.v2.tasks", stage.namespace()),
        ),
        ("orders.csv", file),
    ];
    replaced
        .into_iter()
        .fold(code.to_owned(), |code, (from, to)| {
            assert!(code.contains(from), "{from} is not in the page");
            code.replace(from, to)
        })
}

fn python(code: &str) {
    let python =
        std::env::var("ROWMILL_TEST_PIKA").unwrap_or_else(|_| panic!("no pika: run scripts/test"));
    let output = Command::new(python).args(["-c", code]).output().unwrap();
    assert!(output.status.success(), "{}\n{code}", stderr(&output));
}

/// All jobs, once there are `count` and all are finished.
async fn jobs(stage: &Stage, count: usize) -> Vec<Job> {
    let mut client = stage.client().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let jobs = client.list_jobs(ListJobsRequest::default()).await.unwrap();
        let jobs = jobs.into_inner().jobs;
        if jobs.len() >= count && jobs.iter().all(|job| job.finished_unix_ms.is_some()) {
            return jobs;
        }
        assert!(tokio::time::Instant::now() < deadline, "{jobs:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn called<'j>(jobs: &'j [Job], name: &str) -> &'j Job {
    jobs.iter().find(|job| job.name == name).unwrap()
}

#[tokio::test]
async fn the_lines_of_the_documentation_make_a_job_and_twice_make_no_other() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = stage.worker();
    let file = stage.file("orders.csv", b"id;total\n1;2,50\n2;3\n3\n");
    let code = documented(&stage, file.to_str().unwrap());
    python(&code);
    python(&code);
    let found = jobs(&stage, 1).await;
    let job = called(&found, "orders-17");
    assert_eq!((job.state(), job.rows, job.rejects), (JobState::Done, 2, 1));
    assert_eq!(
        (&job.operation[..], &job.publisher[..]),
        ("profile", "amqp")
    );
    let shown = stage
        .command(&["show", &job.job_id, "--json"])
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["columns"][1]["name"], "total");
    // Another message is queued behind both: when it is done, both are.
    python(&code.replace("orders-17", "orders-18"));
    let found = jobs(&stage, 2).await;
    assert_eq!(found.len(), 2);
    let rejects = stage
        .command(&["rejects", &job.job_id, "--json"])
        .output()
        .unwrap();
    let rejects = String::from_utf8(rejects.stdout).unwrap();
    assert!(rejects.contains("\"line\":4"), "{rejects}");
    stage.erase().await;
}

#[tokio::test]
async fn names_commands_and_lanes_are_asked_for_in_the_message() {
    let stage = Stage::new();
    let _master = stage.master();
    let args = [
        "worker",
        "--threads",
        "1",
        "--lane",
        "slow",
        "--allow",
        "copy=cat",
    ];
    let worker = Process::start(&mut stage.command(&args));
    worker.wait_for("consuming chunks");
    let file = stage.file("orders.csv", b"id\n1\n2\n");
    let code = documented(&stage, file.to_str().unwrap());
    let code = code.replace("\"tasks\",", "\"tasks.slow\",").replace(
        "delivery_mode=2",
        "delivery_mode=2, app_id='shop', headers={'rowmill-name': 'night', 'rowmill-exec': 'copy'}",
    );
    python(&code);
    let found = jobs(&stage, 1).await;
    let job = called(&found, "night");
    assert_eq!((job.state(), job.rows), (JobState::Done, 2));
    let told = (&job.operation[..], &job.publisher[..], &job.lane[..]);
    assert_eq!(told, ("exec", "shop", "slow"));
    let rows = stage.command(&["rows", &job.job_id]).output().unwrap();
    assert_eq!(String::from_utf8(rows.stdout).unwrap(), "id\n1\n2\n");
    stage.erase().await;
}

#[tokio::test]
async fn what_is_no_csv_is_a_dead_chunk_with_its_reason_and_no_endless_loop() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = stage.worker();
    let zeros = stage.file("zeros.csv", b"a,b\n\0\0\0\n");
    let empty = stage.file("empty.csv", b"");
    let code = documented(&stage, zeros.to_str().unwrap());
    python(&code);
    let code = documented(&stage, empty.to_str().unwrap());
    python(&code.replace("orders-17", "nothing"));
    let packed = "delivery_mode=2, content_encoding='gzip'";
    let code = code
        .replace("orders-17", "packed")
        .replace("delivery_mode=2", packed);
    python(&code);
    let found = jobs(&stage, 3).await;
    let reasons = [
        ("orders-17", "zero bytes"),
        ("nothing", "empty"),
        ("packed", "gzip"),
    ];
    for (name, why) in reasons {
        let job = called(&found, name);
        assert_eq!(job.state(), JobState::DoneWithFailures, "{name}");
        let dead = stage
            .command(&["dead", "list", &job.job_id])
            .output()
            .unwrap();
        let dead = String::from_utf8(dead.stdout).unwrap();
        assert!(dead.contains(why), "{dead}");
    }
    stage.erase().await;
}

#[tokio::test]
async fn a_message_that_is_none_of_ours_is_found_with_what_it_says_of_itself_and_its_first_bytes() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = stage.worker();
    let file = stage.file("orders.csv", b"id,total\n1,2\n\x1b[2J,3\n");
    let code = documented(&stage, file.to_str().unwrap());
    let typed = "content_type=\"text/csv\"";
    assert!(code.contains(typed));
    python(&code.replace(typed, "app_id='shop'"));
    python(&code.replace(typed, "content_type='application/json'"));
    // A chunk with a misspelt type, sent to the master.
    let chunk =
        "content_type='application/x-protobuf', type='rowmill.v1.Chunck', correlation_id='a-job'";
    let code = code
        .replace(typed, chunk)
        .replace("\"tasks\",", "\"results\",");
    python(&code.replace(".v2.tasks", ".v2.results"));
    let listed = || {
        let output = stage.command(&["dead", "list", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<serde_json::Value>>()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let found = loop {
        let found = listed();
        if found.len() == 3 {
            break found;
        }
        assert!(tokio::time::Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let with = |key: &str, value: &str| {
        let mut found = found.iter();
        found.find(|message| message[key] == value).unwrap()
    };
    let untyped = with("app_id", "shop");
    assert_eq!(untyped["message_id"], "orders-17");
    assert_eq!(untyped["body_bytes"], 20);
    assert!(untyped["queue"].as_str().unwrap().ends_with(".v2.tasks"));
    assert!(untyped["reason"].as_str().unwrap().contains("text/csv"));
    with("content_type", "application/json");
    let mistyped = with("type", "rowmill.v1.Chunck");
    assert_eq!(
        (&mistyped["queue"], &mistyped["correlation_id"]),
        (&"results".into(), &"a-job".into())
    );
    let number = untyped["message"].to_string();
    let shown = stage
        .command(&["dead", "show", "message", &number])
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("id,total\n1,2\n␛[2J,3\n"), "{shown}");
    let table = stage.command(&["dead", "list"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("rowmill.v1.Chunck"), "{table}");
    // An inspected message can be deleted.
    let dropped = || {
        let args = ["dead", "drop", "message", &number];
        stage.command(&args).output().unwrap()
    };
    let (first, again) = (dropped(), dropped());
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(stderr(&first), "rowmill: dropped: 1\n");
    assert!(!again.status.success());
    let table = stage.command(&["dead", "list"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(!table.contains("orders-17"), "{table}");
    assert!(table.contains("rowmill.v1.Chunck"), "{table}");
    stage.erase().await;
}
