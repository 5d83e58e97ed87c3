//! `rowmill sample`: the same arguments give the same bytes, and its bad records are those that rowmill rejects.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use support::{rowmill, run_with_input, stderr};

fn sample(args: &[&str]) -> Vec<u8> {
    let output = rowmill().arg("sample").args(args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output.stdout
}

/// The rows and the bad records of `csv`.
fn run(csv: &[u8]) -> (u64, u64) {
    let output = run_with_input(rowmill().args(["run", "-", "--json"]), csv);
    let profile: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |name: &str| profile[name].as_u64().unwrap();
    (count("rows"), count("rejects"))
}

#[test]
fn it_writes_the_example_of_the_readme() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/orders.csv");
    assert!(sample(&["100kB"]) == std::fs::read(example).unwrap());
}

#[test]
fn the_size_is_in_bytes_or_rows_and_the_header_is_always_there() {
    let example = sample(&["100kB"]);
    assert!(sample(&["677rows"]) == example);
    assert_eq!(sample(&["0B"]), sample(&["0rows"]));
    assert!(example.starts_with(&sample(&["0rows"])));
    // Of several blocks.
    let large = sample(&["1MB"]);
    assert!(large.starts_with(&example));
    assert!((999_000..=1_000_000).contains(&large.len()));
    for size in ["1000", "10M", "-1MB", "many rows"] {
        let output = rowmill().args(["sample", "--", size]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{size}");
        assert!(stderr(&output).contains("(1000rows) is expected"), "{size}");
    }
}

#[test]
fn its_bad_records_are_those_that_run_rejects() {
    assert_eq!(run(&sample(&["5000rows"])), (5000, 0));
    let (rows, bad) = run(&sample(&["5000rows", "--bad", "2%"]));
    assert_eq!(rows + bad, 5000);
    assert!((50..200).contains(&bad), "{bad}");
    assert_eq!(run(&sample(&["50rows", "--bad", "100%"])), (0, 50));
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let mut child = rowmill()
        .args(["sample", "1TB"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = [0; 9];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(&start, b"order_id,");
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
}
