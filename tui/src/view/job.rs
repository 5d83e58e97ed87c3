//! The Job tab: the selected job's chunk map, its result (a profile with one line per column and the
//! details of the selected column, or what `report` draws), and the latest rows and bad records if they
//! fit. Partial results are labelled as such.

use proto::v1::{ColumnProfile, Job, JobState, Profile};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::fields::{Field, fields, height};
use super::gauge::gauge;
use super::jobs::{eta, job_fields, name, share, state_text};
use super::table::{Cell, Column, table};
use super::{chunks, cut_bottom, cut_top, report, rows, screens};
use crate::model::Model;
use crate::theme::{TextStyle, Theme};
use ::report::result_text;
use cli::format::{
    duration, grouped, grouped_decimal, megabytes_per_s, narrow_number, number, percent, plural,
    rate, short_id,
};

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

/// Number of histogram bars in the table, and in the details of one column.
const BARS: u16 = 8;
const WIDE_BARS: usize = 24;
/// Number of fields in the details of a column, and on a small screen.
const FIELDS: usize = 12;
const FEW_FIELDS: usize = 6;

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

/// Draws the job's result so far.
fn result(model: &Model, canvas: &mut Canvas, area: Rect, job: &Job) {
    let state = model.state.as_ref();
    if let Some(report) = state.and_then(|state| state.exec(&job.job_id)) {
        return report::exec(canvas, area, report, (job.output_bytes, &label(model, job)));
    }
    if let Some(report) = state.and_then(|state| state.validate(&job.job_id)) {
        return report::rules(canvas, area, report, (model.column, &label(model, job)));
    }
    let profile = state.and_then(|state| state.profile(&job.job_id));
    let Some(profile) = profile.filter(|profile| !profile.columns.is_empty()) else {
        canvas.rule(
            area,
            &[("Profile".into(), TextStyle::Strong)],
            &label(model, job),
        );
        return screens::no_profile(model, canvas, cut_top(area, 1).1, job);
    };
    let selected = model.column.min(profile.columns.len() - 1);
    let (area, detail) = cut_bottom(area, detail_height(area));
    profile_table(model, canvas, area, (job, profile), selected);
    column(model.theme, canvas, detail, &profile.columns[selected]);
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
        9..20 => 1 + height(FEW_FIELDS, area.width.saturating_sub(2)),
        _ => 1 + height(FIELDS, area.width.saturating_sub(2)),
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

/// Numbers wider than this are rounded.
const EXTREME_WIDTH: usize = 20;
/// Width of a quantile in the table, and the format of one without an exact decimal.
const NARROW: (usize, fn(f64) -> String) = (10, narrow_number);

fn profile_table(
    model: &Model,
    canvas: &mut Canvas,
    area: Rect,
    (job, profile): (&Job, &Profile),
    selected: usize,
) {
    let (_, lines) = cut_top(area, 1);
    let len = profile.columns.len();
    let shown = table(canvas, lines, &COLUMNS, (len, Some(selected)), |at| {
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
        ("Profile".to_owned(), TextStyle::Strong),
        (columns, TextStyle::Plain),
        (
            format!("{}{} rows", model.theme.dot(), grouped(profile.rows)),
            TextStyle::Faint,
        ),
    ];
    canvas.rule(area, &title, &label(model, job));
}

fn cells(theme: Theme, column: &ColumnProfile) -> Vec<Cell> {
    let dash = || theme.sign("–", "-").to_owned();
    let figure = |x: Option<f64>| match x {
        Some(x) => Cell::plain(narrow_number(x)),
        None => Cell::Text((dash(), TextStyle::Faint)),
    };
    let known = |text: Option<String>| match text {
        Some(text) => Cell::plain(text),
        None => Cell::Text((dash(), TextStyle::Faint)),
    };
    let extreme = |text: &Option<String>| match text {
        Some(text) => result_text::extreme(column, text, EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let empty_style = if column.empty == 0 {
        TextStyle::Faint
    } else {
        TextStyle::Plain
    };
    vec![
        Cell::Text((column.name.clone(), TextStyle::Strong)),
        Cell::Text((
            proto::type_name(column.r#type()).to_owned(),
            TextStyle::Accent,
        )),
        Cell::Count(column.empty, empty_style),
        distinct(theme, column),
        Cell::plain(extreme(&column.min)),
        Cell::plain(extreme(&column.max)),
        values(theme, column),
        known(result_text::mean_text(column, narrow_number)),
        known(result_text::quantile_text(
            column,
            0.5,
            NARROW,
            theme.charset,
        )),
        figure(column.stddev),
        Cell::plain(lengths(theme, column)),
    ]
}

fn distinct(theme: Theme, column: &ColumnProfile) -> Cell {
    match &column.distinct {
        Some(distinct) => Cell::plain(result_text::brief_estimate(distinct, 8, theme.charset)),
        None => Cell::Text((theme.sign("–", "-").to_owned(), TextStyle::Faint)),
    }
}

/// The distribution of the cells: the histogram of numbers, else the most frequent value.
fn values(theme: Theme, column: &ColumnProfile) -> Cell {
    let bars = result_text::bars(column, BARS.into(), theme.charset);
    if bars.is_empty() {
        Cell::plain(result_text::top(column, theme.charset).unwrap_or_default())
    } else {
        Cell::Text((bars, TextStyle::Accent))
    }
}

fn lengths(theme: Theme, column: &ColumnProfile) -> String {
    match (column.length_min, column.length_max) {
        (Some(min), Some(max)) if min == max => grouped(min),
        (Some(min), Some(max)) => theme.range(min as usize, max as usize),
        _ => theme.sign("–", "-").to_owned(),
    }
}

/// Draws the details of one column.
fn column(theme: Theme, canvas: &mut Canvas, area: Rect, column: &ColumnProfile) {
    if area.height == 0 {
        return;
    }
    let title = [(column.name.clone(), TextStyle::Strong)];
    canvas.rule(
        area,
        &title,
        &[(
            proto::type_name(column.r#type()).to_owned(),
            TextStyle::Faint,
        )],
    );
    let (_, area) = cut_top(area, 1);
    let mut known = column_fields(theme, column);
    if area.height < height(known.len(), area.width.saturating_sub(2)) {
        known.truncate(FEW_FIELDS);
    }
    fields(canvas, area, &known);
}

/// The details of one column, most important first.
fn column_fields(theme: Theme, column: &ColumnProfile) -> Vec<Field> {
    let dash = || theme.sign("–", "-").to_owned();
    let text = |text: &Option<String>| match text {
        Some(text) => result_text::extreme(column, text, 2 * EXTREME_WIDTH).into_owned(),
        None => dash(),
    };
    let known = |text: String| if text.is_empty() { dash() } else { text };
    let distinct = column.distinct.as_ref();
    let distinct = distinct.map(|distinct| result_text::estimate(distinct, theme.charset));
    let sum = grouped_decimal(&text(&column.sum)).into_owned();
    let top = result_text::top(column, theme.charset);
    let fields = [
        ("min", text(&column.min)),
        ("max", text(&column.max)),
        ("top value", top.unwrap_or_else(dash)),
        (
            "spread",
            known(result_text::bars(column, WIDE_BARS, theme.charset)),
        ),
        ("quartiles", quartiles(theme, column)),
        ("remarks", known(result_text::remarks(column).join("; "))),
        ("distinct", distinct.unwrap_or_else(dash)),
        ("empty", empty(column)),
        ("sum", sum),
        ("skewness", column.skewness.map_or_else(dash, number)),
        ("type", kind(column)),
        ("length", length(theme, column)),
    ];
    let text_style = |label| {
        if label == "spread" {
            TextStyle::Accent
        } else {
            TextStyle::Plain
        }
    };
    fields
        .map(|(label, value)| (label, value, text_style(label)))
        .into()
}

fn empty(column: &ColumnProfile) -> String {
    let share = result_text::share(column.empty, column.count);
    match column.empty {
        0 => share,
        some => format!("{} ({share})", grouped(some)),
    }
}

fn quartiles(theme: Theme, column: &ColumnProfile) -> String {
    let text = |rank| result_text::quantile_text(column, rank, NARROW, theme.charset);
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
