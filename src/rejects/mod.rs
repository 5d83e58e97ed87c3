//! `rowmill rejects`: lists or exports a job's bad records.

mod csv_files;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use access::Client;
use access::MasterArgs;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::{GetJobResponse, ListRejectsRequest, Reject, Violation};
use serde::Serialize;

use report::json::write_line as json_line;
use report::{Align, Render, Table, renderer};

use crate::output::{gone, width};
use crate::query::{self, request_failure};
use crate::spreadsheet::SpreadsheetArgs;
use csv_files::{CsvTarget, RejectsCsv};

/// List a job's bad records, or export them to be corrected and published again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Write the records unchanged, below their file's header
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write JSON, one line per record
    #[arg(long)]
    json: bool,

    /// Write to FILE instead of stdout, as CSV unless --json is given. If files of a job have different
    /// headers, further files are named FILE-2, FILE-3, …
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    safe: SpreadsheetArgs,

    #[command(flatten)]
    master: MasterArgs,
}

const COLUMNS: [(&str, Align); 4] = [
    ("line", Align::Right),
    ("file", Align::Left),
    ("reason", Align::Left),
    ("record", Align::Left),
];

/// The columns for a job that validates a schema: one line per violation.
const RULE_COLUMNS: [(&str, Align); 6] = [
    ("line", Align::Right),
    ("file", Align::Left),
    ("column", Align::Left),
    ("rule", Align::Left),
    ("value", Align::Left),
    ("record", Align::Left),
];

/// The master keeps this many bytes of a record, so a record of this length may be cut.
const KEPT_BYTES: usize = 1024;
const PAGE: u32 = 1000;

#[derive(Debug, Serialize)]
struct RejectJson {
    record: u64,
    file: Option<String>,
    line: u64,
    byte: u64,
    reason: String,
    raw: String,
    /// The violated rules of the schema.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<ViolationJson>,
}

#[derive(Debug, Serialize)]
struct ViolationJson {
    column: String,
    rule: String,
    expected: String,
    value: String,
}

impl From<Violation> for ViolationJson {
    fn from(violation: Violation) -> Self {
        let Violation {
            column,
            rule,
            expected,
            value,
        } = violation;
        Self {
            column,
            rule,
            expected,
            value,
        }
    }
}

/// The result of an export.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) written: u64,
    /// Number of all bad records, written or not.
    pub(crate) total: u64,
    /// Number of written records that may be cut.
    pub(crate) cut: u64,
    /// The CSV files.
    pub(crate) files: Vec<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.master.connect().await?;
        let job = query::get_job(&client, &self.job).await?;
        if let Some(line) = job.job.as_ref().and_then(gone) {
            return Err(Failure::message(Exit::Usage, line));
        }
        let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
        let output = self.output(&job)?;
        let exported = export(client, job_id, output).await?;
        exported.report();
        Ok(Exit::Ok)
    }

    fn output<'p>(&'p self, job: &'p GetJobResponse) -> Result<RejectsOutput<'p>, Failure> {
        Ok(match &self.output {
            Some(path) if self.json => RejectsOutput::Json(
                path.display().to_string(),
                Box::new(BufWriter::new(create(path)?)),
            ),
            Some(path) => {
                RejectsOutput::Csv(RejectsCsv::new(job, CsvTarget::File(path), self.safe)?)
            }
            None if self.json => RejectsOutput::Json(STDOUT.to_owned(), Box::new(io::stdout())),
            None if self.csv => {
                RejectsOutput::Csv(RejectsCsv::new(job, CsvTarget::Stdout, self.safe)?)
            }
            None if renderer(job.report.as_ref()).is_some_and(Render::has_rules) => {
                RejectsOutput::Rules(Table::new(&RULE_COLUMNS))
            }
            None => RejectsOutput::Table(Table::new(&COLUMNS)),
        })
    }
}

impl Exported {
    /// Reports on stderr the records that the export lacks.
    pub(crate) fn report(&self) {
        let Self {
            written,
            total,
            cut,
            files,
        } = self;
        if *total == 0 {
            cli::stderr_line!("rowmill: no bad records");
        } else if written < total {
            cli::stderr_line!(
                "rowmill: {written} of {total} bad records; the others were only counted"
            );
        }
        if *cut > 0 {
            cli::stderr_line!(
                "rowmill: {cut} of them are longer than the {KEPT_BYTES} bytes that are kept"
            );
        }
        if files.len() > 1 {
            let files: Vec<_> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            let files = files.join(" ");
            cli::stderr_line!(
                "rowmill: the job's files have different headers, so there is a file of bad records for each; \
                 correct them, and publish --union {files}"
            );
        }
    }
}

/// Writes the job's bad records unchanged, below the header, to a new file.
pub(crate) async fn export_csv(
    client: Client,
    job: &GetJobResponse,
    path: &Path,
    safe: SpreadsheetArgs,
) -> Result<Exported, Failure> {
    let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
    let csv = RejectsCsv::new(job, CsvTarget::File(path), safe)?;
    export(client, job_id, RejectsOutput::Csv(csv)).await
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).or_unwritable(path.display())
}

/// The destination and format of bad records.
enum RejectsOutput<'p> {
    Csv(RejectsCsv<'p>),
    /// The name for messages, and the writer.
    Json(String, Box<dyn Write + Send>),
    Table(Table),
    Rules(Table),
}

impl RejectsOutput<'_> {
    fn write(&mut self, reject: &Reject) -> Result<(), Failure> {
        match self {
            Self::Csv(csv) => csv.write(reject),
            Self::Json(name, out) => write_json(out, reject).or_unwritable(name),
            Self::Table(table) => {
                table.row(cells(reject));
                Ok(())
            }
            Self::Rules(table) => {
                for cells in rule_cells(reject) {
                    table.row(cells);
                }
                Ok(())
            }
        }
    }

    /// Flushes the output. Returns the CSV files, if any.
    fn finish(self) -> Result<Vec<PathBuf>, Failure> {
        match self {
            Self::Csv(csv) => return csv.finish(),
            Self::Json(name, mut out) => out.flush().or_unwritable(name)?,
            Self::Table(table) | Self::Rules(table) if table.is_empty() => {}
            Self::Table(table) | Self::Rules(table) => {
                let mut out = io::stdout();
                let written = table.write(&mut out, width());
                written.and_then(|()| out.flush()).or_unwritable(STDOUT)?;
            }
        }
        Ok(Vec::new())
    }
}

async fn export(
    mut client: Client,
    job_id: &str,
    mut output: RejectsOutput<'_>,
) -> Result<Exported, Failure> {
    let mut exported = Exported::default();
    let mut page_token = String::new();
    loop {
        let page = page(&mut client, job_id, page_token, PAGE).await?;
        exported.total = page.rejects_total;
        for reject in &page.rejects {
            exported.written += 1;
            exported.cut += u64::from(reject.raw.len() >= KEPT_BYTES);
            output.write(reject)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    exported.files = output.finish()?;
    Ok(exported)
}

/// Gets one page of a job's bad records.
pub(crate) async fn page(
    client: &mut Client,
    job_id: &str,
    page_token: String,
    page_size: u32,
) -> Result<proto::v1::ListRejectsResponse, Failure> {
    let request = ListRejectsRequest {
        job_id: job_id.to_owned(),
        page_size,
        page_token,
    };
    let page = client.list_rejects(request).await;
    Ok(page
        .map_err(|status| request_failure(&status))?
        .into_inner())
}

fn cells(reject: &Reject) -> [String; 4] {
    [
        reject.line.to_string(),
        reject.file.clone(),
        reject.reason.clone(),
        String::from_utf8_lossy(&reject.raw).into_owned(),
    ]
}

/// One line per violation; one line with the reason for a malformed record.
fn rule_cells(reject: &Reject) -> Vec<[String; 6]> {
    let [line, file, reason, record] = cells(reject);
    let row = |violation: &Violation| {
        let Violation {
            column,
            rule,
            value,
            ..
        } = violation.clone();
        [
            line.clone(),
            file.clone(),
            column,
            rule,
            value,
            record.clone(),
        ]
    };
    if reject.violations.is_empty() {
        let none = String::new;
        return vec![[line, file, none(), reason, none(), record]];
    }
    reject.violations.iter().map(row).collect()
}

fn write_json(out: &mut impl Write, reject: &Reject) -> io::Result<()> {
    let json = RejectJson {
        record: reject.record,
        file: Some(reject.file.clone()).filter(|file| !file.is_empty()),
        line: reject.line,
        byte: reject.byte,
        reason: reject.reason.clone(),
        raw: String::from_utf8_lossy(&reject.raw).into_owned(),
        violations: reject
            .violations
            .iter()
            .cloned()
            .map(ViolationJson::from)
            .collect(),
    };
    json_line(out, &json)
}
