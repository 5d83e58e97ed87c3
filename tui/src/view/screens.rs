//! The screens shown when there is no data, and the warning lines. Each names the cause and what to do.

use cli::format::{duration, plural};
use cli::text::{Charset, visible_in, wrapped};
use proto::v1::{BrokerState, Job, JobState};
use ratatui::layout::Rect;
use report::result_text;

use super::canvas::{Canvas, StyledText};
use super::labels;
use crate::connection::{Connection, ProtocolMismatch};
use crate::layout::MIN_SIZE;
use crate::model::Model;
use crate::state::State;
use crate::theme::TextStyle;

/// The logo, three lines high.
const LOGO: [&str; 3] = [
    "┬─┐┌─┐┬ ┬┌┬┐┬┬  ┬  ",
    "├┬┘│ │││││││││  │  ",
    "┴└─└─┘└┴┘┴ ┴┴┴─┘┴─┘",
];

/// Minimum height of the screen for the logo.
const LOGO_MIN_HEIGHT: u16 = 12;

/// Minimum width of the screen for whole sentences.
const SENTENCES_MIN_WIDTH: u16 = 76;

type Line = Vec<StyledText>;

fn line(text: impl Into<String>, text_style: TextStyle) -> Line {
    vec![(text.into(), text_style)]
}

fn empty_line() -> Line {
    Vec::new()
}

/// Draws lines in the middle, below the logo if it fits.
fn screen(canvas: &mut Canvas, area: Rect, lines: Vec<Line>) {
    let mut all = Vec::new();
    if area.height >= LOGO_MIN_HEIGHT {
        match canvas.theme.charset {
            Charset::Utf8 => all.extend(LOGO.map(|text| line(text, TextStyle::Accent))),
            Charset::Ascii => all.push(line("r o w m i l l", TextStyle::Accent)),
        }
        all.push(empty_line());
    }
    all.extend(lines);
    canvas.centred(area, &all);
}

pub(super) fn too_small(canvas: &mut Canvas, area: Rect) {
    let lines = [
        line("too small", TextStyle::Strong),
        line(
            format!("{} x {}", area.width, area.height),
            TextStyle::Plain,
        ),
        line(
            format!("{} x {} is needed", MIN_SIZE.0, MIN_SIZE.1),
            TextStyle::Plain,
        ),
    ];
    canvas.centred(area, &lines);
}

pub(super) fn connecting(model: &Model, canvas: &mut Canvas, area: Rect, since_ms: u64) {
    let waited = model.now_ms.saturating_sub(since_ms);
    let mut lines = vec![
        line("connecting to the master", TextStyle::Strong),
        line(model.master.clone(), TextStyle::Plain),
    ];
    if waited >= 1000 {
        lines.push(empty_line());
        lines.push(line(format!("for {}", duration(waited)), TextStyle::Faint));
    }
    screen(canvas, area, lines);
}

pub(super) fn unreachable(
    model: &Model,
    canvas: &mut Canvas,
    area: Rect,
    reason: &str,
    retry_at: u64,
) {
    let sign = canvas.theme.sign("✗", "x");
    let mut lines = vec![
        line(
            format!("{sign} not connected to {}", model.master),
            TextStyle::Bad,
        ),
        empty_line(),
    ];
    lines.extend(wrap(reason, area.width.saturating_sub(4)));
    lines.push(empty_line());
    lines.push(vec![
        ("start one:  ".into(), TextStyle::Faint),
        ("rowmill master".into(), TextStyle::Strong),
    ]);
    lines.push(empty_line());
    lines.push(line(retry_text(model, retry_at), TextStyle::Accent));
    screen(canvas, area, lines);
}

pub(super) fn version_mismatch(
    model: &Model,
    canvas: &mut Canvas,
    area: Rect,
    mismatch: &ProtocolMismatch,
    retry_at_ms: u64,
) {
    let ours = format!("protocol {} (rowmill {})", proto::PROTOCOL, proto::VERSION);
    let clean = |text: &str| visible_in(text, model.theme.charset).into_owned();
    let title = if area.width < SENTENCES_MIN_WIDTH {
        "! the versions differ"
    } else {
        "! this dashboard and this master speak different protocol versions"
    };
    let mut lines = vec![line(title, TextStyle::Bad), empty_line()];
    match mismatch {
        ProtocolMismatch::Version(version) => lines.extend([
            vec![
                ("dashboard  ".into(), TextStyle::Faint),
                (ours, TextStyle::Strong),
            ],
            vec![
                ("master     ".into(), TextStyle::Faint),
                (clean(version), TextStyle::Strong),
            ],
            empty_line(),
            line("install the same rowmill on both sides", TextStyle::Plain),
        ]),
        ProtocolMismatch::Refusal(message) => {
            lines.extend(wrap(&clean(message), area.width.saturating_sub(4)));
        }
    }
    lines.push(empty_line());
    lines.push(line(retry_text(model, retry_at_ms), TextStyle::Accent));
    screen(canvas, area, lines);
}

pub(super) fn no_jobs(model: &Model, canvas: &mut Canvas, area: Rect) {
    if store_line(model).is_some() {
        screen(
            canvas,
            area,
            vec![line("no jobs are known", TextStyle::Strong)],
        );
        return;
    }
    let workers = model.state.as_ref().map_or(0, State::workers_total);
    let mut lines = vec![
        line("no jobs yet", TextStyle::Strong),
        empty_line(),
        line("publish some CSV:", TextStyle::Faint),
        line("cat data.csv | rowmill publish -", TextStyle::Accent),
    ];
    if workers == 0 {
        lines.extend([
            empty_line(),
            line("start workers, here and on other hosts:", TextStyle::Faint),
            line("rowmill worker", TextStyle::Accent),
        ]);
    } else {
        lines.extend([
            empty_line(),
            line(
                format!("{} ready", plural(workers, "worker")),
                TextStyle::Faint,
            ),
        ]);
    }
    screen(canvas, area, lines);
}

pub(super) fn no_match(canvas: &mut Canvas, area: Rect) {
    let lines = [
        line("no job matches the filter", TextStyle::Strong),
        line("Esc on Jobs lists all again", TextStyle::Faint),
    ];
    canvas.centred(area, &lines);
}

pub(super) fn no_rows(canvas: &mut Canvas, area: Rect) {
    let lines = vec![
        line("no rows yet", TextStyle::Strong),
        empty_line(),
        line("they appear here as workers process them", TextStyle::Faint),
    ];
    screen(canvas, area, lines);
}

pub(super) fn no_dead(model: &Model, canvas: &mut Canvas, area: Rect) {
    if !model.dead.is_known {
        return canvas.centred(area, &[line("asking the master", TextStyle::Faint)]);
    }
    if model.filter().is_shown() {
        return filtered(model, canvas, area, "no dead chunk matches the filter");
    }
    let mut lines = vec![
        line("no dead chunks", TextStyle::Strong),
        empty_line(),
        line(
            "a chunk that fails every attempt would be here,",
            TextStyle::Faint,
        ),
        line("to be inspected and replayed", TextStyle::Faint),
    ];
    let unusable = labels::unusable(model);
    if !unusable.is_empty() {
        lines.extend([empty_line(), unusable]);
    }
    screen(canvas, area, lines);
}

pub(super) fn no_events(model: &Model, canvas: &mut Canvas, area: Rect) {
    if model.filter().is_shown() {
        return filtered(model, canvas, area, "nothing in the log matches the filter");
    }
    let lines = vec![
        line("nothing happened yet", TextStyle::Strong),
        empty_line(),
        line(
            "changes of jobs, workers and the broker appear here",
            TextStyle::Faint,
        ),
    ];
    screen(canvas, area, lines);
}

pub(super) fn no_broker(canvas: &mut Canvas, area: Rect) {
    let lines = vec![
        line("no broker yet", TextStyle::Strong),
        empty_line(),
        line("the master has not reported its state", TextStyle::Faint),
    ];
    screen(canvas, area, lines);
}

/// Nothing matches the filter, which is shown.
pub(super) fn filtered(model: &Model, canvas: &mut Canvas, area: Rect, what: &str) {
    let text = visible_in(&model.filter().text, model.theme.charset);
    let cursor = if model.filter().typing { "_" } else { "" };
    let lines = [
        line(what, TextStyle::Strong),
        line(format!("/ {text}{cursor}"), TextStyle::Accent),
        empty_line(),
        line("Esc clears it", TextStyle::Faint),
    ];
    canvas.centred(area, &lines);
}

pub(super) fn no_workers(canvas: &mut Canvas, area: Rect) {
    let lines = vec![
        line("no workers yet", TextStyle::Strong),
        empty_line(),
        line("start some, here and on other hosts:", TextStyle::Faint),
        line("rowmill worker", TextStyle::Accent),
    ];
    screen(canvas, area, lines);
}

pub(super) fn no_profile(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let answered = model
        .state
        .as_ref()
        .is_some_and(|state| state.is_subscribed_to(&job.job_id));
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
    canvas.centred(
        area,
        &[line(what, TextStyle::Strong), line(why, TextStyle::Faint)],
    );
}

/// The warning while the dashboard is disconnected.
pub(super) fn disconnected_line(model: &Model, columns: u16) -> Option<String> {
    let Connection::Disconnected {
        retry_at_ms,
        reason,
        ..
    } = &model.connection
    else {
        return None;
    };
    let dot = model.theme.dot();
    let retry = retry_text(model, *retry_at_ms);
    Some(if columns < SENTENCES_MIN_WIDTH {
        // The status line shows the age of the data.
        format!("DISCONNECTED{dot}{retry}")
    } else {
        let age = duration(model.age_ms());
        format!("DISCONNECTED{dot}data {age} old{dot}{retry}{dot}{reason}")
    })
}

/// The notice while the view is frozen.
pub(super) fn frozen_line(model: &Model) -> Option<String> {
    model.pending.as_ref()?;
    let sign = model.theme.sign("‖", "=");
    let age = model.master_now_ms();
    let shown = model.state.as_ref()?.sent_unix_ms;
    let age = duration(age.saturating_sub(shown));
    let dash = model.theme.sign("—", "-");
    Some(format!(
        "{sign} FROZEN {dash} as of {age} ago; Space resumes"
    ))
}

/// The warning while the master cannot use its broker.
pub(super) fn broker_line(model: &Model) -> Option<String> {
    let broker = model.state.as_ref()?.broker()?;
    let (what, meaning) = match broker.state() {
        BrokerState::Reconnecting => ("BROKER AWAY", "the master reconnects to it"),
        BrokerState::Blocked => ("BROKER BLOCKED", "it is short of memory or disk"),
        BrokerState::Standby => ("STANDBY", "another master consumes the results"),
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

/// The warning if chunks wait and no worker can take them.
pub(super) fn no_workers_line(model: &Model, columns: u16) -> Option<String> {
    let job = model.state.as_ref().and_then(State::lacks_workers)?;
    let dash = model.theme.sign("—", "-");
    let (what, how) = if columns < SENTENCES_MIN_WIDTH {
        ("", "start one:")
    } else {
        ("chunks are waiting; ", "start one on any host:")
    };
    let start = result_text::worker_command(job);
    model
        .is_live()
        .then(|| format!("NO WORKERS {dash} {what}{how} {start}"))
}

/// The warning about a job that has lost chunks or its opening message.
pub(super) fn incomplete_line(model: &Model, columns: u16) -> Option<String> {
    let job = model.state.as_ref().and_then(State::incomplete)?;
    let dash = model.theme.sign("—", "-");
    let what = match job.state() {
        JobState::ChunksLost => "CHUNKS LOST",
        _ => "OPENING LOST",
    };
    let remedy = format!("rowmill publish --resume {}", job.job_id);
    let name = labels::name(job);
    let whole = format!("{what} {dash} {name}; on the host that published it: {remedy}");
    // The command matters most: without room for more, it is shown without the job's name.
    let fits = whole.chars().count() + 2 <= usize::from(columns);
    let line = if fits {
        whole
    } else {
        format!("{what} {dash} {remedy}")
    };
    model.is_live().then_some(line)
}

/// The warning while the master cannot store results.
pub(super) fn store_line(model: &Model) -> Option<String> {
    let trouble = &model.state.as_ref()?.master().store_trouble;
    let dash = model.theme.sign("—", "-");
    (model.is_live() && !trouble.is_empty())
        .then(|| format!("NOTHING IS STORED {dash} {trouble}; they wait at the broker"))
}

/// The warning about data that the master has lost, until an operator has resolved it.
pub(super) fn losses_line(model: &Model) -> Option<String> {
    let loss = model.state.as_ref()?.master().losses.last()?;
    let dash = model.theme.sign("—", "-");
    model
        .is_live()
        .then(|| format!("DATA LOST {dash} rowmill doctor prints the remedy {dash} {loss}"))
}

fn retry_text(model: &Model, retry_at_ms: u64) -> String {
    let left = retry_at_ms.saturating_sub(model.now_ms).div_ceil(1000);
    if left == 0 {
        "reconnecting now".to_owned()
    } else {
        format!("reconnecting in {left} s")
    }
}

/// Wraps `text` between words into at most five lines of at most `columns` columns.
pub(super) fn wrap(text: &str, columns: u16) -> Vec<Line> {
    wrapped(text, columns.into())
        .into_iter()
        .take(5)
        .map(|text| line(text, TextStyle::Plain))
        .collect()
}
