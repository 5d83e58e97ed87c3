//! The directory of journals: one for each unfinished publish, and in a subdirectory those of sealed publishes whose
//! files can be read again, so that lost chunks can be sent again. Of older publishes only the ids are kept, so that a
//! request to resume one is answered.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use proto::JobId;

use super::{Journal, JournalContents, JournalError, JournalHeader, Record, failed};

/// The file with the ids of sealed jobs, and its name after rotation.
const SEALED: &str = "sealed";
const SEALED_ROTATED: &str = "sealed.before";
/// About 28,000 ids.
const SEALED_BYTES: u64 = 1 << 20;

/// The directory of the journals of sealed jobs, and the number of newest journals that are kept.
const PUBLISHED: &str = "published";
const MAX_ARCHIVED: usize = 500;

/// The directory of journals.
#[derive(Debug, Clone)]
pub struct JournalDir {
    dir: PathBuf,
}

/// The result of a search for a publish.
#[derive(Debug)]
pub(crate) enum JournalLookup {
    /// A publish that can be resumed or, if it is sealed, sent again.
    Open(Journal, Box<JournalContents>),
    /// The broker has the seal, and the journal is deleted.
    Sealed(JobId),
}

impl JournalDir {
    /// Uses `dir`, which is created when it is needed.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// `rowmill/journal` in `XDG_STATE_HOME`, or in `~/.local/state`. `None` if neither is known.
    pub fn default_dir() -> Option<Self> {
        let base = cli::xdg("XDG_STATE_HOME", ".local/state");
        base.map(|base| Self::new(base.join("rowmill/journal")))
    }

    /// Creates a journal.
    pub(crate) fn begin(&self, job: JobId, header: JournalHeader) -> Result<Journal, JournalError> {
        cli::create_private_dir(&self.dir).map_err(|e| failed(&self.dir, e))?;
        Journal::create(&self.dir, job, header)
    }

    /// Finds the publish that `text` names: an id, the beginning of an id, or `last`.
    pub(crate) fn find(&self, text: &str) -> Result<JournalLookup, JournalError> {
        let mut jobs = jobs(&self.dir)?;
        if text == "last" {
            return self.last(jobs);
        }
        jobs.extend(self::jobs(&self.published())?);
        jobs.sort_unstable();
        jobs.dedup();
        let prefix = text.to_ascii_lowercase();
        jobs.retain(|job| job.to_string().starts_with(&prefix));
        match jobs[..] {
            [job] => self.open(job),
            [] => self
                .sealed(&prefix)
                .map(JournalLookup::Sealed)
                .ok_or_else(|| self.unknown(text)),
            _ => Err(JournalError::Ambiguous {
                text: text.to_owned(),
                jobs: jobs
                    .iter()
                    .map(JobId::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// The newest publish whose publisher does not run.
    fn last(&self, jobs: Vec<JobId>) -> Result<JournalLookup, JournalError> {
        let mut in_use = None;
        for job in jobs.into_iter().rev() {
            match self.open(job) {
                Err(error @ JournalError::InUse { .. }) => in_use = in_use.or(Some(error)),
                // Its publisher has just ended, or ended before it could remove the journal.
                Ok(JournalLookup::Sealed(_)) => {}
                Ok(JournalLookup::Open(_, contents)) if contents.sealed => {}
                found => return found,
            }
        }
        Err(in_use.unwrap_or_else(|| self.unknown("last")))
    }

    fn open(&self, job: JobId) -> Result<JournalLookup, JournalError> {
        let path = self.dir.join(job.to_string());
        if path.exists() {
            let (journal, contents) = Journal::open(path, job)?;
            if !contents.sealed {
                return Ok(JournalLookup::Open(journal, Box::new(contents)));
            }
            // Its publisher ended before it could archive the journal.
            self.seal(journal)?;
        }
        match Journal::open(self.published().join(job.to_string()), job) {
            Ok((journal, contents)) => Ok(JournalLookup::Open(journal, Box::new(contents))),
            Err(JournalError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(JournalLookup::Sealed(job))
            }
            Err(error) => Err(error),
        }
    }

    fn published(&self) -> PathBuf {
        self.dir.join(PUBLISHED)
    }

    /// The broker has the seal: records the id, and archives the journal if its files can be read again.
    pub(crate) fn seal(&self, mut journal: Journal) -> Result<(), JournalError> {
        // For a process that opened the file just before its removal.
        journal.append(&Record::sealed())?;
        let path = self.dir.join(SEALED);
        if fs::metadata(&path).is_ok_and(|file| file.len() > SEALED_BYTES) {
            fs::rename(&path, self.dir.join(SEALED_ROTATED)).map_err(|e| failed(&path, e))?;
        }
        let mut options = OpenOptions::new();
        let file = cli::open_private(&path, options.append(true).create(true));
        file.and_then(|mut file| file.write_all(format!("{}\n", journal.job).as_bytes()))
            .map_err(|e| failed(&path, e))?;
        self.archive(&mut journal)?;
        journal.remove()
    }

    /// Archives the data that is needed to split the files into the same chunks again, if the input is files.
    fn archive(&self, journal: &mut Journal) -> Result<(), JournalError> {
        let (contents, _) = journal.read()?;
        if contents.header.files.is_empty() {
            return Ok(());
        }
        let dir = self.published();
        cli::create_private_dir(&dir).map_err(|e| failed(&dir, e))?;
        let path = dir.join(journal.job.to_string());
        // An earlier process may have stopped here.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, error)),
            _ => {}
        }
        let mut archived = Journal::create(&dir, journal.job, contents.header)?;
        for change in contents.sizes {
            archived.append(&change.into())?;
        }
        archived.append(&Record::sealed())?;
        let archived = jobs(&dir)?;
        for old in &archived[..archived.len().saturating_sub(MAX_ARCHIVED)] {
            let path = dir.join(old.to_string());
            fs::remove_file(&path).map_err(|e| failed(&path, e))?;
        }
        Ok(())
    }

    /// The sealed job whose id begins with `text`.
    fn sealed(&self, text: &str) -> Option<JobId> {
        if text.is_empty() {
            return None;
        }
        [SEALED, SEALED_ROTATED].iter().find_map(|name| {
            let path = self.dir.join(name);
            let file = cli::open_private(&path, OpenOptions::new().read(true)).ok()?;
            let ids = std::io::read_to_string(file).ok()?;
            ids.lines()
                .rev()
                .find(|id| id.starts_with(text))?
                .parse()
                .ok()
        })
    }

    fn unknown(&self, text: &str) -> JournalError {
        JournalError::Unknown {
            text: text.to_owned(),
            dir: self.dir.clone(),
        }
    }
}

/// The ids of the journals in a directory, oldest first, since a job's id begins with its time.
fn jobs(dir: &Path) -> Result<Vec<JobId>, JournalError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| failed(dir, e))?,
    };
    cli::check_private_dir(dir).map_err(|e| failed(dir, e))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut jobs: Vec<JobId> = names.filter_map(|name| name.parse().ok()).collect();
    jobs.sort_unstable();
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::super::{Checkpoint, JournaledFile, VERSION};
    use input::SizeChange;

    use super::*;

    fn journal_dir() -> (tempfile::TempDir, JournalDir) {
        let dir = tempfile::tempdir().unwrap();
        let journal_dir = JournalDir::new(dir.path().join("made/when/needed"));
        (dir, journal_dir)
    }

    fn header(version: u32) -> JournalHeader {
        JournalHeader {
            version,
            ..JournalHeader::default()
        }
    }

    #[test]
    fn records_before_a_crash_are_read_and_the_torn_tail_is_truncated() {
        let (_dir, journal_dir) = journal_dir();
        let job = JobId::new();
        let mut journal = journal_dir.begin(job, header(VERSION)).unwrap();
        let checkpoint = |chunks| Checkpoint {
            chunks,
            ..Checkpoint::default()
        };
        journal.append(&checkpoint(3).into()).unwrap();
        journal.file.write_all(b"torn").unwrap();
        drop(journal);
        let JournalLookup::Open(mut journal, contents) = journal_dir.find("last").unwrap() else {
            panic!("it is not sealed")
        };
        assert_eq!(
            (contents.header, contents.checkpoint),
            (header(VERSION), Some(checkpoint(3)))
        );
        journal.append(&checkpoint(4).into()).unwrap();
        drop(journal);
        let JournalLookup::Open(_, contents) = journal_dir.find(&job.to_string()[..20]).unwrap()
        else {
            panic!("it is not sealed")
        };
        assert_eq!(contents.checkpoint, Some(checkpoint(4)));
    }

    #[test]
    fn a_sealed_job_is_found_and_an_unknown_one_is_not() {
        let (_dir, journal_dir) = journal_dir();
        assert!(matches!(
            journal_dir.find("last"),
            Err(JournalError::Unknown { .. })
        ));
        let job = JobId::new();
        let journal = journal_dir.begin(job, header(VERSION)).unwrap();
        journal_dir.seal(journal).unwrap();
        assert!(
            matches!(journal_dir.find(&job.to_string()), Ok(JournalLookup::Sealed(id)) if id == job)
        );
        assert!(matches!(
            journal_dir.find("last"),
            Err(JournalError::Unknown { .. })
        ));
        assert!(matches!(
            journal_dir.find("ffff"),
            Err(JournalError::Unknown { .. })
        ));
    }

    #[test]
    fn the_newest_journals_of_sealed_files_are_archived() {
        let (_dir, journal_dir) = journal_dir();
        let of_file = || JournalHeader {
            files: vec![JournaledFile::default()],
            ..header(VERSION)
        };
        let mut first = journal_dir.begin(JobId::new(), of_file()).unwrap();
        let change = SizeChange {
            file: 1,
            byte: 20,
            target_bytes: 300,
        };
        first.append(&change.into()).unwrap();
        let id = first.job;
        journal_dir.seal(first).unwrap();
        let JournalLookup::Open(journal, contents) = journal_dir.find(&id.to_string()).unwrap()
        else {
            panic!("it is archived")
        };
        assert_eq!(
            (journal.job, contents.sealed, contents.header),
            (id, true, of_file())
        );
        assert_eq!(contents.sizes, [change]);
        drop(journal);
        assert!(matches!(
            journal_dir.find("last"),
            Err(JournalError::Unknown { .. })
        ));
        for _ in 0..MAX_ARCHIVED {
            let next = journal_dir.begin(JobId::new(), of_file()).unwrap();
            journal_dir.seal(next).unwrap();
        }
        assert!(
            matches!(journal_dir.find(&id.to_string()), Ok(JournalLookup::Sealed(found)) if found == id)
        );
        assert_eq!(jobs(&journal_dir.published()).unwrap().len(), MAX_ARCHIVED);
    }

    #[test]
    fn a_journal_in_use_is_not_opened() {
        let (_dir, journal_dir) = journal_dir();
        let _alive = journal_dir.begin(JobId::new(), header(VERSION)).unwrap();
        assert!(matches!(
            journal_dir.find("last"),
            Err(JournalError::InUse { .. })
        ));
        let other = journal_dir
            .begin(JobId::new(), header(VERSION))
            .unwrap()
            .job;
        assert!(
            matches!(journal_dir.find("last"), Ok(JournalLookup::Open(found, _)) if found.job == other)
        );
        assert!(matches!(
            journal_dir.find(""),
            Err(JournalError::Ambiguous { .. })
        ));
    }

    #[test]
    fn a_journal_of_another_version_is_refused() {
        let (_dir, journal_dir) = journal_dir();
        drop(journal_dir.begin(JobId::new(), header(7)).unwrap());
        let error = journal_dir.find("last").unwrap_err().to_string();
        assert!(
            error.contains("of version 7, and this rowmill writes version 3"),
            "{error}"
        );
    }
}
