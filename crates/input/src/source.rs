//! The sources to read, in order: files, patterns that the shell did not expand, and standard input.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::error::InputError;
use crate::file::InputFile;
use crate::file_identity::{FileChange, FileVersion, lengths};
use crate::raw_input::RawInput;

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Its name for users.
        name: String,
        /// The version that it must have. `None` for any version.
        version: Option<FileVersion>,
    },
    /// Standard input.
    Stdin,
}

impl Source {
    /// A file with its path as its name.
    pub fn file(path: &Path) -> Self {
        Self::File {
            path: path.to_owned(),
            name: path.display().to_string(),
            version: None,
        }
    }

    /// Its name for users.
    pub fn name(&self) -> &str {
        match self {
            Self::File { name, .. } => name,
            Self::Stdin => "-",
        }
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// If the file does not exist, is not readable, is a directory, or has changed.
    pub(crate) fn open(&self) -> Result<OpenedSource, InputError> {
        match self {
            Self::Stdin => {
                let input = stdin().map_err(|source| self.error(source))?;
                // Even a file is read from the position of its shared descriptor, and so only once.
                Ok(OpenedSource {
                    raw: input,
                    metadata: None,
                    can_reopen: false,
                })
            }
            Self::File { path, version, .. } => {
                let file = File::open(path).map_err(|source| self.error(source))?;
                let metadata = file.metadata().map_err(|source| self.error(source))?;
                if metadata.is_dir() {
                    let files = path.join("*.csv");
                    let reason = format!(
                        "is a directory; its files are named by '{}'",
                        files.display()
                    );
                    return Err(self.error(io::Error::new(io::ErrorKind::IsADirectory, reason)));
                }
                if let Some(before) = version
                    && let Some(change) = before.change(&metadata)
                {
                    return Err(self.changed(before, change));
                }
                let raw = raw(file, &metadata, self.name());
                Ok(OpenedSource {
                    raw: raw.map_err(|source| self.error(source))?,
                    can_reopen: metadata.is_file(),
                    metadata: Some(metadata),
                })
            }
        }
    }

    /// The error for a file that was `before` and has changed.
    pub(crate) fn changed(&self, before: &FileVersion, change: FileChange) -> InputError {
        let difference = match change {
            FileChange::Grown(now) => lengths(before.bytes, now),
            FileChange::Other(difference) => difference,
        };
        InputError::Changed {
            name: self.name().to_owned(),
            difference,
        }
    }

    /// The error of reading it.
    pub fn error(&self, source: io::Error) -> InputError {
        InputError::Read {
            name: self.name().to_owned(),
            source,
        }
    }
}

/// An open source, of which nothing is read.
pub(crate) struct OpenedSource {
    pub(crate) raw: RawInput,
    /// The file's metadata when it was opened. `None` for standard input.
    pub(crate) metadata: Option<Metadata>,
    /// Whether it can be opened and read again.
    pub(crate) can_reopen: bool,
}

/// Opens standard input for a spool.
///
/// # Errors
///
/// If it is closed.
pub fn standard_input() -> Result<Box<dyn Read + Send>, InputError> {
    let input = stdin().map_err(|source| Source::Stdin.error(source))?;
    Ok(Box::new(input))
}

/// Standard input, at its current position.
fn stdin() -> io::Result<RawInput> {
    let stdin = io::stdin();
    let file = File::from(stdin.as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    raw(file, &metadata, Source::Stdin.name())
}

/// The reader of `file`, whose metadata is `metadata`.
fn raw(file: File, metadata: &Metadata, name: &str) -> io::Result<RawInput> {
    Ok(match FileVersion::from_metadata(metadata) {
        Some(version) => RawInput::File(InputFile::new(file, name, version)?),
        None => RawInput::Reader(Box::new(file)),
    })
}

/// Expands the arguments in order: `-` is standard input, a pattern stands for the files that match it, sorted by name,
/// and anything else is a file.
///
/// # Errors
///
/// If nothing matches a pattern, or standard input is named twice.
pub fn expand(arguments: &[PathBuf]) -> Result<Vec<Source>, InputError> {
    let mut sources = Vec::new();
    for argument in arguments {
        match argument.to_str() {
            Some("-") if sources.contains(&Source::Stdin) => return Err(InputError::StdinTwice),
            Some("-") => sources.push(Source::Stdin),
            Some(url) if url.contains("://") && !argument.exists() => return Err(address(url)),
            // A file may have a name that looks like a pattern; the file has precedence.
            Some(pattern) if is_pattern(pattern) && !argument.exists() => {
                sources.extend(matches(pattern)?);
            }
            _ => sources.push(Source::file(argument)),
        }
    }
    Ok(sources)
}

/// The error for a URL, with a command that writes its contents to standard output.
fn address(url: &str) -> InputError {
    let fetch = match url.split_once("://") {
        Some(("s3", _)) => format!("aws s3 cp {url} -"),
        Some(("gs", _)) => format!("gcloud storage cat {url}"),
        _ => format!("curl -sSfL '{url}'"),
    };
    InputError::Address {
        url: url.to_owned(),
        fetch,
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn matches(pattern: &str) -> Result<Vec<Source>, InputError> {
    let no_match = || InputError::NoMatch {
        pattern: pattern.to_owned(),
    };
    // An invalid pattern is treated as the name of a missing file.
    let paths = glob::glob(pattern).map_err(|_| no_match())?;
    let mut sources = Vec::new();
    for path in paths {
        let path = path.map_err(|error| InputError::Read {
            name: error.path().display().to_string(),
            source: error.into(),
        })?;
        if !path.is_dir() {
            sources.push(Source::file(&path));
        }
    }
    if sources.is_empty() {
        return Err(no_match());
    }
    Ok(sources)
}

/// The default name of a job of these sources.
pub fn name(sources: &[Source]) -> String {
    match sources {
        [] => String::new(),
        [one] => one.name().to_owned(),
        [first, rest @ ..] => format!("{} and {} more", file_name(first), rest.len()),
    }
}

fn file_name(source: &Source) -> String {
    let name = Path::new(source.name()).file_name();
    name.map_or_else(
        || source.name().to_owned(),
        |name| name.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_their_order_and_a_patterns_files_are_sorted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b2.csv", "b1.csv", "a.csv", "b[1].csv"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("b3.csv")).unwrap();
        let path = |name: &str| dir.path().join(name);
        let sources = expand(&[path("b?.csv"), "-".into(), path("a.csv"), path("b[1].csv")]);
        let names: Vec<_> = sources.unwrap().iter().map(file_name).collect();
        assert_eq!(names, ["b1.csv", "b2.csv", "-", "a.csv", "b[1].csv"]);
        let error = expand(&[path("c*.csv")]).unwrap_err().to_string();
        assert!(error.starts_with("no file matches "), "{error}");
        assert!(expand(&["-".into(), "-".into()]).is_err());
        for (url, command) in [
            (
                "https://host/a.csv?x=1",
                "curl -sSfL 'https://host/a.csv?x=1'",
            ),
            ("s3://bucket/a.csv", "aws s3 cp s3://bucket/a.csv -"),
        ] {
            let error = expand(&[url.into()]).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{command} | rowmill run -")),
                "{error}"
            );
        }
        assert_eq!(
            name(&expand(&[path("b?.csv")]).unwrap()),
            "b1.csv and 1 more"
        );
    }
}
