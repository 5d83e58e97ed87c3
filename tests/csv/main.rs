//! CSV as found in practice: each case of docs/csv.md has a test of the same name here.

#![allow(clippy::unwrap_used)] // a failed unwrap fails the test

#[path = "../support/mod.rs"]
mod support;

mod bad;
mod changing;
mod commands;
mod dialects;
mod encodings;
mod jobs;
mod packed;
mod several;

use std::ops::Range;
use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;
use support::{rowmill, run_with_input, stderr};
use tempfile::TempDir;

/// `rowmill run - ARGS` over `input`.
fn run(args: &[&str], input: &[u8]) -> Output {
    run_with_input(rowmill().args(["run", "-"]).args(args), input)
}

/// The result as JSON.
fn result(args: &[&str], input: &[u8]) -> Value {
    let output = run(&[args, &["--json"]].concat(), input);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The name of a column, and its least and greatest cell.
fn column(result: &Value, at: usize) -> [String; 3] {
    let column = &result["columns"][at];
    ["name", "min", "max"].map(|key| match &column[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    })
}

/// A row for each of `numbers`.
fn rows(numbers: Range<u32>, row: impl Fn(u32) -> String) -> String {
    numbers.map(row).collect()
}

/// Files in a temporary directory.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `rowmill ARGS` in that directory.
    fn rowmill(&self, args: &[&str]) -> Output {
        rowmill()
            .args(args)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    fn result(&self, args: &[&str]) -> Value {
        let output = self.rowmill(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// Checks that the command ended with code 5 and printed `text`.
fn refused(output: &Output, text: &str) {
    let said = stderr(output);
    assert!(said.contains(text), "{said}");
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(output.stdout.is_empty());
}

/// Each row of the page has a test, so that the page is true.
#[test]
fn every_case_of_the_page_has_its_test() {
    let page = include_str!("../../docs/csv.md");
    let tests = [
        include_str!("bad.rs"),
        include_str!("changing.rs"),
        include_str!("dialects.rs"),
        include_str!("encodings.rs"),
        include_str!("packed.rs"),
        include_str!("several.rs"),
        include_str!("../../crates/engine/tests/csv_table.rs"),
    ]
    .concat();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| "));
    let cases = rows.filter_map(|row| row.split(" | ").next());
    for case in cases.filter(|case| *case != "case" && !case.starts_with("---")) {
        let words = case.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let name = words.join("_").to_ascii_lowercase();
        assert!(
            tests.contains(&format!("\nfn {name}() {{")),
            "{case}: {name}"
        );
    }
}
