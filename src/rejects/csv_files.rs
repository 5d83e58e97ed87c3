//! Bad records as CSV: unchanged, below the header of their input file. Input files of a union may have
//! different headers; their bad records are written to one file per header.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cli::{Exit, Failure, Filter, Filtered, Filters, OrExit, OrUnwritable, STDOUT};
use engine::Dialect;
use proto::v1::{GetJobResponse, Reject};
use report::Formulas;

use crate::spreadsheet::SpreadsheetArgs;

/// The destination of the CSV.
#[derive(Debug, Clone, Copy)]
pub(super) enum CsvTarget<'t> {
    Stdout,
    /// This file; if there is more than one header, also `NAME-2.csv`, `NAME-3.csv`, …
    File(&'t Path),
}

/// A CSV file or stdout, with one header.
struct CsvFile {
    /// `None` for standard output.
    path: Option<PathBuf>,
    out: Box<dyn Write + Send>,
}

/// Writes bad records, one file per header.
pub(super) struct RejectsCsv<'j> {
    target: CsvTarget<'j>,
    dialect: Dialect,
    /// The job's columns, then all other headers.
    headers: Vec<&'j [String]>,
    header_of_file: HashMap<&'j str, usize>,
    /// The files written so far, by header.
    open_files: HashMap<usize, CsvFile>,
    /// Whether cells that look like formulas are guarded.
    safe: SpreadsheetArgs,
}

impl<'j> RejectsCsv<'j> {
    /// For the bad records of `job`.
    ///
    /// # Errors
    ///
    /// If the job has several headers and the target is stdout.
    pub(super) fn new(
        job: &'j GetJobResponse,
        target: CsvTarget<'j>,
        safe: SpreadsheetArgs,
    ) -> Result<Self, Failure> {
        let dialect = job.dialect.as_ref().map(Dialect::try_from);
        let mut csv = Self {
            target,
            dialect: dialect.and_then(Result::ok).unwrap_or_default(),
            headers: vec![&job.columns],
            header_of_file: HashMap::new(),
            open_files: HashMap::new(),
            safe,
        };
        let input = job.input.as_ref();
        for header in input.iter().flat_map(|input| &input.headers) {
            let at = csv.headers.len();
            csv.headers.push(&header.columns);
            for &file in &header.files {
                let name = input.and_then(|input| input.files.get(file as usize));
                csv.header_of_file.extend(name.map(|name| (&name[..], at)));
            }
        }
        if csv.headers.len() > 1 && matches!(target, CsvTarget::Stdout) {
            return Err(Failure::message(
                Exit::Usage,
                "the job's files have different headers; -o FILE writes a file of bad records for each",
            ));
        }
        Ok(csv)
    }

    /// Writes a bad record unchanged.
    pub(super) fn write(&mut self, reject: &Reject) -> Result<(), Failure> {
        // A file without a header of its own has the job's columns.
        let header = self
            .header_of_file
            .get(&reject.file[..])
            .copied()
            .unwrap_or(0);
        let raw = self.guarded(&reject.raw);
        let csv_file = self.csv_file(header)?;
        let written = csv_file.out.write_all(&raw);
        let written = written.and_then(|()| csv_file.out.write_all(b"\n"));
        written.or_unwritable(csv_file.name())
    }

    /// Guards one record or header. Each starts with a new filter, since a bad record may end in quotes.
    fn guarded<'b>(&self, record: &'b [u8]) -> Cow<'b, [u8]> {
        if !self.safe.safe_spreadsheet {
            return Cow::Borrowed(record);
        }
        let Dialect {
            delimiter,
            quote,
            escape,
            ..
        } = self.dialect;
        let (mut formulas, mut guarded) = (Formulas::new(delimiter, quote, escape), Vec::new());
        formulas.feed(record, &mut guarded);
        formulas.finish(&mut guarded);
        Cow::Owned(guarded)
    }

    /// Flushes all files, and writes at least a header. Returns the paths of the files.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>, Failure> {
        if self.open_files.is_empty() {
            self.csv_file(0)?;
        }
        let mut paths = Vec::new();
        for mut csv_file in self.open_files.into_values() {
            csv_file.out.flush().or_unwritable(csv_file.name())?;
            paths.extend(csv_file.path);
        }
        paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        Ok(paths)
    }

    /// The file for a header, created on first use.
    fn csv_file(&mut self, header: usize) -> Result<&mut CsvFile, Failure> {
        let number = self.open_files.len() + 1;
        let mut head = Vec::new();
        write_header(&mut head, &self.dialect, self.headers[header]).or_exit(Exit::Defect)?;
        let head = self.guarded(&head).into_owned();
        match self.open_files.entry(header) {
            std::collections::hash_map::Entry::Occupied(csv_file) => Ok(csv_file.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let mut csv_file = CsvFile::begin(self.target, number)?;
                csv_file
                    .out
                    .write_all(&head)
                    .or_unwritable(csv_file.name())?;
                Ok(place.insert(csv_file))
            }
        }
    }
}

impl CsvFile {
    fn name(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| STDOUT.to_owned())
    }

    fn begin(target: CsvTarget<'_>, number: usize) -> Result<Self, Failure> {
        let CsvTarget::File(path) = target else {
            return Ok(Self {
                path: None,
                out: Box::new(Filtered::new(io::stdout(), Filters::of_stdout())),
            });
        };
        let path = numbered_path(path, number);
        let file = super::create(&path)?;
        Ok(Self {
            path: Some(path),
            out: Box::new(BufWriter::new(file)),
        })
    }
}

/// `bad.csv`, `bad-2.csv`, …
fn numbered_path(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Writes the header in the job's dialect; nothing if the input has no header.
fn write_header(out: &mut impl Write, dialect: &Dialect, columns: &[String]) -> io::Result<()> {
    if !dialect.has_header {
        return Ok(());
    }
    let mut builder = csv::WriterBuilder::new();
    builder
        .delimiter(dialect.delimiter)
        .double_quote(dialect.double_quote)
        .comment(dialect.comment);
    if let Some(escape) = dialect.escape {
        builder.escape(escape);
    }
    match dialect.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quote_style(csv::QuoteStyle::Never),
    };
    let mut writer = builder.from_writer(out);
    writer.write_record(columns)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_files_are_numbered_before_their_extension() {
        for (path, second) in [
            ("a/bad.csv", "a/bad-2.csv"),
            ("bad", "bad-2"),
            ("a.b/x.tar.gz", "a.b/x.tar-2.gz"),
        ] {
            assert_eq!(numbered_path(Path::new(path), 1), Path::new(path));
            assert_eq!(numbered_path(Path::new(path), 2), Path::new(second));
        }
    }
}
