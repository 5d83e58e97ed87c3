//! The Jobs tab: every job with its gauge, what is known of the chosen one, and the throughput of
//! all over the last minutes.

use proto::v1::{Job, JobState};
use ratatui::layout::Rect;

use super::chart::{Plot, ceiling, chart, peak};
use super::facts::{Fact, facts, height};
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use super::{cut_bottom, cut_top, screens};
use crate::format::{bytes, count, duration, grouped, megabytes_per_s, plural, rate, short_id};
use crate::model::Model;
use crate::state::State;
use crate::text::visible_in;
use crate::theme::{Theme, Tone};

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

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let jobs = model.jobs();
    let has_any = model
        .state
        .as_ref()
        .is_some_and(|state| !state.jobs().is_empty());
    if !has_any {
        return screens::no_jobs(model, pen, area);
    }
    let (area, below) = cut_bottom(area, chart_height(area));
    let (area, detail) = cut_bottom(area, detail_height(area));
    let picked = model.picked_job();
    let chosen = picked.and_then(|picked| jobs.iter().position(|job| job.job_id == picked.job_id));
    let (_, lines) = cut_top(area, 1);
    let shown = table(pen, lines, &COLUMNS, (jobs.len(), chosen), |at| {
        cells(model, jobs[at])
    });
    let total = model.state.as_ref().map_or(0, State::jobs_total);
    let title = listed(model, "Jobs", &shown, jobs.len(), total);
    pen.rule(
        area,
        &title,
        &[(model.order.word().to_owned(), Tone::Faint)],
    );
    match picked {
        Some(job) => details(model, pen, detail, job),
        None => screens::no_match(pen, cut_top(lines, 1).1),
    }
    throughput(model, pen, below);
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

/// The title of a list: how many there are, which of them are on the screen, and by which filter.
/// `len` pass it, of `total`.
pub(super) fn listed(
    model: &Model,
    what: &str,
    shown: &std::ops::Range<usize>,
    len: usize,
    total: u64,
) -> Vec<Ink> {
    let mut title = vec![(what.to_owned(), Tone::Strong)];
    let filter = model.filter();
    if filter.is_shown() {
        let text = visible_in(&filter.text, model.theme.charset);
        let cursor = if filter.typing { "_" } else { "" };
        title.push((format!(" {len} of {}", grouped(total)), Tone::Plain));
        title.push((format!("  / {text}{cursor}"), Tone::Accent));
    } else if shown.len() as u64 == total {
        title.push((format!(" {total}"), Tone::Plain));
    } else {
        let range = model.theme.range(shown.start + 1, shown.end);
        title.push((format!(" {range} of {}", grouped(total)), Tone::Plain));
    }
    title
}

fn cells(model: &Model, job: &Job) -> Vec<Cell> {
    let theme = model.theme;
    let (state, tone) = state_of(theme, job);
    let moving = job.rows_per_s > 0.0;
    let quiet = if moving { Tone::Plain } else { Tone::Faint };
    vec![
        Cell::Text((short_id(&job.job_id).to_owned(), Tone::Faint)),
        Cell::Text((name(job).to_owned(), Tone::Strong)),
        Cell::Text((state, tone)),
        Cell::Gauge(share(job), tone),
        Cell::Count(job.rows, Tone::Plain),
        Cell::Text((or_dash(theme, moving, rate(job.rows_per_s, 7)), quiet)),
        Cell::Text((
            or_dash(theme, moving, megabytes_per_s(job.bytes_per_s)),
            quiet,
        )),
        Cell::plain(eta(theme, job)),
        Cell::unless_zero(job.rejects, narrow(job.rejects), Tone::Warn),
        Cell::unless_zero(job.chunks_dead, count(job.chunks_dead, 4), Tone::Bad),
        Cell::Text((age(model, job), Tone::Faint)),
    ]
}

/// `-` is standard input, which says nothing to a person who looks at a list.
pub(super) fn name(job: &Job) -> &str {
    match job.name.as_str() {
        "-" => "(stdin)",
        "" => "(no name)",
        name => name,
    }
}

pub(super) fn state_of(theme: Theme, job: &Job) -> (String, Tone) {
    if job.no_workers {
        return ("! NO WORKERS".to_owned(), Tone::Bad);
    }
    let (sign, word, tone) = theme.job_state(job.state());
    (format!("{sign} {word}"), tone)
}

/// The share done; whole where the job is finished, whatever the master leaves out.
pub(super) fn share(job: &Job) -> Option<f64> {
    match job.state() {
        JobState::Done => Some(1.0),
        _ => job.progress.filter(|share| share.is_finite()),
    }
}

fn or_dash(theme: Theme, known: bool, text: String) -> String {
    if known {
        text
    } else {
        theme.sign("–", "-").to_owned()
    }
}

pub(super) fn eta(theme: Theme, job: &Job) -> String {
    let known = job.finished_unix_ms.is_none() && job.eta_ms.is_some();
    let text = duration_short(job.eta_ms.unwrap_or(0));
    or_dash(theme, known, text)
}

/// At most six columns: `42s`, `3m12s`, `1h03m`.
fn duration_short(ms: u64) -> String {
    duration(ms).replace(' ', "")
}

/// A count in at most five columns.
fn narrow(n: u64) -> String {
    count(n, 5).replace(' ', "")
}

fn age(model: &Model, job: &Job) -> String {
    duration(model.master_now_ms().saturating_sub(job.opened_unix_ms))
}

fn details(model: &Model, pen: &mut Pen, area: Rect, job: &Job) {
    let title = [
        (name(job).to_owned(), Tone::Strong),
        (format!("  {}", job.job_id), Tone::Plain),
    ];
    pen.rule(area, &title, &[(job.operation.clone(), Tone::Faint)]);
    let (_, area) = cut_top(area, 1);
    facts(pen, area, &about(model, job));
}

/// What is known of a job, as labelled values: those that change on the left.
pub(super) fn about(model: &Model, job: &Job) -> Vec<Fact> {
    let of = |done: String, all: Option<String>| match all {
        Some(all) => format!("{done} of {all}"),
        None => done,
    };
    let rows = of(grouped(job.rows), job.rows_total.map(grouped));
    let chunks = of(grouped(job.chunks_done), job.chunks_total.map(grouped));
    let input = of(bytes(job.bytes), job.source_bytes.map(bytes));
    let bad = |n: u64, tone| if n > 0 { tone } else { Tone::Plain };
    vec![
        ("rows", rows, Tone::Plain),
        ("chunks", chunks, Tone::Plain),
        ("input", input, Tone::Plain),
        when(model, job),
        (
            "rejects",
            rejects(model.theme, job),
            bad(job.rejects + job.replaced, Tone::Warn),
        ),
        (
            "dead",
            plural(job.chunks_dead, "chunk"),
            bad(job.chunks_dead, Tone::Bad),
        ),
        ("retries", again(model.theme, job), Tone::Plain),
        ("from", from(model.theme, job), Tone::Plain),
    ]
}

/// Who published it, and to which lane.
fn from(theme: Theme, job: &Job) -> String {
    match job.lane.as_str() {
        "" => job.publisher.clone(),
        lane => format!("{}{}lane {lane}", job.publisher, theme.dot()),
    }
}

/// With what is malformed in good records beside it.
fn rejects(theme: Theme, job: &Job) -> String {
    let rejects = grouped(job.rejects);
    match job.replaced {
        0 => rejects,
        replaced => format!("{rejects}{}{} malformed", theme.dot(), grouped(replaced)),
    }
}

fn again(theme: Theme, job: &Job) -> String {
    let (retries, duplicates) = (grouped(job.retries), grouped(job.duplicates));
    format!("{retries}{}duplicates {duplicates}", theme.dot())
}

fn when(model: &Model, job: &Job) -> Fact {
    let now = model.master_now_ms();
    let dot = model.theme.dot();
    if let Some(at) = job.finished_unix_ms {
        let took = duration(at.saturating_sub(job.opened_unix_ms));
        let ago = duration(now.saturating_sub(at));
        return (
            "took",
            format!("{took}{dot}finished {ago} ago"),
            Tone::Plain,
        );
    }
    let ago = duration(now.saturating_sub(job.opened_unix_ms));
    let left = job.eta_ms.map(|ms| format!("{dot}{} to go", duration(ms)));
    (
        "opened",
        format!("{ago} ago{}", left.unwrap_or_default()),
        Tone::Plain,
    )
}

fn throughput(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(plot) = Plot::below_title(area) else {
        return;
    };
    let values = model.history.rows.columns(plot.columns(), plot.step);
    let title = [("Throughput".to_owned(), Tone::Strong), plot.span()];
    let (now, bytes_now) = model.state.as_ref().map_or((0.0, 0.0), State::throughput);
    let highest = rate(model.history.rows.peak(plot.seconds()).into(), 7);
    let remark = [
        ("peak ".to_owned(), Tone::Faint),
        (format!("{highest:>7}"), Tone::Plain),
        ("  now ".to_owned(), Tone::Faint),
        (format!("{:>7}", rate(now, 7)), Tone::Strong),
        (" rows/s ".to_owned(), Tone::Faint),
        (format!("{:>5}", megabytes_per_s(bytes_now)), Tone::Strong),
        (" MB/s".to_owned(), Tone::Faint),
    ];
    pen.rule(area, &title, &remark);
    chart(pen, plot.area, &values, ceiling(peak(&values)));
}
