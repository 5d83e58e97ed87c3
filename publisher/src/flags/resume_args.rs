//! The flags that make a publish resumable, and resume it.

use std::path::PathBuf;

use cli::{Exit, Failure};
use input::Source;

use crate::error::failure;
use crate::fresh_publish::Persistence;
use crate::journal::JournalDir;
use crate::resume::{Remainder, ResumeLookup, ResumedPublish};

/// The heading in `--help`.
const HEADING: &str = "Resuming";

/// The data to store on disk, and the publish to resume.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Resume a publish that was stopped or killed, on the host where it began: a job's id, the beginning of an id, or
    /// "last". Refused if a file has changed. For standard input kept with --spool, FILE - adds the rest of it
    #[arg(long, help_heading = HEADING, value_name = "JOB",
          conflicts_with_all = ["name", "InputFormat", "union", "ragged", "strict", "chunk_bytes", "spool"])]
    resume: Option<String>,

    /// With --resume: the rest of a spooled standard input is lost; finish the job without it. A record that was cut
    /// off becomes a reject
    #[arg(
        long,
        help_heading = HEADING,
        requires = "resume",
        conflicts_with = "file",
        hide_short_help = true
    )]
    seal: bool,

    /// Keep standard input in DIR until the broker has all of it, so that the publish can be resumed. Needs disk space
    /// for the whole input, and waits for the disk [default: nothing is kept, and input read by a killed process is
    /// lost]
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    spool: Option<PathBuf>,

    /// The directory of the journals, from which a publish is resumed [default: rowmill/journal in XDG_STATE_HOME, or
    /// in ~/.local/state]
    #[arg(
        long,
        help_heading = HEADING,
        value_name = "DIR",
        env = "ROWMILL_JOURNAL",
        hide_short_help = true
    )]
    journal: Option<PathBuf>,
}

impl ResumeArgs {
    /// Whether `--resume` is given.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }

    /// The publish to resume. `more` are the FILE arguments. `None` for a new publish.
    pub(crate) fn find(&self, files: &[PathBuf]) -> Result<Option<ResumeLookup>, Failure> {
        let Some(text) = &self.resume else {
            return Ok(None);
        };
        let remainder = match files {
            [] if self.seal => Remainder::Lost,
            [] => Remainder::Pending,
            [file] if file.as_os_str() == "-" => Remainder::Stdin,
            _ => {
                let message = "with --resume, FILE can only be -; the journal names the files";
                return Err(Failure::message(Exit::Usage, message));
            }
        };
        let journal_dir = self.journal_dir().ok_or_else(no_journal_dir)?;
        let found = ResumedPublish::find(journal_dir, text, remainder);
        found.map(Some).map_err(|error| failure(error.into()))
    }

    /// The data that a new publish of `sources` stores on disk.
    pub(crate) fn persistence(&self, sources: &[Source]) -> Result<Persistence, Failure> {
        let journal_dir = self.journal_dir();
        if let Some(dir) = &self.spool {
            if sources != [Source::Stdin] {
                let message = "--spool is for standard input; a file can be read again without it";
                return Err(Failure::message(Exit::Usage, message));
            }
            let journal_dir = journal_dir.ok_or_else(no_journal_dir)?;
            return Ok(Persistence::Spool(journal_dir, dir.clone()));
        }
        if journal_dir.is_none() && !sources.contains(&Source::Stdin) {
            tracing::warn!(
                "there is no home directory to keep a journal in, so this publish could not be \
                 resumed; --journal DIR names another place"
            );
        }
        Ok(journal_dir.map_or(Persistence::Disabled, Persistence::Journal))
    }

    fn journal_dir(&self) -> Option<JournalDir> {
        let named = self.journal.clone().map(JournalDir::new);
        named.or_else(JournalDir::default_dir)
    }
}

fn no_journal_dir() -> Failure {
    let message = "there is no home directory to keep a journal in; name one with --journal DIR";
    Failure::message(Exit::Usage, message)
}
