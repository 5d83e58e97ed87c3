//! Dialect detection on real files, on files that are not tables, and on tables written by the csv crate in every
//! dialect.

#![allow(clippy::unwrap_used)] // a helper of a test may panic
#![allow(clippy::disallowed_macros)] // eprintln!: the harness captures output

use std::fs;
use std::path::{Path, PathBuf};

use engine::Dialect;
use engine::records::Records;
use engine::sniff::{DialectOverrides, Sniffed, sniff};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn sniffed(text: &str) -> Sniffed {
    sniff(text.as_bytes(), true, &DialectOverrides::default())
}

fn confidence(sniffed: &Sniffed, what: &str) -> f64 {
    let found = sniffed.traits.iter().find(|found| found.what == what);
    found.unwrap().confidence
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn real_files_are_read_as_they_were_written() {
    let real = workspace().join("../shared/data/real");
    let mut files = vec![workspace().join("examples/orders.csv")];
    match fs::read_dir(&real) {
        Ok(found) => files.extend(found.map(|file| file.unwrap().path())),
        Err(_) => eprintln!("skipped: {} is absent", real.display()),
    }
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let sniffed = sniff(
            &bytes[..bytes.len().min(1 << 20)],
            false,
            &DialectOverrides::default(),
        );
        assert_eq!(sniffed.dialect, Dialect::default(), "{}", file.display());
        for what in ["delimiter", "header"] {
            let confidence = confidence(&sniffed, what);
            assert!(confidence > 0.6, "{what} {confidence}: {}", file.display());
        }
    }
}

#[test]
fn the_files_of_csv_spectrum_are_plain_csv() {
    let folder = workspace().join("../shared/data/csv-spectrum/csvs");
    let Ok(files) = fs::read_dir(&folder) else {
        eprintln!("skipped: {} is absent", folder.display());
        return;
    };
    for file in files {
        let file = file.unwrap().path();
        let sniffed = sniff(
            &fs::read(&file).unwrap(),
            true,
            &DialectOverrides::default(),
        );
        let expected = Dialect::default();
        assert_eq!(sniffed.dialect, expected, "{}", file.display());
    }
}

#[test]
fn text_that_is_no_table_is_plain_csv_with_low_confidence() {
    let names = "name\nAda Lovelace\nGrace Hopper\nAlan Turing\nKen Thompson\n";
    let times = "at\n12:30:00\n12:31:00\n12:32:00\n12:33:00\n";
    let moments = "2024-01-01 12:30:00\n2024-01-01 12:31:00\n2024-01-01 12:32:00\n";
    let prose = "It was late; nobody came.\nThe pipe | was cold: that much, at least, was clear.\n\
        And so, in the end, we all went home; or did we?\n~ the end ~\n";
    let lines = "{\"a\":1,\"b\":\"x y\"}\n{\"a\":2,\"b\":\"z\",\"c\":[1,2]}\n{\"a\":3}\n";
    let pairs = "name: Ada\nborn: 1815\nknown for: notes\n";
    for text in [
        "",
        "\n\n",
        "id",
        "id\n1\n2\n3\n",
        names,
        times,
        moments,
        prose,
        lines,
        pairs,
    ] {
        let sniffed = sniffed(text);
        let dialect = Dialect {
            has_header: sniffed.dialect.has_header,
            ..Dialect::default()
        };
        assert_eq!(sniffed.dialect, dialect, "{text}");
        let confidence = confidence(&sniffed, "delimiter");
        assert!(confidence < 0.5, "{confidence}: {text}");
    }
}

#[test]
fn a_header_alone_is_a_header() {
    let sniffed = sniffed("id,name,price\n");
    assert_eq!(sniffed.dialect, Dialect::default());
    assert!(confidence(&sniffed, "header") < 0.7);
}

#[test]
fn a_first_record_of_values_over_values_is_no_header() {
    for text in [
        "1,a,2.5\n2,b,3.5\n",
        "2024-01-01,x\n2024-01-02,y\n2024-01-03,z\n",
    ] {
        assert!(!sniffed(text).dialect.has_header, "{text}");
    }
    for text in [
        "id,a,x\n2,b,3.5\n",
        "a,b\nc,d\n",
        "when,what\n2024-01-02,y\n",
        ",,\n1,2,3\n",
        "land,2019,2020\nDE,1.5,2.5\nFR,2,3\n",
    ] {
        assert!(sniffed(text).dialect.has_header, "{text}");
    }
}

#[test]
fn decimal_commas_do_not_hide_the_semicolon() {
    let sniffed = sniffed("id;preis;menge\n1;1,50;2,5\n2;12,99;1,0\n3;0,20;7,5\n");
    assert_eq!(sniffed.dialect.delimiter, b';');
    assert!(sniffed.dialect.has_header);
}

#[test]
fn unusual_delimiters_are_found_with_strong_evidence() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/bin/sh\n\
        bin:x:2:2:bin:/bin:/bin/sh\nsys:x:3:3:sys:/dev:/bin/sh\n";
    assert_eq!(sniffed(passwd).dialect.delimiter, b':');
    assert_eq!(
        sniffed("x y z\n1 2 3.5\n4 5 6.5\n7 8 9.5\n")
            .dialect
            .delimiter,
        b' '
    );
    assert_eq!(sniffed("a^b\n1^x\n2^y\n3^z\n").dialect.delimiter, b'^');
}

#[test]
fn quotes_without_a_meaning_are_not_taken_for_quotes() {
    let inches = "id,size,price\n1,\"12 inch,5\n2,\"14 inch,6\n3,\"9 inch,7\n4,\"8 inch,2\n";
    assert_eq!(sniffed(inches).dialect.quote, None);
    let lines = "id,text\n1,\"a\nb\nc, d\n\"\n2,\"x \"\"y\"\" z\n\n\"\n3,\"q\"\n";
    assert!((confidence(&sniffed(lines), "quote") - 1.0).abs() < 1e-9);
    let single = "id,name\n1,'Smith, John'\n2,'Doe, Jane'\n3,'O''Hara, Jo'\n";
    assert_eq!(sniffed(single).dialect.quote, Some(b'\''));
    let escaped = "id,name\n1,\"a \\\"b\\\", c\"\n2,\"d \\\", e\"\n3,\"f\"\n";
    assert_eq!(sniffed(escaped).dialect.escape, Some(b'\\'));
    let plain = sniffed("id,name\n1,a\n2,O'Hara\n3,rock'n'roll\n");
    assert_eq!(plain.dialect, Dialect::default());
    assert!((confidence(&plain, "quote") - 0.5).abs() < 1e-9);
}

#[test]
fn bad_records_do_not_make_quotes_meaningless() {
    let mut text = String::from("id,city,note\n");
    for id in 0..200 {
        text += &format!("{id},Köln,\"left, then\nright\"\n");
        if id % 20 == 3 {
            text += &format!("bad {id}{}\n", ",\"two\nlines, and a comma\"".repeat(29));
        }
    }
    let found = sniffed(&text);
    assert_eq!(found.dialect.quote, Some(b'"'));
    assert_eq!(found.dialect.delimiter, b',');
    assert!(confidence(&found, "quote") > 0.9);
}

#[test]
fn comments_are_found_where_they_are_no_header() {
    let found = sniffed("# made by hand, and so on\n#\nid,name\n1,a\n2,b\n");
    assert_eq!(found.dialect.comment, Some(b'#'));
    assert_eq!(found.rows[0], ["id", "name"]);
    assert_eq!(sniffed("#id,name\n1,a\n2,b\n3,c\n").dialect.comment, None);
    assert_eq!(sniffed("# notes\n# more\n").dialect.comment, None);
}

#[test]
fn overrides_are_kept_and_not_reported() {
    let given = DialectOverrides {
        delimiter: Some(b';'),
        quote: Some(None),
        escape: Some(None),
        double_quote: Some(false),
        has_header: Some(false),
        comment: Some(Some(b'%')),
    };
    let sniffed = sniff(b"# a,b\n\"1\",2\n\"3\",4\n", true, &given);
    let expected = Dialect {
        delimiter: b';',
        quote: None,
        escape: None,
        double_quote: false,
        has_header: false,
        comment: Some(b'%'),
        ..Dialect::default()
    };
    assert_eq!((sniffed.dialect, sniffed.traits), (expected, vec![]));
}

#[test]
fn a_line_that_may_be_incomplete_is_ignored() {
    let text = b"a;b\n1;2\n3;4\n5;6\n7,8,9,10,11";
    let sniffed = sniff(text, false, &DialectOverrides::default());
    assert_eq!(sniffed.rows.len(), 4);
    assert_eq!(sniffed.dialect.delimiter, b';');
}

/// A table with columns of numbers, dates and words, and whether it has a header.
fn table() -> impl Strategy<Value = (Vec<Vec<String>>, bool)> {
    let words = "[a-z]{1,8}( [a-z;,|]{1,9}){0,2}";
    let column = prop_oneof![
        3 => prop::collection::vec("[1-9][0-9]{0,5}(\\.[0-9]{1,2})?", 30),
        1 => prop::collection::vec("20[0-2][0-9]-0[1-9]-1[0-9]", 30),
        2 => prop::collection::vec("[A-Z][a-z]{1,9}", 30),
        1 => prop::collection::vec(words, 30),
        1 => prop::collection::vec("[a-z]{1,5} [\"'][a-z]{1,5}[\"'], [a-z]{1,5}", 30),
        1 => prop::collection::vec("([a-z]{1,5})?", 30),
    ];
    let key = prop::collection::vec("[1-9][0-9]{2}", 30);
    let columns = (key, prop::collection::vec(column, 2..7));
    (columns, 4_usize..30, any::<bool>()).prop_map(|((key, mut columns), rows, has_header)| {
        columns.insert(0, key);
        let row = |at: usize| columns.iter().map(|column| column[at].clone()).collect();
        let mut table: Vec<Vec<String>> = (0..rows).map(row).collect();
        if has_header {
            let names = (0..columns.len()).map(|at| format!("name_{}", (b'a' + at as u8) as char));
            table.insert(0, names.collect());
        }
        (table, has_header)
    })
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let delimiter = prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')];
    let quote = prop_oneof![3 => Just(b'"'), 1 => Just(b'\'')];
    (delimiter, quote, any::<bool>()).prop_map(|(delimiter, quote, is_doubled)| Dialect {
        delimiter,
        quote: Some(quote),
        escape: (!is_doubled).then_some(b'\\'),
        double_quote: is_doubled,
        ..Dialect::default()
    })
}

fn written(table: &[Vec<String>], dialect: &Dialect, quotes: csv::QuoteStyle) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(dialect.delimiter)
        .quote(dialect.quote.unwrap())
        .double_quote(dialect.double_quote)
        .escape(dialect.escape.unwrap_or(b'"'))
        .quote_style(quotes)
        .from_writer(Vec::new());
    for row in table {
        writer.write_record(row).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(text: &[u8], dialect: &Dialect) -> Vec<Vec<String>> {
    let mut records = Records::new(dialect, text);
    let mut rows = Vec::new();
    while let Some(record) = records.read() {
        let text = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        rows.push(record.iter().map(text).collect());
    }
    rows
}

proptest! {
    // Deterministic: of random tables, one in some thousands has a first record that cannot be told from a header.
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_261_126),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_table_that_was_written_is_read_as_it_was(
        (table, has_header) in table(), dialect in dialects(), always in any::<bool>(),
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let text = written(&table, &dialect, style);
        let sniffed = sniff(&text, true, &DialectOverrides::default());
        prop_assert_eq!(read(&text, &sniffed.dialect), table, "{:?} {}", sniffed, String::from_utf8_lossy(&text));
        prop_assert_eq!(sniffed.dialect.has_header, has_header);
    }

    #[test]
    fn any_bytes_are_sniffed_to_a_dialect_that_can_be_used(bytes in prop::collection::vec(any::<u8>(), 0..300), is_whole in any::<bool>()) {
        let sniffed = sniff(&bytes, is_whole, &DialectOverrides::default());
        prop_assert_eq!(sniffed.dialect.check(), Ok(()));
        prop_assert!(sniffed.traits.iter().all(|found| (0.0..=1.0).contains(&found.confidence)));
    }
}
