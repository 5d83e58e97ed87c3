//! Compares the record reader with the csv crate, on bodies that no splitter has checked.

#![no_main]

use engine::Dialect;
use engine::records::Records;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((dialect, body)) = fuzz::dialect(data) else {
        return;
    };
    // A line end at both ends: the csv crate would remove a byte order mark, and would read a comment without a line
    // feed as a record.
    let body = [b"\n", body, b"\n"].concat();
    let mut records = Records::new(&dialect, &body);
    let mut end = 0;
    for expected in reader(&dialect, &body).into_byte_records() {
        let expected = expected.expect("reading from memory does not fail");
        let found = records.read().expect("the csv crate has another record");
        assert!(end <= found.start() && found.start() < found.end());
        assert!(found.end() <= body.len());
        end = found.end();
        assert!(found.iter().eq(expected.iter()), "{found:?} {expected:?}");
    }
    assert!(records.read().is_none());
});

fn reader<'b>(dialect: &Dialect, body: &'b [u8]) -> csv::Reader<&'b [u8]> {
    let mut builder = csv::ReaderBuilder::new();
    builder
        .has_headers(false)
        .flexible(true)
        .delimiter(dialect.delimiter)
        .double_quote(dialect.double_quote)
        .escape(dialect.escape)
        .comment(dialect.comment)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'));
    builder.from_reader(body)
}
