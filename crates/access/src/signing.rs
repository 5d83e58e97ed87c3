//! Signed jobs: publishers and workers share a key, so that access to the broker is not enough to have chunks
//! processed.

use std::fmt;
use std::path::{Path, PathBuf};

use prost::Message;
use prost::bytes::Bytes;
use proto::v1::Chunk;
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::hex;
use crate::secret::{SecretError, create_secret, read_secret};

/// A prefix of the signed bytes, so that a signature is valid only for chunks, whatever else the key is used for.
const PURPOSE: &[u8] = b"rowmill chunk v1\0";
/// The output length of the hash (RFC 2104, section 3).
const KEY_BYTES: usize = 32;

/// The heading in `--help`.
const HEADING: &str = "Signed jobs";

/// The signing key.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SigningArgs {
    /// A file with the signing key, readable by its owner only: publishers sign chunks with it, and workers accept only
    /// chunks signed with it. `rowmill key new` creates it [default: none; chunks are not signed]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "FILE",
        env = "ROWMILL_SIGNING_KEY_FILE",
        hide_short_help = true
    )]
    signing_key_file: Option<PathBuf>,
}

impl SigningArgs {
    /// The key. `None` if no file is given.
    ///
    /// # Errors
    ///
    /// If the file cannot be used.
    pub fn key(&self) -> Result<Option<SigningKey>, SigningError> {
        self.signing_key_file
            .as_deref()
            .map(SigningKey::read)
            .transpose()
    }
}

/// Why a key cannot be read or created.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The file does not contain a key.
    #[error(
        "{path:?} does not contain a key: 64 hexadecimal digits are expected (`rowmill key new` makes one)"
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random bytes.
    #[error("the system provides no random bytes")]
    NoRandom,
}

/// Signs and verifies chunks: HMAC-SHA256 (RFC 2104) over the whole chunk.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Creates a key in a new file of mode 0600.
    ///
    /// # Errors
    ///
    /// If the file exists or cannot be written, or the system has no random bytes.
    pub fn create(path: &Path) -> Result<(), SigningError> {
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| SigningError::NoRandom)?;
        create_secret(path, &format!("{}\n", hex::encode(&bytes)))?;
        Ok(())
    }

    fn read(path: &Path) -> Result<Self, SigningError> {
        let text = read_secret(path)?;
        let bytes: [u8; KEY_BYTES] =
            hex::decode(text.trim()).ok_or_else(|| SigningError::NotAKey {
                path: path.to_owned(),
            })?;
        Ok(Self(hmac::Key::new(HMAC_SHA256, &bytes)))
    }

    /// Sets the signature of `chunk`, which must not change afterwards. Takes 1 ms per MiB or two.
    pub fn sign(&self, chunk: &mut Chunk) {
        chunk.signature = Bytes::copy_from_slice(self.signature(chunk).as_ref());
    }

    fn signature(&self, chunk: &Chunk) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        parts(chunk, |part| context.update(part));
        context.sign()
    }

    /// Whether this key signed `chunk` as it is now. Compares in constant time.
    pub fn has_signed(&self, chunk: &Chunk) -> bool {
        self.signature(chunk)
            .as_ref()
            .ct_eq(&chunk.signature)
            .into()
    }
}

/// The signed parts of a chunk: everything but its signature. The length of the part before the body comes first, so
/// that no byte can move from one part to another.
fn parts(chunk: &Chunk, mut take: impl FnMut(&[u8])) {
    // The body is shared, so the clone is cheap.
    let head = Chunk {
        body: Bytes::new(),
        signature: Bytes::new(),
        ..chunk.clone()
    }
    .encode_to_vec();
    take(PURPOSE);
    take(&(head.len() as u64).to_be_bytes());
    take(&head);
    take(&chunk.body);
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proto::v1::operation_spec::Kind;
    use proto::v1::{ExecSpec, OperationSpec};

    use super::*;

    fn key(directory: &Path, name: &str) -> SigningKey {
        let path = directory.join(name);
        SigningKey::create(&path).unwrap();
        SigningKey::read(&path).unwrap()
    }

    fn chunk() -> Chunk {
        let spec = ExecSpec {
            command: "clean".into(),
            ..ExecSpec::default()
        };
        Chunk {
            job_id: "j".into(),
            seq: 3,
            columns: vec!["a".into()],
            body: Bytes::from_static(b"1\n2\n"),
            rows: 2,
            operation: Some(OperationSpec {
                kind: Some(Kind::Exec(spec)),
                ..OperationSpec::default()
            }),
            ..Chunk::default()
        }
    }

    #[test]
    fn a_signature_covers_the_whole_chunk_and_survives_encoding() {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = (key(directory.path(), "a"), key(directory.path(), "b"));
        let mut signed = chunk();
        assert!(!ours.has_signed(&signed));
        ours.sign(&mut signed);
        let sent = Bytes::from(signed.encode_to_vec());
        let arrived = Chunk::decode(sent).unwrap();
        assert!(ours.has_signed(&arrived));
        assert!(!theirs.has_signed(&arrived));

        let forgeries: [fn(&mut Chunk); 8] = [
            |chunk| chunk.seq += 1,
            |chunk| chunk.job_id.push('x'),
            |chunk| chunk.body = Bytes::from_static(b"1\n3\n"),
            |chunk| chunk.operation = None,
            |chunk| chunk.lane = "gpu".into(),
            |chunk| chunk.signature = Bytes::new(),
            |chunk| chunk.signature = chunk.signature.slice(..31),
            |chunk| {
                let Some(Kind::Exec(spec)) = chunk.operation.as_mut().unwrap().kind.as_mut() else {
                    unreachable!()
                };
                spec.command = "rm".into();
            },
        ];
        for (i, forge) in forgeries.iter().enumerate() {
            let mut changed = arrived.clone();
            forge(&mut changed);
            assert!(!ours.has_signed(&changed), "change {i}");
        }
    }

    #[test]
    fn a_file_without_a_key_is_reported_without_its_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        create_secret(&path, "s3cret").unwrap();
        let error = SigningKey::read(&path).unwrap_err().to_string();
        assert!(
            error.contains("key") && !error.contains("s3cret"),
            "{error}"
        );
        let key = key(directory.path(), "good");
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }
}
