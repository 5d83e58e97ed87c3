//! Writes rows to stdout, or to a file that gets its name when it is complete. Writes block on a thread
//! of their own, so that a slow reader blocks nothing else.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cli::{Exit, Failure, Filters, STDOUT, WriteError};
use report::Formulas;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::task::spawn_blocking;

use super::json::JsonLines;
use crate::spreadsheet::SpreadsheetArgs;

/// Interval between checks whether the reader has closed the pipe.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The destination of rows.
#[derive(Debug)]
pub(crate) struct RowsWriter {
    file: Arc<File>,
    /// The name in error messages.
    name: String,
    /// The temporary file and its final name. `None` if the destination is written directly.
    part_file: Option<PartFile>,
    /// Filters that the CSV passes through.
    filters: Filters,
}

#[derive(Debug)]
struct PartFile {
    path: PathBuf,
    target: PathBuf,
}

impl RowsWriter {
    /// Opens `path`; `-` is stdout. A regular file is written to `path.part` and replaces `path` only when
    /// it is complete; anything else, such as a named pipe, is written directly.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let stdout = stdout.map_err(|error| write_failure(STDOUT, error))?;
            return Ok(Self {
                file: Arc::new(stdout.into()),
                name: STDOUT.to_owned(),
                part_file: None,
                filters: Filters::of_stdout(),
            });
        }
        let name = path.display().to_string();
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        let (file, part_file) = if is_file {
            let part_file = PartFile::beside(path);
            (
                part_file
                    .open()
                    .map_err(|error| write_failure(&name, error))?,
                Some(part_file),
            )
        } else {
            let file = OpenOptions::new().write(true).open(path);
            (file.map_err(|error| write_failure(&name, error))?, None)
        };
        Ok(Self {
            file: Arc::new(file),
            name,
            part_file,
            filters: Filters::default(),
        })
    }

    /// Guards cells that look like formulas, if `safe` says so.
    #[must_use]
    pub(crate) fn with_safe_spreadsheets(self, safe: SpreadsheetArgs) -> Self {
        let with_safe_spreadsheets = safe.filters(Formulas::default());
        Self {
            filters: with_safe_spreadsheets.then_all(self.filters),
            ..self
        }
    }

    /// Writes JSON instead of CSV, one object per record.
    #[must_use]
    pub(crate) fn with_json(self) -> Self {
        // JSON escapes control characters, so that it needs no filter for terminals.
        Self {
            filters: Filters::default().then(JsonLines::default()),
            ..self
        }
    }

    /// Whether `path` is this process's stdout.
    pub(crate) fn is_stdout(path: &Path) -> bool {
        path.as_os_str() == "-"
    }

    /// Writes bytes of CSV; on success they are available to the reader.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if self.filters.is_empty() {
            return self.write_through(bytes).await;
        }
        let made = self.filters.feed(&bytes);
        self.write_through(made.into()).await
    }

    async fn write_through(&self, bytes: Bytes) -> Result<(), Failure> {
        let file = Arc::clone(&self.file);
        let written = spawn_blocking(move || (&*file).write_all(&bytes)).await;
        let written = written.map_err(|panic| Failure::new(Exit::Defect, panic))?;
        written.map_err(|error| write_failure(&self.name, error))
    }

    /// Waits until the reader closes the pipe, so that this is noticed without a write. Never returns for
    /// a file.
    pub(crate) fn closed(&self) -> impl Future<Output = Failure> + use<> {
        let (file, name) = (Arc::clone(&self.file), self.name.clone());
        async move {
            let mut ticks = tokio::time::interval(POLL_INTERVAL);
            loop {
                ticks.tick().await;
                if is_closed(&file) {
                    return write_failure(&name, io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    }

    /// Syncs the complete file and renames it to its final name.
    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        let rest = self.filters.finish();
        if !rest.is_empty() {
            self.write_through(rest.into()).await?;
        }
        let Some(part_file) = self.part_file else {
            return Ok(());
        };
        let file = self.file;
        let keeping = spawn_blocking(move || {
            file.sync_all()?;
            std::fs::rename(&part_file.path, &part_file.target)
        });
        let kept = keeping
            .await
            .map_err(|panic| Failure::new(Exit::Defect, panic))?;
        kept.map_err(|error| write_failure(&self.name, error))
    }

    /// Keeps the incomplete file and prints its name.
    pub(crate) fn report_incomplete(self) {
        if let Some(part_file) = self.part_file {
            cli::stderr_line!(
                "rowmill: the rows are incomplete; the rows so far are in {}",
                part_file.path.display()
            );
        }
    }
}

/// Whether the reader of `file` has closed it.
fn is_closed(file: &File) -> bool {
    let mut polled = [PollFd::new(file, PollFlags::empty())];
    // A failed poll is ignored; it is repeated.
    let ready = poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
    ready
        && polled[0]
            .revents()
            .intersects(PollFlags::ERR | PollFlags::HUP)
}

impl PartFile {
    fn beside(target: &Path) -> Self {
        let mut name = target.as_os_str().to_owned();
        name.push(".part");
        Self {
            path: name.into(),
            target: target.to_owned(),
        }
    }

    /// Truncates the file only after locking it, so that another process's file is not emptied.
    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false);
        let file = file.open(&self.path)?;
        match file.try_lock() {
            Ok(()) => file.set_len(0).map(|()| file),
            Err(TryLockError::WouldBlock) => {
                let path = self.path.display();
                Err(io::Error::other(format!("another rowmill writes {path}")))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn write_failure(name: &str, source: io::Error) -> Failure {
    let name = name.to_owned();
    WriteError { name, source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_gets_its_name_only_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        std::fs::write(&path, "old").unwrap();
        let mut rows_writer = RowsWriter::open(&path).unwrap();
        rows_writer.write(Bytes::from("half")).await.unwrap();
        assert!(
            RowsWriter::open(&path).is_err(),
            "another writer has locked it"
        );
        rows_writer.report_incomplete();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut rows_writer = RowsWriter::open(&path).unwrap();
        rows_writer.write(Bytes::from("new")).await.unwrap();
        rows_writer.commit().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert!(!dir.path().join("out.csv.part").exists());
        assert!(RowsWriter::open(&dir.path().join("none/out.csv")).is_err());
    }

    #[tokio::test]
    async fn a_special_file_is_written_directly() {
        let mut rows_writer = RowsWriter::open(Path::new("/dev/null")).unwrap();
        rows_writer.write(Bytes::from("a")).await.unwrap();
        rows_writer.commit().await.unwrap();
        assert!(!Path::new("/dev/null.part").exists());
    }

    #[tokio::test]
    async fn a_closed_pipe_is_noticed_without_a_write() {
        let (reader, writer) = io::pipe().unwrap();
        let mut rows_writer = RowsWriter {
            filters: Filters::default(),
            file: Arc::new(std::os::fd::OwnedFd::from(writer).into()),
            name: "a pipe".to_owned(),
            part_file: None,
        };
        let mut closed = Box::pin(rows_writer.closed());
        rows_writer.write(Bytes::from("a,b\n")).await.unwrap();
        tokio::select! {
            biased;
            failure = &mut closed => panic!("{failure}"),
            () = tokio::task::yield_now() => {}
        }
        drop(reader);
        let failure = closed.await;
        assert!(
            failure.to_string().contains("cannot write a pipe"),
            "{failure}"
        );
    }
}
