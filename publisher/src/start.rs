//! Prepares a publish: a new one, or one that another process began. Afterwards both run in the same way.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine::Dialect;
use proto::v1::JobOpen;

use crate::job::Job;
use crate::journal::{
    JournalDir, JournalHeader, JournalWriter, JournaledFile, StopAtCode, VERSION,
};
use crate::resume::{ChunkRanges, ResumedPublish};
use crate::run::{Config, PublishError};
use input::{
    EncodingLabel, EndOfInput, InputError, ReadTask, Source, Spool, identity, standard_input,
};

/// What a publish stores on disk so that another process can resume it.
#[derive(Debug, Default)]
pub enum Persistence {
    /// Nothing is stored.
    #[default]
    Disabled,
    /// A journal, if all inputs are files. Data from a pipe is lost with the process.
    Journal(JournalDir),
    /// A journal, and a copy of standard input in this directory.
    Spool(JournalDir, PathBuf),
    /// A publish that another process began.
    Resumed(Box<ResumedPublish>),
}

/// Everything that `run` needs to begin.
pub(crate) struct Start {
    pub(crate) reading: ReadTask,
    pub(crate) job: Job,
    /// The job's opening, if an earlier process sent it.
    pub(crate) open: Option<JobOpen>,
    pub(crate) journal: Option<JournalWriter>,
    /// The chunks to send again. `None` if every chunk is sent.
    pub(crate) missing: Option<ChunkRanges>,
}

impl Start {
    /// Takes `config.persistence`, and leaves the default in its place.
    pub(crate) fn new(config: &mut Config) -> Result<Self, PublishError> {
        match std::mem::take(&mut config.persistence) {
            Persistence::Disabled => Ok(new_start(config, None, None)),
            Persistence::Journal(journal_dir) => journaled(config, journal_dir),
            Persistence::Spool(journal_dir, dir) => {
                let spool = Spool::create(&dir, config.job, standard_input()?)?;
                let path = spool.file().path().to_owned();
                let mut header = header(config);
                header.spool = path.as_os_str().as_bytes().to_vec();
                let journal = JournalWriter::new(journal_dir, config.job, header, Some(path));
                Ok(new_start(config, Some(spool), Some(journal)))
            }
            Persistence::Resumed(resumed) => resumed.start(config),
        }
    }
}

/// Starts a publish with a journal, if all inputs are regular files.
fn journaled(config: &Config, journal_dir: JournalDir) -> Result<Start, PublishError> {
    let files = config.input_spec.sources.iter().map(journaled_file);
    let files: Option<Vec<JournaledFile>> = files.collect::<Result<_, InputError>>()?;
    let journal = files.map(|files| {
        let header = JournalHeader {
            files,
            ..header(config)
        };
        JournalWriter::new(journal_dir, config.job, header, None)
    });
    Ok(new_start(config, None, journal))
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

fn header(config: &Config) -> JournalHeader {
    let input_spec = &config.input_spec;
    JournalHeader {
        version: VERSION,
        target_bytes: config.limits.target_bytes as u64,
        cap_bytes: config.limits.cap_bytes as u64,
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

fn new_start(config: &Config, spool: Option<Spool>, journal: Option<JournalWriter>) -> Start {
    Start {
        reading: ReadTask {
            input_spec: config.input_spec.clone(),
            limits: config.limits,
            spool,
            end_of_input: EndOfInput::Complete,
            resumed: None,
        },
        job: job(config, 0),
        open: None,
        journal,
        missing: None,
    }
}

/// The job at chunk number `chunks`. Its dialect and columns are set when the input is opened.
pub(crate) fn job(config: &Config, chunks: u64) -> Job {
    Job {
        id: config.job,
        dialect: Dialect::default(),
        operation: config.operation.clone(),
        lane: config.lane.clone(),
        columns: Vec::new(),
        chunks,
    }
}
