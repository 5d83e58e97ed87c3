//! A file that others may write to while it is read. All bytes that are read belong to one version, or the read fails:
//! a result from two versions is a result of neither.
//!
//! After every read, the file's metadata is checked. A file that is shorter, or was written to, is another version. A
//! file that is longer may only have been appended to: then its original bytes are read a second time at the end. If
//! both passes agree, all of these bytes were in the file at one moment between the two passes, so they are the
//! beginning of one version.
//!
//! Replacing the file, as `mv` does, changes nothing: the open file stays as it is.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::checksum::Checksum;
use crate::error::InputError;
use crate::file_identity::{FileChange, FileVersion, lengths};
use crate::warnings::Warnings;

/// Bytes read at once in the second pass.
const REREAD_BYTES: usize = 1 << 20;

/// An open file, and its version when it was opened.
#[derive(Debug)]
pub(crate) struct VersionedFile {
    file: File,
    name: String,
    version: FileVersion,
}

/// A file that is read from its current position to the end that it had when it was opened.
pub(crate) struct InputFile {
    versioned: Arc<VersionedFile>,
    /// The position where reading began, and the current position.
    start: u64,
    at: u64,
    /// The checksum of all bytes read. `None` after a seek, when not every byte from the start was read.
    checksum: Option<Checksum>,
    /// The current length, if the file has grown.
    grown_bytes: Option<u64>,
    is_checked: bool,
    warnings: Warnings,
}

impl VersionedFile {
    /// The change since the file was opened. `None` if it is unchanged or has only grown.
    pub(crate) fn changed(&self) -> io::Result<Option<InputError>> {
        Ok(match self.version.change(&self.file.metadata()?) {
            Some(FileChange::Other(difference)) => Some(self.error(difference)),
            None | Some(FileChange::Grown(_)) => None,
        })
    }

    fn error(&self, difference: String) -> InputError {
        InputError::Changed {
            name: self.name.clone(),
            difference,
        }
    }
}

impl InputFile {
    /// Reads `file` from its current position. `name` is its name for users, and `version` its version.
    ///
    /// # Errors
    ///
    /// If the position cannot be read.
    pub(crate) fn new(mut file: File, name: &str, version: FileVersion) -> io::Result<Self> {
        let start = file.stream_position()?;
        let name = name.to_owned();
        Ok(Self {
            versioned: Arc::new(VersionedFile {
                file,
                name,
                version,
            }),
            start,
            at: start,
            checksum: Some(Checksum::new()),
            grown_bytes: None,
            is_checked: false,
            warnings: Warnings::default(),
        })
    }

    /// The open file, for checks while another task reads it.
    pub(crate) fn versioned(&self) -> Arc<VersionedFile> {
        Arc::clone(&self.versioned)
    }

    /// The warnings about it.
    pub(crate) fn warnings(&self) -> Warnings {
        self.warnings.clone()
    }

    /// Seeks to `byte`.
    pub(crate) fn seek_to(&mut self, byte: u64) -> io::Result<()> {
        (&self.versioned.file).seek(SeekFrom::Start(byte))?;
        if byte != self.at {
            self.checksum = None;
        }
        self.at = byte;
        Ok(())
    }

    /// Checks the file's current metadata.
    fn check_metadata(&mut self) -> io::Result<()> {
        let VersionedFile { file, version, .. } = &*self.versioned;
        match version.change(&file.metadata()?) {
            None => Ok(()),
            Some(FileChange::Grown(bytes)) => {
                self.grown_bytes = Some(bytes);
                Ok(())
            }
            Some(FileChange::Other(difference)) => Err(self.versioned.error(difference).into_io()),
        }
    }

    /// Checks the file once all of its original bytes are read.
    fn check_at_end(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_checked, true) {
            return Ok(());
        }
        self.check_metadata()?;
        let Some(now) = self.grown_bytes else {
            return Ok(());
        };
        let before = self.versioned.version.bytes;
        let Some(read) = &self.checksum else {
            return Err(self.versioned.error(lengths(before, now)).into_io());
        };
        if *read != self.reread()? {
            let difference = format!("{}, and not only its end is new", lengths(before, now));
            return Err(self.versioned.error(difference).into_io());
        }
        self.warnings.add(format!(
            "it grew from {before} to {now} bytes while it was read; the first {before} were read, and are unchanged"
        ));
        Ok(())
    }

    fn reread(&self) -> io::Result<Checksum> {
        let VersionedFile { file, version, .. } = &*self.versioned;
        let (mut checksum, mut at) = (Checksum::new(), self.start);
        let mut block = vec![0; REREAD_BYTES];
        while at < version.bytes {
            let room = usize::try_from(version.bytes - at)
                .map_or(REREAD_BYTES, |left| left.min(REREAD_BYTES));
            match file.read_at(&mut block[..room], at) {
                Ok(0) => break,
                Ok(bytes) => {
                    checksum.update(&block[..bytes]);
                    at += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(checksum)
    }
}

impl Read for InputFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.versioned.version.bytes.saturating_sub(self.at);
        let room = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        if left == 0 {
            self.check_at_end()?;
            return Ok(0);
        }
        let bytes = (&self.versioned.file).read(&mut into[..room])?;
        self.check_metadata()?;
        if let Some(checksum) = &mut self.checksum {
            checksum.update(&into[..bytes]);
        }
        // If a file ends before its length, and still has that length, the file system reports a wrong length.
        self.at += bytes as u64;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn open(path: &Path) -> InputFile {
        let file = File::open(path).unwrap();
        let version = FileVersion::from_metadata(&file.metadata().unwrap()).unwrap();
        InputFile::new(file, "a.csv", version).unwrap()
    }

    /// Reads the first `bytes`, calls `after`, and reads the rest.
    fn change_while_reading(
        before: &str,
        bytes: usize,
        after: impl FnOnce(&Path),
    ) -> (io::Result<String>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, before).unwrap();
        let mut file = open(&path);
        let mut text = vec![0; bytes];
        file.read_exact(&mut text).unwrap();
        after(&path);
        let read = file
            .read_to_end(&mut text)
            .map(|_| String::from_utf8(text).unwrap());
        (read, file.warnings().take())
    }

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        // The file system's clock may not have ticked since the first write.
        let later = SystemTime::now() + Duration::from_secs(9);
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(later).unwrap();
    }

    fn append(path: &Path, text: &str) {
        let file = File::options().append(true).open(path).unwrap();
        (&file).write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn a_file_that_is_truncated_or_rewritten_while_it_is_read_is_an_error() {
        let before = "a,b\n1,2\n3,4\n";
        for (after, message) in [
            ("", "it had 12 bytes and has 0"),
            ("a,b\n1,2\n", "it had 12 bytes and has 8"),
            ("a,b\n1,2\n5,6\n", "it was written to since"),
            ("a,b\n9,2\n3,4\n", "it was written to since"),
            (
                "a,b\n9,2\n3,4\n5,6\n",
                "it had 12 bytes and has 16, and not only its end is new",
            ),
        ] {
            for read in [0, 8, 12] {
                let (outcome, _) = change_while_reading(before, read, |path| write(path, after));
                match outcome {
                    Err(error) => {
                        let error = InputError::from_io("", error).to_string();
                        assert!(
                            error.contains(message) && error.starts_with("a.csv changed"),
                            "{error}"
                        );
                    }
                    // Nothing was read of the first version, and all of the second one.
                    Ok(text) => assert_eq!((text.as_str(), read), (&after[..12], 0)),
                }
            }
        }
    }

    #[test]
    fn a_file_that_grows_is_read_up_to_its_original_length_with_a_warning() {
        let before = "a,b\n1,2\n";
        for read in [0, 4, 8] {
            let (text, warnings) = change_while_reading(before, read, |path| append(path, "3,4\n"));
            assert_eq!(text.unwrap(), before);
            assert!(
                warnings[0].starts_with("it grew from 8 to 12 bytes"),
                "{warnings:?}"
            );
        }
        let (text, warnings) = change_while_reading(before, 4, |_| ());
        assert_eq!((text.unwrap(), warnings.len()), (before.to_owned(), 0));
    }

    #[test]
    fn a_replaced_file_is_read_to_its_end() {
        let before = "a,b\n1,2\n";
        let (text, warnings) = change_while_reading(before, 4, |path| {
            let new = path.with_extension("new");
            std::fs::write(&new, "c\n1\n").unwrap();
            std::fs::rename(new, path).unwrap();
        });
        assert_eq!((text.unwrap(), warnings.len()), (before.to_owned(), 0));
    }

    #[test]
    fn growth_is_an_error_if_not_all_of_it_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "a,b\n1,2\n").unwrap();
        let mut file = open(&path);
        file.seek_to(4).unwrap();
        append(&path, "3,4\n");
        let error = file.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("it had 8 bytes and has 12;"),
            "{error}"
        );
    }
}
