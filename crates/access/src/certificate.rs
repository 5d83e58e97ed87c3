//! A private certificate authority: issues a certificate for the master, and one for each client. A client's
//! certificate has its scope in the URI `urn:rowmill:SCOPE:NAME`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use webpki::EndEntityCert;

use crate::authorization::Grant;
use crate::scope::Scope;
use crate::secret::{SecretError, create_secret, read_secret};

const URN: &str = "urn:rowmill:";
/// The authority's certificate outlives the ones that it signs.
const CA_DAYS: i64 = 3650;

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    /// A file cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A certificate or its directory cannot be written.
    #[error("cannot write {path:?}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate's name has invalid characters, or the authority's key is invalid.
    #[error("cannot create the certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// The name is not usable as a file name.
    #[error(
        "{0:?} is not a name: 1 to 64 letters, digits, '-', '_' or '.', and first a letter or digit"
    )]
    Name(String),
    /// The authority's certificate exists without its key, and must not be overwritten.
    #[error("{path:?} exists without its key; the authority needs both files")]
    KeyMissing {
        /// The file.
        path: PathBuf,
    },
}

/// The files of an issued certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub key: PathBuf,
}

/// A directory with a certificate authority: `ca.pem`, which is public, and `ca.key`, which only issues certificates.
pub struct CertificateAuthority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Opens the authority in `directory`, and creates its key and certificate if both are missing.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or written, or the key is missing.
    pub fn open(directory: &Path) -> Result<Self, CertError> {
        fs::create_dir_all(directory).map_err(|source| CertError::Write {
            path: directory.to_owned(),
            source,
        })?;
        let (certificate, key) = files(directory, "ca");
        let params = authority();
        let pair = if key.exists() {
            KeyPair::from_pem(&read_secret(&key)?)?
        } else if certificate.exists() {
            return Err(CertError::KeyMissing { path: certificate });
        } else {
            let pair = KeyPair::generate()?;
            create_secret(&key, &pair.serialize_pem())?;
            pair
        };
        if !certificate.exists() {
            write(&certificate, &params.self_signed(&pair)?.pem())?;
        }
        Ok(Self {
            directory: directory.to_owned(),
            issuer: Issuer::new(params, pair),
        })
    }

    /// The file of the authority's certificate.
    pub fn certificate_path(&self) -> PathBuf {
        files(&self.directory, "ca").0
    }

    /// Issues the server certificate of a master at `hosts` (names or addresses), valid for `days`.
    ///
    /// # Errors
    ///
    /// If a host is not valid in a certificate, or a file exists already.
    pub fn issue_master(
        &self,
        hosts: &[String],
        days: u32,
    ) -> Result<IssuedCertificate, CertError> {
        let mut params = CertificateParams::new(hosts)?;
        params.distinguished_name = distinguished_name_of("rowmill master");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue("master", params, days)
    }

    /// Issues the client certificate of `name` with `scope`, valid for `days`.
    ///
    /// # Errors
    ///
    /// If `name` is invalid, or a file exists already.
    pub fn issue_client(
        &self,
        name: &str,
        scope: Scope,
        days: u32,
    ) -> Result<IssuedCertificate, CertError> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || name.len() > 64 || !name.chars().all(good) {
            return Err(CertError::Name(name.chars().take(80).collect()));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name_of(name);
        let uri = Ia5String::try_from(format!("{URN}{scope}:{name}"))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(name, params, days)
    }

    fn issue(
        &self,
        name: &str,
        mut params: CertificateParams,
        days: u32,
    ) -> Result<IssuedCertificate, CertError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = validity(days.into());
        let pair = KeyPair::generate()?;
        let signed = params.signed_by(&pair, &self.issuer)?;
        let (certificate, key) = files(&self.directory, name);
        create_secret(&key, &pair.serialize_pem())?;
        write(&certificate, &signed.pem())?;
        Ok(IssuedCertificate { certificate, key })
    }
}

fn files(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let file = |ending| directory.join(format!("{name}.{ending}"));
    (file("pem"), file("key"))
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name_of("rowmill authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = validity(CA_DAYS);
    params
}

/// Valid since an hour ago, since clocks differ.
fn validity(days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::hours(1), now + Duration::days(days))
}

fn distinguished_name_of(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn write(path: &Path, text: &str) -> Result<(), CertError> {
    fs::write(path, text).map_err(|source| CertError::Write {
        path: path.to_owned(),
        source,
    })
}

/// The grant of a certificate that TLS has verified: read-only, if it has no scope.
pub(crate) fn certificate_grant(certificate: &[u8]) -> Grant {
    let urn = urn(certificate);
    let (scope, name) = urn
        .as_deref()
        .and_then(|urn| urn.split_once(':'))
        .and_then(|(scope, name)| Some((scope.parse().ok()?, name)))
        .unwrap_or((Scope::Read, "a certificate's holder"));
    Grant {
        scope,
        name: name.to_owned(),
    }
}

/// `SCOPE:NAME`.
fn urn(certificate: &[u8]) -> Option<String> {
    let certificate = CertificateDer::from(certificate);
    let read = EndEntityCert::try_from(&certificate).ok()?;
    let urn = read.valid_uri_names().find_map(|uri| uri.strip_prefix(URN));
    urn.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(path: &Path) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(path).unwrap()
    }

    #[test]
    fn a_clients_certificate_has_its_scope() {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::open(directory.path()).unwrap();
        for (name, scope) in [("ada", Scope::Admin), ("b.o-1", Scope::Read)] {
            let issued = authority.issue_client(name, scope, 30).unwrap();
            let grant = certificate_grant(&der(&issued.certificate));
            assert_eq!((grant.name.as_str(), grant.scope), (name, scope));
        }
        let master = authority.issue_master(&["localhost".into()], 30).unwrap();
        assert_eq!(
            certificate_grant(&der(&master.certificate)).scope,
            Scope::Read
        );
        assert_eq!(certificate_grant(b"nonsense").scope, Scope::Read);
    }

    #[test]
    fn an_authority_is_created_once_and_nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let first = CertificateAuthority::open(directory.path()).unwrap();
        let before = fs::read(first.certificate_path()).unwrap();
        first.issue_master(&["localhost".into()], 30).unwrap();
        let again = CertificateAuthority::open(directory.path()).unwrap();
        assert_eq!(fs::read(again.certificate_path()).unwrap(), before);
        let error = again.issue_master(&["localhost".into()], 30).err().unwrap();
        assert!(matches!(error, CertError::Secret(_)), "{error}");
        fs::remove_file(directory.path().join("ca.key")).unwrap();
        let error = CertificateAuthority::open(directory.path()).err().unwrap();
        assert!(matches!(error, CertError::KeyMissing { .. }), "{error}");
    }

    #[test]
    fn a_name_stays_in_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::open(directory.path()).unwrap();
        for name in ["", "../x", "/x", "a/b", ".x", "ä", "a b"] {
            let error = authority.issue_client(name, Scope::Read, 1).err().unwrap();
            assert!(matches!(error, CertError::Name(_)), "{name:?}: {error}");
        }
    }
}
