//! What each message does to the model. Nothing here draws, waits, or reads a clock.

use proto::v1::JobState;

use crate::args::Tab;
use crate::dead::key_of;
use crate::errand::{Answer, Deed, Errand};
use crate::export::export;
use crate::message::{Ask, Effect, Msg, News};
use crate::model::{Filter, JobOrder, Model, Question, Rejects, WorkerOrder};
use crate::state::State;
use crate::text::{LONGEST, brief};
use crate::view::line_at;

/// How long a notice stands.
const NOTICE_MS: u64 = 3000;
/// A list that grows all the time is asked for no more often than this.
const REJECTS_EVERY_MS: u64 = 2000;

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
            turn_rows(model);
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
    let wanted = model.wanted();
    if wanted != model.watched {
        model.watched.clone_from(&wanted);
        return Effect::Watch(wanted);
    }
    // One at a time: the next message, a second later at most, brings the next.
    due(model).map_or(Effect::None, Effect::Errand)
}

/// What the tab on the screen shows and the stream does not say.
fn due(model: &mut Model) -> Option<Errand> {
    if !model.is_live() {
        return None;
    }
    match model.tab {
        Tab::Dead => {
            let total = model.state.as_ref()?.dead_total();
            let picked = model.picked_key();
            model.dead.due(total, picked, model.now_ms)
        }
        Tab::Job => due_rejects(model),
        Tab::Jobs | Tab::Rows | Tab::Workers | Tab::Broker | Tab::Log => None,
    }
}

fn due_rejects(model: &mut Model) -> Option<Errand> {
    let job = model.picked_job()?;
    let (job_id, count) = (job.job_id.clone(), job.rejects);
    let known = &model.rejects;
    if known.job_id != job_id {
        model.rejects = Rejects {
            job_id: job_id.clone(),
            ..Rejects::default()
        };
    } else if known.asked == count || model.now_ms < known.asked_ms + REJECTS_EVERY_MS {
        return None;
    }
    model.rejects.asked_ms = model.now_ms;
    model.rejects.asked = count;
    (count > 0).then_some(Errand::Rejects { job_id })
}

fn sample(model: &mut Model) {
    if model.is_live()
        && let Some(state) = model.ahead.as_ref().or(model.state.as_ref())
    {
        model.history.sample(state, model.now_ms);
    }
}

/// A second passed: rows that came since are shown, though nothing more came.
fn turn_rows(model: &mut Model) {
    if let Some(state) = model.ahead.as_mut().or(model.state.as_mut()) {
        state.turn_rows();
        observe(model);
    }
}

/// Makes room for the rows that are shown, unless the view is held.
fn observe(model: &mut Model) {
    let state = model.state.as_ref().filter(|_| model.ahead.is_none());
    if let Some(rows) = state.and_then(State::rows) {
        model.sheet.observe(rows);
    }
}

fn hear(model: &mut Model, news: News) {
    match news {
        News::Link(link) => model.link = link,
        News::Event { job_id, event } => {
            let charset = model.theme.charset;
            let state = match &mut model.ahead {
                Some(ahead) => ahead,
                None => model.state.get_or_insert_with(|| State::new(charset)),
            };
            state.apply(&job_id, *event);
            model.heard_ms = model.now_ms;
            observe(model);
            sample(model);
        }
        News::Answer(answer) => take(model, answer),
    }
}

fn take(model: &mut Model, answer: Answer) {
    let charset = model.theme.charset;
    match answer {
        Answer::Dead(chunks) => model.dead.set(chunks, charset),
        Answer::Chunk(chunk) => model.dead.set_whole(&chunk, charset),
        Answer::Rejects {
            job_id,
            mut rejects,
        } => {
            if job_id == model.rejects.job_id {
                for reject in &mut rejects {
                    reject.reason = brief(&reject.reason, LONGEST, charset).into_owned();
                }
                model.rejects.list = rejects;
            }
        }
        Answer::Done(what) => {
            model.dead.forget();
            notify(model, what);
        }
        Answer::Failed(why) => {
            let why = brief(&why, LONGEST, charset).into_owned();
            notify(model, why);
        }
    }
}

fn answer(model: &mut Model, ask: Ask) -> Effect {
    match ask {
        Ask::Quit => return Effect::Quit,
        Ask::Reconnect if !model.is_live() => return Effect::Reconnect,
        Ask::Copy => return copy(model),
        Ask::Export => return exported(model),
        Ask::Yes => {
            let deed = model.question.take().map(|question| question.deed);
            return deed.map_or(Effect::None, |deed| Effect::Errand(Errand::Deed(deed)));
        }
        Ask::PauseJob => return pause_job(model),
        Ask::Cancel | Ask::Replay | Ask::Drop => wonder(model, ask),
        Ask::No => model.question = None,
        Ask::Reconnect => {}
        Ask::Help => model.help = !model.help,
        Ask::Show(tab) => show(model, tab),
        Ask::Turn(steps) => show(model, model.tab.step(steps)),
        Ask::Open => open(model),
        Ask::Back if model.filter().is_shown() => *model.filter_mut() = Filter::default(),
        Ask::Back => show(model, Tab::Jobs),
        Ask::Sort => sort(model),
        Ask::Filter => model.filter_mut().typing = true,
        Ask::Type(letter) => model.filter_mut().text.push(letter),
        Ask::Erase => drop(model.filter_mut().text.pop()),
        Ask::Keep => model.filter_mut().typing = false,
        Ask::Clear => *model.filter_mut() = Filter::default(),
        Ask::Hold => hold(model),
        Ask::Follow => follow(model),
        Ask::Hide => model.sheet.hide_first(),
        Ask::Unhide => model.sheet.unhide(),
        Ask::Bad => model.shows_bad = !model.shows_bad,
        Ask::Point(line) => point(model, line),
        Ask::Down(by) => down(model, by),
        Ask::Page(by) => down(model, by.saturating_mul(model.page())),
        Ask::First => down(model, isize::MIN / 2),
        Ask::Last => down(model, isize::MAX / 2),
        Ask::Right(by) => right(model, by),
    }
    Effect::None
}

fn show(model: &mut Model, tab: Tab) {
    model.filter_mut().typing = false;
    model.tab = tab;
}

/// Opens the job of the chosen line, and keeps it chosen however the list moves.
fn open(model: &mut Model) {
    let id = match model.tab {
        Tab::Dead => model.picked_dead().map(|(_, chunk)| chunk.job_id.clone()),
        Tab::Log => model.picked_event().map(|(_, event)| event.job_id.clone()),
        _ => model.picked_job().map(|job| job.job_id.clone()),
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
    // It must not be filtered away where it is to be looked at.
    show(model, Tab::Jobs);
    if !model.jobs().iter().any(|job| job.job_id == id) {
        *model.filter_mut() = Filter::default();
    }
    model.job.id = Some(id);
    show(model, Tab::Job);
}

fn sort(model: &mut Model) {
    if model.tab == Tab::Workers {
        model.worker_order = next(&WorkerOrder::ALL, model.worker_order);
    } else {
        model.order = next(&JobOrder::ALL, model.order);
    }
}

/// The one after `now`, around the end.
fn next<T: Copy + PartialEq>(all: &[T], now: T) -> T {
    let at = all.iter().position(|&one| one == now).unwrap_or(0);
    all[(at + 1) % all.len()]
}

fn copy(model: &mut Model) -> Effect {
    let id = match model.tab {
        Tab::Workers => model
            .picked_worker()
            .map(|(_, worker)| State::worker_id(worker).to_owned()),
        Tab::Dead => model
            .picked_dead()
            .map(|(_, chunk)| format!("{} {}", chunk.job_id, chunk.seq)),
        Tab::Log => model.picked_event().map(|(_, event)| event.text.clone()),
        _ => model.picked_job().map(|job| job.job_id.clone()),
    };
    let Some(id) = id else {
        return Effect::None;
    };
    notify(model, format!("copied {id}"));
    Effect::Copy(id)
}

fn exported(model: &mut Model) -> Effect {
    if let Some((name, bytes)) = export(model) {
        return Effect::Save { name, bytes };
    }
    notify(model, "there is no table here".to_owned());
    Effect::None
}

/// What can be undone is done without a question.
fn pause_job(model: &mut Model) -> Effect {
    let Some(job) = model.picked_job() else {
        return Effect::None;
    };
    let (job_id, state) = (job.job_id.clone(), job.state());
    let deed = match state {
        JobState::Paused => Deed::Resume { job_id },
        JobState::Publishing | JobState::Stalled | JobState::Running => Deed::Pause { job_id },
        _ => {
            notify(model, "this job is finished".to_owned());
            return Effect::None;
        }
    };
    Effect::Errand(Errand::Deed(deed))
}

/// Asks whether the person means it.
fn wonder(model: &mut Model, ask: Ask) {
    let (job_id, seqs) = if model.tab == Tab::Dead {
        let Some((_, chunk)) = model.picked_dead() else {
            return;
        };
        (chunk.job_id.clone(), vec![chunk.seq])
    } else {
        let Some(job) = model.picked_job() else {
            return;
        };
        if let Some(why) = pointless(ask, job) {
            return notify(model, why.to_owned());
        }
        (job.job_id.clone(), Vec::new())
    };
    let name = match model.job_name(&job_id) {
        "" => job_id.clone(),
        name => name.to_owned(),
    };
    let deed = match ask {
        Ask::Replay => Deed::Replay { job_id, seqs },
        Ask::Drop => Deed::Drop { job_id, seqs },
        _ => Deed::Cancel { job_id },
    };
    model.question = deed.question(&name).map(|text| Question { text, deed });
}

/// Why there is nothing to ask about.
fn pointless(ask: Ask, job: &proto::v1::Job) -> Option<&'static str> {
    match ask {
        Ask::Cancel if job.finished_unix_ms.is_some() || job.state() == JobState::Cancelled => {
            Some("this job is finished")
        }
        Ask::Replay if job.chunks_dead == 0 => Some("no chunk of this job is dead"),
        _ => None,
    }
}

fn notify(model: &mut Model, text: String) {
    model.notice = Some((text, model.now_ms + NOTICE_MS));
}

/// Holds the rows alone where they are looked at, so that one can scroll back in them; elsewhere all.
fn hold(model: &mut Model) {
    if let Some(ahead) = model.ahead.take() {
        model.state = Some(ahead);
        let latest = model.state.as_ref().and_then(State::rows);
        model.sheet.release(latest);
        return;
    }
    if model.tab != Tab::Rows {
        model.ahead.clone_from(&model.state);
        return;
    }
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
            let rules = picked
                .zip(model.state.as_ref())
                .and_then(|(id, state)| state.validate(id));
            let columns = profile.map_or(0, |profile| profile.columns.len());
            let columns = rules.map_or(columns, |report| report.rules.len());
            model.column = moved(model.column, by, columns);
        }
        Tab::Rows => scroll_rows(model, by),
        Tab::Workers => {
            let at = model.picked_worker().map_or(0, |(at, _)| at);
            pick_worker(model, moved(at, by, model.workers().len()));
        }
        Tab::Dead => {
            let at = model.picked_dead().map_or(0, |(at, _)| at);
            pick_dead(model, moved(at, by, model.dead_chunks().len()));
        }
        Tab::Log => {
            let at = model.picked_event().map_or(0, |(at, _)| at);
            pick_event(model, moved(at, by, model.events().len()));
        }
        Tab::Broker => {}
    }
}

fn pick_worker(model: &mut Model, at: usize) {
    let workers = model.workers();
    let id = workers
        .get(at)
        .map(|worker| State::worker_id(worker).to_owned());
    model.worker.id = id;
}

fn pick_dead(model: &mut Model, at: usize) {
    let picked = model.dead_chunks().get(at).map(|chunk| key_of(chunk));
    model.dead.picked = picked;
}

/// The newest stays chosen where it is chosen, whichever that is.
fn pick_event(model: &mut Model, at: usize) {
    let picked = model.events().get(at).map(|event| event.number);
    model.event = picked.filter(|_| at > 0);
}

/// Chooses what stands on that line of the screen.
fn point(model: &mut Model, line: u16) {
    let Some(at) = line_at(model, line) else {
        return;
    };
    match model.tab {
        Tab::Jobs => {
            let id = model.jobs().get(at).map(|job| job.job_id.clone());
            model.job.id = id;
        }
        Tab::Job => model.column = at,
        Tab::Workers => pick_worker(model, at),
        Tab::Dead => pick_dead(model, at),
        Tab::Log => pick_event(model, at),
        Tab::Rows | Tab::Broker => {}
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
        Tab::Jobs | Tab::Workers | Tab::Dead | Tab::Broker | Tab::Log => {}
    }
}

fn moved(at: usize, by: isize, len: usize) -> usize {
    at.saturating_add_signed(by).min(len.saturating_sub(1))
}

#[cfg(test)]
mod tests;
