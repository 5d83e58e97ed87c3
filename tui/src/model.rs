//! All that the screen depends on. `update` alone changes it; `view` alone reads it.

use proto::v1::{Job, LatestRows, WatchEvent, Worker};

use crate::args::Tab;
use crate::feed::Ended;
use crate::history::History;
use crate::sheet::Sheet;
use crate::state::State;
use crate::text::visible_in;
use crate::theme::Theme;
use crate::view::HINTS_FROM;

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
    Pause,
    Follow,
    Copy,
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
    Quit,
}

/// A line of a list, chosen by id so that it stays chosen while lines come and go around it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picked {
    /// Absent: the first line, whatever that is.
    pub(crate) id: Option<String>,
}

/// How jobs are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum JobOrder {
    #[default]
    Newest,
    Name,
    State,
    Fastest,
    Largest,
}

impl JobOrder {
    pub(crate) const ALL: [Self; 5] = [
        Self::Newest,
        Self::Name,
        Self::State,
        Self::Fastest,
        Self::Largest,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::State => "by state",
            Self::Fastest => "fastest first",
            Self::Largest => "largest first",
        }
    }
}

/// The whole of it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) theme: Theme,
    /// What the master is called on the screen.
    pub(crate) master: String,
    /// When this is.
    pub(crate) now_ms: u64,
    pub(crate) size: (u16, u16),
    pub(crate) link: Link,
    /// Absent: nothing came yet.
    pub(crate) state: Option<State>,
    /// When the last event came.
    pub(crate) heard_ms: u64,
    /// Data is fresh up to this age.
    pub(crate) fresh_ms: u64,
    pub(crate) history: History,
    pub(crate) tab: Tab,
    pub(crate) help: bool,
    /// The job that the stream is asked for; empty: none.
    pub(crate) watched: String,
    pub(crate) job: Picked,
    pub(crate) order: JobOrder,
    pub(crate) worker: Picked,
    /// The chosen column of the profile, from 0.
    pub(crate) column: usize,
    pub(crate) sheet: Sheet,
    /// A word to the person, and until when it stands.
    pub(crate) notice: Option<(String, u64)>,
    /// Whether keys are there to be hinted at.
    pub(crate) interactive: bool,
}

impl Model {
    pub(crate) fn new(theme: Theme, master: &str, tab: Tab, now_ms: u64) -> Self {
        Self {
            theme,
            master: visible_in(master, theme.charset).into_owned(),
            now_ms,
            size: (80, 24),
            link: Link::Connecting { since_ms: now_ms },
            state: None,
            heard_ms: now_ms,
            fresh_ms: 2000,
            history: History::default(),
            tab,
            help: false,
            watched: String::new(),
            job: Picked::default(),
            order: JobOrder::default(),
            worker: Picked::default(),
            column: 0,
            sheet: Sheet::default(),
            notice: None,
            interactive: true,
        }
    }

    /// Whether what is shown is as of now.
    pub(crate) fn is_live(&self) -> bool {
        self.link == Link::Connected
    }

    /// How old the data is, milliseconds.
    pub(crate) fn age_ms(&self) -> u64 {
        self.now_ms.saturating_sub(self.heard_ms)
    }

    /// The master's clock now; while it cannot be heard, as it last stood, since all that is shown
    /// is of that moment.
    pub(crate) fn master_now_ms(&self) -> u64 {
        let said = self.state.as_ref().map_or(0, |state| state.sent_unix_ms);
        said + if self.is_live() { self.age_ms() } else { 0 }
    }

    /// The jobs in the order chosen.
    pub(crate) fn jobs(&self) -> Vec<&Job> {
        let Some(state) = &self.state else {
            return Vec::new();
        };
        let mut jobs: Vec<&Job> = state.jobs().iter().collect();
        match self.order {
            JobOrder::Newest => {}
            JobOrder::Name => jobs.sort_by(|a, b| a.name.cmp(&b.name)),
            JobOrder::State => jobs.sort_by_key(|job| job.state),
            JobOrder::Fastest => jobs.sort_by(|a, b| b.rows_per_s.total_cmp(&a.rows_per_s)),
            JobOrder::Largest => jobs.sort_by_key(|job| std::cmp::Reverse(job.rows)),
        }
        jobs
    }

    /// The chosen job.
    pub(crate) fn picked_job(&self) -> Option<&Job> {
        let state = self.state.as_ref()?;
        let by_id = self.job.id.as_deref().and_then(|id| state.job(id));
        by_id.or_else(|| self.jobs().first().copied())
    }

    pub(crate) fn workers(&self) -> &[Worker] {
        self.state.as_ref().map_or(&[], State::workers)
    }

    /// The chosen worker, and its place in the list.
    pub(crate) fn picked_worker(&self) -> Option<(usize, &Worker)> {
        let workers = self.workers();
        let place = self.worker.id.as_deref().and_then(|id| {
            workers
                .iter()
                .position(|worker| State::worker_id(worker) == id)
        });
        let place = place.unwrap_or(0);
        workers.get(place).map(|worker| (place, worker))
    }

    /// The rows on the screen: those held while paused, else the latest.
    pub(crate) fn rows(&self) -> Option<&LatestRows> {
        let latest = self.state.as_ref().and_then(State::rows);
        self.sheet.held().or(latest)
    }

    /// The job that the stream should be asked for.
    pub(crate) fn wanted(&self) -> String {
        let wanted = match self.tab {
            Tab::Job => true,
            Tab::Rows => self.sheet.only_picked,
            Tab::Jobs | Tab::Workers => false,
        };
        let job = self.picked_job().filter(|_| wanted);
        job.map(|job| job.job_id.clone()).unwrap_or_default()
    }

    /// How many of the latest rows fit on the screen.
    pub(crate) fn sheet_lines(&self) -> usize {
        // Header, rule, titles, status line; and the hints where they are.
        let around = if self.size.1 >= HINTS_FROM { 5 } else { 4 };
        usize::from(self.size.1.saturating_sub(around))
    }

    /// How many list lines about fit on the screen.
    pub(crate) fn page(&self) -> isize {
        (self.size.1 as isize - 8).max(1)
    }
}
