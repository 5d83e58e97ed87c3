//! Files with secrets, which only their owner may be able to read, and files with certificates.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The largest file: a private key has some hundred bytes, and a file of tokens a line for each.
const MAX_BYTES: u64 = 1 << 20;

/// Why a file with a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It exists already, or cannot be written.
    #[error("cannot write {path:?}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{path:?} contains a secret, and users other than its owner can read it; run: chmod 600 {path:?}"
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It contains no certificate.
    #[error("{path:?} contains no certificate (PEM is expected: -----BEGIN CERTIFICATE-----)")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// It contains no private key.
    #[error("{path:?} contains no private key (PEM is expected: -----BEGIN PRIVATE KEY-----)")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// It is too long.
    #[error("{path:?} is longer than {MAX_BYTES} bytes")]
    Long {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a file that only its owner can read.
///
/// # Errors
///
/// If it cannot be read, can be read by others (its mode has a bit of 077), or is longer than 1 MiB.
pub fn read_secret(path: &Path) -> Result<String, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // A pipe, as in `--token-file <(pass show rowmill)`, is readable by the process that created it.
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        return Err(SecretError::Open {
            path: path.to_owned(),
        });
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(SecretError::Long {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Reads a private key, PEM, from a file that only its owner can read.
///
/// # Errors
///
/// As [`read_secret`], and if the file contains no key.
pub fn read_key(path: &Path) -> Result<String, SecretError> {
    let text = read_secret(path)?;
    match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(_) => Ok(text),
        Err(_) => Err(SecretError::NoKey {
            path: path.to_owned(),
        }),
    }
}

/// Reads one or more certificates, PEM.
///
/// # Errors
///
/// If it cannot be read, or contains no certificate: otherwise that would be found only when a client connects, or
/// never.
pub fn read_certificate(path: &Path) -> Result<String, SecretError> {
    let text = fs::read_to_string(path).map_err(|source| SecretError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes());
    if !matches!(certificates.next(), Some(Ok(_))) {
        return Err(SecretError::NoCertificate {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

/// Writes `text` to a new file of mode 0600.
///
/// # Errors
///
/// If the file exists already, or cannot be written.
pub fn create_secret(path: &Path, text: &str) -> Result<(), SecretError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    write_synced(options.open(path), path, text)
}

/// Appends `text` to a file, which is created with mode 0600.
pub(crate) fn append_secret(path: &Path, text: &str) -> Result<(), SecretError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    write_synced(options.open(path), path, text)
}

fn write_synced(opened: io::Result<File>, path: &Path, text: &str) -> Result<(), SecretError> {
    let write = |mut file: File| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    opened.and_then(write).map_err(|source| SecretError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        create_secret(&path, "s3cret").unwrap();
        assert_eq!(read_secret(&path).unwrap(), "s3cret");
        for mode in [0o640, 0o604, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert!(matches!(error, SecretError::Open { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn a_secret_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create_secret(&path, "old").unwrap();
        create_secret(&path, "new").unwrap_err();
        append_secret(&path, "er").unwrap();
        assert_eq!(read_secret(&path).unwrap(), "older");
    }

    #[test]
    fn an_invalid_certificate_is_refused_early() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        for text in [
            "",
            "nonsense",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            fs::write(&path, text).unwrap();
            let error = read_certificate(&path).unwrap_err();
            assert!(
                matches!(error, SecretError::NoCertificate { .. }),
                "{text:?}"
            );
        }
        let authority =
            crate::CertificateAuthority::open(directory.path().join("team").as_path()).unwrap();
        read_certificate(&authority.certificate_path()).unwrap();
        // Passing the key as a certificate is a mistake that could leak it.
        let key = directory.path().join("team/ca.key");
        assert!(read_certificate(&key).is_err());
        read_key(&key).unwrap();
        create_secret(&directory.path().join("bad.key"), "nonsense").unwrap();
        let error = read_key(&directory.path().join("bad.key")).unwrap_err();
        assert!(matches!(error, SecretError::NoKey { .. }), "{error}");
    }

    #[test]
    fn a_long_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create_secret(&path, &"x".repeat(MAX_BYTES as usize + 1)).unwrap();
        assert!(matches!(read_secret(&path), Err(SecretError::Long { .. })));
    }
}
