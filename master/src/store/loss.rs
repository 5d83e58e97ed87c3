//! Detects lost commits when a store is opened, before anything is changed, and records them in the file `lost` of the
//! data directory until an operator removes it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::generation::Generation;

/// The most bytes that are read of the file `lost`.
const MAX_BYTES: u64 = 64 << 10;
/// The most jobs that a text names.
const MAX_NAMED: usize = 5;

/// A loss of commits. Its text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    kind: LossKind,
    /// Spill files of jobs that are not in the database.
    orphans: Orphans,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LossKind {
    /// There is no database, or an empty one.
    Missing,
    /// It is another database.
    Other,
    /// It has fewer commits than were made.
    Older { commits: u64, gone: u64 },
}

/// Spill files that belong to no job in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orphans {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The ids of their jobs, sorted, without duplicates.
    pub(super) jobs: Vec<String>,
}

impl Loss {
    /// Compares the database with the generation that is recorded beside the spill files.
    pub(super) fn detect(
        database: &Generation,
        has_jobs: bool,
        recorded_generation: Option<&Generation>,
        orphans: &Orphans,
    ) -> Option<Self> {
        let is_new = database.number == 0 && !has_jobs;
        let kind = match recorded_generation {
            Some(recorded_generation) if recorded_generation.id != database.id && is_new => {
                LossKind::Missing
            }
            Some(recorded_generation) if recorded_generation.id != database.id => LossKind::Other,
            Some(recorded_generation) if recorded_generation.number > database.number => {
                LossKind::Older {
                    commits: recorded_generation.number,
                    gone: recorded_generation.number - database.number,
                }
            }
            // The generation is recorded before the first spill file.
            None if is_new && orphans.files > 0 => LossKind::Missing,
            _ => return None,
        };
        let orphans = orphans.clone();
        Some(Self { kind, orphans })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LossKind::Missing => write!(
                f,
                "the database rowmill.sqlite is missing beside files of rows and bad records; a master begins \
                 with a new one"
            ),
            LossKind::Other => write!(
                f,
                "the database rowmill.sqlite is another one than the files of rows and bad records are of"
            ),
            LossKind::Older { commits, gone } => write!(
                f,
                "the last {gone} of {commits} commits are gone: rowmill.sqlite-wal was deleted or cut, or an \
                 older copy of rowmill.sqlite was restored"
            ),
        }?;
        write!(f, ". Results and jobs that were only in there are lost")?;
        let Orphans { files, bytes, jobs } = &self.orphans;
        if *files > 0 {
            let named = jobs[..jobs.len().min(MAX_NAMED)].join(", ");
            let more = match jobs.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            write!(
                f,
                "; {files} files in spill/ ({bytes} bytes) belong to jobs that are not known any more, and are \
                 kept: {named}{more}"
            )?;
        }
        write!(
            f,
            ". Stop the master and put the newest rowmill.sqlite and rowmill.sqlite-wal back, or publish those \
             jobs again; then remove the file `lost`"
        )
    }
}

/// Appends a loss to the file `lost` and syncs it.
pub(super) fn record(directory: &Path, loss: &Loss) -> Result<(), StoreError> {
    let path = file(directory);
    let add = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        let mut file = cli::open_private(&path, &mut options)?;
        writeln!(file, "{loss}")?;
        file.sync_all()?;
        File::open(directory)?.sync_all()
    };
    add().map_err(StoreError::file(&path))
}

/// The losses recorded in a data directory, the oldest first.
///
/// # Errors
///
/// If the file cannot be read.
pub(super) fn recorded(directory: &Path) -> io::Result<Vec<String>> {
    let file = match File::open(file(directory)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::to_owned).collect())
}

fn file(directory: &Path) -> PathBuf {
    directory.join("lost")
}

#[cfg(test)]
mod tests;
