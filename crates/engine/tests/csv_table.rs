//! Rows of the tables in docs/csv.md: each test has the name of its row. Rows that need a command are in the
//! workspace's `tests/csv`, and so is the test that every row has a test.

#![allow(clippy::unwrap_used)] // a helper of a test may panic

use engine::dialect::Ragged;
use engine::sniff::{DialectOverrides, sniff};
use engine::{Dialect, Limits, Splitter, columns, operation};
use proto::v1::operation_spec::Kind;
use proto::v1::{OperationSpec, ProfileSpec};

/// The result for a small input.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// As displayed to users.
    columns: Vec<String>,
    /// The good records.
    rows: Vec<Vec<String>>,
    /// Line and reason.
    rejects: Vec<(u64, String)>,
    replaced: u64,
}

fn read(dialect: Dialect, input: &[u8]) -> Result<Outcome, String> {
    let limits = Limits {
        target_bytes: 40,
        cap_bytes: 100,
    };
    let mut splitter = Splitter::new(dialect, limits);
    splitter.push(input);
    splitter.finish();
    let mut outcome = Outcome::default();
    while let Some(piece) = splitter.next_piece().map_err(|error| error.to_string())? {
        let operation = OperationSpec {
            kind: Some(Kind::Profile(ProfileSpec::default())),
            ..OperationSpec::default()
        };
        let columns = splitter.header().unwrap_or_default();
        let chunk = piece.into_chunk(&operation, &dialect, columns);
        let observed = operation::observe(&chunk).unwrap();
        let rows = observed.sample.into_iter().map(|row| row.cells);
        outcome.rows.extend(rows);
        let rejects = observed.rejects.into_iter();
        let told = rejects.map(|reject| (reject.line, reject.reason));
        outcome.rejects.extend(told);
        outcome.replaced += observed.replaced;
    }
    outcome.columns = columns::display_names(splitter.header().unwrap_or_default());
    Ok(outcome)
}

/// The result with the detected dialect.
fn sniffed(input: &str) -> Dialect {
    sniff(input.as_bytes(), true, &DialectOverrides::default()).dialect
}

/// The good records, if there are no rejects.
fn rows(dialect: Dialect, input: &str) -> Vec<Vec<String>> {
    let outcome = read(dialect, input.as_bytes()).unwrap();
    assert_eq!((outcome.rejects, outcome.replaced), (vec![], 0));
    outcome.rows
}

fn plain() -> Dialect {
    Dialect::default()
}

#[test]
fn a_delimiter_other_than_the_comma() {
    for (delimiter, at) in [(";", b';'), ("\t", b'\t'), ("|", b'|')] {
        let input = "id,name\n1,x y\n2,z\n".replace(',', delimiter);
        let dialect = sniffed(&input);
        assert_eq!(dialect.delimiter, at);
        assert_eq!(rows(dialect, &input), [["1", "x y"], ["2", "z"]]);
    }
}

#[test]
fn fields_in_quotes() {
    let input = "id,name\n1,\"Smith, \"\"J\"\"\"\n2,\"two\nlines\"\n";
    let expected = [["1", "Smith, \"J\""], ["2", "two\nlines"]];
    assert_eq!(rows(sniffed(input), input), expected);
    let single = "id,name\n1,'Smith, J'\n2,'Doe, K'\n";
    assert_eq!(rows(sniffed(single), single)[0], ["1", "Smith, J"]);
}

#[test]
fn a_quote_within_a_field() {
    let input = "id,size\n1,12\" wide\n2,\"a\"b\n";
    assert_eq!(rows(plain(), input), [["1", "12\" wide"], ["2", "ab"]]);
}

#[test]
fn quotes_that_mean_nothing() {
    let input = "id,size\n1,\"12 inch\n2,\"14 inch\n3,\"9 inch\n";
    let dialect = sniffed(input);
    assert_eq!(dialect.quote, None);
    assert_eq!(rows(dialect, input)[0], ["1", "\"12 inch"]);
}

#[test]
fn quotes_behind_a_backslash() {
    let input = "id,name\n1,\"a \\\"b\\\", c\"\n2,\"d\"\n";
    let dialect = sniffed(input);
    assert_eq!(dialect.escape, Some(b'\\'));
    assert_eq!(rows(dialect, input), [["1", "a \"b\", c"], ["2", "d"]]);
}

#[test]
fn comments() {
    // The last one has no line feed.
    let input = "# made, by hand, so far\nid,name\n# half\n1,x\n2,y\n# the end";
    let dialect = sniffed(input);
    assert_eq!(dialect.comment, Some(b'#'));
    assert_eq!(rows(dialect, input), [["1", "x"], ["2", "y"]]);
    let kept = "id,name\n#1,x\n";
    assert_eq!(rows(sniffed(kept), kept), [["#1", "x"]]);
}

#[test]
fn no_header() {
    let input = "1,2024-01-01,x\n2,2024-01-02,y\n";
    let dialect = sniffed(input);
    let outcome = read(dialect, input.as_bytes()).unwrap();
    assert_eq!(outcome.columns, ["column 1", "column 2", "column 3"]);
    assert_eq!(outcome.rows.len(), 2);
}

#[test]
fn duplicate_and_empty_names() {
    let outcome = read(plain(), b"a,,a\n1,2,3\n").unwrap();
    assert_eq!(outcome.columns, ["a", "column 2", "a#2"]);
}

#[test]
fn a_byte_order_mark() {
    let outcome = read(plain(), b"\xef\xbb\xbfa,b\n1,2\n").unwrap();
    assert_eq!(outcome.columns, ["a", "b"]);
}

#[test]
fn line_ends_of_any_kind() {
    let expected = [["1", "2"], ["3", "4"], ["5", "6"]];
    assert_eq!(rows(plain(), "a,b\n1,2\r\n3,4\r5,6"), expected);
}

#[test]
fn empty_lines() {
    let outcome = read(plain(), b"\n\na,b\n\r\n1,2\n\n3\n\n").unwrap();
    assert_eq!(outcome.rows, [["1", "2"]]);
    let ragged = "1 field where the header has 2".to_owned();
    assert_eq!(outcome.rejects, [(7, ragged)]);
}

#[test]
fn nul_bytes() {
    assert_eq!(rows(plain(), "a,b\n\0,x\0y\n"), [["\0", "x\0y"]]);
}

#[test]
fn bytes_that_are_no_utf_8() {
    let outcome = read(plain(), b"a,b\n1,caf\xe9\n").unwrap();
    assert_eq!(
        (outcome.replaced, &outcome.rows[0][1][..]),
        (1, "caf\u{fffd}")
    );
}

#[test]
fn a_record_with_too_few_fields() {
    let reject = (2, "1 field where the header has 2".to_owned());
    let outcome = read(plain(), b"a,b\n1\n2,3\n").unwrap();
    assert_eq!((outcome.rejects, outcome.rows.len()), (vec![reject], 1));
    let padding = Dialect {
        ragged: Ragged::Pad,
        ..plain()
    };
    assert_eq!(rows(padding, "a,b\n1\n2,3\n"), [["1", ""], ["2", "3"]]);
}

#[test]
fn a_record_with_too_many_fields() {
    for ragged in [Ragged::Reject, Ragged::Pad] {
        let dialect = Dialect { ragged, ..plain() };
        let outcome = read(dialect, b"a,b\n1,2,3\n4,5\n").unwrap();
        let reject = (2, "3 fields where the header has 2".to_owned());
        assert_eq!((outcome.rejects, outcome.rows.len()), (vec![reject], 1));
    }
}

#[test]
fn a_quote_that_never_closes() {
    let outcome = read(plain(), b"a,b\n1,\"12 inch\n2,3\n4,5\n").unwrap();
    assert_eq!(outcome.rows, [["2", "3"], ["4", "5"]]);
    let reason = "a quote opened on line 2 never closes: `1,\"12 inch`; if quotes mean nothing in this \
                  file, pass --quote none";
    assert_eq!(outcome.rejects, [(2, reason.to_owned())]);
    let meaningless = Dialect {
        quote: None,
        ..plain()
    };
    assert_eq!(rows(meaningless, "a,b\n1,\"12 inch\n")[0][1], "\"12 inch");
}

#[test]
fn a_header_with_a_quote_that_never_closes() {
    let error = read(plain(), b"a,\"b\n1,2\n").unwrap_err();
    assert_eq!(
        error,
        "the header, on line 1, does not end: a quote opened on line 1 never closes: `a,\"b`; if quotes \
         mean nothing in this file, pass --quote none"
    );
}

#[test]
fn a_record_over_its_cap() {
    let input = format!("a,b\n1,{}\n2,3\n", "x".repeat(200));
    let outcome = read(plain(), input.as_bytes()).unwrap();
    let reject = (2, "record is longer than 100 bytes".to_owned());
    assert_eq!((outcome.rejects, outcome.rows.len()), (vec![reject], 1));
}

#[test]
fn an_empty_input() {
    for input in [&b""[..], b"\n\r\n", b"\xef\xbb\xbf"] {
        assert_eq!(read(plain(), input).unwrap_err(), "the input is empty");
    }
}

#[test]
fn a_header_alone() {
    let outcome = read(plain(), b"a,b").unwrap();
    assert_eq!(outcome.columns, ["a", "b"]);
    assert_eq!((outcome.rows.len(), outcome.rejects.len()), (0, 0));
}

#[test]
fn what_is_no_table() {
    let prose = "It was late.\nNobody came, or did they; who knows?\n";
    for input in [prose, "name\nAda Lovelace\nAlan Turing\n"] {
        let sniffed = sniff(input.as_bytes(), true, &DialectOverrides::default());
        assert_eq!(sniffed.dialect.delimiter, b',', "{input}");
        assert!(sniffed.traits[0].confidence < 0.5, "{:?}", sniffed.traits);
    }
}
