//! The Broker tab: the master's connection to its broker, the broker's response time, and the length
//! of each queue.

use cli::format::{count, duration, grouped};
use proto::v1::{BrokerStatus, WorkerState};
use ratatui::layout::Rect;

use super::canvas::Canvas;
use super::chart::{Plot, axis_max, chart, peak};
use super::fields::{Field, fields, height};
use super::screens;
use super::table::{Cell, Column, table};
use crate::layout::{cut_bottom, cut_top};
use crate::model::Model;
use crate::state::State;
use crate::theme::TextStyle;

const COLUMNS: [Column; 5] = [
    Column::text("QUEUE", 14, 44, 0),
    Column::figure("WAITING", 9, 13, 0),
    Column::figure("RUNNING", 8, 10, 1),
    Column::number("CONSUMERS", 9, 2),
    Column::text("OF", 12, 60, 3),
];

/// A queue, with its waiting messages, its running chunks, its number of consumers and its purpose.
struct Queue {
    name: String,
    waiting: Option<u64>,
    running: Option<u64>,
    consumers: Option<u64>,
    purpose: &'static str,
}

pub(super) fn draw(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some((state, broker)) = model
        .state
        .as_ref()
        .and_then(|state| Some((state, state.broker()?)))
    else {
        return screens::no_broker(canvas, area);
    };
    let (area, below) = cut_bottom(area, chart_height(area));
    let broker_fields = broker_fields(model, state, broker);
    let high = match area.height {
        0..8 => 1,
        _ => 1 + height(broker_fields.len(), area.width.saturating_sub(2)),
    };
    let (head, area) = cut_top(area, high);
    let (sign, word, text_style) = model.theme.broker_state(broker.state());
    let title = [
        ("Broker".to_owned(), TextStyle::Strong),
        (format!("  {}", broker.address), TextStyle::Plain),
    ];
    canvas.rule(head, &title, &[(format!("{sign} {word}"), text_style)]);
    fields(canvas, cut_top(head, 1).1, &broker_fields);
    let queues = queues(state, broker);
    canvas.rule(area, &[("Queues".into(), TextStyle::Strong)], &[]);
    let (_, lines) = cut_top(area, 1);
    table(canvas, lines, &COLUMNS, (queues.len(), None), |at| {
        cells(model, &queues[at])
    });
    waiting_chart(model, canvas, below);
}

fn chart_height(area: Rect) -> u16 {
    match area.height {
        0..16 => 0,
        16..30 => 5,
        _ => 12,
    }
}

fn broker_fields(model: &Model, state: &State, broker: &BrokerStatus) -> Vec<Field> {
    let master = state.master();
    let dash = || model.theme.sign("–", "-").to_owned();
    let answers = broker.round_trip_us.map_or_else(dash, |us| match us {
        0..1000 => "in under 1 ms".to_owned(),
        us => format!("in {} ms", grouped(us / 1000)),
    });
    let slow = broker.round_trip_us.is_some_and(|us| us > 500_000);
    let up = model.master_now_ms().saturating_sub(master.started_unix_ms);
    let detail = match broker.detail.as_str() {
        "" => dash(),
        detail => detail.to_owned(),
    };
    vec![
        (
            "answers",
            answers,
            if slow {
                TextStyle::Warn
            } else {
                TextStyle::Plain
            },
        ),
        ("says", detail, TextStyle::Plain),
        (
            "master",
            format!("{} {}", master.host, master.pid),
            TextStyle::Plain,
        ),
        ("up", duration(up), TextStyle::Plain),
        (
            "version",
            format!("{}, protocol {}", master.version, master.protocol),
            TextStyle::Plain,
        ),
        ("repeated", grouped(master.duplicates), TextStyle::Plain),
    ]
}

fn queues(state: &State, broker: &BrokerStatus) -> Vec<Queue> {
    let tasks = Queue {
        name: "tasks".into(),
        waiting: broker.tasks_ready,
        running: Some(running(state, "")),
        consumers: broker.task_consumers,
        purpose: "chunks for workers",
    };
    let lanes = broker.lanes.iter().map(|lane| Queue {
        name: format!("tasks.{}", lane.lane),
        waiting: Some(lane.tasks_ready),
        running: Some(running(state, &lane.lane)),
        consumers: Some(lane.task_consumers),
        purpose: "chunks for workers of that lane",
    });
    let of_master = [
        ("results", broker.results_ready, "results for the master"),
        ("dead", broker.dead_ready, "dead chunks for the master"),
    ];
    let of_master = of_master.map(|(name, waiting, purpose)| Queue {
        name: name.into(),
        waiting,
        running: None,
        consumers: None,
        purpose,
    });
    std::iter::once(tasks)
        .chain(lanes)
        .chain(of_master)
        .collect()
}

/// Number of chunks running on the live workers of a lane, from their heartbeats.
fn running(state: &State, lane: &str) -> u64 {
    let alive = state
        .workers()
        .iter()
        .filter(|worker| matches!(worker.state(), WorkerState::Running | WorkerState::Draining));
    let beats = alive.filter_map(|worker| worker.heartbeat.as_ref());
    let of_lane = beats.filter(|beat| beat.lane == lane);
    of_lane.map(|beat| beat.in_hand.len() as u64).sum()
}

fn cells(model: &Model, queue: &Queue) -> Vec<Cell> {
    let number = |value: Option<u64>| match value {
        Some(value) => Cell::Count(value, TextStyle::Plain),
        None => Cell::Text((model.theme.sign("–", "-").to_owned(), TextStyle::Faint)),
    };
    let nobody = queue.consumers == Some(0) && queue.waiting.is_some_and(|waiting| waiting > 0);
    let consumers = match queue.consumers {
        Some(consumers) => Cell::Text((
            count(consumers, 9),
            if nobody {
                TextStyle::Bad
            } else {
                TextStyle::Plain
            },
        )),
        None => number(None),
    };
    vec![
        Cell::Text((queue.name.clone(), TextStyle::Strong)),
        number(queue.waiting),
        number(queue.running),
        consumers,
        Cell::Text((queue.purpose.to_owned(), TextStyle::Faint)),
    ]
}

/// Draws the number of waiting chunks over the last minutes.
fn waiting_chart(model: &Model, canvas: &mut Canvas, area: Rect) {
    let Some(plot) = Plot::below_title(area) else {
        return;
    };
    let values = model.history.waiting.columns(plot.columns(), plot.step);
    let title = [
        ("Chunks that wait".to_owned(), TextStyle::Strong),
        plot.span(),
    ];
    let highest = count(peak(&values) as u64, 9);
    let remark = [
        ("most ".to_owned(), TextStyle::Faint),
        (format!("{highest:>9}"), TextStyle::Plain),
    ];
    canvas.rule(area, &title, &remark);
    chart(canvas, plot.area, &values, axis_max(peak(&values)));
}
