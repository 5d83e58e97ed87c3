//! What each message does to the model. Nothing here draws, waits, or reads a clock.

use crate::args::Tab;
use crate::message::{Ask, Effect, Msg, News};
use crate::model::{Filter, JobOrder, Model};
use crate::state::State;

/// How long a notice stands.
const NOTICE_MS: u64 = 3000;

/// Applies `msg`, which happened at `now_ms`, and says what the event loop must do.
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
            sample(model);
            Effect::None
        }
        Msg::Resize(columns, lines) => {
            model.size = (columns, lines);
            Effect::None
        }
        Msg::News(news) => {
            hear(model, news);
            Effect::None
        }
        Msg::Ask(ask) => answer(model, ask),
    };
    if effect != Effect::None {
        return effect;
    }
    let wanted = model.wanted();
    if wanted == model.watched {
        return Effect::None;
    }
    model.watched.clone_from(&wanted);
    Effect::Watch(wanted)
}

fn sample(model: &mut Model) {
    let live = model.is_live();
    if let Some(state) = model.state.as_ref().filter(|_| live) {
        model.history.sample(state, model.now_ms);
    }
}

fn hear(model: &mut Model, news: News) {
    match news {
        News::Link(link) => model.link = link,
        News::Event { job_id, event } => {
            let charset = model.theme.charset;
            let state = model.state.get_or_insert_with(|| State::new(charset));
            state.apply(&job_id, *event);
            model.heard_ms = model.now_ms;
            if let Some(rows) = state.rows() {
                model.sheet.observe(rows);
            }
            sample(model);
        }
    }
}

fn answer(model: &mut Model, ask: Ask) -> Effect {
    match ask {
        Ask::Quit => return Effect::Quit,
        Ask::Reconnect if !model.is_live() => return Effect::Reconnect,
        Ask::Copy => return copy(model),
        Ask::Reconnect => {}
        Ask::Help => model.help = !model.help,
        Ask::Show(tab) => model.tab = tab,
        Ask::Turn(steps) => model.tab = model.tab.step(steps),
        Ask::Open => model.tab = open(model),
        Ask::Back => model.tab = Tab::Jobs,
        Ask::Sort => sort(model),
        Ask::Filter => model.filter.typing = true,
        Ask::Type(letter) => model.filter.text.push(letter),
        Ask::Erase => drop(model.filter.text.pop()),
        Ask::Keep => model.filter.typing = false,
        Ask::Clear => model.filter = Filter::default(),
        Ask::Pause => pause(model),
        Ask::Follow => follow(model),
        Ask::Down(by) => down(model, by),
        Ask::Page(by) => down(model, by.saturating_mul(model.page())),
        Ask::First => down(model, isize::MIN / 2),
        Ask::Last => down(model, isize::MAX / 2),
        Ask::Right(by) => right(model, by),
    }
    Effect::None
}

/// Opens the chosen job, and keeps it chosen however the list moves.
fn open(model: &mut Model) -> Tab {
    let Some(id) = model.picked_job().map(|job| job.job_id.clone()) else {
        return model.tab;
    };
    model.job.id = Some(id);
    Tab::Job
}

fn sort(model: &mut Model) {
    let at = JobOrder::ALL
        .iter()
        .position(|&order| order == model.order)
        .unwrap_or(0);
    model.order = JobOrder::ALL[(at + 1) % JobOrder::ALL.len()];
}

fn copy(model: &mut Model) -> Effect {
    let Some(id) = model.picked_job().map(|job| job.job_id.clone()) else {
        return Effect::None;
    };
    notify(model, format!("copied {id}"));
    Effect::Copy(id)
}

fn notify(model: &mut Model, text: String) {
    model.notice = Some((text, model.now_ms + NOTICE_MS));
}

fn pause(model: &mut Model) {
    let latest = model.state.as_ref().and_then(State::rows);
    if model.sheet.held().is_some() {
        model.sheet.release(latest);
    } else {
        model.sheet.hold(latest);
    }
}

fn follow(model: &mut Model) {
    model.sheet.only_picked = !model.sheet.only_picked;
    model.sheet.release(None);
}

fn down(model: &mut Model, by: isize) {
    match model.tab {
        Tab::Jobs => pick_job(model, by),
        Tab::Job => {
            let picked = model.picked_job().map(|job| job.job_id.as_str());
            let profile = picked
                .zip(model.state.as_ref())
                .and_then(|(id, state)| state.profile(id));
            let columns = profile.map_or(0, |profile| profile.columns.len());
            model.column = moved(model.column, by, columns);
        }
        Tab::Rows => scroll_rows(model, by),
        Tab::Workers => {
            let at = model.picked_worker().map_or(0, |(at, _)| at);
            let to = moved(at, by, model.workers().len());
            model.worker.id = model
                .workers()
                .get(to)
                .map(|w| State::worker_id(w).to_owned());
        }
    }
}

/// Moves the choice in the list of jobs. At the top of the list it holds on to the place, not to
/// the job, so that the newest stays chosen.
fn pick_job(model: &mut Model, by: isize) {
    let jobs = model.jobs();
    let picked = model.picked_job().map(|job| job.job_id.as_str());
    let at = jobs
        .iter()
        .position(|job| Some(job.job_id.as_str()) == picked)
        .unwrap_or(0);
    let to = moved(at, by, jobs.len());
    let id = jobs.get(to).map(|job| job.job_id.clone());
    let at_top = to == 0 && by < 0 && model.tab == Tab::Jobs;
    if id.as_deref() != picked {
        model.column = 0;
    }
    model.job.id = id.filter(|_| !at_top);
}

/// Looking back holds the rows; coming back to the newest lets them flow again.
fn scroll_rows(model: &mut Model, by: isize) {
    let latest = model.state.as_ref().and_then(State::rows);
    if by < 0 {
        model.sheet.hold(latest);
    }
    let count = model.sheet.held().map_or(0, |rows| rows.rows.len());
    let was_back = model.sheet.back > 0;
    let most = count.saturating_sub(model.sheet_lines());
    model.sheet.up(by.saturating_neg(), most);
    if was_back && model.sheet.back == 0 {
        model.sheet.release(latest);
    }
}

fn right(model: &mut Model, by: isize) {
    match model.tab {
        Tab::Job => pick_job(model, by),
        Tab::Rows => {
            let columns = model.rows().map_or(0, |rows| rows.columns.len());
            model.sheet.right(by, columns);
        }
        Tab::Jobs | Tab::Workers => {}
    }
}

fn moved(at: usize, by: isize, len: usize) -> usize {
    at.saturating_add_signed(by).min(len.saturating_sub(1))
}

#[cfg(test)]
mod tests;
