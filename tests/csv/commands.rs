//! `rowmill sniff` and `--dry-run`: inspection without a job.

use serde_json::Value;

use super::packed::gzip;
use super::{Files, refused, rows, stderr};

fn semicolons() -> Vec<u8> {
    let rows = rows(0..50, |n| format!("{n};x {n};{n}.5\n"));
    format!("id;name;price\n{rows}").into_bytes()
}

#[test]
fn sniff_says_how_a_file_is_written_and_what_would_fix_it() {
    let files = Files::new(&[("a.gz", &gzip(&semicolons()))]);
    let output = files.rowmill(&["sniff", "a.gz"]);
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "delimiter     ';'",
        "encoding      UTF-8",
        "compression   gzip",
        "columns       3",
        "  0 | x 0 | 0.5",
        "to have it so: rowmill run --delimiter ';' --headers a.gz",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn sniff_gives_the_same_as_json() {
    let files = Files::new(&[("a.csv", &semicolons()), ("b.csv", b"a\x1b[0m,b\n1,2\n")]);
    let output = files.rowmill(&["sniff", "--json", "a.csv", "b.csv"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let looks: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((looks.len(), &looks[0]["delimiter"]), (2, &";".into()));
    assert_eq!(
        looks[0]["columns"],
        serde_json::json!(["id", "name", "price"])
    );
    assert_eq!(looks[0]["rows"][1][1], "x 0");
    // The file cannot control a user's terminal.
    let human = files.rowmill(&["sniff", "b.csv"]);
    assert!(!human.stdout.contains(&0x1b));
    refused(
        &files.rowmill(&["sniff", "c.csv"]),
        "cannot read c.csv: No such file",
    );
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let mut input = semicolons();
    input.extend(b"50;y\n51;caf\xe9;1\n");
    let files = Files::new(&[("a.csv", &input)]);
    let mut command = crate::support::rowmill();
    // No broker listens there: a connection would fail.
    command
        .env("AMQP_URL", "amqp://guest:guest@127.0.0.1:1/%2f")
        .current_dir(files.path(""));
    let output = command
        .args(["publish", "--dry-run", "--chunk-bytes", "300", "a.csv"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "delimiter     ';'",
        "chunks        3",
        "rows          51",
        "bad records   1",
        "malformed     1, read as U+FFFD",
        "  line 52: 2 fields where the header has 3: 50;y",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let strict = files.rowmill(&["run", "--dry-run", "--strict", "a.csv"]);
    refused(&strict, "a.csv, line 52 (byte ");
}
