//! `rowmill run`: the first command that a new user tries.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

mod support;

use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;

use random::Random;
use serde_json::Value;
use support::{peak_kb, rowmill, run_with_input, stderr};

const PETS: &str = "name,age,weight,since\n\
    Rex,3,12.5,2021-04-01\n\
    Ada,11,4.25,2013-10-30\n\
    \"Tom, \"\"Tiger\"\"\",,3.75,2020-01-15\n";

fn json(args: &[&str], input: &[u8]) -> Value {
    let output = run_with_input(rowmill().args(["run", "-", "--json"]).args(args), input);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_table_has_one_row_a_column() {
    let mut command = rowmill();
    command
        .args(["run", "-"])
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "100");
    let output = run_with_input(&mut command, PETS.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "column  type     empty  distinct  min         median  max           mean  stddev  values    length\n\
         name    text         0         3  Ada                 Tom, \"Tiger\"                            3-12\n\
         age     integer   33 %         2  3                3  11            7.00    5.66  ▇      ▇     1-2\n\
         weight  decimal      0         3  3.75          4.25  12.5          6.83    4.91  ▇      ▄       4\n\
         since   date         0         3  2013-10-30          2021-04-01                                10\n"
    );
    assert!(
        stderr(&output).contains("3 rows, 4 columns"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn json_says_the_same_with_every_digit() {
    let result = json(&[], PETS.as_bytes());
    assert_eq!(result["rows"], 3);
    assert_eq!(result["state"], "done");
    assert_eq!(result["partial"], false);
    let age = &result["columns"][1];
    assert_eq!(
        (&age["type"], &age["empty"], &age["max"]),
        (&"integer".into(), &1.into(), &11.into())
    );
    assert_eq!(result["columns"][2]["sum"], 20.5);
}

#[test]
fn neither_threads_nor_chunk_size_change_a_digit() {
    let mut input = b"id,price,note\n".to_vec();
    for row in 0..20_000u32 {
        let price = f64::from(row.wrapping_mul(2_654_435_761) % 100_000) / 100.0;
        input.extend(format!("{row},{price},\"a \"\"quoted\"\"\nnote, {row}\"\n").bytes());
    }
    let one = json(&["--workers", "1"], &input);
    let many = json(&["--workers", "4", "--chunk-bytes", "1000"], &input);
    assert_eq!(one["columns"], many["columns"]);
    assert_eq!(many["rows"], 20_000);
    assert!(many["chunks_total"].as_u64() > Some(100));
}

#[test]
fn a_file_that_is_not_there_is_an_input_error_that_names_it() {
    let output = rowmill()
        .args(["run", "/nonexistent/x.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
    assert!(
        stderr(&output).contains("cannot read /nonexistent/x.csv: No such file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_directory_is_an_input_error() {
    let output = rowmill().args(["run", "/tmp"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(
        stderr(&output).contains("cannot read /tmp: is a directory"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_empty_input_is_an_input_error() {
    let output = run_with_input(rowmill().args(["run", "-"]), b"");
    assert_eq!(output.status.code(), Some(5));
    assert!(
        stderr(&output).contains("cannot read standard input: the input is empty"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_header_alone_is_a_result_of_no_rows() {
    let result = json(&[], b"a,b\n");
    assert_eq!(result["rows"], 0);
    assert_eq!(result["columns"][1]["name"], "b");
    assert_eq!(result["columns"][1]["type"], "empty");
}

#[test]
fn ragged_rows_are_left_out_counted_and_fail_only_where_they_may() {
    let input = b"a,b\n1,2\n3\n4,5,6\n7,8\n";
    let output = run_with_input(rowmill().args(["run", "-"]), input);
    assert!(output.status.success());
    assert!(stderr(&output).contains("2 rows"), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("2 bad records left out"),
        "{}",
        stderr(&output)
    );
    for (allowed, exit) in [("2", 0), ("1", 1), ("50%", 0), ("49%", 1)] {
        let output = run_with_input(rowmill().args(["run", "-", "--max-bad", allowed]), input);
        assert_eq!(output.status.code(), Some(exit), "--max-bad {allowed}");
    }
}

#[test]
fn a_flag_that_does_not_exist_is_a_usage_error() {
    let output = rowmill()
        .args(["run", "--wrokers", "2", "-"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--workers"), "{}", stderr(&output));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let mut child = rowmill()
        .args(["run", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Closed before there is any output.
    drop(child.stdout.take());
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PETS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn hostile_cells_reach_a_terminal_harmless() {
    let output = run_with_input(rowmill().args(["run", "-"]), b"a\n\x1b[31mred\n");
    assert!(output.status.success());
    assert!(!output.stdout.contains(&0x1b));
}

/// The peak memory of a profile of random integers until its result was there, in MB, with two threads and chunks of
/// 256 KiB.
fn peak_mb(columns: usize, rows: usize) -> u64 {
    let mut random = Random::new(1);
    let end = |at| if at == columns { "\n" } else { "," };
    let mut csv = String::new();
    for at in 1..=columns {
        write!(csv, "c{at}{}", end(at)).unwrap();
    }
    for _ in 0..rows {
        for at in 1..=columns {
            write!(csv, "{}{}", random.next_u64() % 100_000, end(at)).unwrap();
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), csv).unwrap();
    let mut child = rowmill()
        .args(["run", "--csv", "--workers", "2", "--chunk-bytes", "262144"])
        .arg(file.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    // A pipe does not hold the whole result: at its first byte, the process still runs and has computed everything.
    out.read_exact(&mut [0]).unwrap();
    let peak_kb = peak_kb(child.id());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(rest.lines().count(), columns + 1); // with the header
    peak_kb / 1000
}

/// 460 MB if results wait for the master without bound, or if it computes the whole for a client that only waits.
#[test]
fn thousands_of_columns_take_the_memory_that_their_values_need() {
    let peak = peak_mb(4096, 350);
    assert!(peak < 300, "{peak} MB");
}

#[test]
fn sixteen_thousand_columns_of_a_small_file_take_less_than_500_mb() {
    let peak = peak_mb(16_384, 12);
    assert!(peak < 500, "{peak} MB");
}
