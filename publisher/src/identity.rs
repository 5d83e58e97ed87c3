//! Whether a file is still the one that a publish began with.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::journal::Identity;

const HEAD_BYTES: usize = 64 << 10;

/// What `file` is known by; its position stays.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
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
    Ok(Identity {
        bytes: metadata.len(),
        modified_s: metadata.mtime(),
        modified_ns: metadata.mtime_nsec(),
        head_hash: engine::chunk::hash(&head[..known]),
    })
}

/// What is no longer as it was, for a person. `None`: it is the same file.
pub(crate) fn change(before: &Identity, now: &Identity) -> Option<String> {
    if before.bytes != now.bytes {
        return Some(format!(
            "it had {} bytes and has {}",
            before.bytes, now.bytes
        ));
    }
    if before.head_hash != now.head_hash {
        return Some("its first 64 KiB are not what they were".to_owned());
    }
    let written = |identity: &Identity| (identity.modified_s, identity.modified_ns);
    (written(before) != written(now)).then(|| "it was written to since".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_is_the_same_until_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let look = || identity(&File::open(&path).unwrap()).unwrap();
        let before = look();
        assert_eq!(change(&before, &look()), None);
        // Moved away and back, it is still the same.
        let other = dir.path().join("b.csv");
        std::fs::rename(&path, &other).unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(change(&before, &look()), None);

        let file = File::options().append(true).open(&path).unwrap();
        (&file).write_all(b"2\n").unwrap();
        let said = change(&before, &look()).unwrap();
        assert_eq!(said, "it had 4 bytes and has 6");
        std::fs::write(&path, "a\n2\n").unwrap();
        let said = change(&before, &look()).unwrap();
        assert_eq!(said, "its first 64 KiB are not what they were");
        std::fs::write(&path, "a\n1\n").unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(change(&before, &look()).unwrap(), "it was written to since");
    }
}
