//! Inspects the start of every file: its format, and whether its columns match the other files.

use std::collections::HashMap;

use engine::Dialect;
use engine::sniff::{FirstRecordMismatch, sniff};
use engine::split::{Limits, Splitter};
use proto::v1::{FileHeader, Input, Sniffed};

use crate::compression::Compression;
use crate::description::{InputDescription, NOTE};
use crate::encoding::DetectedEncoding;
use crate::error::InputError;
use crate::foreign_format;
use crate::input_spec::InputSpec;
use crate::planned_file::PlannedFile;
use crate::source::Source;
use crate::text_stream::TextStream;
use crate::union::{ColumnUnion, difference, places};

/// Bytes of the first file from which the dialect is sniffed.
const SNIFF_BYTES: usize = 64 << 10;
/// The largest number of files named in a job's opening.
const MAX_FILES_NAMED: usize = 1000;
/// The largest size of the headers in a job's opening.
const HEADERS_BYTES: usize = 256 << 10;

/// The properties found in the files so far.
pub(crate) struct Inspector<'w> {
    input_spec: &'w InputSpec,
    /// The dialect of the first file.
    dialect: Option<Dialect>,
    input: Input,
    /// Bytes of all files. `None` if the length of one is unknown.
    bytes: Option<u64>,
    /// The first records of the first file, header included.
    rows: Vec<Vec<String>>,
    encodings: Vec<&'static str>,
    compressions: Vec<&'static str>,
}

impl<'w> Inspector<'w> {
    pub(crate) fn new(input_spec: &'w InputSpec) -> Self {
        let names = input_spec
            .sources
            .iter()
            .take(MAX_FILES_NAMED)
            .map(Source::name);
        Self {
            input_spec,
            dialect: None,
            input: Input {
                files: names.map(str::to_owned).collect(),
                files_total: input_spec.sources.len() as u64,
                ..Input::default()
            },
            bytes: Some(0),
            rows: Vec::new(),
            encodings: Vec::new(),
            compressions: Vec::new(),
        }
    }

    /// Adds the properties of a file. `bytes` is its length, if known. The first file's dialect is the job's.
    pub(crate) fn inspect(
        &mut self,
        stream: &mut TextStream,
        bytes: Option<u64>,
    ) -> Result<(), InputError> {
        let known = bytes.filter(|_| stream.is_plain());
        self.bytes = self.bytes.zip(known).map(|(sum, bytes)| sum + bytes);
        push_unique(&mut self.encodings, stream.encoding.encoding.name());
        let compression = stream.compression.map_or(NOT_COMPRESSED, Compression::name);
        push_unique(&mut self.compressions, compression);
        if self.dialect.is_none() {
            self.sniff(stream)?;
        }
        Ok(())
    }

    fn sniff(&mut self, stream: &mut TextStream) -> Result<(), InputError> {
        let separator = stream.separator;
        let skipped = stream.start(0, 0).line - 1;
        let head = stream.peek(SNIFF_BYTES)?;
        let mut given = self.input_spec.given;
        if given.delimiter.is_none() {
            // A given delimiter means that the file is a table.
            if separator.is_none()
                && let Some(foreign) = foreign_format::detect_markup(head)
            {
                let error = std::io::Error::other(foreign);
                return Err(InputError::from_io(stream.name(), error));
            }
            given.delimiter = separator;
        }
        let sniffed = sniff(head, head.len() < SNIFF_BYTES, &given);
        let dialect = Dialect {
            ragged: self.input_spec.ragged,
            ..sniffed.dialect
        };
        dialect.check()?;
        self.dialect = Some(dialect);
        self.input.sniffed = sniffed.traits;
        self.rows = sniffed.rows;
        if self.input_spec.given.delimiter.is_none()
            && let Some(separator) = separator
        {
            self.add_sniffed("delimiter", &char::from(separator).to_string(), 1.0);
        }
        let DetectedEncoding {
            encoding,
            confidence,
        } = stream.encoding;
        if let Some(confidence) = confidence {
            self.add_sniffed("encoding", encoding.name(), confidence);
        }
        if let Some(compression) = stream.compression {
            self.add_sniffed("compression", compression.name(), 1.0);
        }
        if let Some(mismatch) = sniffed.mismatch {
            self.add_sniffed(NOTE, &first_record_note(mismatch, &dialect, skipped), 1.0);
        }
        Ok(())
    }

    fn add_sniffed(&mut self, name: &str, value: &str, confidence: f64) {
        self.input.sniffed.push(Sniffed {
            what: name.to_owned(),
            value: value.to_owned(),
            confidence,
        });
    }

    /// The columns of a file that was not read beyond peeking.
    pub(crate) fn header(
        &self,
        stream: &mut TextStream,
        limits: Limits,
    ) -> Result<Vec<String>, InputError> {
        header(stream, self.dialect.unwrap_or_default(), limits)
    }

    /// The columns of the job, if it has several files. `None` if it has one.
    pub(crate) fn job_columns(
        &mut self,
        files: &mut [PlannedFile],
    ) -> Result<Option<Vec<String>>, InputError> {
        if files.len() < 2 {
            return Ok(None);
        }
        if !self.input_spec.union {
            return shared_header(files).map(Some);
        }
        if !self.dialect.unwrap_or_default().has_header {
            let first = files[0].source.name().to_owned();
            return Err(InputError::UnionOfNameless { first });
        }
        let mut union = ColumnUnion::default();
        for file in files.iter() {
            union.add(&file.columns);
        }
        for file in files.iter_mut() {
            file.places = places(union.columns(), &file.columns);
        }
        self.input.headers = headers(files);
        Ok(Some(union.columns().to_vec()))
    }

    pub(crate) fn into_description(self) -> InputDescription {
        let compression = match self.compressions[..] {
            [NOT_COMPRESSED] => String::new(),
            _ => self.compressions.join(", "),
        };
        InputDescription {
            dialect: self.dialect.unwrap_or_default(),
            source_bytes: self.bytes,
            rows: self.rows,
            input: Input {
                encoding: self.encodings.join(", "),
                compression,
                ..self.input
            },
        }
    }
}

/// The columns of a file that was not read beyond peeking.
pub(crate) fn header(
    stream: &mut TextStream,
    dialect: Dialect,
    limits: Limits,
) -> Result<Vec<String>, InputError> {
    let mut bytes = SNIFF_BYTES;
    loop {
        let head = stream.peek(bytes)?;
        let is_whole = head.len() < bytes;
        match columns(head, is_whole, dialect, limits) {
            Ok(Some(columns)) => return Ok(columns),
            Ok(None) => bytes *= 2,
            Err(source) => {
                return Err(InputError::Split {
                    name: stream.name().to_owned(),
                    source,
                });
            }
        }
    }
}

/// Advice if the first record differs from the others. `skipped` is the number of lines skipped before it.
fn first_record_note(mismatch: FirstRecordMismatch, dialect: &Dialect, skipped: u64) -> String {
    let FirstRecordMismatch {
        first_fields,
        fields,
        lines,
        is_header,
    } = mismatch;
    let taken = if dialect.has_header {
        ", which is read as the header,"
    } else {
        ""
    };
    let skip = skipped + lines;
    let advice = if is_header {
        format!("if the header is on line {}, pass --skip {skip}", skip + 1)
    } else {
        format!("--skip {skip} --no-headers reads them without it")
    };
    format!("most records have {fields} fields, and the first{taken} has {first_fields}: {advice}")
}

const NOT_COMPRESSED: &str = "none";

/// The header in `head`, or as many numbered columns as the first record has fields. `None` if the record does not end
/// in `head`.
fn columns(
    head: &[u8],
    is_whole: bool,
    dialect: Dialect,
    limits: Limits,
) -> Result<Option<Vec<String>>, engine::SplitError> {
    // A piece is one record, so the first one is enough.
    let target_bytes = 1;
    let mut splitter = Splitter::new(
        dialect,
        Limits {
            target_bytes,
            ..limits
        },
    );
    splitter.push(head);
    if is_whole {
        splitter.finish();
    }
    while splitter.header().is_none() && splitter.next_piece()?.is_some() {}
    Ok(splitter.header().map(<[String]>::to_vec))
}

/// Each different header once, with its files, for the display of original records. Empty if all files have the job's
/// columns, or the headers are too large.
fn headers(files: &[PlannedFile]) -> Vec<FileHeader> {
    if files.iter().all(|file| file.places.is_none()) {
        return Vec::new();
    }
    let mut headers: Vec<FileHeader> = Vec::new();
    let mut known: HashMap<&[String], usize> = HashMap::new();
    let mut bytes = 0;
    for (at, file) in (0..).zip(files.iter().take(MAX_FILES_NAMED)) {
        let place = *known.entry(&file.columns).or_insert(headers.len());
        if place == headers.len() {
            bytes += file
                .columns
                .iter()
                .map(|name| name.len() + 2)
                .sum::<usize>();
            headers.push(FileHeader {
                columns: file.columns.clone(),
                files: Vec::new(),
            });
        }
        headers[place].files.push(at);
    }
    if bytes > HEADERS_BYTES {
        headers.clear();
    }
    headers
}

/// The header that all files share.
fn shared_header(files: &[PlannedFile]) -> Result<Vec<String>, InputError> {
    let Some((first, others)) = files.split_first() else {
        return Ok(Vec::new());
    };
    match others.iter().find(|file| file.columns != first.columns) {
        None => Ok(first.columns.clone()),
        Some(other) => Err(InputError::OtherHeader {
            name: other.source.name().to_owned(),
            first: first.source.name().to_owned(),
            difference: difference(&first.columns, &other.columns),
        }),
    }
}

fn push_unique(names: &mut Vec<&'static str>, name: &'static str) {
    if !names.contains(&name) {
        names.push(name);
    }
}
