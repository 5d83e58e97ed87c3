//! Formats of records and fields.

use super::packed::gzip;
use super::{column, refused, result, rows, run, stderr};

#[test]
fn lf_crlf_cr_and_mixtures_of_them() {
    for ends in [
        ["\n", "\n"],
        ["\r\n", "\r\n"],
        ["\r", "\r"],
        ["\r\n", "\n"],
        ["\r", "\n"],
    ] {
        let text = format!("a,b{}1,2{}3,4\n", ends[0], ends[1]);
        let result = result(&["--headers"], text.as_bytes());
        assert_eq!(result["rows"], 2, "{text:?}");
        assert_eq!(column(&result, 1), ["b", "2", "4"], "{text:?}");
    }
}

#[test]
fn no_line_end_at_the_end() {
    assert_eq!(column(&result(&[], b"a,b\n1,2\n3,4"), 1), ["b", "2", "4"]);
}

#[test]
fn empty_lines() {
    let result = result(&[], b"\n\na,b\n\n1,2\n\r\n\n3,4\n\n");
    assert_eq!(
        (&result["rows"], &result["rejects"]),
        (&2.into(), &0.into())
    );
}

#[test]
fn nul_bytes() {
    let result = result(&[], b"a,b\nx\0y,1\nz,2\n");
    assert_eq!(result["rows"], 2);
    assert_eq!(column(&result, 0), ["a", "x\0y", "z"]);
}

#[test]
fn lines_before_the_header() {
    let input = b"Report of May\r\n\r\na,b\r\n1,2\r\n3\r\n";
    let result = result(&["--skip", "2"], input);
    assert_eq!(
        (&result["rows"], &result["columns"][0]["name"]),
        (&1.into(), &"a".into())
    );
    let said = stderr(&run(&["--skip", "2"], input));
    assert!(said.contains("line 5: 1 field where"), "{said}");
    let said = stderr(&run(
        &[],
        b"Report of May\r\n\r\na,b\r\n1,2\r\n3,4\r\n5,6\r\n",
    ));
    let advice = "most records have 2 fields, and the first, which is read as the header, has 1: if the \
                  header is on line 3, pass --skip 2";
    assert!(said.contains(advice), "{said}");
}

#[test]
fn a_first_line_sep() {
    let input = b"sep=;\r\nid;price\r\n1;2,5\r\n2;3,5\r\n3\r\n";
    let found = result(&[], input);
    assert_eq!(column(&found, 1), ["price", "2,5", "3,5"]);
    let said = stderr(&run(&[], input));
    assert!(said.contains("sniffed: delimiter ';' (100 %)"), "{said}");
    assert!(said.contains("line 5: 1 field where"), "{said}");
    // An explicit delimiter overrides the `sep=` line.
    let given = result(&["--delimiter", ",", "--no-headers"], input);
    assert_eq!(column(&given, 0)[0], "column 1");
    assert_eq!(given["rows"], 2);
    let utf16 = "\u{feff}sep=\t\na\tb\n1\t2\n".encode_utf16();
    let utf16: Vec<u8> = utf16.flat_map(u16::to_le_bytes).collect();
    assert_eq!(column(&result(&[], &utf16), 1), ["b", "2", "2"]);
}

#[test]
fn what_is_no_csv() {
    for (input, what) in [
        (
            &b"PK\x03\x04\x14\0\0\0\x08\0"[..],
            "a zip archive; unzip -p FILE | rowmill run -",
        ),
        (b"PAR1\x15\0\x15", "Parquet; export"),
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
        (b"{\"a\":1}\n{\"a\":2}\n", "JSON lines; jq"),
        (b"<!DOCTYPE html>\n", "a web page"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08", "binary data"),
    ] {
        let said = format!("cannot read standard input: this is not CSV: it looks like {what}");
        refused(&run(&[], input), &said);
        refused(&run(&[], &gzip(input)), &said);
    }
    // It may still be CSV.
    let lines = b"{\"a\":1}\n{\"a\":2}\n";
    assert_eq!(
        result(&["--delimiter", ";", "--no-headers"], lines)["rows"],
        2
    );
    let controls: Vec<u8> = (1..9).chain(*b"\n").collect();
    let args = ["--encoding", "utf-8", "--no-headers"];
    assert_eq!(result(&args, &controls)["rows"], 1);
}

#[test]
fn comments() {
    let input = b"#made by hand\na,b\n#half of it\n1,2\n3,4\n";
    assert_eq!(result(&["--comment", "#"], input)["rows"], 2);
    let plain = b"#made by hand\na,b\n1,2\n3,4\n5,6\n";
    assert_eq!(result(&[], plain)["rows"], 3);
    let kept = result(&["--comment", "none", "--no-headers"], input);
    assert_eq!(column(&kept, 0)[0], "column 1");
    assert!(kept["rejects"].as_u64() > Some(0) || kept["rows"] != 2);
}

#[test]
fn another_delimiter() {
    for (delimiter, name) in [(";", "';'"), ("\t", "tab"), ("|", "'|'")] {
        let row = |n: u32| format!("{n}{delimiter}x{n}{delimiter}{n}.5\n");
        let rows: String = (0..50).map(row).collect();
        let text = format!("id{delimiter}name{delimiter}price\n{rows}");
        let output = run(&[], text.as_bytes());
        let said = stderr(&output);
        assert!(
            said.contains(&format!("sniffed: delimiter {name} (")),
            "{said}"
        );
        let given = if delimiter == "\t" { "tab" } else { delimiter };
        let result = result(&["--delimiter", given], text.as_bytes());
        assert_eq!(column(&result, 2), ["price", "0.5", "49.5"]);
        let said = stderr(&run(&["--delimiter", given], text.as_bytes()));
        assert!(!said.contains("delimiter"), "{said}");
    }
}

#[test]
fn ordinary_csv() {
    let output = run(&[], b"id,name,price\n1,x,2.5\n2,\"y, z\",3.5\n3,w,1.5\n");
    let said = stderr(&output);
    assert!(!said.contains("sniffed"), "{said}");
}

#[test]
fn another_quote() {
    let input = b"a,b\n1,'x,y'\n2,'z'\n";
    let result = result(&["--quote", "'"], input);
    assert_eq!(column(&result, 1), ["b", "x,y", "z"]);
    let plain = b"a,b\n1,\"x\n2,y\n";
    let unquoted = super::result(&["--quote", "none"], plain);
    assert_eq!(column(&unquoted, 1), ["b", "\"x", "y"]);
}

#[test]
fn quotes_within_quotes() {
    let doubled = result(&[], b"a,b\n1,\"say \"\"hi\"\"\"\n");
    assert_eq!(column(&doubled, 1)[1], "say \"hi\"");
    let escaped = result(
        &["--escape", "\\", "--no-double-quote"],
        b"a,b\n1,\"say \\\"hi\\\"\"\n",
    );
    assert_eq!(column(&escaped, 1)[1], "say \"hi\"");
}

#[test]
fn no_header() {
    let rows = rows(1..40, |n| format!("{n},{n}.5,2024-01-{:02}\n", n % 28 + 1));
    let output = run(&[], rows.as_bytes());
    assert!(
        stderr(&output).contains("no header ("),
        "{}",
        stderr(&output)
    );
    let result = result(&["--no-headers"], rows.as_bytes());
    assert_eq!(
        (&result["rows"], &column(&result, 0)[0][..]),
        (&39.into(), "column 1")
    );
    assert_eq!(super::result(&["--headers"], rows.as_bytes())["rows"], 38);
}

#[test]
fn empty_and_equal_column_names() {
    let result = result(&["--headers"], b"a,,a\n1,2,3\n");
    let names: Vec<_> = (0..3).map(|at| column(&result, at)[0].clone()).collect();
    assert_eq!(names, ["a", "column 2", "a#2"]);
}
