//! The Broker tab: whether the master has its broker, how soon that answers, and what waits in each
//! queue.

use proto::v1::{BrokerStatus, WorkerState};
use ratatui::layout::Rect;

use super::chart::{Plot, ceiling, chart, peak};
use super::facts::{Fact, facts, height};
use super::pen::Pen;
use super::table::{Cell, Column, table};
use super::{cut_bottom, cut_top, screens};
use crate::format::{count, duration, grouped};
use crate::model::Model;
use crate::state::State;
use crate::theme::Tone;

const COLUMNS: [Column; 5] = [
    Column::text("QUEUE", 14, 44, 0),
    Column::figure("WAITING", 9, 13, 0),
    Column::figure("IN HAND", 8, 10, 1),
    Column::number("CONSUMERS", 9, 2),
    Column::text("OF", 12, 60, 3),
];

/// A queue: what it is called, what waits, what is taken and not done, who takes, and what it is for.
struct Queue {
    name: String,
    waiting: Option<u64>,
    in_hand: Option<u64>,
    consumers: Option<u64>,
    of: &'static str,
}

pub(super) fn draw(model: &Model, pen: &mut Pen, area: Rect) {
    let Some((state, broker)) = model
        .state
        .as_ref()
        .and_then(|state| Some((state, state.broker()?)))
    else {
        return screens::no_broker(pen, area);
    };
    let (area, below) = cut_bottom(area, chart_height(area));
    let about = about(model, state, broker);
    let high = match area.height {
        0..8 => 1,
        _ => 1 + height(about.len(), area.width.saturating_sub(2)),
    };
    let (head, area) = cut_top(area, high);
    let (sign, word, tone) = model.theme.broker_state(broker.state());
    let title = [
        ("Broker".to_owned(), Tone::Strong),
        (format!("  {}", broker.address), Tone::Plain),
    ];
    pen.rule(head, &title, &[(format!("{sign} {word}"), tone)]);
    facts(pen, cut_top(head, 1).1, &about);
    let queues = queues(state, broker);
    pen.rule(area, &[("Queues".into(), Tone::Strong)], &[]);
    let (_, lines) = cut_top(area, 1);
    table(pen, lines, &COLUMNS, (queues.len(), None), |at| {
        cells(model, &queues[at])
    });
    waiting(model, pen, below);
}

fn chart_height(area: Rect) -> u16 {
    match area.height {
        0..16 => 0,
        16..30 => 5,
        _ => 12,
    }
}

fn about(model: &Model, state: &State, broker: &BrokerStatus) -> Vec<Fact> {
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
            if slow { Tone::Warn } else { Tone::Plain },
        ),
        ("says", detail, Tone::Plain),
        (
            "master",
            format!("{} {}", master.host, master.pid),
            Tone::Plain,
        ),
        ("up", duration(up), Tone::Plain),
        (
            "version",
            format!("{}, protocol {}", master.version, master.protocol),
            Tone::Plain,
        ),
        ("repeated", grouped(master.duplicates), Tone::Plain),
    ]
}

fn queues(state: &State, broker: &BrokerStatus) -> Vec<Queue> {
    let tasks = Queue {
        name: "tasks".into(),
        waiting: broker.tasks_ready,
        in_hand: Some(in_hand(state, "")),
        consumers: broker.task_consumers,
        of: "chunks for workers",
    };
    let lanes = broker.lanes.iter().map(|lane| Queue {
        name: format!("tasks.{}", lane.lane),
        waiting: Some(lane.tasks_ready),
        in_hand: Some(in_hand(state, &lane.lane)),
        consumers: Some(lane.task_consumers),
        of: "chunks for workers of that lane",
    });
    let of_master = [
        ("results", broker.results_ready, "results for the master"),
        ("dead", broker.dead_ready, "dead chunks for the master"),
    ];
    let of_master = of_master.map(|(name, waiting, of)| Queue {
        name: name.into(),
        waiting,
        in_hand: None,
        consumers: None,
        of,
    });
    std::iter::once(tasks)
        .chain(lanes)
        .chain(of_master)
        .collect()
}

/// Chunks that the workers of a lane say they have.
fn in_hand(state: &State, lane: &str) -> u64 {
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
        Some(value) => Cell::Count(value, Tone::Plain),
        None => Cell::Text((model.theme.sign("–", "-").to_owned(), Tone::Faint)),
    };
    let nobody = queue.consumers == Some(0) && queue.waiting.is_some_and(|waiting| waiting > 0);
    let consumers = match queue.consumers {
        Some(consumers) => Cell::Text((
            count(consumers, 9),
            if nobody { Tone::Bad } else { Tone::Plain },
        )),
        None => number(None),
    };
    vec![
        Cell::Text((queue.name.clone(), Tone::Strong)),
        number(queue.waiting),
        number(queue.in_hand),
        consumers,
        Cell::Text((queue.of.to_owned(), Tone::Faint)),
    ]
}

/// How many chunks waited over the last minutes.
fn waiting(model: &Model, pen: &mut Pen, area: Rect) {
    let Some(plot) = Plot::below_title(area) else {
        return;
    };
    let values = model.history.waiting.columns(plot.columns(), plot.step);
    let title = [("Chunks that wait".to_owned(), Tone::Strong), plot.span()];
    let highest = count(peak(&values) as u64, 9);
    let remark = [
        ("most ".to_owned(), Tone::Faint),
        (format!("{highest:>9}"), Tone::Plain),
    ];
    pen.rule(area, &title, &remark);
    chart(pen, plot.area, &values, ceiling(peak(&values)));
}
