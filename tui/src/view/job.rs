//! The Job tab: the selected job's chunk map, its report (drawn by `report`), and the latest rows and bad records if
//! they fit. Partial reports are labelled as such.

use cli::format::{duration, grouped, megabytes_per_s, percent, plural, rate, short_id};
use proto::v1::{Job, JobState};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::fields::{fields, height};
use super::gauge::gauge;
use super::jobs::{eta, job_fields, share, state_text};
use super::labels::name;
use super::{chunks, report, rows, screens};
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::theme::{TextStyle, Theme};

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some(job) = model.selected_job() else {
        let has_any = model
            .state
            .as_ref()
            .is_some_and(|state| state.jobs_total() > 0);
        if has_any {
            screens::no_match(canvas, area);
        } else {
            screens::no_jobs(model, canvas, area);
        }
        return;
    };
    let (head, area) = cut_top(area, head_height(area));
    heading(model, canvas, head, job);
    let area = chunk_map(model, canvas, area, job);
    let area = rejects(model, canvas, area, job);
    if area.height == 0 {
        return;
    }
    let area = latest(model, canvas, area, job);
    result(model, canvas, area, job);
}

/// Draws the chunk map if it fits. Returns the remaining area.
fn chunk_map(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) -> Rect {
    let state = model.state.as_ref();
    let Some(chunks) = state
        .and_then(|state| state.chunks(&job.job_id))
        .filter(|chunks| chunks.chunks > 0 && area.height >= 10)
    else {
        return area;
    };
    let most = area.height / 8;
    let width = area.width.saturating_sub(2);
    let (top, rest) = cut_top(area, 1 + chunks::lines(chunks, width, most));
    let legend = chunks::legend(model.theme, chunks, job.chunks_dead);
    canvas.rule(top, &chunks::title(chunks), &legend);
    let (_, map) = cut_top(top, 1);
    let map = Rect {
        x: map.x + 1,
        width,
        ..map
    };
    chunks::map(canvas, map, chunks);
    rest
}

/// Minimum height for some of the latest rows and some bad records.
const EXTRAS_MIN_HEIGHT: u16 = 36;
const EXTRAS_HEIGHT: u16 = 6;

/// Draws the first bad records: in all of `area` if the user chose so, else at its bottom if they fit.
/// Returns the remaining area.
fn rejects(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) -> Rect {
    let has_any = job.rejects > 0 && !model.rejects.list.is_empty();
    let is_known = has_any && model.rejects.job_id == job.job_id;
    if model.shows_rejects {
        if is_known {
            bad_records(model, canvas, area, job);
        } else {
            let (head, rest) = cut_top(area, 1);
            canvas.rule(head, &[("Bad records".into(), TextStyle::Strong)], &[]);
            let text = if job.rejects > 0 {
                "asking the master"
            } else {
                "none so far"
            };
            canvas.centred(rest, &[vec![(text.to_owned(), TextStyle::Faint)]]);
        }
        return Rect { height: 0, ..area };
    }
    if area.height < EXTRAS_MIN_HEIGHT || !is_known {
        return area;
    }
    let (area, foot) = cut_bottom(area, EXTRAS_HEIGHT);
    bad_records(model, canvas, foot, job);
    area
}

fn bad_records(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let list = &model.rejects.list;
    let shown = list.len().min(usize::from(area.height.saturating_sub(1)));
    let title = [
        ("Bad records".to_owned(), TextStyle::Strong),
        (
            format!(" {shown} of {}", grouped(job.rejects)),
            TextStyle::Plain,
        ),
    ];
    let hint = format!("rowmill rejects {}", short_id(&job.job_id));
    canvas.rule(area, &title, &[(hint, TextStyle::Faint)]);
    for (i, reject) in list.iter().enumerate().take(shown) {
        let y = area.y + 1 + i as u16;
        let line = [
            (
                format!("line {:>9}  ", grouped(reject.line)),
                TextStyle::Faint,
            ),
            (reject.reason.clone(), TextStyle::Warn),
        ];
        canvas.styled_texts(area.x + 1, y, area.right() - 1, &line);
    }
}

/// Draws the rows processed last at the bottom of `area`. Returns the remaining area.
fn latest(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) -> Rect {
    let rows = model.state.as_ref().and_then(|state| state.rows());
    let is_shown = area.height >= EXTRAS_MIN_HEIGHT - EXTRAS_HEIGHT;
    let Some(rows) = rows.filter(|rows| is_shown && rows.job_id == job.job_id) else {
        return area;
    };
    if rows.rows.is_empty() {
        return area;
    }
    let (area, foot) = cut_bottom(area, EXTRAS_HEIGHT + 1);
    rows::latest(model, canvas, foot, rows);
    area
}

/// Draws the job's report so far.
fn result(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let label = label(model, job);
    let report = model
        .state
        .as_ref()
        .and_then(|state| state.report(&job.job_id));
    match report::panel(report) {
        Some(panel) => panel.draw(model, canvas, area, (job, &label)),
        None => report::nothing(model, canvas, area, (job, &label)),
    }
}

fn head_height(area: Rect) -> u16 {
    match area.height {
        0..14 => 1,
        14..18 => 2,
        _ => 2 + height(8, area.width.saturating_sub(2)),
    }
}

/// Draws the job's name and id on the rule; below it state, gauge and rates, and the fields if they fit.
fn heading(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let (state, text_style) = state_text(model.theme, job);
    let title = [
        (name(job).to_owned(), TextStyle::Strong),
        (format!("  {}", job.job_id), TextStyle::Plain),
    ];
    canvas.rule(area, &title, &[(job.operation.clone(), TextStyle::Faint)]);
    let (_, rest) = cut_top(area, 1);
    if rest.height == 0 {
        return;
    }
    let x = rest.x + 1;
    canvas.text(x, rest.y, 14, &state, text_style);
    let wide = rest.width.saturating_sub(58).clamp(14, 40);
    gauge(canvas, (x + 14, rest.y), wide, share(job), text_style);
    canvas.styled_texts(
        x + 14 + wide,
        rest.y,
        rest.right() - 1,
        &rates(model.theme, job),
    );
    let (_, rest) = cut_top(rest, 1);
    fields(canvas, rest, &job_fields(model, job));
}

/// The current rates and the time left; for a finished job, the mean rates and the time taken.
fn rates(theme: Theme, job: &Job) -> [StyledText; 6] {
    let took = job
        .finished_unix_ms
        .map(|at| at.saturating_sub(job.opened_unix_ms).max(1));
    let average = |n: u64, took: u64| n as f64 * 1000.0 / took as f64;
    let (rows, bytes, label, time) = match took {
        Some(took) => (
            average(job.rows, took),
            average(job.bytes, took),
            "  took ",
            duration(took).replace(' ', ""),
        ),
        None => (job.rows_per_s, job.bytes_per_s, "   eta ", eta(theme, job)),
    };
    [
        (format!("{:>9}", rate(rows, 7)), TextStyle::Strong),
        (" rows/s".to_owned(), TextStyle::Faint),
        (format!("{:>7}", megabytes_per_s(bytes)), TextStyle::Strong),
        (" MB/s".to_owned(), TextStyle::Faint),
        (label.to_owned(), TextStyle::Faint),
        (format!("{time:>6}"), TextStyle::Strong),
    ]
}

/// Labels results that are not final or not shown in full; empty for others.
fn label(model: &Model, job: &Job) -> Vec<StyledText> {
    let mut label = partial(job);
    let state = model.state.as_ref();
    let left_out = state.map_or(0, |state| state.left_out(&job.job_id));
    if left_out > 0 {
        let more = format!("{} more: rowmill show", grouped(left_out));
        label.push((more, TextStyle::Warn));
    }
    label
}

fn partial(job: &Job) -> Vec<StyledText> {
    let so_far = share(job).map_or_else(String::new, |share| format!(", {}", percent(share)));
    let text = match job.state() {
        JobState::Done => return Vec::new(),
        JobState::DoneWithFailures => format!("partial, {} dead", plural(job.chunks_dead, "chunk")),
        JobState::Cancelled if job.reason.is_empty() => format!("partial{so_far}, cancelled"),
        JobState::Cancelled => format!("partial{so_far}, {}", job.reason),
        JobState::Damaged => format!("partial{so_far}, damaged: {}", job.damage),
        JobState::ChunksLost => {
            format!("partial{so_far}, {} lost", plural(job.chunks_lost, "chunk"))
        }
        _ => format!("partial{so_far}"),
    };
    vec![(text, TextStyle::Warn)]
}
