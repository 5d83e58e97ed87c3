//! The Job tab: how the chosen job's chunks stand, its result (a profile, one line a column, and what
//! is known of the chosen column; or what `report` draws), and the latest rows and bad records where
//! there is room. Whatever is not final says so.

use proto::v1::{ColumnProfile, Job, JobState, Profile};
use ratatui::layout::Rect;

use super::facts::{Fact, facts, height};
use super::gauge::gauge;
use super::jobs::{about, eta, name, share, state_of};
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use super::{chunks, cut_bottom, cut_top, report, rows, screens};
use crate::format::{
    duration, grouped, grouped_decimal, megabytes_per_s, narrow_number, number, percent, plural,
    rate, short_id,
};
use crate::model::Model;
use crate::theme::{Theme, Tone};
use crate::words;

const COLUMNS: [Column; 11] = [
    Column::text("COLUMN", 10, 32, 0),
    Column::text("TYPE", 8, 8, 1),
    Column::figure("EMPTY", 7, 10, 2),
    Column::figure("DISTINCT", 8, 9, 3),
    Column::text("MIN", 8, 26, 5),
    Column::text("MAX", 8, 26, 5),
    Column::text("VALUES", BARS, 20, 4),
    Column::number("MEAN", 10, 6),
    Column::number("MEDIAN", 12, 7),
    Column::number("STDDEV", 10, 8),
    Column::text("LENGTH", 9, 12, 9),
];

/// Bars of a histogram in the table, and in what is known of one column.
const BARS: u16 = 8;
const WIDE_BARS: usize = 24;
/// What is known of one column, and how much of it stands where there is little room.
const FACTS: usize = 12;
const FEW_FACTS: usize = 6;

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(job) = model.picked_job() else {
        let has_any = model
            .state
            .as_ref()
            .is_some_and(|state| state.jobs_total() > 0);
        if has_any {
            screens::no_match(pen, area);
        } else {
            screens::no_jobs(model, pen, area);
        }
        return;
    };
    let (head, area) = cut_top(area, head_height(area));
    heading(model, pen, head, job);
    let area = chunk_map(model, pen, area, job);
    let area = rejects(model, pen, area, job);
    if area.height == 0 {
        return;
    }
    let area = latest(model, pen, area, job);
    result(model, pen, area, job);
}

/// How the chunks stand, as far as there is room. Returns what is left.
fn chunk_map(model: &Model, pen: &mut Pen, area: Rect, job: &Job) -> Rect {
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
    pen.rule(top, &chunks::title(chunks), &legend);
    let (_, map) = cut_top(top, 1);
    let map = Rect {
        x: map.x + 1,
        width,
        ..map
    };
    chunks::map(pen, map, chunks);
    rest
}

/// From this height on there is room for some of the latest rows, and for some bad records.
const EXTRAS_FROM: u16 = 36;
const EXTRAS: u16 = 6;

/// The first bad records: in all of `area` where they were asked for, else at its foot where there is
/// room. Returns what is left above.
fn rejects(model: &Model, pen: &mut Pen, area: Rect, job: &Job) -> Rect {
    let has_any = job.rejects > 0 && !model.rejects.list.is_empty();
    let is_known = has_any && model.rejects.job_id == job.job_id;
    if model.shows_bad {
        if is_known {
            bad_records(model, pen, area, job);
        } else {
            let (head, rest) = cut_top(area, 1);
            pen.rule(head, &[("Bad records".into(), Tone::Strong)], &[]);
            let said = if job.rejects > 0 {
                "asking the master"
            } else {
                "none so far"
            };
            pen.centred(rest, &[vec![(said.to_owned(), Tone::Faint)]]);
        }
        return Rect { height: 0, ..area };
    }
    if area.height < EXTRAS_FROM || !is_known {
        return area;
    }
    let (area, foot) = cut_bottom(area, EXTRAS);
    bad_records(model, pen, foot, job);
    area
}

fn bad_records(model: &Model, pen: &mut Pen, area: Rect, job: &Job) {
    let list = &model.rejects.list;
    let shown = list.len().min(usize::from(area.height.saturating_sub(1)));
    let title = [
        ("Bad records".to_owned(), Tone::Strong),
        (format!(" {shown} of {}", grouped(job.rejects)), Tone::Plain),
    ];
    let hint = format!("rowmill rejects {}", short_id(&job.job_id));
    pen.rule(area, &title, &[(hint, Tone::Faint)]);
    for (i, reject) in list.iter().enumerate().take(shown) {
        let y = area.y + 1 + i as u16;
        let line = [
            (format!("line {:>9}  ", grouped(reject.line)), Tone::Faint),
            (reject.reason.clone(), Tone::Warn),
        ];
        pen.inks(area.x + 1, y, area.right() - 1, &line);
    }
}

/// The rows processed last, at the foot. Returns what is left above.
fn latest(model: &Model, pen: &mut Pen, area: Rect, job: &Job) -> Rect {
    let rows = model.state.as_ref().and_then(|state| state.rows());
    let is_shown = area.height >= EXTRAS_FROM - EXTRAS;
    let Some(rows) = rows.filter(|rows| is_shown && rows.job_id == job.job_id) else {
        return area;
    };
    if rows.rows.is_empty() {
        return area;
    }
    let (area, foot) = cut_bottom(area, EXTRAS + 1);
    rows::latest(model, pen, foot, rows);
    area
}

/// What came of it so far.
fn result(model: &Model, pen: &mut Pen, area: Rect, job: &Job) {
    let state = model.state.as_ref();
    if let Some(report) = state.and_then(|state| state.exec(&job.job_id)) {
        return report::exec(pen, area, report, (job.output_bytes, &label(model, job)));
    }
    if let Some(report) = state.and_then(|state| state.validate(&job.job_id)) {
        return report::rules(pen, area, report, (model.column, &label(model, job)));
    }
    let profile = state.and_then(|state| state.profile(&job.job_id));
    let Some(profile) = profile.filter(|profile| !profile.columns.is_empty()) else {
        pen.rule(
            area,
            &[("Profile".into(), Tone::Strong)],
            &label(model, job),
        );
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
        9..20 => 1 + height(FEW_FACTS, area.width.saturating_sub(2)),
        _ => 1 + height(FACTS, area.width.saturating_sub(2)),
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
fn label(model: &Model, job: &Job) -> Vec<Ink> {
    let mut label = partial(job);
    let state = model.state.as_ref();
    let left_out = state.map_or(0, |state| state.left_out(&job.job_id));
    if left_out > 0 {
        let more = format!("{} more: rowmill show", grouped(left_out));
        label.push((more, Tone::Warn));
    }
    label
}

fn partial(job: &Job) -> Vec<Ink> {
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
    vec![(text, Tone::Warn)]
}

/// A number that is longer is rounded.
const EXTREME_WIDTH: usize = 20;
/// A quantile in a table, and what is without digits of its own.
const NARROW: (usize, fn(f64) -> String) = (10, narrow_number);

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
    pen.rule(area, &title, &label(model, job));
}

fn cells(theme: Theme, column: &ColumnProfile) -> Vec<Cell> {
    let dash = || theme.sign("–", "-").to_owned();
    let figure = |x: Option<f64>| match x {
        Some(x) => Cell::plain(narrow_number(x)),
        None => Cell::Text((dash(), Tone::Faint)),
    };
    let known = |text: Option<String>| match text {
        Some(text) => Cell::plain(text),
        None => Cell::Text((dash(), Tone::Faint)),
    };
    let extreme = |text: &Option<String>| match text {
        Some(text) => words::extreme(column, text, EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let empty_tone = if column.empty == 0 {
        Tone::Faint
    } else {
        Tone::Plain
    };
    vec![
        Cell::Text((column.name.clone(), Tone::Strong)),
        Cell::Text((proto::type_name(column.r#type()).to_owned(), Tone::Accent)),
        Cell::Count(column.empty, empty_tone),
        distinct(theme, column),
        Cell::plain(extreme(&column.min)),
        Cell::plain(extreme(&column.max)),
        values(theme, column),
        known(words::mean_text(column, narrow_number)),
        known(words::quantile_text(column, 0.5, NARROW, theme.charset)),
        figure(column.stddev),
        Cell::plain(lengths(theme, column)),
    ]
}

fn distinct(theme: Theme, column: &ColumnProfile) -> Cell {
    match &column.distinct {
        Some(distinct) => Cell::plain(words::brief_estimate(distinct, 8, theme.charset)),
        None => Cell::Text((theme.sign("–", "-").to_owned(), Tone::Faint)),
    }
}

/// How the cells are spread: numbers as bars, others by their most frequent value.
fn values(theme: Theme, column: &ColumnProfile) -> Cell {
    let bars = words::bars(column, BARS.into(), theme.charset);
    if bars.is_empty() {
        Cell::plain(words::top(column, theme.charset).unwrap_or_default())
    } else {
        Cell::Text((bars, Tone::Accent))
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
    let mut known = column_facts(theme, column);
    if area.height < height(known.len(), area.width.saturating_sub(2)) {
        known.truncate(FEW_FACTS);
    }
    facts(pen, area, &known);
}

/// What tells most stands first.
fn column_facts(theme: Theme, column: &ColumnProfile) -> Vec<Fact> {
    let dash = || theme.sign("–", "-").to_owned();
    let text = |text: &Option<String>| match text {
        Some(text) => words::extreme(column, text, 2 * EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let known = |text: String| if text.is_empty() { dash() } else { text };
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| words::estimate(distinct, theme.charset));
    let sum = grouped_decimal(&text(&column.sum)).into_owned();
    let top = words::top(column, theme.charset);
    let facts = [
        ("min", text(&column.min)),
        ("max", text(&column.max)),
        ("top value", top.unwrap_or_else(dash)),
        (
            "spread",
            known(words::bars(column, WIDE_BARS, theme.charset)),
        ),
        ("quartiles", quartiles(theme, column)),
        ("remarks", known(words::remarks(column).join("; "))),
        ("distinct", distinct.unwrap_or_else(dash)),
        ("empty", empty(column)),
        ("sum", sum),
        ("skewness", column.skewness.map_or_else(dash, number)),
        ("type", kind(column)),
        ("length", length(theme, column)),
    ];
    let tone = |label| {
        if label == "spread" {
            Tone::Accent
        } else {
            Tone::Plain
        }
    };
    facts
        .map(|(label, value)| (label, value, tone(label)))
        .into()
}

fn empty(column: &ColumnProfile) -> String {
    let share = words::share(column.empty, column.count);
    match column.empty {
        0 => share,
        some => format!("{} ({share})", grouped(some)),
    }
}

fn quartiles(theme: Theme, column: &ColumnProfile) -> String {
    let text = |rank| words::quantile_text(column, rank, NARROW, theme.charset);
    let shown: Vec<String> = [0.25, 0.5, 0.75].into_iter().filter_map(text).collect();
    if shown.is_empty() {
        theme.sign("–", "-").to_owned()
    } else {
        shown.join(theme.dot())
    }
}

fn kind(column: &ColumnProfile) -> String {
    let name = proto::type_name(column.r#type());
    format!("{name}, {} fit", percent(column.fit))
}

fn length(theme: Theme, column: &ColumnProfile) -> String {
    let mean = column.length_mean;
    let mean = mean.map(|mean| format!(", mean {}", number(mean)));
    lengths(theme, column) + &mean.unwrap_or_default() + " bytes"
}
