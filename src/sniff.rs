//! `rowmill sniff`: detects the format of files from their start.

use std::io::Write;
use std::path::PathBuf;

use cli::{Exit, Failure, OrExit, OrUnwritable, STDOUT};
use engine::columns::display_names;
use input::{FormatArgs, InputError, Preview, Source, expand, preview, write_preview};
use serde::Serialize;

/// Detect the format of CSV: dialect, encoding, compression, columns, first rows
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files to read, or patterns for them; - is standard input
    #[arg(value_name = "FILE", required = true)]
    file: Vec<PathBuf>,

    #[command(flatten)]
    format: FormatArgs,

    /// Write JSON, one line per file
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct SniffJson {
    file: String,
    delimiter: String,
    quote: Option<String>,
    escape: Option<String>,
    double_quote: bool,
    comment: Option<String>,
    has_header: bool,
    encoding: String,
    compression: Option<String>,
    sniffed: Vec<report::SniffedJson>,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    flags: String,
}

impl Args {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let sources = expand(&self.file).or_exit(Exit::UnreadableInput)?;
        let several = sources.len() > 1;
        for (at, source) in sources.into_iter().enumerate() {
            let wanted = self.format.input_spec(vec![source.clone()]);
            let looking = tokio::task::spawn_blocking(move || preview(&wanted));
            let seen = looking.await.or_exit(Exit::Defect)?;
            let seen = seen.map_err(failure)?;
            let mut out = std::io::stdout().lock();
            let written = if self.json {
                write_json(&mut out, &source, &seen)
            } else {
                let title = several.then_some(at > 0);
                write_human(&mut out, &source, &seen, title)
            };
            written.and_then(|()| out.flush()).or_unwritable(STDOUT)?;
        }
        Ok(Exit::Ok)
    }
}

fn failure(error: InputError) -> Failure {
    let exit = match error {
        InputError::Dialect(_) => Exit::Usage,
        _ => Exit::UnreadableInput,
    };
    Failure::new(exit, error)
}

/// `title` is set if there are several files, and says whether this is not the first.
fn write_human(
    out: &mut impl Write,
    source: &Source,
    seen: &Preview,
    title: Option<bool>,
) -> std::io::Result<()> {
    let name = cli::text::visible(source.name());
    if let Some(is_later) = title {
        let gap = if is_later { "\n" } else { "" };
        writeln!(out, "{gap}{name}")?;
    }
    write_preview(out, &seen.description, &seen.columns)?;
    let flags = seen.description.flags();
    writeln!(out, "to have it so: rowmill run {flags} {}", quoted(&name))
}

/// The name, quoted for a shell.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', "'\\''"))
}

fn write_json(out: &mut impl Write, source: &Source, seen: &Preview) -> std::io::Result<()> {
    let text = |byte: Option<u8>| byte.map(|byte| char::from(byte).to_string());
    let described = &seen.description;
    let dialect = &described.dialect;
    let json = SniffJson {
        file: source.name().to_owned(),
        delimiter: char::from(dialect.delimiter).to_string(),
        quote: text(dialect.quote),
        escape: text(dialect.escape),
        double_quote: dialect.double_quote,
        comment: text(dialect.comment),
        has_header: dialect.has_header,
        encoding: described.input.encoding.clone(),
        compression: Some(described.input.compression.clone()).filter(|name| !name.is_empty()),
        sniffed: described.input.sniffed.iter().map(Into::into).collect(),
        columns: display_names(&seen.columns),
        rows: described.rows.clone(),
        flags: described.flags(),
    };
    report::json::write_line(out, &json)
}
