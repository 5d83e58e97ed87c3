//! The Job tab: the profile of the chosen job, one line a column, and what is known of the chosen
//! column. Whatever is not final says so.

use proto::v1::{ColumnProfile, Job, JobState, Profile};
use ratatui::layout::Rect;

use super::facts::{Fact, facts, height};
use super::gauge::gauge;
use super::jobs::{about, eta, name, share, state_of};
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use super::{cut_bottom, cut_top, screens};
use crate::format::{
    duration, grouped, grouped_decimal, megabytes_per_s, number, percent, plural, rate,
};
use crate::model::Model;
use crate::theme::{Theme, Tone};

const COLUMNS: [Column; 9] = [
    Column::text("COLUMN", 10, 32, 0),
    Column::text("TYPE", 8, 8, 1),
    Column::figure("COUNT", 7, 10, 3),
    Column::figure("EMPTY", 7, 10, 2),
    Column::text("MIN", 8, 26, 4),
    Column::text("MAX", 8, 26, 5),
    Column::number("MEAN", 10, 6),
    Column::number("STDDEV", 10, 7),
    Column::text("LENGTH", 9, 12, 8),
];

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(job) = model.picked_job() else {
        if model.filter.text.is_empty() {
            screens::no_jobs(model, pen, area);
        } else {
            screens::no_match(pen, area);
        }
        return;
    };
    let (head, area) = cut_top(area, head_height(area));
    heading(model, pen, head, job);
    let profile = model
        .state
        .as_ref()
        .and_then(|state| state.profile(&job.job_id));
    let Some(profile) = profile.filter(|profile| !profile.columns.is_empty()) else {
        pen.rule(area, &[("Profile".into(), Tone::Strong)], &label(job));
        return screens::no_profile(model, pen, cut_top(area, 1).1, job);
    };
    let chosen = model.column.min(profile.columns.len() - 1);
    let (area, detail) = cut_bottom(area, detail_height(area));
    profile_table(model, pen, area, (job, profile), chosen);
    column(model.theme, pen, detail, &profile.columns[chosen]);
}

fn head_height(area: Rect) -> u16 {
    match area.height {
        0..14 => 1,
        14..18 => 2,
        _ => 2 + height(8, area.width.saturating_sub(2)),
    }
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..9 => 0,
        _ => 1 + height(6, area.width.saturating_sub(2)),
    }
}

/// The job's name, state and gauge on the rule; below it the rates, and the facts where they fit.
fn heading(model: &Model, pen: &mut Pen, area: Rect, job: &Job) {
    let (state, tone) = state_of(model.theme, job);
    let title = [
        (name(job).to_owned(), Tone::Strong),
        (format!("  {}", job.job_id), Tone::Plain),
    ];
    pen.rule(area, &title, &[(job.operation.clone(), Tone::Faint)]);
    let (_, rest) = cut_top(area, 1);
    if rest.height == 0 {
        return;
    }
    let x = rest.x + 1;
    pen.text(x, rest.y, 14, &state, tone);
    let wide = rest.width.saturating_sub(58).clamp(14, 40);
    gauge(pen, (x + 14, rest.y), wide, share(job), tone);
    pen.inks(
        x + 14 + wide,
        rest.y,
        rest.right() - 1,
        &pace(model.theme, job),
    );
    let (_, rest) = cut_top(rest, 1);
    facts(pen, rest, &about(model, job));
}

/// How fast it goes and how long still; once finished, how fast it was on the whole.
fn pace(theme: Theme, job: &Job) -> [Ink; 6] {
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
        (format!("{:>9}", rate(rows, 7)), Tone::Strong),
        (" rows/s".to_owned(), Tone::Faint),
        (format!("{:>7}", megabytes_per_s(bytes)), Tone::Strong),
        (" MB/s".to_owned(), Tone::Faint),
        (label.to_owned(), Tone::Faint),
        (format!("{time:>6}"), Tone::Strong),
    ]
}

/// What must be said of numbers that are not final; nothing of those that are.
fn label(job: &Job) -> Vec<Ink> {
    let so_far = share(job).map_or_else(String::new, |share| format!(", {}", percent(share)));
    let text = match job.state() {
        JobState::Done => return Vec::new(),
        JobState::DoneWithFailures => format!("partial, {} dead", plural(job.chunks_dead, "chunk")),
        JobState::Cancelled if job.reason.is_empty() => format!("partial{so_far}, cancelled"),
        JobState::Cancelled => format!("partial{so_far}, {}", job.reason),
        _ => format!("partial{so_far}"),
    };
    vec![(text, Tone::Warn)]
}

fn profile_table(
    model: &Model,
    pen: &mut Pen,
    area: Rect,
    (job, profile): (&Job, &Profile),
    chosen: usize,
) {
    let (_, lines) = cut_top(area, 1);
    let len = profile.columns.len();
    let shown = table(pen, lines, &COLUMNS, (len, Some(chosen)), |at| {
        cells(model.theme, &profile.columns[at])
    });
    let columns = if shown.len() == len {
        format!(" {len} columns")
    } else {
        format!(
            " columns {} of {len}",
            model.theme.range(shown.start + 1, shown.end)
        )
    };
    let title = [
        ("Profile".to_owned(), Tone::Strong),
        (columns, Tone::Plain),
        (
            format!("{}{} rows", model.theme.dot(), grouped(profile.rows)),
            Tone::Faint,
        ),
    ];
    pen.rule(area, &title, &label(job));
}

fn cells(theme: Theme, column: &ColumnProfile) -> Vec<Cell> {
    let dash = || theme.sign("–", "-").to_owned();
    let figure = |x: Option<f64>| match x {
        Some(x) => Cell::plain(narrow(x)),
        None => Cell::Text((dash(), Tone::Faint)),
    };
    vec![
        Cell::Text((column.name.clone(), Tone::Strong)),
        Cell::Text((proto::type_name(column.r#type()).to_owned(), Tone::Accent)),
        Cell::Count(column.count, Tone::Plain),
        Cell::Count(
            column.empty,
            if column.empty == 0 {
                Tone::Faint
            } else {
                Tone::Plain
            },
        ),
        Cell::plain(column.min.clone().unwrap_or_else(dash)),
        Cell::plain(column.max.clone().unwrap_or_else(dash)),
        figure(column.mean),
        figure(column.stddev),
        Cell::plain(lengths(theme, column)),
    ]
}

/// A number in at most ten columns.
fn narrow(x: f64) -> String {
    let text = number(x);
    let whole = format!("{x:.0}");
    if text.len() <= 10 {
        text
    } else if grouped_decimal(&whole).len() <= 10 {
        grouped_decimal(&whole).into_owned()
    } else {
        format!("{x:.3e}")
    }
}

fn lengths(theme: Theme, column: &ColumnProfile) -> String {
    match (column.length_min, column.length_max) {
        (Some(min), Some(max)) if min == max => grouped(min),
        (Some(min), Some(max)) => theme.range(min as usize, max as usize),
        _ => theme.sign("–", "-").to_owned(),
    }
}

/// All that is known of one column, uncut where there is room.
fn column(theme: Theme, pen: &mut Pen, area: Rect, column: &ColumnProfile) {
    if area.height == 0 {
        return;
    }
    let title = [(column.name.clone(), Tone::Strong)];
    pen.rule(
        area,
        &title,
        &[(proto::type_name(column.r#type()).to_owned(), Tone::Faint)],
    );
    let (_, area) = cut_top(area, 1);
    facts(pen, area, &column_facts(theme, column));
}

fn column_facts(theme: Theme, column: &ColumnProfile) -> Vec<Fact> {
    let dash = || theme.sign("–", "-").to_owned();
    let text = |text: &Option<String>| text.clone().unwrap_or_else(dash);
    let empty = if column.count == 0 {
        grouped(column.empty)
    } else {
        let share = column.empty as f64 / column.count as f64;
        format!("{} ({:.1} %)", grouped(column.empty), share * 100.0)
    };
    let mean_length = column
        .length_mean
        .map(|mean| format!(", mean {}", number(mean)));
    vec![
        ("min", text(&column.min), Tone::Plain),
        ("max", text(&column.max), Tone::Plain),
        (
            "sum",
            grouped_decimal(&text(&column.sum)).into_owned(),
            Tone::Plain,
        ),
        ("empty", empty, Tone::Plain),
        (
            "type",
            format!(
                "{}, {} fit",
                proto::type_name(column.r#type()),
                percent(column.fit)
            ),
            Tone::Plain,
        ),
        (
            "length",
            lengths(theme, column) + &mean_length.unwrap_or_default() + " bytes",
            Tone::Plain,
        ),
    ]
}
