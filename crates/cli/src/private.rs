//! Files that only the user of this process may access: a database, a spill file, a journal, a spool. Output files
//! requested by users follow the umask instead.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::geteuid;

/// Opens `path` with `options`. A new file has mode 0600, regardless of the umask; a symbolic link is not
/// followed.
///
/// # Errors
///
/// If the system refuses, or `path` is a symbolic link.
pub fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options.open(path).map_err(|error| {
        let is_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        if is_link && path.is_symlink() {
            let said = "it is a symbolic link, and is not followed: put the file itself there, or remove the link";
            return io::Error::new(error.kind(), said);
        }
        error
    })
}

/// Creates the directory `path` and missing parents, with mode 0700.
///
/// # Errors
///
/// If the system refuses, or others could replace files in the directory: see [`check_private_dir`].
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    check_private_dir(path)
}

/// Checks that the directory `path` is safe for our files: not one that belongs to a user other than this one or
/// root and is writable by everybody, as when another user created it below `/tmp` first.
///
/// # Errors
///
/// If it is not safe or cannot be inspected.
pub fn check_private_dir(path: &Path) -> io::Result<()> {
    let metadata = path.metadata()?;
    let (owner, us) = (metadata.uid(), geteuid().as_raw());
    if is_foreign(owner, metadata.mode(), us) {
        let said = format!(
            "the directory belongs to another user (uid {owner}) and everybody may write to it, so that its files \
             could be replaced; name a directory of your own"
        );
        return Err(io::Error::new(ErrorKind::PermissionDenied, said));
    }
    Ok(())
}

fn is_foreign(owner: u32, mode: u32, us: u32) -> bool {
    owner != us && owner != 0 && mode & 0o002 != 0
}

/// The mode of `file` in `directory`, if users other than its owner can read it. `None` if the file or the
/// directory prevents that, or there is no such file.
pub fn exposed(directory: &Path, file: &Path) -> Option<u32> {
    let mode = |metadata: Metadata| metadata.mode() & 0o7777;
    let is_open = directory
        .metadata()
        .is_ok_and(|metadata| mode(metadata) & 0o011 != 0);
    let mode = file.metadata().map(mode).ok()?;
    (is_open && mode & 0o044 != 0).then_some(mode)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_link_is_not_followed_and_is_named_as_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (
            directory.path().join("target"),
            directory.path().join("link"),
        );
        symlink(&target, &link).unwrap();
        let mut options = OpenOptions::new();
        let mut open = |path: &Path| open_private(path, options.append(true).create(true));
        let error = open(&link).unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert!(!target.exists());
        open(&target).unwrap();
        assert!(open(&link).is_err());
        assert_eq!(target.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_is_exposed_where_its_mode_and_its_directory_let_others_in() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (of_directory, of_file, mode) in [
            (0o755, 0o644, Some(0o644)),
            (0o710, 0o640, Some(0o640)),
            (0o700, 0o666, None),
            (0o755, 0o600, None),
        ] {
            std::fs::set_permissions(directory.path(), Permissions::from_mode(of_directory))
                .unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(of_file)).unwrap();
            assert_eq!(exposed(directory.path(), &file), mode);
        }
        assert_eq!(
            exposed(directory.path(), &directory.path().join("none")),
            None
        );
    }

    #[test]
    fn a_directory_that_somebody_else_opened_to_everybody_is_refused() {
        for (owner, mode, us, foreign) in [
            (1000, 0o40777, 1001, true),
            (1000, 0o41777, 0, true),
            // Owned by root, like `/tmp` and container volumes.
            (0, 0o41777, 1001, false),
            (0, 0o40777, 1001, false),
            (1001, 0o40777, 1001, false),
            // Only its owner and a group chosen by the owner can write to it.
            (1000, 0o40775, 1001, false),
        ] {
            assert_eq!(
                is_foreign(owner, mode, us),
                foreign,
                "{owner} {mode:o} {us}"
            );
        }
    }
}
