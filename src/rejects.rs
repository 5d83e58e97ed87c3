//! `rowmill rejects`: a job's bad records, to be looked at or to be mended and published again.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cli::{Exit, Failure, OrExit};
use engine::Dialect;
use proto::Client;
use proto::v1::{GetJobRequest, GetJobResponse, ListRejectsRequest, Reject};
use serde::Serialize;

use crate::output::{Align, Table, width};
use crate::server::{MasterArgs, refused};

/// List a job's bad records, or export them so that they can be mended and published again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB")]
    job: String,

    /// Write the records as they came, under the job's header
    #[arg(long, conflicts_with = "json")]
    csv: bool,

    /// Write JSON, one record a line
    #[arg(long)]
    json: bool,

    /// Write to FILE instead of stdout; as CSV, where --json does not say otherwise
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    master: MasterArgs,
}

const COLUMNS: [(&str, Align); 4] = [
    ("line", Align::Right),
    ("file", Align::Left),
    ("reason", Align::Left),
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
}

/// What was written of a job's bad records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    pub(crate) written: u64,
    /// All that were counted.
    pub(crate) total: u64,
    /// Of those written, which are not whole.
    pub(crate) cut: u64,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut client = self.master.connect().await?;
        let request = GetJobRequest {
            job_id: self.job.clone(),
            wait_ms: 0,
        };
        let job = client.get_job(request).await;
        let job = job.map_err(|status| refused(&status))?.into_inner();
        let format = match (self.json, self.csv || self.output.is_some()) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => Format::Table,
        };
        let exported = if let Some(path) = &self.output {
            let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
            export(client, &job, format, &mut BufWriter::new(file)).await?
        } else {
            export(client, &job, format, &mut io::stdout()).await?
        };
        exported.say();
        Ok(Exit::Ok)
    }
}

impl Exported {
    /// What a person has to know of it.
    pub(crate) fn say(&self) {
        let Self {
            written,
            total,
            cut,
        } = self;
        if *total == 0 {
            eprintln!("rowmill: no bad records");
        } else if written < total {
            eprintln!("rowmill: {written} of {total} bad records; the others were only counted");
        }
        if *cut > 0 {
            eprintln!(
                "rowmill: {cut} of them are longer than the {KEPT_BYTES} bytes that are kept"
            );
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Csv,
    Json,
}

/// Writes the job's bad records, as they came and under its header, to a new file.
pub(crate) async fn export_csv(
    client: Client,
    job: &GetJobResponse,
    path: &Path,
) -> Result<Exported, Failure> {
    let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
    export(client, job, Format::Csv, &mut BufWriter::new(file)).await
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::message(
        Exit::Usage,
        format!("cannot write {}: {error}", path.display()),
    )
}

async fn export(
    mut client: Client,
    job: &GetJobResponse,
    format: Format,
    out: &mut impl Write,
) -> Result<Exported, Failure> {
    let job_id = job.job.as_ref().map_or("", |job| &job.job_id);
    if format == Format::Csv {
        write_header(out, job).or_exit(Exit::Usage)?;
    }
    let mut exported = Exported::default();
    let mut table = Table::new(&COLUMNS);
    let mut page_token = String::new();
    loop {
        let page = page(&mut client, job_id, page_token, PAGE).await?;
        exported.total = page.rejects_total;
        for reject in &page.rejects {
            exported.written += 1;
            exported.cut += u64::from(reject.raw.len() >= KEPT_BYTES);
            match format {
                Format::Table => table.row(cells(reject)),
                Format::Csv => write_raw(out, reject).or_exit(Exit::Usage)?,
                Format::Json => write_json(out, reject).or_exit(Exit::Usage)?,
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if format == Format::Table && exported.written > 0 {
        table.write(out, width()).or_exit(Exit::Usage)?;
    }
    out.flush().or_exit(Exit::Usage)?;
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

/// The header as the job's dialect writes it; none where the input had none.
fn write_header(out: &mut impl Write, job: &GetJobResponse) -> io::Result<()> {
    let dialect = job.dialect.as_ref().map(Dialect::try_from);
    let dialect = dialect.and_then(Result::ok).unwrap_or_default();
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
    writer.write_record(&job.columns)?;
    writer.flush()
}

fn write_raw(out: &mut impl Write, reject: &Reject) -> io::Result<()> {
    out.write_all(&reject.raw)?;
    out.write_all(b"\n")
}

fn write_json(out: &mut impl Write, reject: &Reject) -> io::Result<()> {
    let json = RejectJson {
        record: reject.record,
        file: Some(reject.file.clone()).filter(|file| !file.is_empty()),
        line: reject.line,
        byte: reject.byte,
        reason: reject.reason.clone(),
        raw: String::from_utf8_lossy(&reject.raw).into_owned(),
    };
    serde_json::to_writer(&mut *out, &json)?;
    writeln!(out)
}
