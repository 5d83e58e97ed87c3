//! `rowmill.toml`, and `rowmill config`, which shows the source of each setting.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use support::{Process, Stage, finished, published, rowmill, stderr};

/// The command of a user whose XDG configuration file has `settings`.
fn with(home: &Path, settings: &str) -> Command {
    let directory = home.join("rowmill");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("rowmill.toml"), settings).unwrap();
    let mut command = rowmill();
    command.env_remove("ROWMILL_CONFIG");
    command.env("XDG_CONFIG_HOME", home);
    command
}

fn output(command: &mut Command, args: &[&str]) -> Output {
    command.args(args).output().unwrap()
}

/// The output of `config --json`, by name.
fn config(command: &mut Command) -> HashMap<String, Value> {
    let output = output(command, &["config", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    let settings = lines.lines().map(|line| {
        let setting: Value = serde_json::from_str(line).unwrap();
        (setting["setting"].as_str().unwrap().to_owned(), setting)
    });
    settings.collect()
}

#[test]
fn each_setting_says_where_it_comes_from() {
    let home = tempfile::tempdir().unwrap();
    let file = "master = 'http://127.0.0.1:1'\nthreads = 3\n[worker]\nlog-format = 'json'\n";
    let command = || {
        let mut command = with(home.path(), file);
        command.env("ROWMILL_THREADS", "5");
        command.env("AMQP_URL", "amqp://ada:s3cret@broker.example:5672/orders");
        command
    };
    let all = config(&mut command());
    let told = |name: &str| (all[name]["value"].clone(), all[name]["from"].clone());
    let pair = |value: &str, from: &str| (Value::from(value), Value::from(from));
    assert_eq!(told("master"), pair("http://127.0.0.1:1", "file"));
    assert_eq!(told("threads"), pair("5", "environment"));
    assert_eq!(told("worker.log-format"), pair("json", "file"));
    assert_eq!(told("log-format"), pair("text", "default"));
    assert_eq!(told("namespace"), pair("rowmill", "default"));
    assert_eq!(
        told("broker"),
        pair("amqp://broker.example:5672/orders", "environment")
    );
    let path = home.path().join("rowmill/rowmill.toml");
    assert_eq!(all["master"]["file"], path.to_str().unwrap());
    let printed = output(&mut command(), &["config"]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(printed.contains("ROWMILL_THREADS"), "{printed}");
}

#[test]
fn what_the_file_says_is_in_force_until_a_flag_or_a_variable_says_otherwise() {
    let home = tempfile::tempdir().unwrap();
    // No master listens at these addresses: the error names the address that was tried.
    let file = "master = 'http://127.0.0.1:1'";
    let asked = |output: &Output| {
        assert_eq!(output.status.code(), Some(4), "{}", stderr(output));
        stderr(output)
    };
    let said = asked(&output(&mut with(home.path(), file), &["jobs"]));
    assert!(said.contains("127.0.0.1:1"), "{said}");
    let mut command = with(home.path(), file);
    command.env("ROWMILL_MASTER", "http://127.0.0.1:2");
    let said = asked(&output(&mut command, &["jobs"]));
    assert!(said.contains("127.0.0.1:2"), "{said}");
    let mut command = with(home.path(), file);
    let said = asked(&output(
        &mut command,
        &["jobs", "--master", "http://127.0.0.1:3"],
    ));
    assert!(said.contains("127.0.0.1:3"), "{said}");
    // The broker's address in the file does not conflict with the same setting from another source.
    let file = "broker-file = '/nowhere/at/all'";
    let args = ["publish", "--connect-timeout", "0", "examples/orders.csv"];
    let said = output(&mut with(home.path(), file), &args);
    assert!(
        stderr(&said).contains("/nowhere/at/all"),
        "{}",
        stderr(&said)
    );
    let mut command = with(home.path(), file);
    command.env("ROWMILL_BROKER", "amqp://127.0.0.1:1");
    let said = asked(&output(&mut command, &args));
    assert!(said.contains("127.0.0.1:1"), "{said}");
}

#[test]
fn a_file_that_is_wrong_is_named_with_what_is_wrong() {
    let home = tempfile::tempdir().unwrap();
    for (file, what) in [
        ("thread = 3", "did you mean \"threads\"?"),
        ("threads = 'many'", "many"),
        ("threads = ", "line 1"),
        ("cert = 'a.pem'", "--key"),
    ] {
        let command = if what == "--key" { "jobs" } else { "worker" };
        let output = output(&mut with(home.path(), file), &[command]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{file}: {told}");
        assert!(
            told.contains("rowmill.toml") && told.contains(what),
            "{file}: {told}"
        );
    }
}

#[test]
fn the_version_says_what_it_was_built_from_and_what_it_understands() {
    let output = output(&mut rowmill(), &["--version"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let protocol = format!(", protocol {})\n", proto::PROTOCOL);
    assert!(
        said.starts_with(&format!("rowmill {} (", proto::VERSION)),
        "{said}"
    );
    assert!(
        said.contains("debug build") || said.contains("(commit "),
        "{said}"
    );
    assert!(said.ends_with(&protocol), "{said}");
}

/// A worker passes all settings to the processes that it starts for a command; they ignore the configuration file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_broken_while_a_worker_runs_breaks_no_chunk() {
    let stage = Stage::new();
    let _master = stage.master();
    let home = stage.dir.path().join("home");
    let place = home.join(".config/rowmill");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("rowmill.toml"), "threads = 1").unwrap();
    let mut worker = stage.command(&["worker", "--allow", "copy=cat"]);
    worker
        .env_remove("ROWMILL_CONFIG")
        .env_remove("XDG_CONFIG_HOME");
    let worker = Process::start(worker.env("HOME", &home));
    worker.wait_for("connected");
    std::fs::write(place.join("rowmill.toml"), "threads = ").unwrap();
    let path = stage.file("in.csv", b"a\n1\n");
    let id = published(&mut stage.command(&["publish", path.to_str().unwrap(), "--exec", "copy"]));
    let job = finished(&mut stage.client().await, &id).await.job.unwrap();
    assert_eq!((job.chunks_done, job.chunks_dead), (1, 0));
    stage.erase().await;
}
