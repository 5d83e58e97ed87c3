//! The scenario of the tests: a busy system, computed for any time.

use proto::v1::{
    Bin, BrokerState, BrokerStatus, ChunkCell, ChunkInHand, ChunkMap, ColumnProfile, ColumnType,
    Delta, Estimate, Event, EventLevel, Heartbeat, Job, JobState, LatestRows, MasterStatus,
    Profile, Quantile, SampleRow, Scope, Snapshot, TopValue, Worker, WorkerState,
};

/// Start of the scenario, milliseconds since 1970.
pub const BEGAN: u64 = 1_760_000_000_000;

/// The running job.
pub const ORDERS: &str = "0199c82c-c000-7a1b-9c2d-000000000001";

const ORDER_ROWS: u64 = 5_000_000;

/// The snapshot at `ms` milliseconds after the start. `job_id` is as in `WatchRequest`.
pub fn snapshot(ms: u64, job_id: &str) -> Snapshot {
    let jobs = jobs(ms);
    let workers = workers(ms);
    Snapshot {
        master: Some(master(ms)),
        jobs_total: jobs.len() as u64,
        jobs,
        workers_total: workers.len() as u64,
        workers,
        rows: Some(rows(ms)),
        report: (job_id == ORDERS).then(|| profile(ms).into()),
        events: events(ms),
        chunks: (job_id == ORDERS).then(|| chunks(ms)),
        scope: Scope::Admin.into(),
        result_left_out: 0,
    }
}

/// All values that change, as a delta.
pub fn delta(ms: u64, job_id: &str) -> Delta {
    let all = snapshot(ms, job_id);
    Delta {
        master: all.master,
        jobs: all.jobs,
        jobs_total: all.jobs_total,
        workers: all.workers,
        workers_total: all.workers_total,
        rows: all.rows,
        report: all.report,
        chunks: all.chunks,
        ..Delta::default()
    }
}

/// The chunk map of the running job; the first chunks took two attempts, and one is dead.
fn chunks(ms: u64) -> ChunkMap {
    let done = orders(ms).chunks_done;
    let cell = |seq: u64| match seq {
        41 => ChunkCell::Dead,
        7 | 8 => ChunkCell::Retried,
        seq if seq < done => ChunkCell::Done,
        seq if seq < done + 6 => ChunkCell::Running,
        _ => ChunkCell::Waiting,
    };
    ChunkMap {
        chunks: 500,
        per_cell: 1,
        cells: (0..500).map(|seq| cell(seq) as u8).collect(),
        running: 6,
        retried: 2,
    }
}

fn events(ms: u64) -> Vec<Event> {
    let told = [
        (0, EventLevel::Info, "worker web1 12341 takes chunks"),
        (1_000, EventLevel::Info, "orders.csv: published by ana@web1"),
        (
            4_000,
            EventLevel::Warn,
            "worker db-3 12344 is lost: no heartbeat for 10 s",
        ),
        (
            9_000,
            EventLevel::Error,
            "sensors.csv: 2 chunks are dead: the command `clean` ended with exit code 1: KeyError: 'temp'",
        ),
        (
            9_500,
            EventLevel::Error,
            "sensors.csv: done, but for 2 dead of 96 chunks",
        ),
        (
            12_000,
            EventLevel::Info,
            "evil\x1b[2J\u{202e}gnp.csv: published by ci@build7",
        ),
    ];
    let told = told
        .into_iter()
        .enumerate()
        .filter(|(_, (at, ..))| *at <= ms);
    told.map(|(at, (at_ms, level, text))| Event {
        number: at as u64 + 1,
        unix_ms: BEGAN + at_ms,
        level: level.into(),
        text: text.into(),
        ..Event::default()
    })
    .collect()
}

fn master(ms: u64) -> MasterStatus {
    MasterStatus {
        version: proto::VERSION.into(),
        protocol: proto::PROTOCOL,
        host: "mill".into(),
        pid: 4242,
        started_unix_ms: BEGAN,
        broker: Some(BrokerStatus {
            state: BrokerState::Connected.into(),
            address: "amqp://rabbit:5672".into(),
            detail: String::new(),
            tasks_ready: Some(34 + ms / 1000 % 7),
            results_ready: Some(2),
            task_consumers: Some(3),
            lanes: Vec::new(),
            dead_ready: Some(0),
            round_trip_us: Some(2_700),
        }),
        duplicates: 0,
        store_trouble: String::new(),
        losses: Vec::new(),
        unreadable: 0,
    }
}

/// Rows per second at `ms`: a ramp, then small variations.
fn speed(ms: u64) -> f64 {
    let t = ms as f64 / 1000.0;
    let ramp = (t / 8.0).min(1.0);
    ramp * (101_000.0 + 22_000.0 * (t / 7.0).sin() + 9_000.0 * (t / 1.7).sin())
}

fn orders(ms: u64) -> Job {
    let rows: f64 = (0..ms / 200).map(|step| speed(step * 200) / 5.0).sum();
    let rows = (rows as u64 + 120_000).min(ORDER_ROWS);
    let done = rows == ORDER_ROWS;
    let share = rows as f64 / ORDER_ROWS as f64;
    let rate = if done { 0.0 } else { speed(ms) };
    let state = if done {
        JobState::Done
    } else {
        JobState::Running
    };
    Job {
        job_id: ORDERS.into(),
        name: "orders.csv".into(),
        operation: "profile".into(),
        state: state.into(),
        publisher: "ana@web1".into(),
        opened_unix_ms: BEGAN - 4000,
        finished_unix_ms: done.then_some(BEGAN + 51_000),
        source_bytes: Some(524_288_000),
        chunks_total: Some(500),
        rows_total: Some(ORDER_ROWS),
        chunks_done: (share * 500.0) as u64,
        rows,
        rejects: 3,
        bytes: (share * 524_288_000.0) as u64,
        retries: 2,
        rows_per_s: rate,
        bytes_per_s: rate * 105.0,
        eta_ms: (!done).then(|| ((ORDER_ROWS - rows) as f64 / rate.max(1.0) * 1000.0) as u64),
        progress: Some(share),
        ..Job::default()
    }
}

fn job(n: u64, name: &str, state: JobState) -> Job {
    Job {
        job_id: format!("0199c82{n:x}-c000-7a1b-9c2d-00000000000{n}"),
        name: name.into(),
        operation: "profile".into(),
        state: state.into(),
        publisher: "ci@build7".into(),
        opened_unix_ms: BEGAN - n * 400_000,
        ..Job::default()
    }
}

pub fn jobs(ms: u64) -> Vec<Job> {
    let done = Job {
        finished_unix_ms: Some(BEGAN - 370_000 * 2),
        source_bytes: Some(1_234_567_890),
        chunks_total: Some(1178),
        rows_total: Some(23_456_789),
        chunks_done: 1178,
        rows: 23_456_789,
        bytes: 1_234_567_890,
        progress: Some(1.0),
        ..job(2, "customers-of-the-whole-year-2024.csv.gz", JobState::Done)
    };
    let failed = Job {
        finished_unix_ms: Some(BEGAN - 390_000 * 3),
        chunks_total: Some(96),
        rows_total: Some(987_654),
        chunks_done: 94,
        chunks_dead: 2,
        rows: 967_000,
        rejects: 1207,
        bytes: 98_000_000,
        progress: Some(1.0),
        ..job(3, "sensors.csv", JobState::DoneWithFailures)
    };
    let pipe = Job {
        chunks_done: 17,
        rows: 170_112 + ms,
        bytes: 17_800_000,
        rows_per_s: 812.0,
        bytes_per_s: 84_000.0,
        ..job(1, "-", JobState::Publishing)
    };
    let hostile = Job {
        chunks_done: 1,
        rows: 12,
        bytes: 800,
        progress: Some(0.25),
        ..job(4, "evil\x1b[2J\u{202e}gnp.csv", JobState::Stalled)
    };
    vec![orders(ms), pipe, done, failed, hostile]
}

fn worker(n: u64, host: &str, state: WorkerState, ms: u64) -> Worker {
    let silent = match state {
        WorkerState::Lost => 95_000,
        WorkerState::Left => 300_000,
        _ => 300 * n % 900,
    };
    let now = BEGAN + ms;
    let alive = silent < 10_000;
    let rate = if alive {
        speed(ms) / 3.0 * (1.0 + 0.1 * n as f64)
    } else {
        0.0
    };
    let hand = |seq: u64, running_ms| ChunkInHand {
        job_id: ORDERS.into(),
        seq,
        running_ms,
    };
    let seq = ms / 130 + n;
    Worker {
        heartbeat: Some(Heartbeat {
            worker_id: format!("0199c82c-b000-7d00-8000-00000000000{n}"),
            host: host.into(),
            pid: 12_340 + n as u32,
            version: proto::VERSION.into(),
            started_unix_ms: BEGAN - 3_700_000,
            sent_unix_ms: now.saturating_sub(silent),
            threads: 2,
            state: state.into(),
            chunks: 150 + ms / 130,
            rows: 1_530_000 + ms * 30,
            bytes: 160_000_000 + ms * 3000,
            retries: n % 3,
            failures: 0,
            in_hand: vec![hand(seq, 840 + ms % 300), hand(seq + 3, 120)],
            lane: String::new(),
            commands: Vec::new(),
            cpu: Some(1.2 + 0.1 * n as f64),
            memory_bytes: Some(48_000_000 + n * 1_000_000),
            unsettled: Some(2),
        }),
        heard_unix_ms: now.saturating_sub(silent),
        state: state.into(),
        rows_per_s: rate,
        bytes_per_s: rate * 105.0,
    }
}

pub fn workers(ms: u64) -> Vec<Worker> {
    vec![
        worker(1, "gpu-03.rack7.example", WorkerState::Draining, ms),
        worker(2, "old-host", WorkerState::Lost, ms),
        worker(3, "spare", WorkerState::Left, ms),
        worker(4, "web1", WorkerState::Running, ms),
        worker(5, "web2", WorkerState::Running, ms),
    ]
}

const COLUMNS: [&str; 10] = [
    "order_id",
    "customer",
    "ordered_at",
    "country",
    "category",
    "quantity",
    "unit_price",
    "discount",
    "note",
    "email",
];

pub fn rows(ms: u64) -> LatestRows {
    let last = orders(ms).rows;
    let rows = (0..50).map(|i| row(last.saturating_sub(50) + i)).collect();
    LatestRows {
        job_id: ORDERS.into(),
        columns: COLUMNS.iter().map(ToString::to_string).collect(),
        columns_total: 10,
        rows,
        rows_total: last,
    }
}

fn row(n: u64) -> SampleRow {
    let note = match n % 7 {
        0 => "leave at the door, please\nsecond \"floor\"",
        3 => "東京都 \u{1b}[31mred\u{202e}",
        _ => "",
    };
    let cells = [
        (n + 1).to_string(),
        format!(
            "{:08x}-51c4-4b7e-9d1f-{:012x}",
            n * 2_654_435_761 % 0xffff_ffff,
            n * 7919
        ),
        format!("2025-10-{:02}T{:02}:{:02}:07Z", n % 28 + 1, n % 24, n % 60),
        ["CH", "DE", "JP", "US", "BR"][(n % 5) as usize].into(),
        ["books", "garden", "toys", "electronics"][(n % 4) as usize].into(),
        (n % 9 + 1).to_string(),
        format!("{}.{:02}", n * 37 % 499, n % 100),
        if n.is_multiple_of(10) {
            String::new()
        } else {
            format!("0.{}", n % 10)
        },
        note.into(),
        format!("user{}@example.com", n * 31 % 100_000),
    ];
    SampleRow {
        record: n,
        cells: cells.into(),
    }
}

pub fn profile(ms: u64) -> Profile {
    let rows = orders(ms).rows;
    let column = |name: &str, kind: ColumnType, min: &str, max: &str| ColumnProfile {
        name: name.into(),
        r#type: kind.into(),
        fit: 1.0,
        count: rows,
        min: Some(min.into()),
        max: Some(max.into()),
        length_min: Some(min.len() as u64),
        length_max: Some(max.len() as u64),
        length_mean: Some((min.len() + max.len()) as f64 / 2.0),
        ..ColumnProfile::default()
    };
    let number = |name: &str, kind, min: &str, max: &str, mean: f64, stddev: f64| ColumnProfile {
        sum: Some(format!("{:.2}", mean * rows as f64)),
        mean: Some(mean),
        stddev: Some(stddev),
        ..column(name, kind, min, max)
    };
    let (integer, decimal) = (ColumnType::Integer, ColumnType::Decimal);
    let id = rows as f64;
    Profile {
        rows,
        columns: vec![
            number(
                "order_id",
                integer,
                "1",
                &rows.to_string(),
                id / 2.0,
                id / 3.4641,
            ),
            column(
                "customer",
                ColumnType::Uuid,
                "00000ef1-51c4-4b7e-9d1f-0000004c12aa",
                "fffff7b3-51c4-4b7e-9d1f-00000a12be77",
            ),
            column(
                "ordered_at",
                ColumnType::Datetime,
                "2025-10-01T00:00:07Z",
                "2025-10-28T23:59:07Z",
            ),
            ColumnProfile {
                distinct: Some(estimate(7, 0.0)),
                top: vec![top("US", rows / 3), top("BR\u{7}", rows / 4)],
                mixed_case: Some(2),
                ..column("country", ColumnType::Text, "BR", "US")
            },
            column("category", ColumnType::Text, "books", "toys"),
            spread(
                number("quantity", integer, "1", "9", 5.0002, 2.5819),
                &[1.0, 3.0, 5.0, 7.0, 9.0],
            ),
            number("unit_price", decimal, "0.00", "498.99", 249.4851, 144.0517),
            ColumnProfile {
                empty: rows / 10,
                ..number("discount", decimal, "0.1", "0.9", 0.5, 0.2582)
            },
            ColumnProfile {
                empty: rows * 19 / 20,
                ..column(
                    "note",
                    ColumnType::Text,
                    "again\n\"quoted\"",
                    "東京都 \u{1b}[31mred\u{202e}",
                )
            },
            ColumnProfile {
                fit: 0.9987,
                ..column(
                    "email",
                    ColumnType::Email,
                    "user0@example.com",
                    "user99999@example.com",
                )
            },
        ],
        ..Default::default()
    }
}

fn estimate(count: u64, error: f64) -> Estimate {
    Estimate { count, error }
}

fn top(value: &str, count: u64) -> TopValue {
    TopValue {
        value: value.into(),
        count,
        over: 0,
    }
}

/// The column with a histogram and these quartiles, from minimum to maximum.
fn spread(column: ColumnProfile, quartiles: &[f64; 5]) -> ColumnProfile {
    let bins = 16;
    let wide = (quartiles[4] - quartiles[0]) / f64::from(bins);
    let bin = |at: u32| Bin {
        from: quartiles[0] + wide * f64::from(at),
        to: quartiles[0] + wide * f64::from(at + 1),
        count: u64::from(at % 8 * 1000),
    };
    let quantile = |(rank, &value)| Quantile {
        rank,
        value,
        decimal: String::new(),
    };
    ColumnProfile {
        histogram: (0..bins).map(bin).collect(),
        quantiles: [0.0, 0.25, 0.5, 0.75, 1.0]
            .into_iter()
            .zip(quartiles)
            .map(quantile)
            .collect(),
        skewness: Some(-0.0312),
        distinct: Some(estimate(1_021_234, 0.0081)),
        ..column
    }
}
