//! The state of the dashboard. Only `update` changes it; `view` only reads it.

use cli::text::visible_in;
use proto::v1::{DeadChunkInfo, Event, Job, LatestRows, Reject, Scope, Worker};

use crate::connection::Connection;
use crate::dead::{ChunkKey, DeadList, key_of};
use crate::history::History;
use crate::layout::HINTS_MIN_HEIGHT;
use crate::request::Command;
use crate::rows_view::RowsView;
use crate::state::State;
use crate::tab::Tab;
use crate::theme::Theme;

/// The selected line of a list, by id, so that it stays selected while other lines come and go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// `None` selects the first line, also after the list changes.
    pub(crate) id: Option<String>,
}

/// Sort order of the jobs.
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

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Name => "by name",
            Self::State => "by state",
            Self::Fastest => "fastest first",
            Self::Largest => "largest first",
        }
    }
}

/// Sort order of the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum WorkerOrder {
    #[default]
    Host,
    State,
    Fastest,
    Busiest,
    Longest,
}

impl WorkerOrder {
    pub(crate) const ALL: [Self; 5] = [
        Self::Host,
        Self::State,
        Self::Fastest,
        Self::Busiest,
        Self::Longest,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Host => "by host",
            Self::State => "by state",
            Self::Fastest => "fastest first",
            Self::Busiest => "busiest first",
            Self::Longest => "longest chunk first",
        }
    }
}

/// A confirmation question, and the command to send if the user confirms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) command: Command,
}

/// The first bad records of a job, and when they were requested.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejects {
    pub(crate) job_id: String,
    pub(crate) list: Vec<Reject>,
    /// The job's number of rejects at the time of the request.
    pub(crate) count_at_request: u64,
    pub(crate) requested_ms: u64,
}

/// The filter of a list: only lines with the text in an identifying cell are shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) text: String,
    /// Whether the user is typing the filter.
    pub(crate) typing: bool,
}

impl Filter {
    /// Whether any of `texts` contains the filter's text, ignoring case.
    pub(crate) fn matches<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let needle = self.text.to_lowercase();
        let mut texts = texts.into_iter();
        texts.any(|text| text.to_lowercase().contains(&needle))
    }

    /// Whether the filter is shown on the screen.
    pub(crate) fn is_shown(&self) -> bool {
        self.typing || !self.text.is_empty()
    }
}

/// The state of the dashboard.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent flags
pub(crate) struct Model {
    pub(crate) theme: Theme,
    /// The name of the master on the screen.
    pub(crate) master: String,
    /// Time of the last message.
    pub(crate) now_ms: u64,
    pub(crate) size: (u16, u16),
    pub(crate) connection: Connection,
    /// The state shown. `None` before the first snapshot.
    pub(crate) state: Option<State>,
    /// The current state while the view is frozen. `None` if it is not frozen.
    pub(crate) pending: Option<State>,
    /// Time of the last event of the stream.
    pub(crate) last_event_ms: u64,
    /// Data up to this age is shown as live.
    pub(crate) max_age_ms: u64,
    pub(crate) history: History,
    pub(crate) tab: Tab,
    pub(crate) help: bool,
    /// The job that the stream is subscribed to; empty if none.
    pub(crate) watched: String,
    pub(crate) job: Selection,
    pub(crate) order: JobOrder,
    filters: [Filter; Tab::ALL.len()],
    pub(crate) worker: Selection,
    pub(crate) worker_order: WorkerOrder,
    pub(crate) dead: DeadList,
    /// The selected event's number. `None` selects the newest.
    pub(crate) event: Option<u64>,
    pub(crate) rejects: Rejects,
    /// Whether the rejects are shown in place of the job's result.
    pub(crate) shows_rejects: bool,
    pub(crate) question: Option<Question>,
    pub(crate) read_only: bool,
    /// The selected column of the profile, from 0.
    pub(crate) column: usize,
    pub(crate) rows_view: RowsView,
    /// A notice to the user, and the time at which it disappears.
    pub(crate) notice: Option<(String, u64)>,
    /// Whether there is a keyboard, so that hints make sense.
    pub(crate) interactive: bool,
}

impl Model {
    pub(crate) fn new(theme: Theme, master: &str, tab: Tab, now_ms: u64) -> Self {
        Self {
            theme,
            master: visible_in(master, theme.charset).into_owned(),
            now_ms,
            size: (80, 24),
            connection: Connection::Connecting { since_ms: now_ms },
            state: None,
            pending: None,
            last_event_ms: now_ms,
            max_age_ms: 2000,
            history: History::default(),
            tab,
            help: false,
            watched: String::new(),
            job: Selection::default(),
            order: JobOrder::default(),
            filters: Default::default(),
            worker: Selection::default(),
            worker_order: WorkerOrder::default(),
            dead: DeadList::default(),
            event: None,
            rejects: Rejects::default(),
            shows_rejects: false,
            question: None,
            read_only: false,
            column: 0,
            rows_view: RowsView::default(),
            notice: None,
            interactive: true,
        }
    }

    /// Whether keys that change something are disabled: by `--read-only`, or because the token has only
    /// the scope `read`.
    pub(crate) fn is_read_only(&self) -> bool {
        let has_read_scope = |state: &State| state.scope() == Scope::Read;
        self.read_only || self.newest().is_some_and(has_read_scope)
    }

    /// Whether the dashboard is connected.
    pub(crate) fn is_live(&self) -> bool {
        self.connection == Connection::Connected
    }

    /// Age of the data in milliseconds.
    pub(crate) fn age_ms(&self) -> u64 {
        self.now_ms.saturating_sub(self.last_event_ms)
    }

    /// The master's clock now; while disconnected, at the last event, since all data shown is of that time.
    pub(crate) fn master_now_ms(&self) -> u64 {
        let sent = self.newest().map_or(0, |state| state.sent_unix_ms);
        sent + if self.is_live() { self.age_ms() } else { 0 }
    }

    /// The current state, also while the view is frozen.
    pub(crate) fn newest(&self) -> Option<&State> {
        self.pending.as_ref().or(self.state.as_ref())
    }

    /// The filter of the current tab.
    pub(crate) fn filter(&self) -> &Filter {
        self.filter_of(self.tab)
    }

    fn filter_of(&self, tab: Tab) -> &Filter {
        &self.filters[tab.index()]
    }

    pub(crate) fn filter_mut(&mut self) -> &mut Filter {
        &mut self.filters[self.tab.index()]
    }

    /// The jobs that match the filter, in the selected order.
    pub(crate) fn jobs(&self) -> Vec<&Job> {
        let Some(state) = &self.state else {
            return Vec::new();
        };
        let all = state.jobs().iter();
        let matches = |job: &&Job| {
            let (_, state, _) = self.theme.job_state(job.state());
            let texts = [&job.name, &job.job_id, &job.publisher, &job.lane];
            let texts = texts.into_iter().map(String::as_str);
            self.filter_of(Tab::Jobs).matches(texts.chain([state]))
        };
        let mut jobs: Vec<&Job> = all.filter(matches).collect();
        match self.order {
            JobOrder::Newest => {}
            JobOrder::Name => jobs.sort_by(|a, b| a.name.cmp(&b.name)),
            JobOrder::State => jobs.sort_by_key(|job| job.state),
            JobOrder::Fastest => jobs.sort_by(|a, b| b.rows_per_s.total_cmp(&a.rows_per_s)),
            JobOrder::Largest => jobs.sort_by_key(|job| std::cmp::Reverse(job.rows)),
        }
        jobs
    }

    /// The selected job if it is listed, else the first one.
    pub(crate) fn selected_job(&self) -> Option<&Job> {
        let jobs = self.jobs();
        let id = self.job.id.as_deref();
        let by_id = jobs.iter().find(|job| Some(job.job_id.as_str()) == id);
        by_id.or(jobs.first()).copied()
    }

    /// All listed workers.
    pub(crate) fn all_workers(&self) -> &[Worker] {
        self.state.as_ref().map_or(&[], State::workers)
    }

    /// The workers that match the filter, in the selected order.
    pub(crate) fn workers(&self) -> Vec<&Worker> {
        let matches = |worker: &&Worker| {
            let (_, state, _) = self.theme.worker_state(worker.state());
            let beat = worker.heartbeat.as_ref();
            let texts = beat.map(|beat| {
                let own = [&beat.host, &beat.worker_id, &beat.lane, &beat.version];
                own.into_iter().chain(&beat.commands).map(String::as_str)
            });
            let texts = texts.into_iter().flatten().chain([state]);
            self.filter_of(Tab::Workers).matches(texts)
        };
        let mut workers: Vec<&Worker> = self.all_workers().iter().filter(matches).collect();
        match self.worker_order {
            WorkerOrder::Host => {}
            WorkerOrder::State => workers.sort_by_key(|worker| worker.state),
            WorkerOrder::Fastest => workers.sort_by(|a, b| b.bytes_per_s.total_cmp(&a.bytes_per_s)),
            WorkerOrder::Busiest => workers.sort_by(|a, b| cpu_cores(b).total_cmp(&cpu_cores(a))),
            WorkerOrder::Longest => {
                workers.sort_by_key(|worker| std::cmp::Reverse(longest_ms(worker)));
            }
        }
        workers
    }

    /// The selected worker and its index in the list.
    pub(crate) fn selected_worker(&self) -> Option<(usize, &Worker)> {
        let workers = self.workers();
        let index = self.worker.id.as_deref().and_then(|id| {
            workers
                .iter()
                .position(|worker| State::worker_id(worker) == id)
        });
        let index = index.unwrap_or(0);
        workers.get(index).map(|&worker| (index, worker))
    }

    /// The dead chunks that match the filter.
    pub(crate) fn dead_chunks(&self) -> Vec<&DeadChunkInfo> {
        let matches = |chunk: &&DeadChunkInfo| {
            let name = self.job_name(&chunk.job_id);
            let texts = [name, chunk.job_id.as_str(), chunk.reason.as_str()];
            self.filter_of(Tab::Dead).matches(texts)
        };
        self.dead.chunks().iter().filter(matches).collect()
    }

    /// The selected dead chunk and its index in the list.
    pub(crate) fn selected_dead(&self) -> Option<(usize, &DeadChunkInfo)> {
        let chunks = self.dead_chunks();
        let is_selected = |chunk: &&DeadChunkInfo| Some(key_of(chunk)) == self.dead.selected;
        let index = chunks.iter().position(is_selected).unwrap_or(0);
        chunks.get(index).map(|&chunk| (index, chunk))
    }

    pub(crate) fn selected_key(&self) -> Option<ChunkKey> {
        self.selected_dead().map(|(_, chunk)| key_of(chunk))
    }

    /// The events that match the filter, newest first.
    pub(crate) fn events(&self) -> Vec<&Event> {
        let all = self.state.iter().flat_map(State::events).rev();
        let matches = |event: &&Event| {
            let texts = [event.text.as_str(), &event.job_id, &event.worker_id];
            self.filter_of(Tab::Log).matches(texts)
        };
        all.filter(matches).collect()
    }

    /// The selected event and its index in the list.
    pub(crate) fn selected_event(&self) -> Option<(usize, &Event)> {
        let events = self.events();
        let is_selected = |event: &&Event| Some(event.number) == self.event;
        let index = events.iter().position(is_selected).unwrap_or(0);
        events.get(index).map(|&event| (index, event))
    }

    /// The name of a job; empty if it is not listed.
    pub(crate) fn job_name(&self, job_id: &str) -> &str {
        let job = self.state.as_ref().and_then(|state| state.job(job_id));
        job.map_or("", |job| job.name.as_str())
    }

    /// The rows on the screen: the frozen ones, if there are any, else the latest.
    pub(crate) fn rows(&self) -> Option<&LatestRows> {
        let latest = self.state.as_ref().and_then(State::rows);
        self.rows_view.frozen().or(latest)
    }

    /// The job that the stream should be subscribed to; empty if none.
    pub(crate) fn job_to_watch(&self) -> String {
        let shows_job = match self.tab {
            Tab::Job => true,
            Tab::Rows => self.rows_view.only_selected,
            Tab::Jobs | Tab::Workers | Tab::Dead | Tab::Broker | Tab::Log => false,
        };
        let job = self.selected_job().filter(|_| shows_job);
        job.map(|job| job.job_id.clone()).unwrap_or_default()
    }

    /// Number of rows that fit on the Rows tab.
    pub(crate) fn rows_view_lines(&self) -> usize {
        // Header, rule, titles, status line; and the hints if they are shown.
        let other_lines = if self.size.1 >= HINTS_MIN_HEIGHT {
            5
        } else {
            4
        };
        usize::from(self.size.1.saturating_sub(other_lines))
    }

    /// Approximate number of list lines that fit on the screen.
    pub(crate) fn page(&self) -> isize {
        (self.size.1 as isize - 8).max(1)
    }
}

/// CPU use of a worker, in cores.
fn cpu_cores(worker: &Worker) -> f64 {
    let beat = worker.heartbeat.as_ref();
    beat.and_then(|beat| beat.cpu).unwrap_or(0.0)
}

/// Running time of the worker's oldest chunk.
fn longest_ms(worker: &Worker) -> u64 {
    let in_hand = worker.heartbeat.iter().flat_map(|beat| &beat.in_hand);
    in_hand.map(|chunk| chunk.running_ms).max().unwrap_or(0)
}
