//! The flags that say what outlives a publish, and how to go on with it.

use std::path::PathBuf;

use cli::{Exit, Failure};

use crate::flags::failure;
use crate::input::Source;
use crate::journal::JournalDir;
use crate::resume::{Remainder, ResumeLookup, ResumedPublish};
use crate::start::Persistence;

/// Where help lists these flags.
const HEADING: &str = "Going on after an end that was not meant";

/// What outlives the process, and how to go on with it.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// Go on with a publish that was stopped or killed, on the host where it began: a job's id, the
    /// beginning of it, or "last". Refused where the file was changed since. For standard input
    /// that was kept with --spool, FILE - gives the remainder of it
    #[arg(long, help_heading = HEADING, value_name = "JOB",
          conflicts_with_all = ["name", "InputFormat", "union", "ragged", "strict", "chunk_bytes", "spool"])]
    resume: Option<String>,

    /// With --resume: the remainder of a spooled standard input is lost; finish the job without it. A
    /// record that was cut off becomes a reject
    #[arg(
        long,
        help_heading = HEADING,
        requires = "resume",
        conflicts_with = "file",
        hide_short_help = true
    )]
    seal: bool,

    /// Keep what is read of standard input in DIR until the broker has all of it, so that it can be
    /// gone on with. Needs room for the whole input, and waits for the disk [default: nothing is
    /// kept, and what a killed process had read is lost]
    #[arg(long, help_heading = HEADING, value_name = "DIR")]
    spool: Option<PathBuf>,

    /// Where to note how far each publish has come [default: rowmill/journal in XDG_STATE_HOME, or
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
    /// Whether another publish is gone on with.
    pub(crate) fn is_resumed(&self) -> bool {
        self.resume.is_some()
    }

    /// The publish to go on with; `more` is what FILE says. `None`: it is a new one.
    pub(crate) fn found(&self, more: &[PathBuf]) -> Result<Option<ResumeLookup>, Failure> {
        let Some(text) = &self.resume else {
            return Ok(None);
        };
        let remainder = match more {
            [] if self.seal => Remainder::Lost,
            [] => Remainder::Pending,
            [file] if file.as_os_str() == "-" => Remainder::Stdin,
            _ => {
                let said =
                    "with --resume, FILE can only be -; the journal knows which files it were";
                return Err(Failure::message(Exit::Usage, said));
            }
        };
        let journals = self.journal_dir().ok_or_else(no_journal_dir)?;
        let found = ResumedPublish::find(journals, text, remainder);
        found.map(Some).map_err(|error| failure(error.into()))
    }

    /// What a new publish of `sources` keeps.
    pub(crate) fn persistence(&self, sources: &[Source]) -> Result<Persistence, Failure> {
        let journals = self.journal_dir();
        if let Some(dir) = &self.spool {
            if sources != [Source::Stdin] {
                let said = "--spool is for standard input; a file is there to be read again";
                return Err(Failure::message(Exit::Usage, said));
            }
            let journals = journals.ok_or_else(no_journal_dir)?;
            return Ok(Persistence::Spool(journals, dir.clone()));
        }
        if journals.is_none() && !sources.contains(&Source::Stdin) {
            tracing::warn!(
                "there is no home directory to keep a journal in, so this publish could not be \
                 resumed; --journal DIR names another place"
            );
        }
        Ok(journals.map_or(Persistence::Disabled, Persistence::Journal))
    }

    fn journal_dir(&self) -> Option<JournalDir> {
        let named = self.journal.clone().map(JournalDir::new);
        named.or_else(JournalDir::default_dir)
    }
}

fn no_journal_dir() -> Failure {
    let said = "there is no home directory to keep a journal in; name one with --journal DIR";
    Failure::message(Exit::Usage, said)
}
