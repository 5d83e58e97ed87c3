//! Standard input, kept in a file as it is read, so that what was read of it outlives this process.
//! What has to be kept, and until when, is for others.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use proto::JobId;

use super::InputError;

/// An input that goes through a file.
pub(crate) struct Spool {
    spool_file: SpoolFile,
    /// What was spooled before and is to be read first.
    replay: Option<File>,
    /// Where more comes from. `None`: disabled.
    input: Option<Box<dyn Read + Send>>,
}

/// What a spool has in its file; whoever has to know that it is on the disk has a clone.
#[derive(Clone)]
pub(crate) struct SpoolFile {
    path: PathBuf,
    /// Bytes go to its end.
    file: Arc<File>,
    bytes: Arc<AtomicU64>,
    /// Whether there are bytes that may not be on the disk yet.
    dirty: Arc<AtomicBool>,
}

impl Spool {
    /// A new spool `dir/JOB.csv` of `input`; the directory is made where it is missing.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub(crate) fn create(
        dir: &Path,
        job: JobId,
        input: Box<dyn Read + Send>,
    ) -> Result<Self, InputError> {
        let path = dir.join(format!("{job}.csv"));
        let made = cli::create_private_dir(dir).and_then(|()| {
            let mut options = OpenOptions::new();
            let file = cli::open_private(&path, options.append(true).create_new(true))?;
            // So that the file's name is on the disk as well.
            File::open(dir)?.sync_all()?;
            // A journal names it for whoever goes on, wherever that one stands.
            Ok((file, path.canonicalize()?))
        });
        let (file, path) = made.map_err(|source| InputError::Spool { path, source })?;
        Ok(Self {
            spool_file: SpoolFile::new(path, file, 0, false),
            replay: None,
            input: Some(input),
        })
    }

    /// What an earlier process spooled, and then `input`.
    ///
    /// # Errors
    ///
    /// When the file is not there.
    pub(crate) fn resume(
        path: &Path,
        input: Option<Box<dyn Read + Send>>,
    ) -> Result<Self, InputError> {
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
            // The process that wrote it may not have come to the disk.
            spool_file: SpoolFile::new(path.to_owned(), file, bytes, true),
            replay: Some(replay),
            input,
        })
    }

    /// What it keeps.
    pub(crate) fn spool_file(&self) -> SpoolFile {
        self.spool_file.clone()
    }

    /// Goes on at `byte` of what is spooled so far; what comes behind that is read from the input.
    pub(crate) fn seek_to(&mut self, byte: u64) -> io::Result<()> {
        let bytes = self.spool_file.bytes();
        if bytes < byte {
            let said = format!("it has {bytes} bytes, and {byte} were sent from it");
            return Err(self.spool_file.failed(io::Error::other(said)).into_io());
        }
        let open = || {
            let mut replay = open_to_read(&self.spool_file.path)?;
            replay.seek(SeekFrom::Start(byte))?;
            Ok(replay)
        };
        let replay = open().map_err(|source| self.spool_file.failed(source).into_io())?;
        self.replay = Some(replay);
        Ok(())
    }
}

fn open_to_read(path: &Path) -> io::Result<File> {
    cli::open_private(path, OpenOptions::new().read(true))
}

impl Read for Spool {
    /// What comes from the input is in the file before it is anywhere else.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(replay) = &mut self.replay {
            match replay.read(into) {
                Ok(0) => self.replay = None,
                read => return read.map_err(|source| self.spool_file.failed(source).into_io()),
            }
        }
        let Some(input) = &mut self.input else {
            return Ok(0);
        };
        let bytes = input.read(into)?;
        self.spool_file.append(&into[..bytes])?;
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

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes of input it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let written = (&*self.file).write_all(bytes);
        written.map_err(|source| self.failed(source).into_io())?;
        self.bytes.fetch_add(bytes.len() as u64, Relaxed);
        // Behind the write, so that a sync that does not see it does not miss it.
        self.dirty.fetch_or(!bytes.is_empty(), AcqRel);
        Ok(())
    }

    /// Returns when all that was read is on the disk.
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
    fn what_was_read_is_there_for_the_next_process_which_appends() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool =
            Spool::create(&dir.path().join("new"), JobId::new(), input("a,b\n1,2\n")).unwrap();
        assert_eq!(read_all(&mut spool), "a,b\n1,2\n");
        let path = spool.spool_file().path().to_owned();
        drop(spool);
        let mut again = Spool::resume(&path, Some(input("3,4\n"))).unwrap();
        again.seek_to(4).unwrap();
        assert_eq!(read_all(&mut again), "1,2\n3,4\n");
        assert_eq!(again.spool_file().bytes(), 12);
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

    /// /dev/full refuses every write as a full disk does.
    #[test]
    fn a_full_disk_is_an_error_of_the_spool() {
        let mut spool = Spool {
            spool_file: SpoolFile::new(
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
        assert_eq!(spool.spool_file().bytes(), 0);
    }
}
