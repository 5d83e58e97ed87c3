//! The messages that drive the dashboard, and the effects that `update` returns to the event loop.

use proto::v1::WatchEvent;

use crate::connection::Connection;
use crate::request::{Request, Response};
use crate::tab::Tab;

/// An input of `update`.
#[derive(Debug, Clone)]
pub(crate) enum Msg {
    /// A second has passed.
    Tick,
    /// The terminal has this many columns and lines.
    Resize(u16, u16),
    /// From the feed or the request task.
    Network(NetworkEvent),
    /// From the keyboard or the mouse.
    Action(Action),
    /// The name of the file written, or the error message.
    Saved(Result<String, String>),
}

/// An action that a key or the mouse can trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ShowTab(Tab),
    /// Number of tabs to the right.
    StepTab(isize),
    /// Number of lines down.
    MoveDown(isize),
    /// Number of pages down.
    Page(isize),
    First,
    Last,
    /// Number of columns to the right.
    MoveRight(isize),
    /// Opens the job of the selected line.
    Open,
    Back,
    ToggleHelp,
    Sort,
    StartFilter,
    TypeChar(char),
    DeleteChar,
    /// Ends typing and keeps the filter.
    ApplyFilter,
    ClearFilter,
    /// Freezes the view, or resumes it.
    ToggleHold,
    /// Rows of the selected job only, or of the job that progressed last.
    ToggleSelectedOnly,
    /// Hides the first visible column.
    HideColumn,
    ShowAllColumns,
    /// Shows the job's bad records in place of its result, or the result again.
    ToggleRejects,
    /// Copies the selected id to the clipboard.
    Copy,
    /// Writes the table on the screen to a CSV file.
    Export,
    CancelJob,
    /// Pauses the job, or resumes it.
    PauseJob,
    ReplayDead,
    DropChunk,
    /// Confirms the question on the screen.
    Yes,
    No,
    /// Selects the list item on this line of the screen.
    SelectLine(u16),
    Reconnect,
    Quit,
}

/// A message from the network tasks.
#[derive(Debug, Clone)]
pub(crate) enum NetworkEvent {
    Connection(Connection),
    Event {
        /// The job that the stream was requested for; empty if none.
        job_id: String,
        event: Box<WatchEvent>,
    },
    /// The outcome of a request.
    Response(Response),
}

/// An action of the event loop that a message causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// Subscribe to this job; empty if none.
    Watch(String),
    Reconnect,
    /// Copy this text to the clipboard.
    Copy(String),
    /// Send this request to the master.
    Request(Request),
    /// Write a new file of this name; an existing file is never overwritten.
    Save {
        name: String,
        bytes: Vec<u8>,
    },
    Quit,
}
