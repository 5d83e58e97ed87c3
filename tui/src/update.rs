//! Applies messages to the model. Pure: nothing here draws, waits, or reads a clock.

use ::report::{Render, renderer};
use cli::text::{MAX_TEXT_WIDTH, brief};
use proto::v1::JobState;

use crate::dead::key_of;
use crate::export::export;
use crate::message::{Action, Effect, Msg, NetworkEvent};
use crate::model::{Filter, JobOrder, Model, Question, Rejects, WorkerOrder};
use crate::request::{Command, Request, Response};
use crate::state::State;
use crate::tab::Tab;
use crate::view::list_index_at;

/// How long a notice is shown.
const NOTICE_MS: u64 = 3000;
/// Minimum interval between requests for a list that keeps growing.
const REJECTS_EVERY_MS: u64 = 2000;

/// Applies `msg`, received at `now_ms`, and returns the effect for the event loop.
pub(crate) fn update(model: &mut Model, msg: Msg, now_ms: u64) -> Effect {
    model.now_ms = now_ms;
    if model
        .notice
        .as_ref()
        .is_some_and(|(_, until)| *until <= now_ms)
    {
        model.notice = None;
    }
    let effect = match msg {
        Msg::Tick => {
            record_sample(model);
            show_pending_rows(model);
            Effect::None
        }
        Msg::Resize(columns, lines) => {
            model.size = (columns, lines);
            Effect::None
        }
        Msg::Network(network_event) => {
            apply_network_event(model, network_event);
            Effect::None
        }
        Msg::Action(action) => apply_action(model, action),
        Msg::Saved(saved) => {
            notify(
                model,
                match saved {
                    Ok(name) => format!("wrote {name}"),
                    Err(why) => why,
                },
            );
            Effect::None
        }
    };
    if effect != Effect::None {
        return effect;
    }
    let wanted_job = model.job_to_watch();
    if wanted_job != model.watched {
        model.watched.clone_from(&wanted_job);
        return Effect::Watch(wanted_job);
    }
    // One effect per message; the next tick, a second later at most, sends the next request.
    next_request(model).map_or(Effect::None, Effect::Request)
}

/// The request for data that the current tab shows and the stream does not carry.
fn next_request(model: &mut Model) -> Option<Request> {
    if !model.is_live() {
        return None;
    }
    match model.tab {
        Tab::Dead => {
            let total = model.state.as_ref()?.dead_total();
            let selected = model.selected_key();
            model.dead.next_request(total, selected, model.now_ms)
        }
        Tab::Job => next_rejects_request(model),
        Tab::Jobs | Tab::Rows | Tab::Workers | Tab::Broker | Tab::Log => None,
    }
}

fn next_rejects_request(model: &mut Model) -> Option<Request> {
    let job = model.selected_job()?;
    let (job_id, count) = (job.job_id.clone(), job.rejects);
    let known = &model.rejects;
    if known.job_id != job_id {
        model.rejects = Rejects {
            job_id: job_id.clone(),
            ..Rejects::default()
        };
    } else if known.count_at_request == count
        || model.now_ms < known.requested_ms + REJECTS_EVERY_MS
    {
        return None;
    }
    model.rejects.requested_ms = model.now_ms;
    model.rejects.count_at_request = count;
    (count > 0).then_some(Request::Rejects { job_id })
}

fn record_sample(model: &mut Model) {
    if model.is_live()
        && let Some(state) = model.pending.as_ref().or(model.state.as_ref())
    {
        model.history.sample(state, model.now_ms);
    }
}

/// Shows rows that were delayed by the rate limit, on the tick, even if no event follows.
fn show_pending_rows(model: &mut Model) {
    if let Some(state) = model.pending.as_mut().or(model.state.as_mut()) {
        state.show_pending_rows();
        fit_columns(model);
    }
}

/// Fits the column widths to the latest rows, unless the view is frozen.
fn fit_columns(model: &mut Model) {
    let state = model.state.as_ref().filter(|_| model.pending.is_none());
    if let Some(rows) = state.and_then(State::rows) {
        model.rows_view.fit_columns(rows);
    }
}

fn apply_network_event(model: &mut Model, network_event: NetworkEvent) {
    match network_event {
        NetworkEvent::Connection(connection) => model.connection = connection,
        NetworkEvent::Event { job_id, event } => {
            let charset = model.theme.charset;
            let state = match &mut model.pending {
                Some(pending) => pending,
                None => model.state.get_or_insert_with(|| State::new(charset)),
            };
            state.apply(&job_id, *event);
            model.last_event_ms = model.now_ms;
            fit_columns(model);
            record_sample(model);
        }
        NetworkEvent::Response(response) => apply_response(model, response),
    }
}

fn apply_response(model: &mut Model, response: Response) {
    let charset = model.theme.charset;
    match response {
        Response::Dead(chunks) => model.dead.set(chunks, charset),
        Response::Chunk(chunk) => model.dead.set_detail(&chunk, charset),
        Response::Rejects {
            job_id,
            mut rejects,
        } => {
            if job_id == model.rejects.job_id {
                for reject in &mut rejects {
                    reject.reason = brief(&reject.reason, MAX_TEXT_WIDTH, charset).into_owned();
                }
                model.rejects.list = rejects;
            }
        }
        Response::Done(what) => {
            model.dead.invalidate();
            notify(model, what);
        }
        Response::Failed(why) => {
            let why = brief(&why, MAX_TEXT_WIDTH, charset).into_owned();
            notify(model, why);
        }
    }
}

fn apply_action(model: &mut Model, action: Action) -> Effect {
    match action {
        Action::Quit => return Effect::Quit,
        Action::Reconnect if !model.is_live() => return Effect::Reconnect,
        Action::Copy => return copy(model),
        Action::Export => return export_table(model),
        Action::Yes => {
            let command = model.question.take().map(|question| question.command);
            return command.map_or(Effect::None, |command| {
                Effect::Request(Request::Command(command))
            });
        }
        Action::PauseJob => return pause_job(model),
        Action::CancelJob | Action::ReplayDead | Action::DropChunk => {
            ask_confirmation(model, action);
        }
        Action::No => model.question = None,
        Action::Reconnect => {}
        Action::ToggleHelp => model.help = !model.help,
        Action::ShowTab(tab) => show_tab(model, tab),
        Action::StepTab(steps) => show_tab(model, model.tab.step(steps)),
        Action::Open => open_job(model),
        Action::Back if model.filter().is_shown() => *model.filter_mut() = Filter::default(),
        Action::Back => show_tab(model, Tab::Jobs),
        Action::Sort => sort(model),
        Action::StartFilter => model.filter_mut().typing = true,
        Action::TypeChar(letter) => model.filter_mut().text.push(letter),
        Action::DeleteChar => drop(model.filter_mut().text.pop()),
        Action::ApplyFilter => model.filter_mut().typing = false,
        Action::ClearFilter => *model.filter_mut() = Filter::default(),
        Action::ToggleHold => toggle_hold(model),
        Action::ToggleSelectedOnly => toggle_selected_only(model),
        Action::HideColumn => model.rows_view.hide_first(),
        Action::ShowAllColumns => model.rows_view.show_all(),
        Action::ToggleRejects => model.shows_rejects = !model.shows_rejects,
        Action::SelectLine(line) => select_line(model, line),
        Action::MoveDown(by) => move_down(model, by),
        Action::Page(by) => move_down(model, by.saturating_mul(model.page())),
        Action::First => move_down(model, isize::MIN / 2),
        Action::Last => move_down(model, isize::MAX / 2),
        Action::MoveRight(by) => move_right(model, by),
    }
    Effect::None
}

fn show_tab(model: &mut Model, tab: Tab) {
    model.filter_mut().typing = false;
    model.tab = tab;
}

/// Opens the job of the selected line and keeps it selected when the list changes.
fn open_job(model: &mut Model) {
    let id = match model.tab {
        Tab::Dead => model.selected_dead().map(|(_, chunk)| chunk.job_id.clone()),
        Tab::Log => model
            .selected_event()
            .map(|(_, event)| event.job_id.clone()),
        _ => model.selected_job().map(|job| job.job_id.clone()),
    };
    let listed = |id: &String| {
        model
            .state
            .as_ref()
            .is_some_and(|state| state.job(id).is_some())
    };
    let Some(id) = id.filter(listed) else {
        return;
    };
    // The filter of the Jobs tab must not hide the job that is opened.
    show_tab(model, Tab::Jobs);
    if !model.jobs().iter().any(|job| job.job_id == id) {
        *model.filter_mut() = Filter::default();
    }
    model.job.id = Some(id);
    show_tab(model, Tab::Job);
}

fn sort(model: &mut Model) {
    if model.tab == Tab::Workers {
        model.worker_order = next_in(&WorkerOrder::ALL, model.worker_order);
    } else {
        model.order = next_in(&JobOrder::ALL, model.order);
    }
}

/// The element after `now`, cyclically.
fn next_in<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let at = all.iter().position(|&one| one == now).unwrap_or(0);
    all[(at + 1) % all.len()]
}

fn copy(model: &mut Model) -> Effect {
    let id = match model.tab {
        Tab::Workers => model
            .selected_worker()
            .map(|(_, worker)| State::worker_id(worker).to_owned()),
        Tab::Dead => model
            .selected_dead()
            .map(|(_, chunk)| format!("{} {}", chunk.job_id, chunk.seq)),
        Tab::Log => model.selected_event().map(|(_, event)| event.text.clone()),
        _ => model.selected_job().map(|job| job.job_id.clone()),
    };
    let Some(id) = id else {
        return Effect::None;
    };
    notify(model, format!("copied {id}"));
    Effect::Copy(id)
}

fn export_table(model: &mut Model) -> Effect {
    if let Some((name, bytes)) = export(model) {
        return Effect::Save { name, bytes };
    }
    notify(model, "there is no table here".to_owned());
    Effect::None
}

/// Pauses or resumes the selected job, without a question since both can be undone.
fn pause_job(model: &mut Model) -> Effect {
    let Some(job) = model.selected_job() else {
        return Effect::None;
    };
    let (job_id, state) = (job.job_id.clone(), job.state());
    let command = match state {
        JobState::Paused => Command::Resume { job_id },
        JobState::Publishing | JobState::Stalled | JobState::Running => Command::Pause { job_id },
        _ => {
            notify(model, "this job is finished".to_owned());
            return Effect::None;
        }
    };
    Effect::Request(Request::Command(command))
}

/// Asks the user to confirm `action`.
fn ask_confirmation(model: &mut Model, action: Action) {
    let (job_id, seqs) = if model.tab == Tab::Dead {
        let Some((_, chunk)) = model.selected_dead() else {
            return;
        };
        (chunk.job_id.clone(), vec![chunk.seq])
    } else {
        let Some(job) = model.selected_job() else {
            return;
        };
        if let Some(why) = why_inapplicable(action, job) {
            return notify(model, why.to_owned());
        }
        (job.job_id.clone(), Vec::new())
    };
    let name = match model.job_name(&job_id) {
        "" => job_id.clone(),
        name => name.to_owned(),
    };
    let command = match action {
        Action::ReplayDead => Command::Replay { job_id, seqs },
        Action::DropChunk => Command::Drop { job_id, seqs },
        _ => Command::Cancel { job_id },
    };
    model.question = command
        .question(&name)
        .map(|text| Question { text, command });
}

/// Why `action` does not apply to `job`. `None` if it does.
fn why_inapplicable(action: Action, job: &proto::v1::Job) -> Option<&'static str> {
    match action {
        Action::CancelJob
            if job.finished_unix_ms.is_some() || job.state() == JobState::Cancelled =>
        {
            Some("this job is finished")
        }
        Action::ReplayDead if job.chunks_dead == 0 => Some("no chunk of this job is dead"),
        _ => None,
    }
}

fn notify(model: &mut Model, text: String) {
    model.notice = Some((text, model.now_ms + NOTICE_MS));
}

/// Freezes or resumes the view: on the Rows tab only the rows, so that the user can scroll back;
/// elsewhere the whole view.
fn toggle_hold(model: &mut Model) {
    if let Some(pending) = model.pending.take() {
        model.state = Some(pending);
        let latest = model.state.as_ref().and_then(State::rows);
        model.rows_view.release(latest);
        return;
    }
    if model.tab != Tab::Rows {
        model.pending.clone_from(&model.state);
        return;
    }
    let latest = model.state.as_ref().and_then(State::rows);
    if model.rows_view.frozen().is_some() {
        model.rows_view.release(latest);
    } else {
        model.rows_view.freeze(latest);
    }
}

fn toggle_selected_only(model: &mut Model) {
    model.rows_view.only_selected = !model.rows_view.only_selected;
    model.rows_view.release(None);
}

fn move_down(model: &mut Model, by: isize) {
    match model.tab {
        Tab::Jobs => select_job(model, by),
        Tab::Job => {
            let selected = model.selected_job().map(|job| job.job_id.as_str());
            let report = selected
                .zip(model.state.as_ref())
                .and_then(|(id, state)| state.report(id));
            let entries = renderer(report).map_or(0, Render::entries);
            model.column = moved_index(model.column, by, entries);
        }
        Tab::Rows => scroll_rows(model, by),
        Tab::Workers => {
            let at = model.selected_worker().map_or(0, |(at, _)| at);
            select_worker(model, moved_index(at, by, model.workers().len()));
        }
        Tab::Dead => {
            let at = model.selected_dead().map_or(0, |(at, _)| at);
            select_dead(model, moved_index(at, by, model.dead_chunks().len()));
        }
        Tab::Log => {
            let at = model.selected_event().map_or(0, |(at, _)| at);
            select_event(model, moved_index(at, by, model.events().len()));
        }
        Tab::Broker => {}
    }
}

fn select_worker(model: &mut Model, at: usize) {
    let workers = model.workers();
    let id = workers
        .get(at)
        .map(|worker| State::worker_id(worker).to_owned());
    model.worker.id = id;
}

fn select_dead(model: &mut Model, at: usize) {
    let selected = model.dead_chunks().get(at).map(|chunk| key_of(chunk));
    model.dead.selected = selected;
}

/// At the top no event is pinned, so that the newest stays selected.
fn select_event(model: &mut Model, at: usize) {
    let selected = model.events().get(at).map(|event| event.number);
    model.event = selected.filter(|_| at > 0);
}

/// Selects the list item on `line` of the screen.
fn select_line(model: &mut Model, line: u16) {
    let Some(at) = list_index_at(model, line) else {
        return;
    };
    match model.tab {
        Tab::Jobs => {
            let id = model.jobs().get(at).map(|job| job.job_id.clone());
            model.job.id = id;
        }
        Tab::Job => model.column = at,
        Tab::Workers => select_worker(model, at),
        Tab::Dead => select_dead(model, at),
        Tab::Log => select_event(model, at),
        Tab::Rows | Tab::Broker => {}
    }
}

/// Moves the selection in the list of jobs. At the top no job is pinned, so that the newest stays
/// selected.
fn select_job(model: &mut Model, by: isize) {
    let jobs = model.jobs();
    let selected = model.selected_job().map(|job| job.job_id.as_str());
    let at = jobs
        .iter()
        .position(|job| Some(job.job_id.as_str()) == selected)
        .unwrap_or(0);
    let to = moved_index(at, by, jobs.len());
    let id = jobs.get(to).map(|job| job.job_id.clone());
    let at_top = to == 0 && by < 0 && model.tab == Tab::Jobs;
    if id.as_deref() != selected {
        model.column = 0;
    }
    model.job.id = id.filter(|_| !at_top);
}

/// Scrolling back freezes the rows; scrolling forward to the newest resumes them.
fn scroll_rows(model: &mut Model, by: isize) {
    let latest = model.state.as_ref().and_then(State::rows);
    if by < 0 {
        model.rows_view.freeze(latest);
    }
    let count = model.rows_view.frozen().map_or(0, |rows| rows.rows.len());
    let was_back = model.rows_view.back > 0;
    let most = count.saturating_sub(model.rows_view_lines());
    model.rows_view.up(by.saturating_neg(), most);
    if was_back && model.rows_view.back == 0 {
        model.rows_view.release(latest);
    }
}

fn move_right(model: &mut Model, by: isize) {
    match model.tab {
        Tab::Job => select_job(model, by),
        Tab::Rows => {
            let columns = model.rows().map_or(0, |rows| rows.columns.len());
            model.rows_view.right(by, columns);
        }
        Tab::Jobs | Tab::Workers | Tab::Dead | Tab::Broker | Tab::Log => {}
    }
}

fn moved_index(at: usize, by: isize, len: usize) -> usize {
    at.saturating_add_signed(by).min(len.saturating_sub(1))
}

#[cfg(test)]
mod tests;
