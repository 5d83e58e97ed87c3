//! All that the screen depends on. `update` alone changes it; `view` alone reads it.

use proto::v1::{Job, LatestRows, Worker};

use crate::args::Tab;
use crate::history::History;
use crate::message::Link;
use crate::sheet::Sheet;
use crate::state::State;
use crate::text::visible_in;
use crate::theme::Theme;
use crate::view::HINTS_FROM;

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

/// Which jobs are listed: those that have the text in name, id, publisher or state.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) text: String,
    /// Keys are letters of it.
    pub(crate) typing: bool,
}

impl Filter {
    fn passes(&self, job: &Job, theme: Theme) -> bool {
        let wanted = self.text.to_lowercase();
        let (_, state, _) = theme.job_state(job.state());
        let texts = [job.name.as_str(), &job.job_id, &job.publisher, state];
        texts
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
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
    pub(crate) filter: Filter,
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
            filter: Filter::default(),
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

    /// The jobs that pass the filter, in the order chosen.
    pub(crate) fn jobs(&self) -> Vec<&Job> {
        let Some(state) = &self.state else {
            return Vec::new();
        };
        let all = state.jobs().iter();
        let mut jobs: Vec<&Job> = if self.filter.text.is_empty() {
            all.collect()
        } else {
            all.filter(|job| self.filter.passes(job, self.theme))
                .collect()
        };
        match self.order {
            JobOrder::Newest => {}
            JobOrder::Name => jobs.sort_by(|a, b| a.name.cmp(&b.name)),
            JobOrder::State => jobs.sort_by_key(|job| job.state),
            JobOrder::Fastest => jobs.sort_by(|a, b| b.rows_per_s.total_cmp(&a.rows_per_s)),
            JobOrder::Largest => jobs.sort_by_key(|job| std::cmp::Reverse(job.rows)),
        }
        jobs
    }

    /// The chosen job, where it is listed; else the first that is.
    pub(crate) fn picked_job(&self) -> Option<&Job> {
        let jobs = self.jobs();
        let id = self.job.id.as_deref();
        let by_id = jobs.iter().find(|job| Some(job.job_id.as_str()) == id);
        by_id.or(jobs.first()).copied()
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
