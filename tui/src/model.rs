//! All that the screen depends on. `update` alone changes it; `view` alone reads it.

use proto::v1::{DeadChunkInfo, Event, Job, LatestRows, Reject, Scope, Worker};

use crate::args::Tab;
use crate::dead::{ChunkKey, DeadList, key_of};
use crate::errand::Deed;
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

/// How workers are ordered.
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

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Host => "by host",
            Self::State => "by state",
            Self::Fastest => "fastest first",
            Self::Busiest => "busiest first",
            Self::Longest => "longest chunk first",
        }
    }
}

/// A question to the person, and what is done on a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) deed: Deed,
}

/// The first bad records of a job, and when they were asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rejects {
    pub(crate) job_id: String,
    pub(crate) list: Vec<Reject>,
    /// How many there were when they were asked for.
    pub(crate) asked: u64,
    pub(crate) asked_ms: u64,
}

/// Which lines of a list are shown: those that have the text in a cell that tells them apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) text: String,
    /// Keys are letters of it.
    pub(crate) typing: bool,
}

impl Filter {
    /// Whether any of `texts` has it, in upper or lower case.
    pub(crate) fn passes<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        if self.text.is_empty() {
            return true;
        }
        let wanted = self.text.to_lowercase();
        let mut texts = texts.into_iter();
        texts.any(|text| text.to_lowercase().contains(&wanted))
    }

    /// Whether it is there to be seen.
    pub(crate) fn is_shown(&self) -> bool {
        self.typing || !self.text.is_empty()
    }
}

/// The whole of it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own that is or is not
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
    /// What has come since the view is held. Absent: it is not.
    pub(crate) ahead: Option<State>,
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
    filters: [Filter; Tab::ALL.len()],
    pub(crate) worker: Picked,
    pub(crate) worker_order: WorkerOrder,
    pub(crate) dead: DeadList,
    /// The chosen event's number. Absent: the newest.
    pub(crate) event: Option<u64>,
    pub(crate) rejects: Rejects,
    /// Whether they stand in place of the job's result.
    pub(crate) shows_bad: bool,
    pub(crate) question: Option<Question>,
    pub(crate) read_only: bool,
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
            ahead: None,
            heard_ms: now_ms,
            fresh_ms: 2000,
            history: History::default(),
            tab,
            help: false,
            watched: String::new(),
            job: Picked::default(),
            order: JobOrder::default(),
            filters: Default::default(),
            worker: Picked::default(),
            worker_order: WorkerOrder::default(),
            dead: DeadList::default(),
            event: None,
            rejects: Rejects::default(),
            shows_bad: false,
            question: None,
            read_only: false,
            column: 0,
            sheet: Sheet::default(),
            notice: None,
            interactive: true,
        }
    }

    /// Whether keys that change anything are left out: the person said so, or the master lets them look
    /// and no more.
    pub(crate) fn is_read_only(&self) -> bool {
        let may_only_look = |state: &State| state.scope() == Scope::Read;
        self.read_only || self.newest().is_some_and(may_only_look)
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
        let said = self.newest().map_or(0, |state| state.sent_unix_ms);
        said + if self.is_live() { self.age_ms() } else { 0 }
    }

    /// What is known by now, also while the view is held.
    pub(crate) fn newest(&self) -> Option<&State> {
        self.ahead.as_ref().or(self.state.as_ref())
    }

    /// The filter of the tab on the screen.
    pub(crate) fn filter(&self) -> &Filter {
        self.filter_of(self.tab)
    }

    fn filter_of(&self, tab: Tab) -> &Filter {
        &self.filters[tab.place()]
    }

    pub(crate) fn filter_mut(&mut self) -> &mut Filter {
        &mut self.filters[self.tab.place()]
    }

    /// The jobs that pass the filter, in the order chosen.
    pub(crate) fn jobs(&self) -> Vec<&Job> {
        let Some(state) = &self.state else {
            return Vec::new();
        };
        let all = state.jobs().iter();
        let passes = |job: &&Job| {
            let (_, state, _) = self.theme.job_state(job.state());
            let texts = [&job.name, &job.job_id, &job.publisher, &job.lane];
            let texts = texts.into_iter().map(String::as_str);
            self.filter_of(Tab::Jobs).passes(texts.chain([state]))
        };
        let mut jobs: Vec<&Job> = all.filter(passes).collect();
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

    /// Every worker that is listed.
    pub(crate) fn all_workers(&self) -> &[Worker] {
        self.state.as_ref().map_or(&[], State::workers)
    }

    /// The workers that pass the filter, in the order chosen.
    pub(crate) fn workers(&self) -> Vec<&Worker> {
        let passes = |worker: &&Worker| {
            let (_, state, _) = self.theme.worker_state(worker.state());
            let beat = worker.heartbeat.as_ref();
            let texts = beat.map(|beat| {
                let own = [&beat.host, &beat.worker_id, &beat.lane, &beat.version];
                own.into_iter().chain(&beat.commands).map(String::as_str)
            });
            let texts = texts.into_iter().flatten().chain([state]);
            self.filter_of(Tab::Workers).passes(texts)
        };
        let mut workers: Vec<&Worker> = self.all_workers().iter().filter(passes).collect();
        match self.worker_order {
            WorkerOrder::Host => {}
            WorkerOrder::State => workers.sort_by_key(|worker| worker.state),
            WorkerOrder::Fastest => workers.sort_by(|a, b| b.bytes_per_s.total_cmp(&a.bytes_per_s)),
            WorkerOrder::Busiest => workers.sort_by(|a, b| cpu(b).total_cmp(&cpu(a))),
            WorkerOrder::Longest => {
                workers.sort_by_key(|worker| std::cmp::Reverse(longest_ms(worker)));
            }
        }
        workers
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
        workers.get(place).map(|&worker| (place, worker))
    }

    /// The dead chunks that pass the filter.
    pub(crate) fn dead_chunks(&self) -> Vec<&DeadChunkInfo> {
        let passes = |chunk: &&DeadChunkInfo| {
            let name = self.job_name(&chunk.job_id);
            let texts = [name, chunk.job_id.as_str(), chunk.reason.as_str()];
            self.filter_of(Tab::Dead).passes(texts)
        };
        self.dead.chunks().iter().filter(passes).collect()
    }

    /// The chosen dead chunk, and its place in the list.
    pub(crate) fn picked_dead(&self) -> Option<(usize, &DeadChunkInfo)> {
        let chunks = self.dead_chunks();
        let is_picked = |chunk: &&DeadChunkInfo| Some(key_of(chunk)) == self.dead.picked;
        let place = chunks.iter().position(is_picked).unwrap_or(0);
        chunks.get(place).map(|&chunk| (place, chunk))
    }

    pub(crate) fn picked_key(&self) -> Option<ChunkKey> {
        self.picked_dead().map(|(_, chunk)| key_of(chunk))
    }

    /// The events that pass the filter, newest first.
    pub(crate) fn events(&self) -> Vec<&Event> {
        let all = self.state.iter().flat_map(State::events).rev();
        let passes = |event: &&Event| {
            let texts = [event.text.as_str(), &event.job_id, &event.worker_id];
            self.filter_of(Tab::Log).passes(texts)
        };
        all.filter(passes).collect()
    }

    /// The chosen event, and its place in the list.
    pub(crate) fn picked_event(&self) -> Option<(usize, &Event)> {
        let events = self.events();
        let is_picked = |event: &&Event| Some(event.number) == self.event;
        let place = events.iter().position(is_picked).unwrap_or(0);
        events.get(place).map(|&event| (place, event))
    }

    /// What a job is called, as far as it is listed.
    pub(crate) fn job_name(&self, job_id: &str) -> &str {
        let job = self.state.as_ref().and_then(|state| state.job(job_id));
        job.map_or("", |job| job.name.as_str())
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
            Tab::Jobs | Tab::Workers | Tab::Dead | Tab::Broker | Tab::Log => false,
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

/// Cores that a worker keeps busy.
fn cpu(worker: &Worker) -> f64 {
    let beat = worker.heartbeat.as_ref();
    beat.and_then(|beat| beat.cpu).unwrap_or(0.0)
}

/// How long a worker has had the chunk that it has had longest.
fn longest_ms(worker: &Worker) -> u64 {
    let in_hand = worker.heartbeat.iter().flat_map(|beat| &beat.in_hand);
    in_hand.map(|chunk| chunk.running_ms).max().unwrap_or(0)
}
