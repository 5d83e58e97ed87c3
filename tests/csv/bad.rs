//! Bad records, and how they are handled.

use super::{Files, column, refused, result, rows, run, stderr};

#[test]
fn too_few_fields() {
    let input = b"a,b\n1,2\n3\n4,5\n";
    let rejected = result(&[], input);
    assert_eq!(
        (&rejected["rows"], &rejected["rejects"]),
        (&2.into(), &1.into())
    );
    let said = stderr(&run(&[], input));
    assert!(
        said.contains("line 3: 1 field where the header has 2: 3"),
        "{said}"
    );
    let padded = result(&["--ragged", "pad"], input);
    assert_eq!(
        (&padded["rows"], &padded["rejects"]),
        (&3.into(), &0.into())
    );
    assert_eq!(padded["columns"][1]["empty"], 1);
    let output = run(&["--ragged", "error"], input);
    refused(
        &output,
        "-, line 3 (byte 8): 1 field where the header has 2: \"3\"",
    );
}

#[test]
fn too_many_fields() {
    let input = b"a,b\n1,2\n3,4,5\n";
    for args in [&[][..], &["--ragged", "pad"]] {
        assert_eq!(result(args, input)["rejects"], 1);
    }
    refused(
        &run(&["--ragged", "error"], input),
        "3 fields where the header has 2",
    );
}

#[test]
fn a_quote_that_never_closes() {
    let before = rows(0..1000, |n| format!("{n},\"x, {n}\"\n"));
    let behind = rows(0..1000, |n| format!("{n},x\n"));
    let input = format!("a,b\n{before}7,\"open\n{behind}");
    let result = result(&[], input.as_bytes());
    assert_eq!(result["rows"], 2000);
    let said = stderr(&run(&[], input.as_bytes()));
    assert!(
        said.contains("line 1002") && said.contains("7,\"open"),
        "{said}"
    );
    let unquoted = run(&["--quote", "none"], b"a,b\n7,\"open\n8,x\n");
    assert!(
        stderr(&unquoted).contains("2 rows"),
        "{}",
        stderr(&unquoted)
    );
}

#[test]
fn a_record_over_4_mib() {
    let mut input = b"a,b\n1,".to_vec();
    input.resize(input.len() + (5 << 20), b'x');
    input.extend(b"\n2,y\n");
    let result = result(&[], &input);
    assert_eq!(
        (&result["rows"], &result["rejects"]),
        (&1.into(), &1.into())
    );
    assert_eq!(column(&result, 1), ["b", "y", "y"]);
    let files = Files::new(&[("a.csv", &input)]);
    refused(
        &files.rowmill(&["run", "--strict", "a.csv"]),
        "line 2 (byte 4): record is longer than 4 MiB",
    );
}

#[test]
fn more_bad_records_than_are_put_up_with() {
    let input = b"a,b\n1,2\n3\n4,5\n6\n";
    for (most, exit) in [("2", 0), ("1", 1), ("50%", 0), ("49%", 1)] {
        let output = run(&["--max-bad", most], input);
        assert_eq!(output.status.code(), Some(exit), "{most}");
        let is_said = stderr(&output).contains("more bad records than --max-bad allows");
        assert_eq!(is_said, exit == 1, "{most}");
    }
}

#[test]
fn nothing_bad_at_all() {
    assert!(run(&["--strict"], b"a,b\n1,2\n").status.success());
    let files = Files::new(&[("a.csv", b"a,b\n1,2\n"), ("b.csv", b"a,b\n1,2\n3,4,5\n")]);
    let output = files.rowmill(&["run", "--strict", "a.csv", "b.csv"]);
    refused(
        &output,
        "b.csv, line 3 (byte 8): 3 fields where the header has 2: \"3,4,5\"",
    );
}

#[test]
fn bad_records_to_be_mended() {
    let good = "a;b;c\n1;x;2\n";
    let files = Files::new(&[("a.csv", format!("{good}3;y\n4;z;5;6\n").as_bytes())]);
    let args = ["run", "--delimiter", ";", "a.csv"];
    let output = files.rowmill(&[&args[..], &["--rejects", "bad.csv"]].concat());
    assert!(
        stderr(&output).contains("2 of them are in bad.csv"),
        "{}",
        stderr(&output)
    );
    let bad = std::fs::read_to_string(files.path("bad.csv")).unwrap();
    assert_eq!(bad, "a;b;c\n3;y\n4;z;5;6\n");
    let mended = bad.replace("3;y", "3;y;1").replace("5;6", "5");
    std::fs::write(files.path("mended.csv"), mended).unwrap();
    let whole = files.result(&[&args[..], &["mended.csv"]].concat());
    assert_eq!((&whole["rows"], &whole["rejects"]), (&3.into(), &2.into()));
}
