//! Bad records as CSV: as they came, each below the header of the file that it came from. Files of a
//! union have different ones; what was bad in them goes into as many files.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cli::{Exit, Failure, Filtered, Filters, Formulas, OrExit, OrUnwritable, STDOUT};
use engine::Dialect;
use proto::v1::{GetJobResponse, Reject};

use crate::spreadsheet::SpreadsheetArgs;

/// Where CSV goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'t> {
    Stdout,
    /// This file; if there is more than one header, also `NAME-2.csv`, `NAME-3.csv`, …
    File(&'t Path),
}

/// Everything below one header.
struct Sheet {
    /// `None`: standard output.
    path: Option<PathBuf>,
    out: Box<dyn Write + Send>,
}

/// What is written.
pub(super) struct Sheets<'j> {
    target: Target<'j>,
    dialect: Dialect,
    /// The job's columns, and behind them every other header.
    headers: Vec<&'j [String]>,
    of_file: HashMap<&'j str, usize>,
    /// By header, those that something was written below.
    open: HashMap<usize, Sheet>,
    /// Whether cells that look like formulas are guarded.
    safe: SpreadsheetArgs,
}

impl<'j> Sheets<'j> {
    /// Of the bad records of `job`.
    ///
    /// # Errors
    ///
    /// When they have several headers and there is one place to go.
    pub(super) fn new(
        job: &'j GetJobResponse,
        target: Target<'j>,
        safe: SpreadsheetArgs,
    ) -> Result<Self, Failure> {
        let dialect = job.dialect.as_ref().map(Dialect::try_from);
        let mut sheets = Self {
            target,
            dialect: dialect.and_then(Result::ok).unwrap_or_default(),
            headers: vec![&job.columns],
            of_file: HashMap::new(),
            open: HashMap::new(),
            safe,
        };
        let input = job.input.as_ref();
        for header in input.iter().flat_map(|input| &input.headers) {
            let at = sheets.headers.len();
            sheets.headers.push(&header.columns);
            for &file in &header.files {
                let name = input.and_then(|input| input.files.get(file as usize));
                sheets.of_file.extend(name.map(|name| (&name[..], at)));
            }
        }
        if sheets.headers.len() > 1 && matches!(target, Target::Stdout) {
            return Err(Failure::message(
                Exit::Usage,
                "the job's files have different headers; -o FILE writes a file of bad records for each",
            ));
        }
        Ok(sheets)
    }

    /// Writes a bad record as it came.
    pub(super) fn write(&mut self, reject: &Reject) -> Result<(), Failure> {
        // A file that was not looked at by itself has the job's columns.
        let header = self.of_file.get(&reject.file[..]).copied().unwrap_or(0);
        let raw = self.guarded(&reject.raw);
        let sheet = self.sheet(header)?;
        let written = sheet.out.write_all(&raw);
        let written = written.and_then(|()| sheet.out.write_all(b"\n"));
        written.or_unwritable(sheet.name())
    }

    /// A record that begins anew, however the one before ended; and a header.
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

    /// Writes what is held back; a header at least. The files that there are.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>, Failure> {
        if self.open.is_empty() {
            self.sheet(0)?;
        }
        let mut paths = Vec::new();
        for mut sheet in self.open.into_values() {
            sheet.out.flush().or_unwritable(sheet.name())?;
            paths.extend(sheet.path);
        }
        paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        Ok(paths)
    }

    /// What is below a header; begun, if nothing is so far.
    fn sheet(&mut self, header: usize) -> Result<&mut Sheet, Failure> {
        let number = self.open.len() + 1;
        let mut head = Vec::new();
        write_header(&mut head, &self.dialect, self.headers[header]).or_exit(Exit::Defect)?;
        let head = self.guarded(&head).into_owned();
        match self.open.entry(header) {
            std::collections::hash_map::Entry::Occupied(sheet) => Ok(sheet.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let mut sheet = Sheet::begin(self.target, number)?;
                sheet.out.write_all(&head).or_unwritable(sheet.name())?;
                Ok(place.insert(sheet))
            }
        }
    }
}

impl Sheet {
    fn name(&self) -> String {
        let path = self.path.as_ref().map(|path| path.display().to_string());
        path.unwrap_or_else(|| STDOUT.to_owned())
    }

    fn begin(target: Target<'_>, number: usize) -> Result<Self, Failure> {
        let Target::File(path) = target else {
            return Ok(Self {
                path: None,
                out: Box::new(Filtered::new(io::stdout(), Filters::of_stdout())),
            });
        };
        let path = numbered(path, number);
        let file = super::create(&path)?;
        Ok(Self {
            path: Some(path),
            out: Box::new(BufWriter::new(file)),
        })
    }
}

/// `bad.csv`, `bad-2.csv`, …
fn numbered(path: &Path, number: usize) -> PathBuf {
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

/// The header as the job's dialect writes it; none where the input had none.
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
            assert_eq!(numbered(Path::new(path), 1), Path::new(path));
            assert_eq!(numbered(Path::new(path), 2), Path::new(second));
        }
    }
}
