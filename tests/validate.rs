//! Validation of records against a schema, as users run it: with the built command, in one process and through a real
//! RabbitMQ.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test
#![allow(clippy::format_collect, clippy::unnecessary_debug_formatting)] // inputs and scripts are made once

mod support;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Output;

use proto::v1::JobState;
use serde_json::Value;
use support::{Stage, finished, job_when, rowmill, stderr};
use tempfile::TempDir;

const SCHEMA: &str = r#"{
  "fields": [
    {"name": "id", "type": "integer", "constraints": {"required": true, "unique": true}},
    {"name": "country", "type": "string", "constraints": {"enum": ["AT", "DE"]}},
    {"name": "price", "type": "number", "missingValues": ["", "-"], "constraints": {"minimum": 0}}
  ]
}"#;
const INPUT: &str =
    "id,country,price\n1,AT,2.5\n2,XX,-1\n1,DE,3\n,AT,1\n3,DE\n4,AT,-\n5,DE,\"1,5\"\n";
const VALID: &str = "id,country,price\n1,AT,2.5\n4,AT,-\n";

struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = rowmill();
        command
            .current_dir(self.0.path())
            .args(args)
            .output()
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn each_rule_is_counted_and_valid_rows_come_out() {
    let folder = Folder::new(&[("s.json", SCHEMA), ("in.csv", INPUT)]);
    let table = folder.run(&["run", "in.csv", "--schema", "s.json", "-o", "valid.csv"]);
    assert!(table.status.success(), "{}", stderr(&table));
    assert_eq!(
        std::fs::read_to_string(folder.path("valid.csv")).unwrap(),
        VALID
    );
    let csv = folder.run(&["run", "in.csv", "--schema", "s.json", "--csv"]);
    let mut lines: Vec<String> = text(&csv).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "column,rule,expected,broken",
            "country,enum,\"AT, DE\",1",
            "country,type,string,0",
            "id,required,a value,1",
            "id,type,integer,0",
            "id,unique,no value twice,1",
            "price,minimum,0,1",
            "price,type,number,1",
        ]
    );
    let json = folder.run(&["run", "in.csv", "--schema", "s.json", "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let report = &json["validate"];
    let counts = ["rows", "valid", "invalid"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [6, 2, 4]);
    assert_eq!(
        (json["rows"].as_u64(), json["rejects"].as_u64()),
        (Some(2), Some(5))
    );
    let page = folder.run(&["run", "in.csv", "--schema", "s.json", "--html", "page.html"]);
    assert!(page.status.success());
    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    assert!(page.contains("<td>country</td><td>enum</td><td>AT, DE</td>"));
    let markdown = folder.run(&["run", "in.csv", "--schema", "s.json", "--markdown"]);
    assert!(text(&markdown).contains("| country | enum | AT, DE | 1 |"));
}

#[test]
fn a_pipeline_fails_where_it_may_not_have_bad_records() {
    let folder = Folder::new(&[("s.json", SCHEMA), ("in.csv", INPUT), ("good.csv", VALID)]);
    let args = |file| ["run", file, "--schema", "s.json", "--max-bad", "0"];
    assert_eq!(folder.run(&args("in.csv")).status.code(), Some(1));
    assert_eq!(folder.run(&args("good.csv")).status.code(), Some(0));
}

#[test]
fn a_dry_run_finds_the_same_and_sends_nothing() {
    let folder = Folder::new(&[("s.json", SCHEMA), ("in.csv", INPUT)]);
    for chunk_bytes in ["1", "1000"] {
        let args = [
            "publish",
            "in.csv",
            "--schema",
            "s.json",
            "--dry-run",
            "--chunk-bytes",
            chunk_bytes,
        ];
        let dry = folder.run(&args);
        assert!(dry.status.success(), "{}", stderr(&dry));
        let said = text(&dry);
        assert!(said.contains("rows          2\nbad records   5"), "{said}");
        assert!(said.contains("line 4: id: \"1\" came before"), "{said}");
    }
}

#[test]
fn what_does_not_fit_or_is_no_schema_is_said_before_anything_is_sent() {
    let folder = Folder::new(&[
        ("s.json", SCHEMA),
        ("other.csv", "id,land,price\n1,AT,2\n"),
        ("in.csv", INPUT),
        ("empty.json", ""),
        ("list.json", "[1]"),
        (
            "typo.json",
            r#"{"fields": [{"name": "id", "constraints": {"minimun": 1}}]}"#,
        ),
        (
            "type.json",
            r#"{"fields": [{"name": "id", "type": "money"}]}"#,
        ),
        (
            "foreign.json",
            r#"{"fields": [{"name": "id"}], "foreignKeys": [{"fields": "id"}]}"#,
        ),
        (
            "key.json",
            r#"{"fields": [{"name": "id"}], "primaryKey": ["no"]}"#,
        ),
    ]);
    let refused = |file: &str, schema: &str| {
        let output = folder.run(&["run", file, "--schema", schema]);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{schema}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty());
        stderr(&output)
    };
    let said = refused("other.csv", "s.json");
    assert!(
        said.contains("\"land\"") && said.contains("\"country\""),
        "{said}"
    );
    let why = [
        ("empty.json", "not JSON"),
        ("list.json", "not a JSON object"),
        ("typo.json", "minimun"),
        ("type.json", "money"),
        ("foreign.json", "foreignKeys"),
        ("key.json", "\"no\""),
        ("missing.json", "missing.json"),
    ];
    for (schema, why) in why {
        let said = refused("in.csv", schema);
        assert!(said.contains(why), "{schema}: {said}");
    }
    let both = folder.run(&["run", "in.csv", "--schema", "s.json", "--stats", "basic"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_proposal_is_kept_by_the_file_that_it_came_of() {
    let rows: String = (0..300)
        .map(|n| format!("{n},{},{}.5,k{n}\n", ["AT", "DE", "CH"][n % 3], n % 17))
        .collect();
    let rows = format!("id,country,price,key\n{rows}");
    let folder = Folder::new(&[("in.csv", &rows)]);
    let proposed = folder.run(&["schema", "in.csv", "--bounds"]);
    assert!(proposed.status.success(), "{}", stderr(&proposed));
    let schema: Value = serde_json::from_slice(&proposed.stdout).unwrap();
    let field = |at: usize| &schema["fields"][at];
    assert_eq!(field(0)["type"], "integer");
    let expected =
        serde_json::json!({"required": true, "unique": true, "minimum": 0, "maximum": 299});
    assert_eq!(field(0)["constraints"], expected);
    assert_eq!(
        field(1)["constraints"]["enum"],
        serde_json::json!(["AT", "CH", "DE"])
    );
    assert_eq!(field(3)["constraints"]["unique"], true);
    std::fs::write(folder.path("s.json"), &proposed.stdout).unwrap();
    let held = folder.run(&["run", "in.csv", "--schema", "s.json", "--max-bad", "0"]);
    assert!(held.status.success(), "{}", stderr(&held));
    // The same from a profile in a file.
    let profile = folder.run(&["run", "in.csv", "--json"]);
    std::fs::write(folder.path("profile.json"), &profile.stdout).unwrap();
    let again = folder.run(&["schema", "profile.json", "--bounds"]);
    assert_eq!(text(&again), text(&proposed), "{}", stderr(&again));
}

#[tokio::test]
async fn through_the_broker_rows_rejects_and_a_proposal_come_of_a_job() {
    let stage = Stage::new();
    let _master = stage.master();
    let _worker = stage.worker();
    let schema = stage.file("s.json", SCHEMA.as_bytes());
    let path = stage.file("in.csv", INPUT.as_bytes());
    let (path, schema) = (path.to_str().unwrap(), schema.to_str().unwrap());
    let args = ["publish", path, "--schema", schema, "--chunk-bytes", "10"];
    let output = stage.command(&args).args(["-o", "-"]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(text(&output), VALID);

    let output = stage.command(&args).output().unwrap();
    let job_id = text(&output).trim().to_owned();
    let mut client = stage.client().await;
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!((job.state(), job.rows, job.rejects), (JobState::Done, 2, 5));
    let rejects = stage.command(&["rejects", &job_id]).output().unwrap();
    let table = text(&rejects);
    let has = |words: &[&str]| {
        table.lines().any(|line| {
            words
                .iter()
                .all(|word| line.split_whitespace().any(|w| w == *word))
        })
    };
    assert!(has(&["4", "id", "unique", "1", "1,DE,3"]), "{table}");
    assert!(
        has(&["3", "price", "minimum", "-1"]) && has(&["3", "country", "enum", "XX"]),
        "{table}"
    );
    let json = stage
        .command(&["rejects", &job_id, "--json"])
        .output()
        .unwrap();
    let lines: Vec<Value> = text(&json)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let places: Vec<u64> = lines
        .iter()
        .map(|line| line["line"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [3, 4, 5, 6, 8]);
    assert_eq!(lines[1]["violations"][0]["rule"], "unique");
    let mended = stage
        .command(&["rejects", &job_id, "--csv"])
        .output()
        .unwrap();
    assert_eq!(text(&mended).lines().count(), 6);
    let shown = stage.command(&["show", &job_id]).output().unwrap();
    assert!(text(&shown).contains("no value twice"));

    let profile = stage.publish(std::path::Path::new(path));
    finished(&mut client, &profile).await;
    let proposed = stage.command(&["schema", &profile]).output().unwrap();
    assert!(proposed.status.success(), "{}", stderr(&proposed));
    assert!(text(&proposed).contains("\"country\""));
    let none = stage.command(&["schema", &job_id]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    stage.erase().await;
}

/// Keys that recur far apart, in tiny chunks, while worker and master are killed.
#[tokio::test]
async fn keys_hold_over_the_whole_job_whoever_is_killed() {
    let stage = Stage::new();
    let mut master = stage.master();
    let mut worker = stage.worker();
    let schema = r#"{"fields": [{"name": "id", "type": "integer", "constraints": {"unique": true}}, {"name": "n"}]}"#;
    let schema = stage.file("s.json", schema.as_bytes());
    let rows: Vec<String> = (0..6000u64)
        .map(|n| format!("{},{n}", n * n % 4001))
        .collect();
    let path = stage.file("in.csv", format!("id,n\n{}\n", rows.join("\n")).as_bytes());
    let mut seen = HashSet::new();
    let is_new = |row: &&String| seen.insert(row.split_once(',').unwrap().0.to_owned());
    let valid: Vec<String> = rows.iter().filter(is_new).cloned().collect();
    let args = [
        "publish",
        path.to_str().unwrap(),
        "--chunk-bytes",
        "200",
        "--schema",
        schema.to_str().unwrap(),
    ];
    let output = stage.command(&args).output().unwrap();
    let job_id = text(&output).trim().to_owned();
    let mut client = stage.client().await;
    let more_than = |chunks: u64| {
        move |response: &proto::v1::GetJobResponse| {
            response
                .job
                .as_ref()
                .is_some_and(|job| job.chunks_done > chunks)
        }
    };
    job_when(&mut client, &job_id, more_than(20)).await;
    worker.kill();
    master.kill();
    let _workers = (stage.worker(), stage.worker());
    let mut master = stage.master();
    let mut client = stage.client().await;
    job_when(&mut client, &job_id, more_than(100)).await;
    master.kill();
    let _master = stage.master();
    let mut client = stage.client().await;
    let job = finished(&mut client, &job_id).await.job.unwrap();
    assert_eq!(job.state(), JobState::Done);
    assert_eq!(
        (job.rows, job.rejects),
        (valid.len() as u64, (6000 - valid.len()) as u64)
    );
    let output = stage.command(&["rows", &job_id]).output().unwrap();
    assert!(
        text(&output) == format!("id,n\n{}\n", valid.join("\n")),
        "the rows differ"
    );
    stage.erase().await;
}
