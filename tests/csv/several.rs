//! Several files in one job.

use super::packed::gzip;
use super::{Files, column, refused, stderr};
use crate::support::{rowmill, run_with_input};

#[test]
fn several_files_with_one_header() {
    let utf16 = "\u{feff}a,b\n8,9".encode_utf16().flat_map(u16::to_le_bytes);
    let utf16: Vec<u8> = utf16.collect();
    let files = Files::new(&[
        ("a.csv", b"a,b\n1,2\n3,4"),
        ("b.csv", &gzip(b"a,b\r\n5,6\r\n7\r\n")),
        ("c.csv", &utf16),
    ]);
    let args = ["run", "a.csv", "b.csv", "c.csv", "--chunk-bytes", "8"];
    let result = files.result(&args);
    assert_eq!(
        (&result["rows"], &result["rejects"]),
        (&4.into(), &1.into())
    );
    assert_eq!(column(&result, 0), ["a", "1", "8"]);
    assert_eq!(result["input"]["encoding"], "UTF-8, UTF-16LE");
    assert_eq!(result["input"]["compression"], "none, gzip");
    let said = stderr(&files.rowmill(&args));
    assert!(
        said.contains("b.csv, line 3: 1 field where the header has 2: 7"),
        "{said}"
    );
}

#[test]
fn patterns() {
    let files = Files::new(&[
        ("d2.csv", b"a\n2\n"),
        ("d1.csv", b"a\n1\n"),
        ("e.csv", b"b\n1\n"),
    ]);
    let result = files.result(&["run", "d*.csv"]);
    assert_eq!(result["rows"], 2);
    assert_eq!(
        result["input"]["files"],
        serde_json::json!(["d1.csv", "d2.csv"])
    );
    refused(&files.rowmill(&["run", "f*.csv"]), "no file matches f*.csv");
}

#[test]
fn another_header() {
    let files = Files::new(&[
        ("a.csv", b"id,name\n1,x\n"),
        ("b.csv", b"id,size\n1,2\n"),
        ("c.csv", b"id;name\n1;x\n"),
    ]);
    let output = files.rowmill(&["run", "a.csv", "b.csv"]);
    refused(
        &output,
        "b.csv has another header than a.csv: it lacks \"name\" and it has 1 more: \"size\"",
    );
    refused(
        &files.rowmill(&["run", "a.csv", "c.csv"]),
        "is another delimiter between its fields?",
    );
}

#[test]
fn columns_in_another_order() {
    let files = Files::new(&[
        ("a.csv", b"id,name\n1,x\n"),
        ("b.csv", b"name,id\n\"y, z\",2\n"),
    ]);
    let output = files.rowmill(&["run", "a.csv", "b.csv"]);
    refused(
        &output,
        "its columns are in another order: \"name\", \"id\"; --union",
    );
    let result = files.result(&["run", "--union", "a.csv", "b.csv"]);
    assert_eq!(column(&result, 0), ["id", "1", "2"]);
    assert_eq!(column(&result, 1), ["name", "x", "y, z"]);
}

#[test]
fn missing_and_extra_columns() {
    let files = Files::new(&[
        ("a.csv", b"id,name\n1,x\n"),
        ("b.csv", b"size,id\n5,2\n6\n7,8\n"),
    ]);
    let result = files.result(&["run", "--union", "a.csv", "b.csv"]);
    assert_eq!(column(&result, 1), ["name", "x", "x"]);
    assert_eq!(column(&result, 2), ["size", "5", "7"]);
    assert_eq!(result["columns"][2]["empty"], 1);
    assert_eq!(
        (&result["rows"], &result["rejects"]),
        (&3.into(), &1.into())
    );
    let said = stderr(&files.rowmill(&["run", "--union", "a.csv", "b.csv"]));
    assert!(
        said.contains("b.csv, line 3: 1 field where the header has 2: 6"),
        "{said}"
    );
    let output = files.rowmill(&["run", "--union", "--no-headers", "a.csv", "b.csv"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn bad_records_of_a_union() {
    let files = Files::new(&[
        ("a.csv", b"id,name\n1,x\n2\n"),
        ("b.csv", b"size,id\n5,2\n6\n7,8\n8,9,10\n"),
        ("c.csv", b"id,name\n3\n4,z\n"),
    ]);
    let args = ["run", "--union", "a.csv", "b.csv", "c.csv"];
    let output = files.rowmill(&[&args[..], &["--rejects", "bad.csv"]].concat());
    let said = stderr(&output);
    assert!(said.contains("publish --union bad.csv bad-2.csv"), "{said}");
    let read = |name: &str| std::fs::read_to_string(files.path(name)).unwrap();
    assert_eq!(read("bad.csv"), "id,name\n2\n3\n");
    assert_eq!(read("bad-2.csv"), "size,id\n6\n8,9,10\n");
    std::fs::write(files.path("bad.csv"), "id,name\n2,y\n3,w\n").unwrap();
    std::fs::write(files.path("bad-2.csv"), "size,id\n6,4\n8,9\n").unwrap();
    let mended = files.result(&["run", "--union", "bad.csv", "bad-2.csv"]);
    assert_eq!(
        (&mended["rows"], &mended["rejects"]),
        (&4.into(), &0.into())
    );
}

#[test]
fn standard_input_among_files() {
    let files = Files::new(&[("b.csv", b"b,a\n2,1\n")]);
    let path = files.path("b.csv");
    let mut command = rowmill();
    command.args(["run", "--union", "--json", "-"]).arg(&path);
    let output = run_with_input(&mut command, b"a,b\n3,4\n");
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(column(&result, 1), ["b", "2", "4"]);
    refused(
        &super::run(&["-"], b"a\n1\n"),
        "standard input (-) is named twice",
    );
}

#[test]
fn an_empty_file() {
    let files = Files::new(&[("a.csv", b"a\n1\n"), ("b.csv", b"")]);
    refused(
        &files.rowmill(&["run", "a.csv", "b.csv"]),
        "cannot read b.csv: the input is empty",
    );
}
