//! Versions of a file: detects whether it is the same that was read before, by this process or an earlier one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

const HEAD_BYTES: usize = 64 << 10;

/// A version of a file, as far as the file system distinguishes versions: two writes within one tick of its clock, some
/// milliseconds, look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    /// The length.
    pub(crate) bytes: u64,
    device: u64,
    inode: u64,
    modified_s: i64,
    modified_ns: i64,
}

/// Identifies a file to other processes, by its contents. The inode is not compared, so a file that was moved back,
/// restored or mounted again is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileIdentity {
    /// The length.
    pub bytes: u64,
    /// The modification time: seconds since 1970.
    pub modified_s: i64,
    /// The nanoseconds of the modification time.
    pub modified_ns: i64,
    /// XXH3-64 of its first 64 KiB.
    pub head_hash: u64,
}

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileChange {
    /// It is longer; with its new length. Whether its original bytes are unchanged is unknown.
    Grown(u64),
    /// Another change, with a description.
    Other(String),
}

impl FileVersion {
    /// `None` for a pipe, a device, or a file of `/proc`, whose length is always 0.
    pub fn from_metadata(metadata: &Metadata) -> Option<Self> {
        let has_one = metadata.is_file() && metadata.len() > 0;
        has_one.then(|| Self::from_any_metadata(metadata))
    }

    fn from_any_metadata(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            device: metadata.dev(),
            inode: metadata.ino(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }

    /// The change from this version to `now`. `None` if there is none.
    pub(crate) fn change(&self, now: &Metadata) -> Option<FileChange> {
        let now = Self::from_any_metadata(now);
        if (self.device, self.inode) != (now.device, now.inode) {
            return Some(FileChange::Other("another file took its place".to_owned()));
        }
        if now.bytes > self.bytes {
            return Some(FileChange::Grown(now.bytes));
        }
        if now.bytes < self.bytes {
            return Some(FileChange::Other(lengths(self.bytes, now.bytes)));
        }
        let written = |version: &Self| (version.modified_s, version.modified_ns);
        (written(self) != written(&now)).then(|| FileChange::Other(WRITTEN.to_owned()))
    }
}

const WRITTEN: &str = "it was written to since";

/// A change of the length, for the user.
pub(crate) fn lengths(before: u64, now: u64) -> String {
    format!("it had {before} bytes and has {now}")
}

/// Identifies `file` to other processes. Its position stays.
///
/// # Errors
///
/// If it cannot be read.
pub fn identity(file: &File) -> io::Result<FileIdentity> {
    let version = FileVersion::from_any_metadata(&file.metadata()?);
    let mut head = vec![0; HEAD_BYTES];
    let mut known = 0;
    while known < head.len() {
        match file.read_at(&mut head[known..], known as u64) {
            Ok(0) => break,
            Ok(bytes) => known += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(FileIdentity {
        bytes: version.bytes,
        modified_s: version.modified_s,
        modified_ns: version.modified_ns,
        head_hash: engine::chunk::hash(&head[..known]),
    })
}

/// The change, for the user. `None` if it is the same file.
pub fn change(before: &FileIdentity, now: &FileIdentity) -> Option<String> {
    if before.bytes != now.bytes {
        return Some(lengths(before.bytes, now.bytes));
    }
    if before.head_hash != now.head_hash {
        return Some("its first 64 KiB have changed".to_owned());
    }
    let written = |identity: &FileIdentity| (identity.modified_s, identity.modified_ns);
    (written(before) != written(now)).then(|| WRITTEN.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_unchanged_until_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let current = || identity(&File::open(&path).unwrap()).unwrap();
        let before = current();
        assert_eq!(change(&before, &current()), None);
        // Moved away and back, it is still the same.
        let other = dir.path().join("b.csv");
        std::fs::rename(&path, &other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(change(&before, &current()), None);

        let file = File::options().append(true).open(&path).unwrap();
        (&file).write_all(b"2\n").unwrap();
        let message = change(&before, &current()).unwrap();
        assert_eq!(message, "it had 4 bytes and has 6");
        std::fs::write(&path, "a\n2\n").unwrap();
        let message = change(&before, &current()).unwrap();
        assert_eq!(message, "its first 64 KiB have changed");
        std::fs::write(&path, "a\n1\n").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(
            change(&before, &current()).unwrap(),
            "it was written to since"
        );
    }
}
