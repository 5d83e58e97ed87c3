//! How a publish begins: with an input of its own, or where another process stopped. After this the
//! two are the same.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use engine::Dialect;
use proto::v1::JobOpen;

use crate::input::{
    self, EncodingLabel, EndOfInput, InputError, RawInput, ReadTask, Source, Spool, identity,
};
use crate::job::Job;
use crate::journal::{
    JournalDir, JournalHeader, JournalWriter, JournaledFile, StopAtCode, VERSION,
};
use crate::resume::{ChunkRanges, ResumedPublish};
use crate::run::{Config, PublishError};

/// What a publish keeps outside its process, so that another can go on with it.
#[derive(Debug, Default)]
pub enum Persistence {
    /// Nothing.
    #[default]
    Disabled,
    /// A journal, where the input is a file. What comes through a pipe is gone with the process.
    Journal(JournalDir),
    /// A journal, and the input itself in a file of this directory.
    Spool(JournalDir, PathBuf),
    /// It is gone on with.
    Resumed(Box<ResumedPublish>),
}

/// All that is needed to header.
pub(crate) struct Start {
    pub(crate) reading: ReadTask,
    pub(crate) job: Job,
    /// The opening as it was sent before. Absent: it was not.
    pub(crate) open: Option<JobOpen>,
    pub(crate) journal: Option<JournalWriter>,
    /// The chunks to send. `None` if every chunk is sent.
    pub(crate) again: Option<ChunkRanges>,
}

impl Start {
    /// Takes `config.persistence` out of it.
    pub(crate) fn new(config: &mut Config) -> Result<Self, PublishError> {
        match std::mem::take(&mut config.persistence) {
            Persistence::Disabled => Ok(fresh(config, None, None)),
            Persistence::Journal(journal_dir) => journaled(config, journal_dir),
            Persistence::Spool(journal_dir, dir) => {
                let spool = Spool::create(&dir, config.job, Box::new(standard_input()?))?;
                let path = spool.spool_file().path().to_owned();
                let mut header = header(config);
                header.spool = path.as_os_str().as_bytes().to_vec();
                let journal = JournalWriter::new(journal_dir, config.job, header, Some(path));
                Ok(fresh(config, Some(spool), Some(journal)))
            }
            Persistence::Resumed(resumed) => resumed.start(config),
        }
    }
}

/// Standard input, to be spooled.
pub(crate) fn standard_input() -> Result<RawInput, InputError> {
    input::stdin().map_err(|error| Source::Stdin.error(error))
}

/// With a journal where every file can be read again.
fn journaled(config: &Config, journal_dir: JournalDir) -> Result<Start, PublishError> {
    let files = config.input_spec.sources.iter().map(seen);
    let files: Option<Vec<JournaledFile>> = files.collect::<Result<_, InputError>>()?;
    let journal = files.map(|files| {
        let header = JournalHeader {
            files,
            ..header(config)
        };
        JournalWriter::new(journal_dir, config.job, header, None)
    });
    Ok(fresh(config, None, journal))
}

/// What a file is like. `None`: it can be read once only.
fn seen(source: &Source) -> Result<Option<JournaledFile>, InputError> {
    let Source::File { path, name, .. } = source else {
        return Ok(None);
    };
    // To open a named pipe is to read from it.
    let metadata = path.metadata().map_err(|error| source.error(error))?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let look = || {
        let identity = identity(&File::open(path)?)?;
        Ok((identity, path.canonicalize()?))
    };
    let (identity, path) = look().map_err(|error| source.error(error))?;
    Ok(Some(JournaledFile {
        path: path.as_os_str().as_bytes().to_vec(),
        identity: Some(identity),
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

fn fresh(config: &Config, spool: Option<Spool>, journal: Option<JournalWriter>) -> Start {
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
        again: None,
    }
}

/// A job that has so many chunks already; its dialect and columns are known when it is read.
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
