//! Resumes a publish from its journal: checks that the input is unchanged, and finds the position to read from.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use engine::Dialect;
use engine::sniff::DialectOverrides;
use engine::split::Limits;
use input::{
    EndOfInput, FileVersion, InputError, InputSpec, PieceSizes, ReadTask, ResumePoint, Source,
    Spool, change, identity, standard_input,
};
use proto::JobId;
use proto::v1::{JobOpen, JobState, OperationSpec};

use super::missing_chunks::{ChunkRanges, MasterReport};
use crate::error::{PublishError, ResumeError};
use crate::job::Job;
use crate::journal::{
    Checkpoint, Journal, JournalContents, JournalDir, JournalHeader, JournalLookup, JournalWriter,
};
use crate::prepared_publish::PreparedPublish;
use crate::progress::Progress;

/// The handling of the rest of a spooled input after its publisher ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remainder {
    /// Another process may still add it.
    Pending,
    /// It comes from standard input.
    Stdin,
    /// It is lost.
    Lost,
}

/// A publish that another process began.
#[derive(Debug)]
pub struct ResumedPublish {
    journal_dir: JournalDir,
    journal: Journal,
    contents: Box<JournalContents>,
    open: JobOpen,
    operation: OperationSpec,
    input_spec: InputSpec,
    remainder: Remainder,
    /// The chunks to send again, split from the start of the input. `None` if reading starts at the checkpoint.
    missing: Option<ChunkRanges>,
}

/// The result of a search for a publish.
#[derive(Debug)]
pub enum ResumeLookup {
    /// A publish to resume, or a sealed one whose chunks can be sent again.
    Resumable(Box<ResumedPublish>),
    /// A sealed one whose input cannot be read again.
    Sealed(JobId),
}

/// The decision about a publish that was found.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Send the rest, or the chunks that the master lacks.
    Send(Box<ResumedPublish>),
    /// Send nothing, because the publish is sealed. With the reason, for the user.
    Nothing(String),
}

impl ResumedPublish {
    /// The publish that `text` names: an id, the beginning of an id, or `last`.
    ///
    /// # Errors
    ///
    /// If no publish or several match, its publisher still runs, or `remainder` does not apply to it.
    pub fn find(
        journal_dir: JournalDir,
        text: &str,
        remainder: Remainder,
    ) -> Result<ResumeLookup, ResumeError> {
        let (journal, contents) = match journal_dir.find(text)? {
            JournalLookup::Sealed(job) => return Ok(ResumeLookup::Sealed(job)),
            JournalLookup::Open(journal, contents) => (journal, contents),
        };
        let job = journal.job;
        let unusable = |field| ResumeError::Unusable { job, field };
        let open = contents
            .header
            .open
            .clone()
            .ok_or_else(|| unusable("no opening"))?;
        let operation = open.operation.clone();
        let operation = operation.ok_or_else(|| unusable("an operation"))?;
        let dialect = open.dialect.as_ref().map(Dialect::try_from);
        let dialect = dialect
            .and_then(Result::ok)
            .ok_or_else(|| unusable("a dialect"))?;
        let input_spec =
            input_spec(&contents.header, dialect).ok_or_else(|| unusable("an encoding"))?;
        if let [file, ..] = &contents.header.files[..]
            && remainder != Remainder::Pending
        {
            let path = path(&file.path);
            return Err(ResumeError::NotSpooled { job, path });
        }
        if contents.spool_end.is_some() && remainder == Remainder::Stdin {
            return Err(ResumeError::Whole { job });
        }
        Ok(ResumeLookup::Resumable(Box::new(Self {
            journal_dir,
            journal,
            contents,
            open,
            operation,
            input_spec,
            remainder,
            missing: None,
        })))
    }

    /// The job's id.
    pub(crate) fn job(&self) -> JobId {
        self.journal.job
    }

    /// Decides what to send. An unsealed publish continues at its checkpoint. If its opening is lost, chunks before the
    /// checkpoint may be lost as well, so all that the master lacks is sent.
    pub(crate) fn decide(mut self: Box<Self>, report: MasterReport) -> Decision {
        let nothing = |why: &str| Decision::Nothing(why.to_owned());
        let missing = match report {
            MasterReport::NotFound => ChunkRanges::all(),
            MasterReport::Known {
                has_open: false,
                missing,
                ..
            } => missing,
            _ if !self.contents.sealed => return Decision::Send(self),
            MasterReport::Unanswered(why) => {
                let reason = format!(
                    "the broker has all of it; whether chunks were lost later is unknown: {why}"
                );
                return Decision::Nothing(reason);
            }
            MasterReport::Known {
                state,
                has_seal,
                missing,
                ..
            } => match state {
                JobState::Done | JobState::DoneWithFailures => {
                    return nothing(
                        "the broker had all of it, and the master has every chunk's outcome",
                    );
                }
                JobState::Cancelled => return nothing("the job is cancelled"),
                state if state == JobState::ChunksLost || !has_seal => missing,
                _ => {
                    return nothing(
                        "the broker has all of it, and nothing is known to be lost; should a chunk be lost, \
                         rowmill jobs says so half a minute later",
                    );
                }
            },
        };
        self.missing = Some(missing);
        Decision::Send(self)
    }

    /// Where the publish continues, for the user.
    pub fn summary(&self) -> String {
        if self.missing.is_some() {
            return format!(
                "sending the chunks of job {} ({}) that the master lacks",
                self.journal.job, self.open.name
            );
        }
        let checkpoint = self.checkpoint();
        let file = match &self.contents.header.files[..] {
            [] | [_] => String::new(),
            files => files
                .get(checkpoint.file as usize)
                .map_or_else(String::new, |file| format!(" of {}", file.name)),
        };
        format!(
            "resuming job {} ({}) from byte {}{file}: {} rows in {} chunks are confirmed by the broker",
            self.journal.job,
            self.open.name,
            checkpoint.byte,
            checkpoint.rows(),
            checkpoint.chunks
        )
    }

    fn checkpoint(&self) -> Checkpoint {
        self.contents.checkpoint.unwrap_or_default()
    }

    /// Checks that the input is unchanged, and finds the position to read from.
    pub(crate) fn prepare(
        mut self: Box<Self>,
        progress: &Progress,
    ) -> Result<PreparedPublish, PublishError> {
        let checkpoint = self.contents.checkpoint.filter(|_| self.missing.is_none());
        let spool = self.spool()?;
        let versions = self.check_files()?;
        for (source, now) in self.input_spec.sources.iter_mut().zip(versions) {
            if let Source::File { version, .. } = source {
                *version = now;
            }
        }
        progress.set_resumable(true);
        if let Some(checkpoint) = checkpoint {
            progress.set_confirmed(checkpoint.bytes_before + checkpoint.byte, checkpoint.rows());
        }
        let end_of_input = match (
            self.contents.spool_end.map(|spool_end| spool_end.truncated),
            self.remainder,
        ) {
            _ if spool.is_none() => EndOfInput::Complete,
            (Some(false), _) | (None, Remainder::Stdin) => EndOfInput::Complete,
            (Some(true), _) | (None, Remainder::Lost) => EndOfInput::Truncated,
            (None, Remainder::Pending) => EndOfInput::Pending,
        };
        let path = spool.as_ref().map(|spool| spool.file().path().to_owned());
        // Without a checkpoint, no chunk is known to be confirmed, and the header is read again.
        let columns = self.open.columns.clone();
        let resumed = checkpoint.map(|checkpoint| ResumePoint {
            position: checkpoint.position(),
            columns,
        });
        let job_id = self.journal.job;
        let limits = Limits {
            target_bytes: self.contents.header.target_bytes as usize,
            cap_bytes: self.contents.header.cap_bytes as usize,
        };
        // A sealed publish writes no journal: the same chunks can be sent again at any time.
        let journal = if self.contents.sealed {
            None
        } else {
            Some(JournalWriter::resumed(self.journal_dir, self.journal, path))
        };
        let job = Job {
            lane: self.open.lane.clone(),
            chunks: checkpoint.map_or(0, |checkpoint| checkpoint.chunks),
            ..Job::new(job_id, self.operation)
        };
        Ok(PreparedPublish {
            reading: ReadTask {
                input_spec: self.input_spec,
                limits,
                // The size no longer changes: chunks behind the checkpoint may have been sent already.
                sizes: PieceSizes {
                    recorded: self.contents.sizes,
                    wanted: None,
                },
                spool,
                end_of_input,
                resumed,
            },
            job,
            name: self.open.name.clone(),
            open: Some(self.open),
            journal,
            missing: self.missing,
        })
    }

    /// Checks that every file is unchanged, including complete ones, whose headers are read again. Returns their
    /// versions, which are checked again when the files are opened.
    fn check_files(&self) -> Result<Vec<Option<FileVersion>>, PublishError> {
        let mut versions = Vec::new();
        for file in &self.contents.header.files {
            let path = path(&file.path);
            let inspect = || {
                let file = File::open(&path)?;
                Ok((
                    FileVersion::from_metadata(&file.metadata()?),
                    identity(&file)?,
                ))
            };
            let (version, now) =
                inspect().map_err(|error| InputError::from_io(&file.name, error))?;
            let before = file.identity.unwrap_or_default().into();
            if let Some(difference) = change(&before, &now) {
                return Err(self.changed(&path, difference).into());
            }
            versions.push(version);
        }
        Ok(versions)
    }

    /// The spool. `None` if the input is files.
    fn spool(&self) -> Result<Option<Spool>, PublishError> {
        if self.contents.header.spool.is_empty() {
            return Ok(None);
        }
        let path = path(&self.contents.header.spool);
        let input = match self.remainder {
            Remainder::Stdin => Some(standard_input()?),
            Remainder::Pending | Remainder::Lost => None,
        };
        let spool = Spool::resume(&path, input)?;
        let bytes = spool.file().bytes();
        if let Some(spool_end) = self.contents.spool_end
            && spool_end.bytes != bytes
        {
            let difference = format!("it had {} bytes and has {bytes}", spool_end.bytes);
            return Err(self.changed(&path, difference).into());
        }
        Ok(Some(spool))
    }

    fn changed(&self, path: &Path, difference: String) -> ResumeError {
        ResumeError::Changed {
            job: self.journal.job,
            path: path.to_owned(),
            difference,
        }
    }
}

/// The input, as the journal describes it. `None` if this version does not know the encoding.
fn input_spec(header: &JournalHeader, dialect: Dialect) -> Option<InputSpec> {
    let sources = match &header.files[..] {
        [] => vec![Source::Stdin],
        files => files
            .iter()
            .map(|file| Source::File {
                path: path(&file.path),
                name: file.name.clone(),
                version: None,
            })
            .collect(),
    };
    let encoding = match &header.encoding[..] {
        "" => None,
        name => Some(name.parse().ok()?),
    };
    Some(InputSpec {
        sources,
        // The complete dialect, so that nothing is sniffed again.
        given: DialectOverrides::from(&dialect),
        ragged: dialect.ragged,
        skip_lines: header.skip_lines,
        encoding,
        union: header.union,
        ignore_trailing: header.ignore_trailing,
        stop_at: header.stop_at().into(),
    })
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}
