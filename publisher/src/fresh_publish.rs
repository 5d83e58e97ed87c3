//! A publish of a new job.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use engine::split::Limits;
use input::{
    EncodingLabel, EndOfInput, InputError, InputSpec, PieceSizes, ReadTask, Source, Spool,
    identity, standard_input,
};
use proto::JobId;
use proto::v1::OperationSpec;

use crate::chunk_size::ChunkSizer;
use crate::error::PublishError;
use crate::job::Job;
use crate::journal::{
    JournalDir, JournalHeader, JournalWriter, JournaledFile, StopAtCode, VERSION,
};
use crate::prepared_publish::PreparedPublish;

/// The data that a publish stores on disk so that another process can resume it.
#[derive(Debug, Default)]
pub enum Persistence {
    /// Nothing is stored.
    #[default]
    Disabled,
    /// A journal, if all inputs are files. Data from a pipe is lost with the process.
    Journal(JournalDir),
    /// A journal, and a copy of standard input in this directory.
    Spool(JournalDir, PathBuf),
}

/// A publish of a new job.
#[derive(Debug)]
pub struct FreshPublish {
    /// The sources, and how to read them.
    pub input_spec: InputSpec,
    /// The job's name, as users see it.
    pub name: String,
    /// The job's id. Every new publish has a new one.
    pub job: JobId,
    /// The operation that workers run.
    pub operation: OperationSpec,
    /// The lane of the workers. Empty: workers without a lane.
    pub lane: String,
    /// The size of chunks.
    pub limits: Limits,
    /// Changes the size of chunks while the job runs. `None` if it stays as it is.
    pub sizer: Option<Arc<ChunkSizer>>,
    /// What is stored on disk so that another process can resume.
    pub persistence: Persistence,
}

impl FreshPublish {
    /// Creates the spool and the journal's writer, if there are to be any.
    pub(crate) fn prepare(self) -> Result<PreparedPublish, PublishError> {
        let mut header = header(&self.input_spec, self.limits);
        let (spool, journal) = match self.persistence {
            Persistence::Disabled => (None, None),
            Persistence::Journal(journal_dir) => {
                let files = journaled_files(&self.input_spec.sources)?;
                let journal = files.map(|files| {
                    header.files = files;
                    JournalWriter::new(journal_dir, self.job, header, None)
                });
                (None, journal)
            }
            Persistence::Spool(journal_dir, dir) => {
                let spool = Spool::create(&dir, self.job, standard_input()?)?;
                let path = spool.file().path().to_owned();
                header.spool = path.as_os_str().as_bytes().to_vec();
                let journal = JournalWriter::new(journal_dir, self.job, header, Some(path));
                (Some(spool), Some(journal))
            }
        };
        Ok(PreparedPublish {
            reading: ReadTask {
                input_spec: self.input_spec,
                limits: self.limits,
                sizes: PieceSizes {
                    recorded: Vec::new(),
                    wanted: self.sizer.map(|sizer| sizer.target_bytes()),
                },
                spool,
                end_of_input: EndOfInput::Complete,
                resumed: None,
            },
            job: Job {
                lane: self.lane,
                ..Job::new(self.job, self.operation)
            },
            name: self.name,
            open: None,
            journal,
            missing: None,
        })
    }
}

/// The files, if all sources are regular files.
fn journaled_files(sources: &[Source]) -> Result<Option<Vec<JournaledFile>>, InputError> {
    sources.iter().map(journaled_file).collect()
}

/// The file's path and identity. `None` if it is not a regular file, and so can be read only once.
fn journaled_file(source: &Source) -> Result<Option<JournaledFile>, InputError> {
    let Source::File { path, name, .. } = source else {
        return Ok(None);
    };
    // Opening a named pipe would read from it, so only its metadata is checked.
    let metadata = path.metadata().map_err(|error| source.error(error))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let inspect = || {
        let identity = identity(&File::open(path)?)?;
        Ok((identity, path.canonicalize()?))
    };
    let (identity, path) = inspect().map_err(|error| source.error(error))?;
    Ok(Some(JournaledFile {
        path: path.as_os_str().as_bytes().to_vec(),
        identity: Some(identity.into()),
        name: name.clone(),
    }))
}

/// The first record of the journal, without the sources.
fn header(input_spec: &InputSpec, limits: Limits) -> JournalHeader {
    JournalHeader {
        version: VERSION,
        target_bytes: limits.target_bytes as u64,
        cap_bytes: limits.cap_bytes as u64,
        skip_lines: input_spec.skip_lines,
        encoding: input_spec
            .encoding
            .map_or_else(String::new, EncodingLabel::name),
        union: input_spec.union,
        ignore_trailing: input_spec.ignore_trailing,
        stop_at: StopAtCode::from(input_spec.stop_at).into(),
        ..JournalHeader::default()
    }
}
