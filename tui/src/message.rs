//! What can happen to the dashboard, and what it asks of the event loop in turn. What a message
//! does is `update`'s.

use proto::v1::WatchEvent;

use crate::args::Tab;
use crate::errand::{Answer, Errand};
use crate::feed::Ended;

/// What can happen.
#[derive(Debug, Clone)]
pub(crate) enum Msg {
    /// A second has passed.
    Tick,
    /// The terminal has this many columns and lines.
    Resize(u16, u16),
    /// The network task says.
    News(News),
    /// A key asks.
    Ask(Ask),
    /// A file was written, or why it was not.
    Saved(Result<String, String>),
}

/// What a key can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Show(Tab),
    /// So many tabs to the right.
    Turn(isize),
    /// So many lines down.
    Down(isize),
    /// So many screens down.
    Page(isize),
    First,
    Last,
    /// So many columns to the right.
    Right(isize),
    Open,
    Back,
    Help,
    Sort,
    /// Begins to type a filter.
    Filter,
    Type(char),
    /// Takes the last letter back.
    Erase,
    /// The filter is as it should be.
    Keep,
    /// No filter.
    Clear,
    /// Holds what is on the screen, or lets it go on.
    Hold,
    /// Rows of the chosen job, or of whatever moved last.
    Follow,
    /// Leaves out the first column that is shown, or shows all again.
    Hide,
    Unhide,
    /// The job's bad records in place of its result, or that again.
    Bad,
    Copy,
    /// The table on the screen, as CSV.
    Export,
    Cancel,
    /// Holds the job's chunks back, or lets them go on.
    PauseJob,
    Replay,
    Drop,
    /// To the question on the screen.
    Yes,
    No,
    /// On the line so far down the screen.
    Point(u16),
    Reconnect,
    Quit,
}

/// What the network task says.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Link(Link),
    Event {
        /// The job that the stream was asked for; empty: none.
        job_id: String,
        event: Box<WatchEvent>,
    },
    /// What came of an errand.
    Answer(Answer),
}

/// How it stands with the master. Moments are the clock's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// The first attempt.
    Connecting {
        since_ms: u64,
    },
    Connected,
    Disconnected {
        since_ms: u64,
        retry_at_ms: u64,
        reason: String,
    },
    /// Another protocol is spoken there.
    VersionMismatch {
        theirs: Theirs,
        retry_at_ms: u64,
    },
}

/// How a master told that its protocol is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Theirs {
    /// Its snapshot named it: `protocol 2 (rowmill 1.4.0)`.
    Version(String),
    /// It refused, in a sentence that names both.
    Refusal(String),
}

impl std::fmt::Display for Theirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(version) => {
                let ours = proto::PROTOCOL;
                write!(f, "it speaks {version}, and this dashboard protocol {ours}")
            }
            Self::Refusal(said) => f.write_str(said),
        }
    }
}

impl Link {
    pub(crate) fn down(ended: &Ended, since_ms: u64, retry_at_ms: u64) -> Self {
        match ended {
            Ended::Version(theirs) => Self::VersionMismatch {
                theirs: theirs.clone(),
                retry_at_ms,
            },
            _ => Self::Disconnected {
                since_ms,
                retry_at_ms,
                reason: ended.to_string(),
            },
        }
    }
}

/// What the event loop must do after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// Watch this job; empty: none.
    Watch(String),
    Reconnect,
    /// Put this on the clipboard.
    Copy(String),
    /// Ask the master.
    Errand(Errand),
    /// Write a file of this name, where there is none.
    Save {
        name: String,
        bytes: Vec<u8>,
    },
    Quit,
}
