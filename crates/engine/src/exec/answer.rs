//! Reads the output of a command: CSV with a header. It is checked more strictly than an input, because a program wrote
//! it: an irregularity is an error of that program.

use std::collections::BTreeMap;

use bytes::Bytes;
use proto::bounds::MOST_COLUMNS;
use proto::v1::{Chunk, SampleRow};

use super::plain_csv::PlainCsv;
use crate::Dialect;
use crate::output::MAX_OUTPUT_BYTES;
use crate::records::line_ends;
use crate::records::record_sample::RecordSample;
use crate::records::utf8;
use crate::records::{Record, RecordBatch, Records};

/// The column in which a command says why it refuses a row; empty for a row that it does not refuse.
const ERROR_COLUMN: &str = "rowmill-error";
/// The start of such a reason that is kept, in characters.
const REASON_CHARACTERS: usize = 200;
/// The limit of an input's header.
const MAX_HEADER_BYTES: usize = 1 << 20;

/// The output of a command for one chunk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The cells of the header.
    pub columns: Vec<String>,
    /// The records below the header: delimited by commas, quoted where necessary, ended by LF.
    pub body: Bytes,
    /// Number of records.
    pub rows: u64,
    /// The last few records.
    pub sample: Vec<SampleRow>,
    /// The rows of the input that the command refuses, from 0, and why. They are not in `body`.
    pub refused: BTreeMap<u64, String>,
}

/// Why the output of a command is invalid. Lines are those of the output, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The output is empty.
    #[error("it wrote nothing on standard output, where a header is expected")]
    Nothing,
    /// A record and the header differ in the number of cells.
    #[error(
        "line {line} of its output has {fields} {} where its header has {columns}",
        if *fields == 1 { "field" } else { "fields" }
    )]
    Fields {
        /// The line on which the record starts.
        line: u64,
        /// Number of cells of the record.
        fields: usize,
        /// Number of cells of the header.
        columns: usize,
    },
    /// A quote is never closed.
    #[error("its output is broken CSV: a quote opens on line {line} and never closes")]
    OpenQuote {
        /// The line of the opening quote.
        line: u64,
    },
    /// A byte other than a comma or a line end follows a closing quote.
    #[error("its output is broken CSV: on line {line} something follows a closing quote")]
    BehindQuote {
        /// The line of this byte.
        line: u64,
    },
    /// The output is not UTF-8.
    #[error("line {line} of its output is not UTF-8")]
    Text {
        /// The line of the first malformed sequence.
        line: u64,
    },
    /// The header has too many columns.
    #[error("its header has {columns} columns, where {MOST_COLUMNS} are the most")]
    Columns {
        /// Number of columns.
        columns: usize,
    },
    /// The header is too long.
    #[error("its header is longer than {} MiB", MAX_HEADER_BYTES >> 20)]
    LongHeader,
    /// It refuses rows, but they cannot be told.
    #[error(
        "its column {ERROR_COLUMN} needs one row for each row of the input: it wrote {rows} for {expected}"
    )]
    Refusals {
        /// Rows of the output.
        rows: u64,
        /// Rows of the input.
        expected: u64,
    },
    /// The output is too long.
    #[error("it wrote more than {} MiB", MAX_OUTPUT_BYTES >> 20)]
    Large,
}

/// Reads the standard output of a command for `rows_in` rows. The first row has the number `first_record` in the sample.
///
/// # Errors
///
/// If the output is invalid.
pub fn read(stdout: &Bytes, first_record: u64, rows_in: u64) -> Result<Answer, AnswerError> {
    let stdout = match stdout.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => stdout.slice_ref(rest),
        None => stdout.clone(),
    };
    if let Some(at) = utf8::first_malformed(&stdout) {
        let line = line(&stdout, at);
        return Err(AnswerError::Text { line });
    }
    let dialect = Dialect::default();
    let mut records = Records::new(&dialect, &stdout);
    let record = records.read().ok_or(AnswerError::Nothing)?;
    check(&stdout, &record)?;
    let mut columns = header(&record);
    if columns.len() > MOST_COLUMNS {
        let columns = columns.len();
        return Err(AnswerError::Columns { columns });
    }
    if columns.iter().map(String::len).sum::<usize>() > MAX_HEADER_BYTES {
        return Err(AnswerError::LongHeader);
    }
    let Some(at) = columns.iter().position(|column| column == ERROR_COLUMN) else {
        return read_rows(stdout, columns, first_record);
    };
    let (rest, refused) = take_refusals(&stdout, records, (at, columns.len()), rows_in)?;
    columns.remove(at);
    let answer = read_rows(rest, columns, first_record)?;
    Ok(Answer { refused, ..answer })
}

/// Reads the rows below a header that has the `columns`.
fn read_rows(
    stdout: Bytes,
    columns: Vec<String>,
    first_record: u64,
) -> Result<Answer, AnswerError> {
    let dialect = Dialect::default();
    let mut records = Records::new(&dialect, &stdout);
    records.read().ok_or(AnswerError::Nothing)?;
    let mut batch = RecordBatch::new(&dialect, &stdout, columns.len());
    let mut body = PlainCsv(Vec::with_capacity(stdout.len()));
    let (mut sample, mut rows) = (RecordSample::default(), 0);
    loop {
        batch.clear();
        let run = records.read_run(&mut batch);
        if run.records > 0 {
            body.run(&dialect, &stdout, &batch, &run);
            sample.add_run(rows, run.records, |record| batch.position(&run, record));
            rows += run.records as u64;
            continue;
        }
        let Some(record) = records.read() else {
            break;
        };
        // A run holds regular records only.
        check(&stdout, &record)?;
        check_fields(&stdout, &record, columns.len())?;
        sample.add(rows, &record);
        body.record(record.iter());
        rows += 1;
    }
    let PlainCsv(body) = body;
    if body.len() as u64 > MAX_OUTPUT_BYTES {
        return Err(AnswerError::Large);
    }
    let shown = Chunk {
        columns,
        first_record,
        body: stdout,
        ..Chunk::default()
    };
    Ok(Answer {
        sample: sample.rows(&dialect, &shown),
        columns: shown.columns,
        refused: BTreeMap::new(),
        body: body.into(),
        rows,
    })
}

/// Removes the refused rows, and the column `at` of `columns` with the reasons, from the output, of which `records` has
/// read the header. Returns the rest, and the reasons.
fn take_refusals(
    stdout: &Bytes,
    mut records: Records<'_>,
    (at, columns): (usize, usize),
    rows_in: u64,
) -> Result<(Bytes, BTreeMap<u64, String>), AnswerError> {
    let mut rest = PlainCsv(Vec::with_capacity(stdout.len()));
    let mut write = |record: &Record<'_>| {
        let mut cells: Vec<&[u8]> = record.iter().collect();
        cells.remove(at);
        rest.record(cells.into_iter());
    };
    if let Some(header) = Records::new(&Dialect::default(), stdout).read() {
        write(&header);
    }
    let (mut refused, mut rows) = (BTreeMap::new(), 0);
    while let Some(record) = records.read() {
        check(stdout, &record)?;
        check_fields(stdout, &record, columns)?;
        match record.get(at).unwrap_or_default().trim_ascii() {
            b"" => write(&record),
            reason => drop(refused.insert(rows, crate::excerpt(reason, REASON_CHARACTERS))),
        }
        rows += 1;
    }
    if rows != rows_in {
        let expected = rows_in;
        return Err(AnswerError::Refusals { rows, expected });
    }
    Ok((rest.0.into(), refused))
}

fn check_fields(stdout: &[u8], record: &Record<'_>, columns: usize) -> Result<(), AnswerError> {
    if record.len() == columns {
        return Ok(());
    }
    Err(AnswerError::Fields {
        line: line(stdout, record.start()),
        fields: record.len(),
        columns,
    })
}

fn header(record: &Record<'_>) -> Vec<String> {
    let text = |cell| String::from_utf8_lossy(cell).into_owned();
    record.iter().map(text).collect()
}

/// The line of the byte at `at`.
fn line(stdout: &[u8], at: usize) -> u64 {
    1 + line_ends(&stdout[..at])
}

/// The position of a byte within the CSV.
#[derive(Debug, Clone, Copy)]
enum Place {
    FieldStart,
    Field,
    /// In quotes that open at this byte.
    Quoted(usize),
    /// After a quote that closes, or is the first of two; with the position of the opening quote.
    Closed(usize),
}

/// Checks a record for errors that a CSV reader would accept silently.
fn check(stdout: &[u8], record: &Record<'_>) -> Result<(), AnswerError> {
    let mut place = Place::FieldStart;
    let bytes = stdout.iter().enumerate().take(record.end());
    for (at, &byte) in bytes.skip(record.start()) {
        place = match (place, byte) {
            (Place::FieldStart, b'"') => Place::Quoted(at),
            (Place::Quoted(open), b'"') => Place::Closed(open),
            (Place::Closed(open), b'"') | (Place::Quoted(open), _) => Place::Quoted(open),
            (_, b',' | b'\n' | b'\r') => Place::FieldStart,
            (Place::Closed(_), _) => {
                let line = line(stdout, at);
                return Err(AnswerError::BehindQuote { line });
            }
            (Place::FieldStart | Place::Field, _) => Place::Field,
        };
    }
    match place {
        Place::Quoted(open) => {
            let line = line(stdout, open);
            Err(AnswerError::OpenQuote { line })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &'static [u8]) -> Result<Answer, AnswerError> {
        read(&Bytes::from_static(stdout), 100, 3)
    }

    #[test]
    fn a_header_of_more_columns_than_are_carried_is_refused() {
        let wide = Bytes::from(",".repeat(MOST_COLUMNS));
        let columns = MOST_COLUMNS + 1;
        assert_eq!(read(&wide, 0, 1), Err(AnswerError::Columns { columns }));
        let long = Bytes::from("x".repeat(MAX_HEADER_BYTES + 1));
        assert_eq!(read(&long, 0, 1), Err(AnswerError::LongHeader));
    }

    #[test]
    fn what_a_program_writes_comes_out_in_one_way_of_writing() {
        let answer =
            answer(b"\xef\xbb\xbfa,\"b\"\r\n\"1\",\"x, \"\"y\"\"\"\r\n2,\"\n\"\r\n").unwrap();
        assert_eq!(answer.columns, ["a", "b"]);
        assert_eq!(answer.body, "1,\"x, \"\"y\"\"\"\n2,\"\n\"\n");
        assert_eq!(answer.rows, 2);
        let rows: Vec<u64> = answer.sample.iter().map(|row| row.record).collect();
        assert_eq!(rows, [100, 101]);
        assert_eq!(answer.sample[1].cells, ["2", "\n"]);
    }

    #[test]
    fn a_header_alone_is_an_answer_of_no_rows_and_the_last_line_needs_no_end() {
        let answer = |stdout| answer(stdout).unwrap();
        assert_eq!((answer(b"a,b\n").rows, answer(b"a,b").rows), (0, 0));
        assert_eq!(answer(b"a,b\n1,2").body, "1,2\n");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let line = |stdout| answer(stdout).unwrap_err();
        assert_eq!(line(b""), AnswerError::Nothing);
        assert_eq!(line(b"\n\n"), AnswerError::Nothing);
        assert_eq!(
            line(b"a,b\n1,2\n3\n"),
            AnswerError::Fields {
                line: 3,
                fields: 1,
                columns: 2
            }
        );
        assert_eq!(line(b"a\n\"x\ny\n"), AnswerError::OpenQuote { line: 2 });
        assert_eq!(
            line(b"a\n\"x\ny\"z\n"),
            AnswerError::BehindQuote { line: 3 }
        );
        assert_eq!(line(b"a\nx\ncaf\xe9\n"), AnswerError::Text { line: 3 });
    }

    #[test]
    fn a_command_may_refuse_rows_if_it_writes_one_for_each() {
        let refusing = answer(b"a,rowmill-error,b\n1,,2\n3,\"no, never\",4\n5, ,6\n").unwrap();
        assert_eq!(refusing.columns, ["a", "b"]);
        assert_eq!(refusing.body, "1,2\n5,6\n");
        assert_eq!(refusing.refused, [(1, "no, never".to_owned())].into());
        assert_eq!(refusing.rows, 2);
        let (rows, expected) = (1, 3);
        assert_eq!(
            answer(b"a,rowmill-error\n1,\n"),
            Err(AnswerError::Refusals { rows, expected })
        );
    }

    #[test]
    fn only_the_first_column_of_reasons_counts_however_many_there_are() {
        let columns = 1000;
        let header = vec!["rowmill-error"; columns].join(",");
        let stdout = format!("{header}\n{}\n", ",".repeat(columns - 1));
        let answer = read(&Bytes::from(stdout), 0, 1).unwrap();
        assert_eq!((answer.columns.len(), answer.rows), (columns - 1, 1));
        assert!(answer.refused.is_empty());
    }

    #[test]
    fn a_quote_within_a_field_is_a_character() {
        assert_eq!(answer(b"a\n5\" disk\n").unwrap().body, "\"5\"\" disk\"\n");
    }
}
