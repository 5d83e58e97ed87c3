//! The Workers tab: all known workers, including lost ones, and the details of the selected one.

use cli::format::{
    bytes, count, duration, grouped, megabytes_per_s, plural, rate, short_duration, short_id,
};
use proto::v1::{ChunkInHand, Heartbeat, Worker, WorkerState};
use ratatui::layout::Rect;

use super::canvas::{Canvas, StyledText};
use super::fields::{Field, fields, height};
use super::labels::{list_title, name};
use super::screens;
use super::table::{Cell, Column, table};
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::state::State;
use crate::theme::{TextStyle, Theme};

/// Width of each worker's sparkline, one second per column.
const SPARKLINE_MIN_WIDTH: u16 = 6;
const SPARKLINE_WIDTH: u16 = 20;

const COLUMNS: [Column; 15] = [
    Column::text("HOST", 9, 28, 0),
    Column::number("PID", 7, 7),
    Column::text("STATE", 10, 10, 0),
    Column::text("LANE", 6, 16, 11),
    Column::number("THREADS", 7, 12),
    Column::number("CPU", 5, 9),
    Column::figure("MEMORY", 7, 8, 10),
    Column::text("CURRENT CHUNK", 13, 36, 2),
    Column::number("FOR", 6, 3),
    Column::number("ROWS/S", 7, 1),
    Column::number("MB/S", 5, 4),
    Column::text("TREND", SPARKLINE_MIN_WIDTH, SPARKLINE_WIDTH, 6),
    Column::figure("CHUNKS", 6, 9, 8),
    Column::number("RETRIES", 7, 13),
    Column::number("SEEN", 6, 5),
];

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let workers = model.workers();
    let Some((selected, worker)) = model.selected_worker() else {
        if model.filter().is_shown() {
            return screens::filtered(model, canvas, area, "no worker matches the filter");
        }
        return screens::no_workers(canvas, area);
    };
    let (area, detail) = cut_bottom(area, detail_height(area));
    let (_, lines) = cut_top(area, 1);
    let shown = table(
        canvas,
        lines,
        &COLUMNS,
        (workers.len(), Some(selected)),
        |at| cells(model, workers[at]),
    );
    let total = model.state.as_ref().map_or(0, State::workers_total);
    let title = list_title(model, "Workers", &shown, workers.len(), total);
    canvas.rule(area, &title, &summary(model, model.all_workers()));
    details(model, canvas, detail, worker);
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..11 => 0,
        11..20 => 1 + height(8, area.width.saturating_sub(2)),
        _ => 1 + height(11, area.width.saturating_sub(2)),
    }
}

fn summary(model: &Model, workers: &[Worker]) -> Vec<StyledText> {
    let are = |state| {
        workers
            .iter()
            .filter(|worker| worker.state() == state)
            .count() as u64
    };
    let alive =
        |worker: &&Worker| matches!(worker.state(), WorkerState::Running | WorkerState::Draining);
    let threads: u64 = workers
        .iter()
        .filter(alive)
        .filter_map(|worker| worker.heartbeat.as_ref())
        .map(|beat| u64::from(beat.threads))
        .sum();
    let (running, lost) = (are(WorkerState::Running), are(WorkerState::Lost));
    let dot = model.theme.dot();
    let mut styled_texts = vec![
        (format!("{running} running"), TextStyle::Plain),
        (
            format!("{dot}{}", plural(threads, "thread")),
            TextStyle::Faint,
        ),
        (
            format!("{dot}{}", model.worker_order.label()),
            TextStyle::Faint,
        ),
    ];
    if lost > 0 {
        let lost = [
            (dot.to_owned(), TextStyle::Faint),
            (format!("{lost} lost"), TextStyle::Bad),
        ];
        styled_texts.splice(1..1, lost);
    }
    styled_texts
}

fn cells(model: &Model, worker: &Worker) -> Vec<Cell> {
    let absent = Heartbeat::default();
    let beat = worker.heartbeat.as_ref().unwrap_or(&absent);
    let (sign, word, text_style) = model.theme.worker_state(worker.state());
    let alive = matches!(worker.state(), WorkerState::Running | WorkerState::Draining);
    let text = |text: String, text_style| {
        Cell::Text((text, if alive { text_style } else { TextStyle::Faint }))
    };
    let dash = || model.theme.sign("–", "-").to_owned();
    let (chunk, since) = match longest(beat).filter(|_| alive) {
        Some(chunk) => (
            chunk_running(model, beat, chunk),
            running_for(model, worker, chunk),
        ),
        None => (dash(), dash()),
    };
    let values = model.history.worker(&beat.worker_id);
    vec![
        text(beat.host.clone(), TextStyle::Strong),
        text(beat.pid.to_string(), TextStyle::Plain),
        Cell::Text((format!("{sign} {word}"), text_style)),
        text(lane(model.theme, beat), TextStyle::Plain),
        text(beat.threads.to_string(), TextStyle::Plain),
        text(
            if alive {
                cpu(model.theme, beat)
            } else {
                dash()
            },
            TextStyle::Plain,
        ),
        text(
            if alive {
                memory(model.theme, beat)
            } else {
                dash()
            },
            TextStyle::Plain,
        ),
        text(chunk, TextStyle::Plain),
        text(since, TextStyle::Plain),
        text(rate(worker.rows_per_s, 7), TextStyle::Plain),
        text(megabytes_per_s(worker.bytes_per_s), TextStyle::Plain),
        Cell::Sparkline(
            values
                .map(|series| series.columns(SPARKLINE_WIDTH.into(), 1))
                .unwrap_or_default(),
        ),
        Cell::Count(
            beat.chunks,
            if alive {
                TextStyle::Plain
            } else {
                TextStyle::Faint
            },
        ),
        Cell::unless_zero(beat.retries, count(beat.retries, 7), TextStyle::Warn),
        text(
            heartbeat_age(model, worker),
            if alive {
                TextStyle::Plain
            } else {
                TextStyle::Bad
            },
        ),
    ]
}

fn lane(theme: Theme, beat: &Heartbeat) -> String {
    match beat.lane.as_str() {
        "" => theme.sign("–", "-").to_owned(),
        lane => lane.to_owned(),
    }
}

/// CPU use in percent of one core: `187 %`.
fn cpu(theme: Theme, beat: &Heartbeat) -> String {
    let dash = || theme.sign("–", "-").to_owned();
    beat.cpu
        .map_or_else(dash, |cpu| format!("{:.0} %", cpu * 100.0))
}

fn memory(theme: Theme, beat: &Heartbeat) -> String {
    let dash = || theme.sign("–", "-").to_owned();
    beat.memory_bytes.map_or_else(dash, bytes)
}

/// The chunk that has been running longest.
fn longest(beat: &Heartbeat) -> Option<&ChunkInHand> {
    beat.in_hand.iter().max_by_key(|chunk| chunk.running_ms)
}

/// `#17 orders.csv`, and the number of further chunks.
fn chunk_running(model: &Model, beat: &Heartbeat, chunk: &ChunkInHand) -> String {
    let more = match beat.in_hand.len() {
        0 | 1 => String::new(),
        n => format!(" +{}", n - 1),
    };
    format!("{}{more}", chunk_name(model, chunk))
}

fn chunk_name(model: &Model, chunk: &ChunkInHand) -> String {
    let job = model
        .state
        .as_ref()
        .and_then(|state| state.job(&chunk.job_id));
    let of = job.map_or_else(|| short_id(&chunk.job_id), name);
    format!("#{} {of}", chunk.seq)
}

/// The running time in the last heartbeat plus the time since.
fn running_for(model: &Model, worker: &Worker, chunk: &ChunkInHand) -> String {
    let since = model.master_now_ms().saturating_sub(worker.heard_unix_ms);
    short_duration(chunk.running_ms + since)
}

fn heartbeat_age(model: &Model, worker: &Worker) -> String {
    let ago = model.master_now_ms().saturating_sub(worker.heard_unix_ms);
    duration(ago).replace(' ', "")
}

fn details(model: &Model, canvas: &mut Canvas, area: Rect, worker: &Worker) {
    let Some(beat) = worker.heartbeat.as_ref().filter(|_| area.height > 0) else {
        return;
    };
    let theme = model.theme;
    let dot = theme.dot();
    let title = [
        (format!("{} {}", beat.host, beat.pid), TextStyle::Strong),
        (format!("  {}", beat.worker_id), TextStyle::Plain),
    ];
    let version = format!("rowmill {}", beat.version);
    canvas.rule(area, &title, &[(version, TextStyle::Faint)]);
    let up = duration(beat.sent_unix_ms.saturating_sub(beat.started_unix_ms));
    let ago = duration(model.master_now_ms().saturating_sub(worker.heard_unix_ms));
    let bad = if beat.failures > 0 {
        TextStyle::Bad
    } else {
        TextStyle::Plain
    };
    let list: Vec<Field> = vec![
        ("running", all_running(model, beat), TextStyle::Plain),
        ("threads", beat.threads.to_string(), TextStyle::Plain),
        ("chunks", grouped(beat.chunks), TextStyle::Plain),
        ("rows", grouped(beat.rows), TextStyle::Plain),
        ("bytes", bytes(beat.bytes), TextStyle::Plain),
        (
            "retries",
            format!("{}{dot}failures {}", beat.retries, beat.failures),
            bad,
        ),
        ("up", up, TextStyle::Plain),
        ("heard", format!("{ago} ago"), TextStyle::Plain),
        (
            "uses",
            format!("{} of a core{dot}{}", cpu(theme, beat), memory(theme, beat)),
            TextStyle::Plain,
        ),
        ("lane", lane(theme, beat), TextStyle::Plain),
        ("commands", commands(theme, beat), TextStyle::Plain),
    ];
    fields(canvas, cut_top(area, 1).1, &list);
}

fn commands(theme: Theme, beat: &Heartbeat) -> String {
    if beat.commands.is_empty() {
        return theme.sign("–", "-").to_owned();
    }
    beat.commands.join(", ")
}

fn all_running(model: &Model, beat: &Heartbeat) -> String {
    if beat.in_hand.is_empty() {
        return model.theme.sign("–", "-").to_owned();
    }
    let chunks = beat.in_hand.iter().map(|chunk| chunk_name(model, chunk));
    chunks.collect::<Vec<_>>().join(", ")
}
