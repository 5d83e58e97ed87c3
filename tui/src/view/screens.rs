//! The screens for when there is nothing to show, and the lines for when something is wrong. Each
//! says what is the case and what to do next.

use proto::v1::{BrokerState, Job, JobState};
use ratatui::layout::Rect;

use super::pen::{Ink, Pen};
use super::{LEAST, jobs};
use crate::format::{duration, plural};
use crate::message::{Link, Theirs};
use crate::model::Model;
use crate::state::State;
use crate::text::{Charset, visible_in};
use crate::theme::Tone;
use crate::words;

/// The name, three lines high.
const LOGO: [&str; 3] = [
    "┬─┐┌─┐┬ ┬┌┬┐┬┬  ┬  ",
    "├┬┘│ │││││││││  │  ",
    "┴└─└─┘└┴┘┴ ┴┴┴─┘┴─┘",
];

/// From this height on there is room for the name.
const LOGO_FROM: u16 = 12;

/// From this width on there is room for whole sentences.
const ROOMY: u16 = 76;

type Line = Vec<Ink>;

fn one(text: impl Into<String>, tone: Tone) -> Line {
    vec![(text.into(), tone)]
}

fn gap() -> Line {
    Vec::new()
}

/// Lines in the middle, under the name where there is room.
fn screen(pen: &mut Pen, area: Rect, lines: Vec<Line>) {
    let mut all = Vec::new();
    if area.height >= LOGO_FROM {
        match pen.theme.charset {
            Charset::Utf8 => all.extend(LOGO.map(|line| one(line, Tone::Accent))),
            Charset::Ascii => all.push(one("r o w m i l l", Tone::Accent)),
        }
        all.push(gap());
    }
    all.extend(lines);
    pen.centred(area, &all);
}

pub(super) fn too_small(pen: &mut Pen, area: Rect) {
    let lines = [
        one("too small", Tone::Strong),
        one(format!("{} x {}", area.width, area.height), Tone::Plain),
        one(format!("{} x {} is needed", LEAST.0, LEAST.1), Tone::Plain),
    ];
    pen.centred(area, &lines);
}

pub(super) fn connecting(model: &Model, pen: &mut Pen, area: Rect, since_ms: u64) {
    let waited = model.now_ms.saturating_sub(since_ms);
    let mut lines = vec![
        one("connecting to the master", Tone::Strong),
        one(model.master.clone(), Tone::Plain),
    ];
    if waited >= 1000 {
        lines.push(gap());
        lines.push(one(format!("for {}", duration(waited)), Tone::Faint));
    }
    screen(pen, area, lines);
}

pub(super) fn unreachable(model: &Model, pen: &mut Pen, area: Rect, reason: &str, retry_at: u64) {
    let sign = pen.theme.sign("✗", "x");
    let mut lines = vec![
        one(
            format!("{sign} not connected to {}", model.master),
            Tone::Bad,
        ),
        gap(),
    ];
    lines.extend(wrap(reason, area.width.saturating_sub(4)));
    lines.push(gap());
    lines.push(vec![
        ("start one:  ".into(), Tone::Faint),
        ("rowmill master".into(), Tone::Strong),
    ]);
    lines.push(gap());
    lines.push(one(next_try(model, retry_at), Tone::Accent));
    screen(pen, area, lines);
}

pub(super) fn version_mismatch(
    model: &Model,
    pen: &mut Pen,
    area: Rect,
    theirs: &Theirs,
    retry_at_ms: u64,
) {
    let ours = format!("protocol {} (rowmill {})", proto::PROTOCOL, proto::VERSION);
    let clean = |text: &str| visible_in(text, model.theme.charset).into_owned();
    let title = if area.width < ROOMY {
        "! the versions differ"
    } else {
        "! this dashboard and this master do not understand each other"
    };
    let mut lines = vec![one(title, Tone::Bad), gap()];
    match theirs {
        Theirs::Version(theirs) => lines.extend([
            vec![("dashboard  ".into(), Tone::Faint), (ours, Tone::Strong)],
            vec![
                ("master     ".into(), Tone::Faint),
                (clean(theirs), Tone::Strong),
            ],
            gap(),
            one("install the same rowmill on both sides", Tone::Plain),
        ]),
        Theirs::Refusal(said) => lines.extend(wrap(&clean(said), area.width.saturating_sub(4))),
    }
    lines.push(gap());
    lines.push(one(next_try(model, retry_at_ms), Tone::Accent));
    screen(pen, area, lines);
}

pub(super) fn no_jobs(model: &Model, pen: &mut Pen, area: Rect) {
    if store_line(model).is_some() {
        screen(pen, area, vec![one("no jobs are known", Tone::Strong)]);
        return;
    }
    let workers = model.state.as_ref().map_or(0, State::workers_total);
    let mut lines = vec![
        one("no jobs yet", Tone::Strong),
        gap(),
        one("publish some CSV:", Tone::Faint),
        one("cat data.csv | rowmill publish -", Tone::Accent),
    ];
    if workers == 0 {
        lines.extend([
            gap(),
            one("start workers, here and on other hosts:", Tone::Faint),
            one("rowmill worker", Tone::Accent),
        ]);
    } else {
        lines.extend([
            gap(),
            one(format!("{} ready", plural(workers, "worker")), Tone::Faint),
        ]);
    }
    screen(pen, area, lines);
}

pub(super) fn no_match(pen: &mut Pen, area: Rect) {
    let lines = [
        one("no job matches the filter", Tone::Strong),
        one("Esc on Jobs lists all again", Tone::Faint),
    ];
    pen.centred(area, &lines);
}

pub(super) fn no_rows(pen: &mut Pen, area: Rect) {
    let lines = vec![
        one("no rows yet", Tone::Strong),
        gap(),
        one("they appear here as workers process them", Tone::Faint),
    ];
    screen(pen, area, lines);
}

pub(super) fn no_dead(model: &Model, pen: &mut Pen, area: Rect) {
    if !model.dead.is_known {
        return pen.centred(area, &[one("asking the master", Tone::Faint)]);
    }
    if model.filter().is_shown() {
        return filtered(model, pen, area, "no dead chunk matches the filter");
    }
    let mut lines = vec![
        one("no dead chunks", Tone::Strong),
        gap(),
        one(
            "a chunk that fails every attempt would be here,",
            Tone::Faint,
        ),
        one("to be looked at and replayed", Tone::Faint),
    ];
    let unusable = super::dead::unusable(model);
    if !unusable.is_empty() {
        lines.extend([gap(), unusable]);
    }
    screen(pen, area, lines);
}

pub(super) fn no_events(model: &Model, pen: &mut Pen, area: Rect) {
    if model.filter().is_shown() {
        return filtered(model, pen, area, "nothing in the log matches the filter");
    }
    let lines = vec![
        one("nothing happened yet", Tone::Strong),
        gap(),
        one("jobs, workers and the broker are told of here", Tone::Faint),
    ];
    screen(pen, area, lines);
}

pub(super) fn no_broker(pen: &mut Pen, area: Rect) {
    let lines = vec![
        one("no broker yet", Tone::Strong),
        gap(),
        one("the master has not said anything of it", Tone::Faint),
    ];
    screen(pen, area, lines);
}

/// Nothing is listed because of a filter, which is shown.
pub(super) fn filtered(model: &Model, pen: &mut Pen, area: Rect, what: &str) {
    let text = visible_in(&model.filter().text, model.theme.charset);
    let cursor = if model.filter().typing { "_" } else { "" };
    let lines = [
        one(what, Tone::Strong),
        one(format!("/ {text}{cursor}"), Tone::Accent),
        gap(),
        one("Esc clears it", Tone::Faint),
    ];
    pen.centred(area, &lines);
}

pub(super) fn no_workers(pen: &mut Pen, area: Rect) {
    let lines = vec![
        one("no workers yet", Tone::Strong),
        gap(),
        one("start some, here and on other hosts:", Tone::Faint),
        one("rowmill worker", Tone::Accent),
    ];
    screen(pen, area, lines);
}

pub(super) fn no_profile(model: &Model, pen: &mut Pen, area: Rect, job: &Job) {
    let answered = model
        .state
        .as_ref()
        .is_some_and(|state| state.answers(&job.job_id));
    let (what, why) = if job.operation != "profile" {
        (
            "no profile",
            format!("this job's operation is {}", job.operation),
        )
    } else if answered {
        (
            "no profile yet",
            "it grows with every chunk that is done".to_owned(),
        )
    } else {
        ("", "asking the master".to_owned())
    };
    pen.centred(area, &[one(what, Tone::Strong), one(why, Tone::Faint)]);
}

/// What to say above data that is no longer fresh.
pub(super) fn disconnected_line(model: &Model, columns: u16) -> Option<String> {
    let Link::Disconnected {
        retry_at_ms,
        reason,
        ..
    } = &model.link
    else {
        return None;
    };
    let dot = model.theme.dot();
    let retry = next_try(model, *retry_at_ms);
    Some(if columns < ROOMY {
        // The status line says how old the data is.
        format!("DISCONNECTED{dot}{retry}")
    } else {
        let age = duration(model.age_ms());
        format!("DISCONNECTED{dot}data {age} old{dot}{retry}{dot}{reason}")
    })
}

/// What to say while the view is held.
pub(super) fn held_line(model: &Model) -> Option<String> {
    model.ahead.as_ref()?;
    let sign = model.theme.sign("‖", "=");
    let age = model.master_now_ms();
    let shown = model.state.as_ref()?.sent_unix_ms;
    let age = duration(age.saturating_sub(shown));
    let dash = model.theme.sign("—", "-");
    Some(format!(
        "{sign} HELD {dash} as of {age} ago; Space lets it go on"
    ))
}

/// What to say while the master is without its broker, or has to wait.
pub(super) fn broker_line(model: &Model) -> Option<String> {
    let broker = model.state.as_ref()?.broker()?;
    let (what, meaning) = match broker.state() {
        BrokerState::Reconnecting => ("BROKER AWAY", "the master reconnects to it"),
        BrokerState::Blocked => ("BROKER BLOCKED", "it is short of memory or disk"),
        BrokerState::Standby => ("STANDBY", "another master holds the results"),
        BrokerState::Connected | BrokerState::Unspecified => return None,
    };
    let detail = match broker.detail.as_str() {
        "" => String::new(),
        detail => format!(": {detail}"),
    };
    let dash = model.theme.sign("—", "-");
    model
        .is_live()
        .then(|| format!("{what} {dash} {meaning}{detail}"))
}

/// What to say where chunks wait and nobody takes them.
pub(super) fn no_workers_line(model: &Model, columns: u16) -> Option<String> {
    let job = model.state.as_ref().and_then(State::lacks_workers)?;
    let dash = model.theme.sign("—", "-");
    let (what, how) = if columns < ROOMY {
        ("", "start one:")
    } else {
        ("chunks are waiting; ", "start one on any host:")
    };
    let start = words::worker_for(job);
    model
        .is_live()
        .then(|| format!("NO WORKERS {dash} {what}{how} {start}"))
}

/// What to say about a job that has lost chunks or its opening.
pub(super) fn incomplete_line(model: &Model, columns: u16) -> Option<String> {
    let job = model.state.as_ref().and_then(State::incomplete)?;
    let dash = model.theme.sign("—", "-");
    let what = match job.state() {
        JobState::ChunksLost => "CHUNKS LOST",
        _ => "OPENING LOST",
    };
    let remedy = format!("rowmill publish --resume {}", job.job_id);
    let name = jobs::name(job);
    let whole = format!("{what} {dash} {name}; on the host that published it: {remedy}");
    // The command is what matters: it stands alone where there is no room for more.
    let fits = whole.chars().count() + 2 <= usize::from(columns);
    let line = if fits {
        whole
    } else {
        format!("{what} {dash} {remedy}")
    };
    model.is_live().then_some(line)
}

/// What to say while the master cannot store results.
pub(super) fn store_line(model: &Model) -> Option<String> {
    let trouble = &model.state.as_ref()?.master().store_trouble;
    let dash = model.theme.sign("—", "-");
    (model.is_live() && !trouble.is_empty())
        .then(|| format!("NOTHING IS STORED {dash} {trouble}; they wait at the broker"))
}

/// What to say of data that the master has lost, until somebody has dealt with it.
pub(super) fn losses_line(model: &Model) -> Option<String> {
    let loss = model.state.as_ref()?.master().losses.last()?;
    let dash = model.theme.sign("—", "-");
    model
        .is_live()
        .then(|| format!("DATA LOST {dash} rowmill doctor says what to do {dash} {loss}"))
}

fn next_try(model: &Model, retry_at_ms: u64) -> String {
    let left = retry_at_ms.saturating_sub(model.now_ms).div_ceil(1000);
    if left == 0 {
        "reconnecting now".to_owned()
    } else {
        format!("reconnecting in {left} s")
    }
}

/// `text` broken between words into lines of at most `columns`, at most five.
pub(super) fn wrap(text: &str, columns: u16) -> Vec<Line> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns.into() => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(5);
    lines
        .into_iter()
        .map(|line| one(line, Tone::Plain))
        .collect()
}
