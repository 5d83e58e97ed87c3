//! Standard input, kept in a file as it is read, so that what was read of it outlives this process.
//! What has to be kept, and until when, is for others.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use proto::JobId;

use crate::input::InputError;

/// An input that goes through a file.
pub(crate) struct Spool {
    path: PathBuf,
    /// Bytes go to its end.
    file: File,
    bytes: u64,
    /// Whether there are bytes that may not be on the disk yet.
    dirty: bool,
    /// What was spooled before and is to be read first.
    replay: Option<File>,
    /// Where more comes from. `None`: nowhere.
    input: Option<Box<dyn Read + Send>>,
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
        let made = fs::create_dir_all(dir).and_then(|()| {
            let mut options = OpenOptions::new();
            let file = options
                .append(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            // So that the file's name is on the disk as well.
            File::open(dir)?.sync_all()?;
            // A journal names it for whoever goes on, wherever that one stands.
            Ok((file, path.canonicalize()?))
        });
        let (file, path) = made.map_err(|source| InputError::Spool { path, source })?;
        Ok(Self {
            path,
            file,
            bytes: 0,
            dirty: false,
            replay: None,
            input: Some(input),
        })
    }

    /// What an earlier process spooled, from `byte` on, and then `input`.
    ///
    /// # Errors
    ///
    /// When the file is not there, or has not so much in it.
    pub(crate) fn resume(
        path: &Path,
        byte: u64,
        input: Option<Box<dyn Read + Send>>,
    ) -> Result<Self, InputError> {
        let failed = |source| InputError::Spool {
            path: path.to_owned(),
            source,
        };
        let open = || {
            let file = OpenOptions::new().append(true).open(path)?;
            let mut replay = File::open(path)?;
            replay.seek(SeekFrom::Start(byte))?;
            Ok((file.metadata()?.len(), file, replay))
        };
        let (bytes, file, replay) = open().map_err(failed)?;
        if bytes < byte {
            let said = format!("it has {bytes} bytes, and {byte} were sent from it");
            return Err(failed(io::Error::other(said)));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            // The process that wrote it may not have come to it.
            dirty: true,
            replay: Some(replay),
            input,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes of input it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As `Read::read`. What comes from the input is in the file before it is anywhere else.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> Result<usize, InputError> {
        if let Some(replay) = &mut self.replay {
            match replay.read(into) {
                Ok(0) => self.replay = None,
                Ok(bytes) => return Ok(bytes),
                Err(source) => return Err(self.failed(source)),
            }
        }
        let Some(input) = &mut self.input else {
            return Ok(0);
        };
        let bytes = input.read(into).map_err(|source| InputError::Read {
            name: "-".to_owned(),
            source,
        })?;
        self.dirty |= bytes > 0;
        self.file
            .write_all(&into[..bytes])
            .map_err(|source| self.failed(source))?;
        self.bytes += bytes as u64;
        Ok(bytes)
    }

    /// Returns when all that was read is on the disk.
    pub(crate) fn sync(&mut self) -> Result<(), InputError> {
        if self.dirty {
            self.file
                .sync_data()
                .map_err(|source| self.failed(source))?;
            self.dirty = false;
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
        let path = spool.path().to_owned();
        drop(spool);
        let mut again = Spool::resume(&path, 4, Some(input("3,4\n"))).unwrap();
        assert_eq!(read_all(&mut again), "1,2\n3,4\n");
        assert_eq!(again.bytes(), 12);
        assert_eq!(
            read_all(&mut Spool::resume(&path, 0, None).unwrap()),
            "a,b\n1,2\n3,4\n"
        );
        let Err(error) = Spool::resume(&path, 13, None) else {
            panic!("it has 12 bytes")
        };
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
            path: "/dev/full".into(),
            file: OpenOptions::new().append(true).open("/dev/full").unwrap(),
            bytes: 0,
            dirty: false,
            replay: None,
            input: Some(input("a\n1\n")),
        };
        let error = spool.read(&mut [0; 10]).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot spool to /dev/full: No space left"),
            "{error}"
        );
        assert_eq!(spool.bytes(), 0);
    }
}
