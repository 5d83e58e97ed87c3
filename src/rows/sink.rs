//! Where rows are written: stdout, or a file that gets its name when it is whole. Writing waits for
//! whoever reads, on a thread, so that nothing else does.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cli::{Exit, Failure, Filters, Formulas, STDOUT, WriteError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::task::spawn_blocking;

use super::json::JsonLines;
use crate::spreadsheet::SpreadsheetArgs;

/// How often it is looked whether anybody reads.
const GLANCE: Duration = Duration::from_millis(100);

/// A place for rows.
#[derive(Debug)]
pub(crate) struct Sink {
    file: Arc<File>,
    /// What to call it in an error.
    name: String,
    /// Where the file is, and what it is to be called. Absent: it is written as it is.
    part: Option<Part>,
    /// What becomes of the CSV on its way.
    filters: Filters,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    whole: PathBuf,
}

impl Sink {
    /// `-` is stdout. A file is written beside its name, and what is there under that name stays until
    /// it is replaced; what is no file, like a named pipe, is written as it is.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            let stdout = io::stdout().as_fd().try_clone_to_owned();
            let stdout = stdout.map_err(|error| cannot(STDOUT, error))?;
            return Ok(Self {
                file: Arc::new(stdout.into()),
                name: STDOUT.to_owned(),
                part: None,
                filters: Filters::of_stdout(),
            });
        }
        let name = path.display().to_string();
        let is_file = path.metadata().map_or(true, |metadata| metadata.is_file());
        let (file, part) = if is_file {
            let part = Part::beside(path);
            (
                part.open().map_err(|error| cannot(&name, error))?,
                Some(part),
            )
        } else {
            let file = OpenOptions::new().write(true).open(path);
            (file.map_err(|error| cannot(&name, error))?, None)
        };
        Ok(Self {
            file: Arc::new(file),
            name,
            part,
            filters: Filters::default(),
        })
    }

    /// The same, and what is written is safe to be opened by a spreadsheet, if that is wanted.
    #[must_use]
    pub(crate) fn guarded(self, safe: SpreadsheetArgs) -> Self {
        let guarded = safe.filters(Formulas::default());
        Self {
            filters: guarded.then_all(self.filters),
            ..self
        }
    }

    /// The same, and what is written is JSON, an object a record.
    #[must_use]
    pub(crate) fn json(self) -> Self {
        // It is harmless on a terminal by itself.
        Self {
            filters: Filters::default().then(JsonLines::default()),
            ..self
        }
    }

    /// Whether it is this process's stdout.
    pub(crate) fn is_stdout(path: &Path) -> bool {
        path.as_os_str() == "-"
    }

    /// Writes bytes of CSV; when this returns well, whoever reads can have them.
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
        written.map_err(|error| cannot(&self.name, error))
    }

    /// Waits until nobody reads any more, which a write would notice, were there anything to write;
    /// of a file for ever.
    pub(crate) fn closed(&self) -> impl Future<Output = Failure> + use<> {
        let (file, name) = (Arc::clone(&self.file), self.name.clone());
        async move {
            let mut glances = tokio::time::interval(GLANCE);
            loop {
                glances.tick().await;
                if is_closed(&file) {
                    return cannot(&name, io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    }

    /// All of it is there: it is put on disk, and gets its name.
    pub(crate) async fn keep(mut self) -> Result<(), Failure> {
        let rest = self.filters.finish();
        if !rest.is_empty() {
            self.write_through(rest.into()).await?;
        }
        let Some(part) = self.part else {
            return Ok(());
        };
        let file = self.file;
        let keeping = spawn_blocking(move || {
            file.sync_all()?;
            std::fs::rename(&part.path, &part.whole)
        });
        let kept = keeping
            .await
            .map_err(|panic| Failure::new(Exit::Defect, panic))?;
        kept.map_err(|error| cannot(&self.name, error))
    }

    /// It is not whole: says where it is.
    pub(crate) fn leave(self) {
        if let Some(part) = self.part {
            cli::stderr_line!(
                "rowmill: the rows are not whole; what there is is in {}",
                part.path.display()
            );
        }
    }
}

/// Whether the system says that what is written goes nowhere.
fn is_closed(file: &File) -> bool {
    let mut polled = [PollFd::new(file, PollFlags::empty())];
    // A poll that fails tells nothing; the next one may.
    let told = poll(&mut polled, Some(&Timespec::default())).is_ok_and(|told| told > 0);
    told && polled[0]
        .revents()
        .intersects(PollFlags::ERR | PollFlags::HUP)
}

impl Part {
    fn beside(whole: &Path) -> Self {
        let mut name = whole.as_os_str().to_owned();
        name.push(".part");
        Self {
            path: name.into(),
            whole: whole.to_owned(),
        }
    }

    /// Emptied only when nobody else writes it.
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

fn cannot(name: &str, source: io::Error) -> Failure {
    let name = name.to_owned();
    WriteError { name, source }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_its_name_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.csv");
        std::fs::write(&path, "old").unwrap();
        let mut sink = Sink::open(&path).unwrap();
        sink.write(Bytes::from("half")).await.unwrap();
        assert!(Sink::open(&path).is_err(), "another one writes it");
        sink.leave();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        let mut sink = Sink::open(&path).unwrap();
        sink.write(Bytes::from("new")).await.unwrap();
        sink.keep().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert!(!dir.path().join("out.csv.part").exists());
        assert!(Sink::open(&dir.path().join("none/out.csv")).is_err());
    }

    #[tokio::test]
    async fn what_is_no_file_is_written_as_it_is() {
        let mut sink = Sink::open(Path::new("/dev/null")).unwrap();
        sink.write(Bytes::from("a")).await.unwrap();
        sink.keep().await.unwrap();
        assert!(!Path::new("/dev/null.part").exists());
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_is_noticed_without_a_write() {
        let (reader, writer) = io::pipe().unwrap();
        let mut sink = Sink {
            filters: Filters::default(),
            file: Arc::new(std::os::fd::OwnedFd::from(writer).into()),
            name: "a pipe".to_owned(),
            part: None,
        };
        let mut closed = Box::pin(sink.closed());
        sink.write(Bytes::from("a,b\n")).await.unwrap();
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
