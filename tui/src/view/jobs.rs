//! The Jobs tab: all jobs with their progress, the details of the selected one, and the total
//! throughput over the last minutes.

use cli::format::{bytes, count, duration, grouped, megabytes_per_s, plural, rate, short_id};
use proto::v1::{Job, JobState};
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::chart::{Plot, axis_max, chart, peak};
use super::fields::{Field, fields, height};
use super::labels::{list_title, name};
use super::screens;
use super::table::{Cell, Column, table};
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::state::State;
use crate::theme::{TextStyle, Theme};

const COLUMNS: [Column; 11] = [
    Column::text("ID", 13, 13, 8),
    Column::text("JOB", 12, 40, 0),
    Column::text("STATE", 12, 12, 1),
    Column::text("PROGRESS", 12, 36, 0),
    Column::figure("ROWS", 7, 10, 3),
    Column::number("ROWS/S", 7, 4),
    Column::number("MB/S", 5, 5),
    Column::number("ETA", 6, 2),
    Column::number("REJ", 5, 7),
    Column::number("DEAD", 4, 6),
    Column::number("AGE", 7, 10),
];

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let jobs = model.jobs();
    let has_any = model
        .state
        .as_ref()
        .is_some_and(|state| !state.jobs().is_empty());
    if !has_any {
        return screens::no_jobs(model, canvas, area);
    }
    let (area, below) = cut_bottom(area, chart_height(area));
    let (area, detail) = cut_bottom(area, detail_height(area));
    let job = model.selected_job();
    let selected = job.and_then(|job| jobs.iter().position(|other| other.job_id == job.job_id));
    let (_, lines) = cut_top(area, 1);
    let shown = table(canvas, lines, &COLUMNS, (jobs.len(), selected), |at| {
        cells(model, jobs[at])
    });
    let total = model.state.as_ref().map_or(0, State::jobs_total);
    let title = list_title(model, "Jobs", &shown, jobs.len(), total);
    canvas.rule(
        area,
        &title,
        &[(model.order.label().to_owned(), TextStyle::Faint)],
    );
    match job {
        Some(job) => details(model, canvas, detail, job),
        None => screens::no_match(canvas, cut_top(lines, 1).1),
    }
    throughput(model, canvas, below);
}

fn chart_height(area: Rect) -> u16 {
    match area.height {
        0..18 => 0,
        18..28 => 4,
        28..44 => 8,
        _ => 13,
    }
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..11 => 0,
        _ => 1 + height(8, area.width.saturating_sub(2)),
    }
}

fn cells(model: &Model, job: &Job) -> Vec<Cell> {
    let theme = model.theme;
    let (state, text_style) = state_text(theme, job);
    let moving = job.rows_per_s > 0.0;
    let quiet = if moving {
        TextStyle::Plain
    } else {
        TextStyle::Faint
    };
    vec![
        Cell::Text((short_id(&job.job_id).to_owned(), TextStyle::Faint)),
        Cell::Text((name(job).to_owned(), TextStyle::Strong)),
        Cell::Text((state, text_style)),
        Cell::Gauge(share(job), text_style),
        Cell::Count(job.rows, TextStyle::Plain),
        Cell::Text((known_or_dash(theme, moving, rate(job.rows_per_s, 7)), quiet)),
        Cell::Text((
            known_or_dash(theme, moving, megabytes_per_s(job.bytes_per_s)),
            quiet,
        )),
        Cell::plain(eta(theme, job)),
        Cell::unless_zero(job.rejects, short_count(job.rejects), TextStyle::Warn),
        Cell::unless_zero(job.chunks_dead, count(job.chunks_dead, 4), TextStyle::Bad),
        Cell::Text((age(model, job), TextStyle::Faint)),
    ]
}

pub(super) fn state_text(theme: Theme, job: &Job) -> (String, TextStyle) {
    if job.no_workers {
        return ("! NO WORKERS".to_owned(), TextStyle::Bad);
    }
    let (sign, word, text_style) = theme.job_state(job.state());
    (format!("{sign} {word}"), text_style)
}

/// The share done; 1 for a finished job, also if the master omits it.
pub(super) fn share(job: &Job) -> Option<f64> {
    match job.state() {
        JobState::Done => Some(1.0),
        _ => job.progress.filter(|share| share.is_finite()),
    }
}

fn known_or_dash(theme: Theme, known: bool, text: String) -> String {
    if known {
        text
    } else {
        theme.sign("–", "-").to_owned()
    }
}

pub(super) fn eta(theme: Theme, job: &Job) -> String {
    let known = job.finished_unix_ms.is_none() && job.eta_ms.is_some();
    let text = duration_short(job.eta_ms.unwrap_or(0));
    known_or_dash(theme, known, text)
}

/// At most six columns: `42s`, `3m12s`, `1h03m`.
fn duration_short(ms: u64) -> String {
    duration(ms).replace(' ', "")
}

/// A count in at most five columns.
fn short_count(n: u64) -> String {
    count(n, 5).replace(' ', "")
}

fn age(model: &Model, job: &Job) -> String {
    duration(model.master_now_ms().saturating_sub(job.opened_unix_ms))
}

fn details(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let title = [
        (name(job).to_owned(), TextStyle::Strong),
        (format!("  {}", job.job_id), TextStyle::Plain),
    ];
    canvas.rule(area, &title, &[(job.operation.clone(), TextStyle::Faint)]);
    let (_, area) = cut_top(area, 1);
    fields(canvas, area, &job_fields(model, job));
}

/// The details of a job; values that change come first.
pub(super) fn job_fields(model: &Model, job: &Job) -> Vec<Field> {
    let of = |done: String, all: Option<String>| match all {
        Some(all) => format!("{done} of {all}"),
        None => done,
    };
    let rows = of(grouped(job.rows), job.rows_total.map(grouped));
    let chunks = of(grouped(job.chunks_done), job.chunks_total.map(grouped));
    let input = of(bytes(job.bytes), job.source_bytes.map(bytes));
    let bad = |n: u64, text_style| {
        if n > 0 { text_style } else { TextStyle::Plain }
    };
    vec![
        ("rows", rows, TextStyle::Plain),
        ("chunks", chunks, TextStyle::Plain),
        ("input", input, TextStyle::Plain),
        timing(model, job),
        (
            "rejects",
            rejects(model.theme, job),
            bad(job.rejects + job.replaced, TextStyle::Warn),
        ),
        (
            "dead",
            plural(job.chunks_dead, "chunk"),
            bad(job.chunks_dead, TextStyle::Bad),
        ),
        ("retries", retries(model.theme, job), TextStyle::Plain),
        ("from", origin(model.theme, job), TextStyle::Plain),
    ]
}

/// The job's publisher and lane.
fn origin(theme: Theme, job: &Job) -> String {
    match job.lane.as_str() {
        "" => job.publisher.clone(),
        lane => format!("{}{}lane {lane}", job.publisher, theme.dot()),
    }
}

/// The number of rejects, and of malformed characters replaced in accepted records.
fn rejects(theme: Theme, job: &Job) -> String {
    let rejects = grouped(job.rejects);
    match job.replaced {
        0 => rejects,
        replaced => format!("{rejects}{}{} malformed", theme.dot(), grouped(replaced)),
    }
}

fn retries(theme: Theme, job: &Job) -> String {
    let (retries, duplicates) = (grouped(job.retries), grouped(job.duplicates));
    format!("{retries}{}duplicates {duplicates}", theme.dot())
}

fn timing(model: &Model, job: &Job) -> Field {
    let now = model.master_now_ms();
    let dot = model.theme.dot();
    if let Some(at) = job.finished_unix_ms {
        let took = duration(at.saturating_sub(job.opened_unix_ms));
        let ago = duration(now.saturating_sub(at));
        return (
            "took",
            format!("{took}{dot}finished {ago} ago"),
            TextStyle::Plain,
        );
    }
    let ago = duration(now.saturating_sub(job.opened_unix_ms));
    let left = job.eta_ms.map(|ms| format!("{dot}{} to go", duration(ms)));
    (
        "opened",
        format!("{ago} ago{}", left.unwrap_or_default()),
        TextStyle::Plain,
    )
}

fn throughput(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some(plot) = Plot::below_title(area) else {
        return;
    };
    let values = model.history.rows.columns(plot.columns(), plot.step);
    let title = [("Throughput".to_owned(), TextStyle::Strong), plot.span()];
    let (now, bytes_now) = model.state.as_ref().map_or((0.0, 0.0), State::throughput);
    let highest = rate(model.history.rows.peak(plot.seconds()).into(), 7);
    let remark = [
        ("peak ".to_owned(), TextStyle::Faint),
        (format!("{highest:>7}"), TextStyle::Plain),
        ("  now ".to_owned(), TextStyle::Faint),
        (format!("{:>7}", rate(now, 7)), TextStyle::Strong),
        (" rows/s ".to_owned(), TextStyle::Faint),
        (
            format!("{:>5}", megabytes_per_s(bytes_now)),
            TextStyle::Strong,
        ),
        (" MB/s".to_owned(), TextStyle::Faint),
    ];
    canvas.rule(area, &title, &remark);
    chart(canvas, plot.area, &values, axis_max(peak(&values)));
}
