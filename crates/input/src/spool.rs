//! A copy of standard input in a file, written while it is read, so that it outlives this process.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use proto::JobId;

use crate::error::InputError;

/// An input that is copied to a file while it is read.
pub struct Spool {
    file: SpoolFile,
    /// Data that was spooled before and is read first.
    replay: Option<File>,
    /// The input behind it. `None` if there is no more.
    input: Option<Box<dyn Read + Send>>,
}

/// The file of a spool. Clones let other tasks sync it.
#[derive(Clone)]
pub struct SpoolFile {
    path: PathBuf,
    /// Bytes are appended.
    file: Arc<File>,
    bytes: Arc<AtomicU64>,
    /// Whether some bytes may not be on disk yet.
    dirty: Arc<AtomicBool>,
}

impl Spool {
    /// Creates the spool `dir/JOB.csv` of `input`, and the directory if it is missing.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn create(dir: &Path, job: JobId, input: Box<dyn Read + Send>) -> Result<Self, InputError> {
        let path = dir.join(format!("{job}.csv"));
        let made = cli::create_private_dir(dir).and_then(|()| {
            let mut options = OpenOptions::new();
            let file = cli::open_private(&path, options.append(true).create_new(true))?;
            // Syncs the directory, so that the file's name is on disk.
            File::open(dir)?.sync_all()?;
            // The journal needs an absolute path, since a later process may have another working directory.
            Ok((file, path.canonicalize()?))
        });
        let (file, path) = made.map_err(|source| InputError::Spool { path, source })?;
        Ok(Self {
            file: SpoolFile::new(path, file, 0, false),
            replay: None,
            input: Some(input),
        })
    }

    /// Continues a spool: reads the data of an earlier process, and then `input`.
    ///
    /// # Errors
    ///
    /// If the file is missing.
    pub fn resume(path: &Path, input: Option<Box<dyn Read + Send>>) -> Result<Self, InputError> {
        let failed = |source| InputError::Spool {
            path: path.to_owned(),
            source,
        };
        let open = || {
            let file = cli::open_private(path, OpenOptions::new().append(true))?;
            Ok((file.metadata()?.len(), file, open_to_read(path)?))
        };
        let (bytes, file, replay) = open().map_err(failed)?;
        Ok(Self {
            // The earlier process may not have synced it.
            file: SpoolFile::new(path.to_owned(), file, bytes, true),
            replay: Some(replay),
            input,
        })
    }

    /// The spool's file.
    pub fn file(&self) -> SpoolFile {
        self.file.clone()
    }

    /// Seeks to `byte` of the spooled data. Data behind the spooled part is read from the input.
    pub(crate) fn seek_to(&mut self, byte: u64) -> io::Result<()> {
        let bytes = self.file.bytes();
        if bytes < byte {
            let reason = format!("it has {bytes} bytes, and {byte} were sent from it");
            return Err(self.file.failed(io::Error::other(reason)).into_io());
        }
        let open = || {
            let mut replay = open_to_read(&self.file.path)?;
            replay.seek(SeekFrom::Start(byte))?;
            Ok(replay)
        };
        let replay = open().map_err(|source| self.file.failed(source).into_io())?;
        self.replay = Some(replay);
        Ok(())
    }
}

fn open_to_read(path: &Path) -> io::Result<File> {
    cli::open_private(path, OpenOptions::new().read(true))
}

impl Read for Spool {
    /// Data from the input is written to the file before it is returned.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(replay) = &mut self.replay {
            match replay.read(into) {
                Ok(0) => self.replay = None,
                read => return read.map_err(|source| self.file.failed(source).into_io()),
            }
        }
        let Some(input) = &mut self.input else {
            return Ok(0);
        };
        let bytes = input.read(into)?;
        self.file.append(&into[..bytes])?;
        Ok(bytes)
    }
}

impl SpoolFile {
    fn new(path: PathBuf, file: File, bytes: u64, dirty: bool) -> Self {
        Self {
            path,
            file: Arc::new(file),
            bytes: Arc::new(AtomicU64::new(bytes)),
            dirty: Arc::new(AtomicBool::new(dirty)),
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of input in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(bytes);
        written.map_err(|source| self.failed(source).into_io())?;
        self.bytes.fetch_add(bytes.len() as u64, Relaxed);
        // Set after the write, so that a sync that misses the flag is not needed for these bytes.
        self.dirty.fetch_or(!bytes.is_empty(), AcqRel);
        Ok(())
    }

    /// Syncs all data read so far to disk.
    pub(crate) fn sync(&self) -> Result<(), InputError> {
        if self.dirty.swap(false, AcqRel) {
            self.file
                .sync_data()
                .map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> InputError {
        InputError::Spool {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &'static str) -> Box<dyn Read + Send> {
        Box::new(text.as_bytes())
    }

    fn read_all(spool: &mut Spool) -> String {
        let (mut text, mut buffer) = (Vec::new(), [0; 3]);
        loop {
            match spool.read(&mut buffer).unwrap() {
                0 => return String::from_utf8(text).unwrap(),
                bytes => text.extend(&buffer[..bytes]),
            }
        }
    }

    #[test]
    fn a_later_process_reads_the_spool_and_appends_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool =
            Spool::create(&dir.path().join("new"), JobId::new(), input("a,b\n1,2\n")).unwrap();
        assert_eq!(read_all(&mut spool), "a,b\n1,2\n");
        let path = spool.file().path().to_owned();
        drop(spool);
        let mut again = Spool::resume(&path, Some(input("3,4\n"))).unwrap();
        again.seek_to(4).unwrap();
        assert_eq!(read_all(&mut again), "1,2\n3,4\n");
        assert_eq!(again.file().bytes(), 12);
        assert_eq!(
            read_all(&mut Spool::resume(&path, None).unwrap()),
            "a,b\n1,2\n3,4\n"
        );
        let error = Spool::resume(&path, None).unwrap().seek_to(13).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("it has 12 bytes, and 13 were sent"),
            "{error}"
        );
    }

    /// /dev/full refuses every write, like a full disk.
    #[test]
    fn a_full_disk_is_an_error_of_the_spool() {
        let mut spool = Spool {
            file: SpoolFile::new(
                "/dev/full".into(),
                OpenOptions::new().append(true).open("/dev/full").unwrap(),
                0,
                false,
            ),
            replay: None,
            input: Some(input("a\n1\n")),
        };
        let error = InputError::from_io("-", spool.read(&mut [0; 10]).unwrap_err()).to_string();
        assert!(
            error.starts_with("cannot spool to /dev/full: No space left"),
            "{error}"
        );
        assert_eq!(spool.file().bytes(), 0);
    }
}
