//! The tokens that a master accepts: a file with a line `SCOPE SHA256 NAME` for each, which is read again when it
//! changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use subtle::ConstantTimeEq;

use crate::hex;
use crate::scope::Scope;
use crate::secret::{SecretError, append_secret, read_secret};
use crate::token::Token;

/// Names appear in logs.
const MAX_NAME_BYTES: usize = 64;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// The token's scope.
    pub scope: Scope,
    /// The SHA-256 of the token.
    digest: [u8; 32],
    /// The owner's name.
    pub name: String,
}

/// Why a file of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read or written.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A line is invalid.
    #[error(
        "{path:?}, line {line}: SCOPE SHA256 NAME is expected (`rowmill token new --tokens {path:?}` adds one)"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The name is invalid.
    #[error("{0:?} is not a name: 1 to {MAX_NAME_BYTES} letters, digits, '-', '_', '.' or '@'")]
    Name(String),
    /// Another token has the name.
    #[error("{path:?} has a token of {name:?} already, in line {line}; remove that first")]
    DuplicateName {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The line, from 1.
        line: usize,
    },
}

impl TokenEntry {
    /// The entry of `token`.
    ///
    /// # Errors
    ///
    /// If `name` is invalid.
    pub fn new(token: &Token, scope: Scope, name: &str) -> Result<Self, TokenFileError> {
        if !is_name(name) {
            return Err(TokenFileError::Name(name.chars().take(80).collect()));
        }
        Ok(Self {
            scope,
            digest: token.digest(),
            name: name.to_owned(),
        })
    }

    /// Its line, without a line end.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.scope, hex::encode(&self.digest), self.name)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split_ascii_whitespace();
        let (scope, digest, name) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() || !is_name(name) {
            return None;
        }
        Some(Self {
            scope: scope.parse().ok()?,
            digest: hex::decode(digest)?,
            name: name.to_owned(),
        })
    }
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(good)
}

/// Appends `entry` to the file at `path`, which is created if it is missing.
///
/// # Errors
///
/// If the file cannot be read or written, or has a token of that name.
pub fn append_token(path: &Path, entry: &TokenEntry) -> Result<(), TokenFileError> {
    let mut start = "";
    if fs::exists(path).unwrap_or(false) {
        let text = read_secret(path)?;
        let duplicate = parse(path, &text)?
            .into_iter()
            .find(|(_, old)| old.name == entry.name);
        if let Some((line, _)) = duplicate {
            return Err(TokenFileError::DuplicateName {
                path: path.to_owned(),
                name: entry.name.clone(),
                line,
            });
        }
        // An edited file may lack the last line end.
        start = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
    }
    append_secret(path, &format!("{start}{}\n", entry.line()))?;
    Ok(())
}

/// Every entry with its line number, from 1. Empty lines and comments with '#' are skipped.
fn parse(path: &Path, text: &str) -> Result<Vec<(usize, TokenEntry)>, TokenFileError> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| {
            let entry = TokenEntry::parse(text).ok_or_else(|| TokenFileError::Line {
                path: path.to_owned(),
                line,
            });
            Ok((line, entry?))
        })
        .collect()
}

/// The file, and its entries when it was last read.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
    table: Mutex<TokenTable>,
}

#[derive(Debug)]
struct TokenTable {
    entries: Vec<TokenEntry>,
    stamp: Option<FileStamp>,
}

/// Identifies a version of the file: its modification time, length and inode.
type FileStamp = (SystemTime, u64, u64);

impl TokenFile {
    pub(crate) fn open(path: &Path) -> Result<Self, TokenFileError> {
        let stamp = stamp(path);
        Ok(Self {
            path: path.to_owned(),
            table: Mutex::new(TokenTable {
                entries: entries(path)?,
                stamp,
            }),
        })
    }

    /// The entry of `token`, if there is one. Compares every entry in constant time, so that the duration reveals
    /// nothing.
    pub(crate) fn find(&self, token: &Token) -> Option<TokenEntry> {
        let digest = token.digest();
        let table = self.reload();
        let mut found = None;
        for entry in &table.entries {
            if entry.digest.ct_eq(&digest).into() {
                found = Some(entry);
            }
        }
        found.cloned()
    }

    /// The current entries. A file that cannot be used leaves them unchanged, and is logged once.
    fn reload(&self) -> MutexGuard<'_, TokenTable> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if now != table.stamp {
            table.stamp = now;
            match entries(&self.path) {
                Ok(entries) => {
                    tracing::info!(tokens = entries.len(), "read {:?} again", self.path);
                    table.entries = entries;
                }
                Err(error) => tracing::error!("the previous tokens stay valid: {error}"),
            }
        }
        table
    }
}

fn entries(path: &Path) -> Result<Vec<TokenEntry>, TokenFileError> {
    let parsed = parse(path, &read_secret(path)?)?;
    Ok(parsed.into_iter().map(|(_, entry)| entry).collect())
}

fn stamp(path: &Path) -> Option<FileStamp> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(path: &Path, scope: Scope, name: &str) -> Token {
        let token = Token::generate().unwrap();
        append_token(path, &TokenEntry::new(&token, scope, name).unwrap()).unwrap();
        token
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let ada = add(&path, Scope::Admin, "ada");
        let tokens = TokenFile::open(&path).unwrap();
        let found = tokens.find(&ada).unwrap();
        assert_eq!((found.scope, found.name.as_str()), (Scope::Admin, "ada"));
        let bo = add(&path, Scope::Read, "bo");
        assert_eq!(tokens.find(&bo).unwrap().scope, Scope::Read);
        assert!(tokens.find(&Token::generate().unwrap()).is_none());

        let left = read_secret(&path).unwrap();
        let without_ada: Vec<&str> = left.lines().skip(1).collect();
        fs::write(&path, without_ada.join("\n")).unwrap();
        assert!(tokens.find(&ada).is_none());
        assert!(tokens.find(&bo).is_some());
    }

    #[test]
    fn an_invalid_file_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let ada = add(&path, Scope::Admin, "ada");
        let tokens = TokenFile::open(&path).unwrap();
        fs::write(&path, "nonsense of another length\n").unwrap();
        assert!(tokens.find(&ada).is_some());
        let error = TokenFile::open(&path).unwrap_err();
        assert!(
            matches!(error, TokenFileError::Line { line: 1, .. }),
            "{error}"
        );
    }

    #[test]
    fn the_file_contains_no_token_and_each_name_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        fs::write(&path, "# of the team").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let ada = add(&path, Scope::Admin, "ada");
        let text = read_secret(&path).unwrap();
        assert!(text.starts_with("# of the team\nadmin "), "{text}");
        assert!(!text.contains(&ada.secret()[8..]));
        let again = TokenEntry::new(&ada, Scope::Read, "ada").unwrap();
        let error = append_token(&path, &again).unwrap_err();
        assert!(
            matches!(error, TokenFileError::DuplicateName { line: 2, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_name_cannot_inject_a_line() {
        let token = Token::generate().unwrap();
        for name in ["", "a b", "a\nadmin", "\u{1b}[31m"] {
            let error = TokenEntry::new(&token, Scope::Read, name).unwrap_err();
            assert!(matches!(error, TokenFileError::Name(_)), "{name:?}");
        }
    }
}
