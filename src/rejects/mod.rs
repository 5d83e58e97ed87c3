//! `rowmill rejects`: a job's bad records, to be looked at or to be mended and published again.

mod sheets;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use access::Client;
use access::MasterArgs;
use cli::{Exit, Failure, OrUnwritable, STDOUT};
use proto::v1::{GetJobResponse, ListRejectsRequest, Reject, Violation};
use serde::Serialize;

use crate::output::{Align, Table, gone, json_line, width};
use crate::server::{self, refused};
use crate::spreadsheet::SpreadsheetArgs;
use sheets::{Sheets, Target};

/// List a job's bad records, or export them so that they can be mended and published again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB", add = crate::complete::jobs())]
    job: String,

    /// Write the records as they came, under their file's header
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write JSON, one record a line
    #[arg(long)]
    json: bool,

    /// Write to FILE instead of stdout; as CSV, where --json does not say otherwise. Where files of a
    /// job have different headers, further files are called FILE-2, FILE-3, …
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

/// The same of a job that holds records against a schema: a line for each rule that is broken.
const RULE_COLUMNS: [(&str, Align); 6] = [
    ("line", Align::Right),
    ("file", Align::Left),
    ("column", Align::Left),
    ("rule", Align::Left),
    ("value", Align::Left),
    ("record", Align::Left),
];

/// The master keeps so much of a record, so that one of this length may have been longer.
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
    /// The rules of a schema that it breaks.
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

/// What was written of a job's bad records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) written: u64,
    /// All that were counted.
    pub(crate) total: u64,
    /// Of those written, which are not whole.
    pub(crate) cut: u64,
    /// The files of CSV that there are.
    pub(crate) files: Vec<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.master.connect().await?;
        let job = server::job(&client, &self.job).await?;
        if let Some(line) = job.job.as_ref().and_then(gone) {
            return Err(Failure::message(Exit::Usage, line));
        }
        let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
        let place = self.place(&job)?;
        let exported = export(client, job_id, place).await?;
        exported.say();
        Ok(Exit::Ok)
    }

    fn place<'p>(&'p self, job: &'p GetJobResponse) -> Result<Place<'p>, Failure> {
        Ok(match &self.output {
            Some(path) if self.json => Place::Json(
                path.display().to_string(),
                Box::new(BufWriter::new(create(path)?)),
            ),
            Some(path) => Place::Csv(Sheets::new(job, Target::File(path), self.safe)?),
            None if self.json => Place::Json(STDOUT.to_owned(), Box::new(io::stdout())),
            None if self.csv => Place::Csv(Sheets::new(job, Target::Stdout, self.safe)?),
            None if job.validate.is_some() => Place::Rules(Table::new(&RULE_COLUMNS)),
            None => Place::Table(Table::new(&COLUMNS)),
        })
    }
}

impl Exported {
    /// What a person has to know of it.
    pub(crate) fn say(&self) {
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
                "rowmill: the job's files have different headers, so there are as many of bad records; \
                 mend them, and publish --union {files}"
            );
        }
    }
}

/// Writes the job's bad records, as they came and under its header, to a new file.
pub(crate) async fn export_csv(
    client: Client,
    job: &GetJobResponse,
    path: &Path,
    safe: SpreadsheetArgs,
) -> Result<Exported, Failure> {
    let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
    let sheets = Sheets::new(job, Target::File(path), safe)?;
    export(client, job_id, Place::Csv(sheets)).await
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).or_unwritable(path.display())
}

/// Where bad records go.
enum Place<'p> {
    Csv(Sheets<'p>),
    /// What it is called, and where it is.
    Json(String, Box<dyn Write + Send>),
    Table(Table),
    Rules(Table),
}

impl Place<'_> {
    fn take(&mut self, reject: &Reject) -> Result<(), Failure> {
        match self {
            Self::Csv(sheets) => sheets.write(reject),
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

    /// Writes what is held back. The files that there are, if they are told of.
    fn finish(self) -> Result<Vec<PathBuf>, Failure> {
        match self {
            Self::Csv(sheets) => return sheets.finish(),
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
    mut place: Place<'_>,
) -> Result<Exported, Failure> {
    let mut exported = Exported::default();
    let mut page_token = String::new();
    loop {
        let page = page(&mut client, job_id, page_token, PAGE).await?;
        exported.total = page.rejects_total;
        for reject in &page.rejects {
            exported.written += 1;
            exported.cut += u64::from(reject.raw.len() >= KEPT_BYTES);
            place.take(reject)?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    exported.files = place.finish()?;
    Ok(exported)
}

/// One page of a job's bad records.
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
    Ok(page.map_err(|status| refused(&status))?.into_inner())
}

fn cells(reject: &Reject) -> [String; 4] {
    [
        reject.line.to_string(),
        reject.file.clone(),
        reject.reason.clone(),
        String::from_utf8_lossy(&reject.raw).into_owned(),
    ]
}

/// One line a rule that it breaks; or one with the reason, where it is no good record at all.
fn rule_cells(reject: &Reject) -> Vec<[String; 6]> {
    let [line, file, reason, record] = cells(reject);
    let row = |told: &Violation| {
        let Violation {
            column,
            rule,
            value,
            ..
        } = told.clone();
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
