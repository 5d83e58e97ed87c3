//! The Workers tab: every worker heard of, lost ones too, and what is known of the chosen one.

use proto::v1::{ChunkInHand, Heartbeat, Worker, WorkerState};
use ratatui::layout::Rect;

use super::facts::{Fact, facts, height};
use super::jobs::{listed, name};
use super::pen::{Ink, Pen};
use super::table::{Cell, Column, table};
use super::{cut_bottom, cut_top, screens};
use crate::format::{
    bytes, count, duration, grouped, megabytes_per_s, plural, rate, short_duration, short_id,
};
use crate::model::Model;
use crate::state::State;
use crate::theme::{Theme, Tone};

/// The small chart of each worker is so wide, one second a column.
const SPARK_LEAST: u16 = 6;
const SPARK: u16 = 20;

const COLUMNS: [Column; 15] = [
    Column::text("HOST", 9, 28, 0),
    Column::number("PID", 7, 7),
    Column::text("STATE", 10, 10, 0),
    Column::text("LANE", 6, 16, 11),
    Column::number("THREADS", 7, 12),
    Column::number("CPU", 5, 9),
    Column::figure("MEMORY", 7, 8, 10),
    Column::text("CHUNK IN HAND", 13, 36, 2),
    Column::number("FOR", 6, 3),
    Column::number("ROWS/S", 7, 1),
    Column::number("MB/S", 5, 4),
    Column::text("TREND", SPARK_LEAST, SPARK, 6),
    Column::figure("CHUNKS", 6, 9, 8),
    Column::number("RETRIES", 7, 13),
    Column::number("SEEN", 6, 5),
];

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let workers = model.workers();
    let Some((chosen, picked)) = model.picked_worker() else {
        if model.filter().is_shown() {
            return screens::filtered(model, pen, area, "no worker matches the filter");
        }
        return screens::no_workers(pen, area);
    };
    let (area, detail) = cut_bottom(area, detail_height(area));
    let (_, lines) = cut_top(area, 1);
    let shown = table(pen, lines, &COLUMNS, (workers.len(), Some(chosen)), |at| {
        cells(model, workers[at])
    });
    let total = model.state.as_ref().map_or(0, State::workers_total);
    let title = listed(model, "Workers", &shown, workers.len(), total);
    pen.rule(area, &title, &summary(model, model.all_workers()));
    details(model, pen, detail, picked);
}

fn detail_height(area: Rect) -> u16 {
    match area.height {
        0..11 => 0,
        11..20 => 1 + height(8, area.width.saturating_sub(2)),
        _ => 1 + height(11, area.width.saturating_sub(2)),
    }
}

fn summary(model: &Model, workers: &[Worker]) -> Vec<Ink> {
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
    let mut inks = vec![
        (format!("{running} running"), Tone::Plain),
        (format!("{dot}{}", plural(threads, "thread")), Tone::Faint),
        (format!("{dot}{}", model.worker_order.word()), Tone::Faint),
    ];
    if lost > 0 {
        let lost = [
            (dot.to_owned(), Tone::Faint),
            (format!("{lost} lost"), Tone::Bad),
        ];
        inks.splice(1..1, lost);
    }
    inks
}

fn cells(model: &Model, worker: &Worker) -> Vec<Cell> {
    let absent = Heartbeat::default();
    let beat = worker.heartbeat.as_ref().unwrap_or(&absent);
    let (sign, word, tone) = model.theme.worker_state(worker.state());
    let alive = matches!(worker.state(), WorkerState::Running | WorkerState::Draining);
    let text = |text: String, tone| Cell::Text((text, if alive { tone } else { Tone::Faint }));
    let dash = || model.theme.sign("–", "-").to_owned();
    let (chunk, since) = match longest(beat).filter(|_| alive) {
        Some(chunk) => (
            in_hand(model, beat, chunk),
            running_for(model, worker, chunk),
        ),
        None => (dash(), dash()),
    };
    let values = model.history.worker(&beat.worker_id);
    vec![
        text(beat.host.clone(), Tone::Strong),
        text(beat.pid.to_string(), Tone::Plain),
        Cell::Text((format!("{sign} {word}"), tone)),
        text(lane(model.theme, beat), Tone::Plain),
        text(beat.threads.to_string(), Tone::Plain),
        text(
            if alive {
                cpu(model.theme, beat)
            } else {
                dash()
            },
            Tone::Plain,
        ),
        text(
            if alive {
                memory(model.theme, beat)
            } else {
                dash()
            },
            Tone::Plain,
        ),
        text(chunk, Tone::Plain),
        text(since, Tone::Plain),
        text(rate(worker.rows_per_s, 7), Tone::Plain),
        text(megabytes_per_s(worker.bytes_per_s), Tone::Plain),
        Cell::Spark(
            values
                .map(|series| series.columns(SPARK.into(), 1))
                .unwrap_or_default(),
        ),
        Cell::Count(beat.chunks, if alive { Tone::Plain } else { Tone::Faint }),
        Cell::unless_zero(beat.retries, count(beat.retries, 7), Tone::Warn),
        text(
            seen(model, worker),
            if alive { Tone::Plain } else { Tone::Bad },
        ),
    ]
}

fn lane(theme: Theme, beat: &Heartbeat) -> String {
    match beat.lane.as_str() {
        "" => theme.sign("–", "-").to_owned(),
        lane => lane.to_owned(),
    }
}

/// `187 %`: of one core.
fn cpu(theme: Theme, beat: &Heartbeat) -> String {
    let dash = || theme.sign("–", "-").to_owned();
    beat.cpu
        .map_or_else(dash, |cpu| format!("{:.0} %", cpu * 100.0))
}

fn memory(theme: Theme, beat: &Heartbeat) -> String {
    let dash = || theme.sign("–", "-").to_owned();
    beat.memory_bytes.map_or_else(dash, bytes)
}

/// The chunk that is in hand for the longest.
fn longest(beat: &Heartbeat) -> Option<&ChunkInHand> {
    beat.in_hand.iter().max_by_key(|chunk| chunk.running_ms)
}

/// `orders.csv #17`, and how many more there are.
fn in_hand(model: &Model, beat: &Heartbeat, chunk: &ChunkInHand) -> String {
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

/// As of now: what the heartbeat said, and the time since.
fn running_for(model: &Model, worker: &Worker, chunk: &ChunkInHand) -> String {
    let since = model.master_now_ms().saturating_sub(worker.heard_unix_ms);
    short_duration(chunk.running_ms + since)
}

fn seen(model: &Model, worker: &Worker) -> String {
    let ago = model.master_now_ms().saturating_sub(worker.heard_unix_ms);
    duration(ago).replace(' ', "")
}

fn details(model: &Model, pen: &mut Pen, area: Rect, worker: &Worker) {
    let Some(beat) = worker.heartbeat.as_ref().filter(|_| area.height > 0) else {
        return;
    };
    let theme = model.theme;
    let dot = theme.dot();
    let title = [
        (format!("{} {}", beat.host, beat.pid), Tone::Strong),
        (format!("  {}", beat.worker_id), Tone::Plain),
    ];
    let version = format!("rowmill {}", beat.version);
    pen.rule(area, &title, &[(version, Tone::Faint)]);
    let up = duration(beat.sent_unix_ms.saturating_sub(beat.started_unix_ms));
    let ago = duration(model.master_now_ms().saturating_sub(worker.heard_unix_ms));
    let bad = if beat.failures > 0 {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let list: Vec<Fact> = vec![
        ("in hand", all_in_hand(model, beat), Tone::Plain),
        ("threads", beat.threads.to_string(), Tone::Plain),
        ("chunks", grouped(beat.chunks), Tone::Plain),
        ("rows", grouped(beat.rows), Tone::Plain),
        ("bytes", bytes(beat.bytes), Tone::Plain),
        (
            "retries",
            format!("{}{dot}failures {}", beat.retries, beat.failures),
            bad,
        ),
        ("up", up, Tone::Plain),
        ("heard", format!("{ago} ago"), Tone::Plain),
        (
            "uses",
            format!("{} of a core{dot}{}", cpu(theme, beat), memory(theme, beat)),
            Tone::Plain,
        ),
        ("lane", lane(theme, beat), Tone::Plain),
        ("commands", commands(theme, beat), Tone::Plain),
    ];
    facts(pen, cut_top(area, 1).1, &list);
}

fn commands(theme: Theme, beat: &Heartbeat) -> String {
    if beat.commands.is_empty() {
        return theme.sign("–", "-").to_owned();
    }
    beat.commands.join(", ")
}

fn all_in_hand(model: &Model, beat: &Heartbeat) -> String {
    if beat.in_hand.is_empty() {
        return model.theme.sign("–", "-").to_owned();
    }
    let chunks = beat.in_hand.iter().map(|chunk| chunk_name(model, chunk));
    chunks.collect::<Vec<_>>().join(", ")
}
