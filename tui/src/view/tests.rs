//! All tabs and states as text, on small, usual and wide screens.

use proto::v1::watch_event::Change;
use proto::v1::{
    BrokerState, DeadChunkInfo, DeadState, ExecReport, GetDeadResponse, Job, JobState, LaneStatus,
    Reject, RuleReport, SampleRow, Snapshot, ValidateReport, WatchEvent, WorkerState, report,
};

use std::cell::RefCell;
use std::io;
use std::num::NonZero;
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::*;
use crate::connection::ProtocolMismatch;
use crate::fake::world;
use crate::message::{Action, Msg, NetworkEvent};
use crate::once::plain_text;
use crate::request::Response;
use crate::tab::Tab;
use crate::theme::Theme;
use crate::update::update;
use cli::text::Charset;

const SIZES: [(u16, u16); 3] = [(40, 10), (80, 24), (200, 60)];

fn render(model: &Model, (columns, lines): (u16, u16)) -> Buffer {
    let area = Rect::new(0, 0, columns, lines);
    let mut buffer = Buffer::empty(area);
    draw(model, &mut buffer, area);
    buffer
}

/// The screen at each size, one below the other.
fn screens(model: &mut Model) -> String {
    let screens = SIZES.map(|size| {
        let now_ms = model.now_ms;
        update(model, Msg::Resize(size.0, size.1), now_ms);
        format!(
            "[{} x {}]\n{}",
            size.0,
            size.1,
            plain_text(&render(model, size))
        )
    });
    screens.concat()
}

fn network_event(job_id: &str, snapshot: Snapshot, ms: u64) -> Msg {
    Msg::Network(NetworkEvent::Event {
        job_id: job_id.into(),
        event: Box::new(WatchEvent {
            sequence: 0,
            sent_unix_ms: world::BEGAN + ms,
            change: Some(Change::Snapshot(snapshot)),
        }),
    })
}

fn empty(tab: Tab, charset: Charset) -> Model {
    Model::new(Theme::new(charset, true), "127.0.0.1:6455", tab, 0)
}

/// The scenario after half a minute.
fn live_in(tab: Tab, charset: Charset) -> Model {
    let mut model = empty(tab, charset);
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(Connection::Connected)),
        0,
    );
    for second in 0..=25 {
        let ms = second * 1000;
        update(
            &mut model,
            network_event("", world::snapshot(ms, ""), ms),
            ms,
        );
    }
    if tab == Tab::Job {
        update(
            &mut model,
            network_event(
                world::ORDERS,
                world::snapshot(25_000, world::ORDERS),
                25_000,
            ),
            25_000,
        );
    }
    update(&mut model, Msg::Tick, 25_300);
    model
}

fn live(tab: Tab) -> Model {
    live_in(tab, Charset::Utf8)
}

/// A model with one snapshot, modified by `change`.
fn changed(tab: Tab, change: impl Fn(&mut Snapshot)) -> Model {
    let mut model = empty(tab, Charset::Utf8);
    let job_id = if tab == Tab::Job { world::ORDERS } else { "" };
    let mut snapshot = world::snapshot(25_000, job_id);
    change(&mut snapshot);
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(Connection::Connected)),
        0,
    );
    update(&mut model, network_event(job_id, snapshot, 25_000), 25_000);
    model
}

fn cut_off(mut model: Model) -> Model {
    let connection = Connection::Disconnected {
        since_ms: 25_300,
        retry_at_ms: 39_800,
        reason: "the master went away".into(),
    };
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(connection)),
        25_300,
    );
    update(&mut model, Msg::Tick, 37_000);
    model
}

macro_rules! shows {
    ($($name:ident: $model:expr;)*) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!(stringify!($name), screens(&mut $model));
        })*
    };
}

shows! {
    jobs: live(Tab::Jobs);
    job: live(Tab::Job);
    rows: live(Tab::Rows);
    workers: live(Tab::Workers);
    dead: with_dead(live(Tab::Dead));
    broker: live(Tab::Broker);
    log: live(Tab::Log);
    dead_cut_off: cut_off(with_dead(live(Tab::Dead)));
    broker_cut_off: cut_off(live(Tab::Broker));
    log_cut_off: cut_off(live(Tab::Log));
    dead_ascii: with_dead(live_in(Tab::Dead, Charset::Ascii));
    broker_ascii: live_in(Tab::Broker, Charset::Ascii);
    log_ascii: live_in(Tab::Log, Charset::Ascii);
    dead_asked: live(Tab::Dead);
    no_dead: answered(live(Tab::Dead), Response::Dead(Vec::new()));
    dead_question: asked(with_dead(live(Tab::Dead)), &[Action::MoveDown(1), Action::DropChunk]);
    cancel_question: asked(live(Tab::Jobs), &[Action::CancelJob]);
    help_read_only: read_only(asked(live(Tab::Jobs), &[Action::ToggleHelp]));
    jobs_frozen: frozen(live(Tab::Jobs));
    rows_searched: asked(live(Tab::Rows), &[Action::StartFilter, Action::TypeChar('5'), Action::TypeChar('5'), Action::ApplyFilter]);
    rows_hidden: asked(live(Tab::Rows), &[Action::HideColumn, Action::HideColumn]);
    workers_filtered: asked(live(Tab::Workers), &[Action::Sort, Action::StartFilter, Action::TypeChar('w'), Action::ApplyFilter]);
    log_filtered: asked(live(Tab::Log), &[Action::StartFilter, Action::TypeChar('d'), Action::TypeChar('e'), Action::TypeChar('a'), Action::TypeChar('d')]);
    job_of_a_command: changed(Tab::Job, of_a_command);
    job_of_a_schema: changed(Tab::Job, of_a_schema);
    job_with_bad_records: answered(live(Tab::Job), bad_records());
    job_bad_records_alone: asked(answered(live(Tab::Job), bad_records()), &[Action::ToggleRejects]);
    broker_with_lanes: changed(Tab::Broker, with_lanes);
    no_events: changed(Tab::Log, |world| world.events.clear());
    jobs_cut_off: cut_off(live(Tab::Jobs));
    job_cut_off: cut_off(live(Tab::Job));
    rows_cut_off: cut_off(live(Tab::Rows));
    workers_cut_off: cut_off(live(Tab::Workers));
    jobs_ascii: live_in(Tab::Jobs, Charset::Ascii);
    job_ascii: live_in(Tab::Job, Charset::Ascii);
    rows_ascii: live_in(Tab::Rows, Charset::Ascii);
    workers_ascii: live_in(Tab::Workers, Charset::Ascii);
    help_on_jobs: asked(live(Tab::Jobs), &[Action::ToggleHelp]);
    help_on_rows: asked(live(Tab::Rows), &[Action::ToggleHelp]);
    rows_paused: asked(live(Tab::Rows), &[Action::MoveDown(-30), Action::MoveRight(2)]);
    jobs_filter_typed: asked(live(Tab::Jobs), &[Action::StartFilter, Action::TypeChar('S'), Action::TypeChar('v')]);
    jobs_filtered: asked(live(Tab::Jobs), &[Action::StartFilter, Action::TypeChar('o'), Action::TypeChar('r'), Action::ApplyFilter]);
    jobs_none_match: asked(live(Tab::Jobs), &[Action::StartFilter, Action::TypeChar('%'), Action::ApplyFilter]);
    job_copied: asked(live(Tab::Job), &[Action::MoveDown(8), Action::Copy]);
    connecting: empty(Tab::Jobs, Charset::Utf8);
    connecting_ascii: empty(Tab::Jobs, Charset::Ascii);
    never_reached: unreachable();
    other_version: version_mismatch(version("protocol 2 (rowmill 9.0.0)"));
    other_version_refused: version_mismatch(ProtocolMismatch::Refusal(
        "protocol mismatch: the client speaks version 1, this master (rowmill 9.0.0) speaks \
         version 2; use the same rowmill on both sides".into()
    ));
    no_jobs: changed(Tab::Jobs, |world| world.jobs.clear());
    nothing_at_all: changed(Tab::Jobs, |world| *world = Snapshot::default());
    no_rows: changed(Tab::Rows, |world| world.rows = None);
    no_worker_ever: changed(Tab::Workers, |world| world.workers.clear());
    no_profile_yet: changed(Tab::Job, |world| world.report = None);
    jobs_without_workers: changed(Tab::Jobs, without_workers);
    jobs_with_lost_chunks: changed(Tab::Jobs, |world| {
        world.jobs[0].state = JobState::ChunksLost.into();
        world.jobs[0].chunks_lost = 12;
        world.jobs[0].rows_per_s = 0.0;
        world.jobs[0].eta_ms = None;
    });
    jobs_not_stored: changed(Tab::Jobs, |world| {
        let master = world.master.get_or_insert_default();
        master.store_trouble = "results cannot be stored: /data/rowmill.db: no space left on device".into();
    });
    no_jobs_without_a_store: changed(Tab::Jobs, |world| {
        world.jobs.clear();
        let master = world.master.get_or_insert_default();
        master.store_trouble = "results cannot be stored: there is no room to open the store".into();
    });
    jobs_with_lost_commits: changed(Tab::Jobs, |world| {
        let master = world.master.get_or_insert_default();
        master.losses = vec!["the last 3 of 120 commits are gone: rowmill.sqlite-wal was deleted or cut".into()];
    });
    workers_all_lost: changed(Tab::Workers, without_workers);
    final_profile: changed(Tab::Job, |world| {
        world.jobs[0].state = JobState::Done.into();
        world.jobs[0].eta_ms = None;
        world.jobs[0].finished_unix_ms = Some(world::BEGAN + 24_000);
    });
    profile_with_dead_chunks: changed(Tab::Job, |world| {
        world.jobs[0].state = JobState::DoneWithFailures.into();
        world.jobs[0].chunks_dead = 2;
    });
    broker_away: changed(Tab::Jobs, |world| broker_in(world, BrokerState::Reconnecting, "connection refused"));
    broker_blocked: changed(Tab::Jobs, |world| broker_in(world, BrokerState::Blocked, "low on disk"));
}

fn answered(mut model: Model, answer: Response) -> Model {
    // The tab sends its request first.
    let now_ms = model.now_ms + 3000;
    update(&mut model, Msg::Tick, now_ms);
    update(
        &mut model,
        Msg::Network(NetworkEvent::Response(answer)),
        now_ms,
    );
    model
}

/// Two dead chunks, the first one with details.
fn with_dead(model: Model) -> Model {
    let jobs = world::jobs(25_000);
    let dead = |seq: u64, reason: &str, state: DeadState| DeadChunkInfo {
        job_id: jobs[3].job_id.clone(),
        seq,
        reason: reason.into(),
        attempts: 3,
        first_line: 1 + seq * 10_000,
        rows: 10_000,
        died_unix_ms: world::BEGAN + 9_000,
        state: state.into(),
        ..DeadChunkInfo::default()
    };
    let first = dead(
        7,
        "the command `clean` ended with exit code 1: KeyError: 'temp\x1b[31m'",
        DeadState::Dead,
    );
    let second = dead(
        31,
        "took longer than 600 s and was killed",
        DeadState::Dropped,
    );
    let whole = GetDeadResponse {
        dead: Some(DeadChunkInfo {
            stderr:
                "Traceback (most recent call last):\n  File \"clean.py\", line 9\nKeyError: 'temp'"
                    .into(),
            ..first.clone()
        }),
        columns: vec!["sensor".into(), "celsius".into()],
        body: b"k1,20.5\nk2,\x1b[2J\n".to_vec(),
        body_bytes: 18,
    };
    let model = answered(model, Response::Dead(vec![first, second]));
    answered(model, Response::Chunk(Box::new(whole)))
}

fn read_only(mut model: Model) -> Model {
    model.read_only = true;
    model
}

/// The view is frozen while further events arrive.
fn frozen(model: Model) -> Model {
    let mut model = asked(model, &[Action::ToggleHold]);
    update(
        &mut model,
        network_event("", world::snapshot(34_000, ""), 34_000),
        34_000,
    );
    model
}

fn of_a_command(world: &mut Snapshot) {
    world.jobs[0].operation = "exec".into();
    world.jobs[0].output_bytes = 12_345_678;
    let report = ExecReport {
        command: "clean".into(),
        columns: vec!["id".into(), "city".into(), "total".into()],
        rows_in: 2_345_678,
        rows_out: 2_345_000,
    };
    world.report = Some(report.into());
}

fn of_a_schema(world: &mut Snapshot) {
    world.jobs[0].operation = "validate".into();
    let rule = |column: &str, rule: &str, expected: &str, broken| RuleReport {
        column: column.into(),
        rule: rule.into(),
        expected: expected.into(),
        broken,
    };
    let report = ValidateReport {
        rows: 2_345_678,
        valid: 2_345_601,
        invalid: 77,
        rules: vec![
            rule("id", "type", "integer", 0),
            rule("id", "unique", "", 12),
            rule("city", "enum", "Wien, Graz, Linz", 65),
        ],
    };
    world.report = Some(report.into());
}

fn bad_records() -> Response {
    let reject = |line: u64, reason: &str| Reject {
        line,
        reason: reason.into(),
        ..Reject::default()
    };
    Response::Rejects {
        job_id: world::ORDERS.into(),
        rejects: vec![
            reject(17, "2 fields where the header has 9"),
            reject(
                1_204_551,
                "city: \"\x1b[2J\" is not one of Wien, Graz, Linz",
            ),
        ],
    }
}

fn with_lanes(world: &mut Snapshot) {
    let master = world.master.get_or_insert_default();
    let broker = master.broker.get_or_insert_default();
    broker.lanes = vec![LaneStatus {
        lane: "gpu".into(),
        tasks_ready: 12,
        task_consumers: 0,
    }];
    broker.round_trip_us = Some(1_612_000);
}

fn asked(mut model: Model, asks: &[Action]) -> Model {
    for &ask in asks {
        let now_ms = model.now_ms;
        update(&mut model, Msg::Action(ask), now_ms);
    }
    model
}

fn unreachable() -> Model {
    let mut model = empty(Tab::Jobs, Charset::Utf8);
    let connection = Connection::Disconnected {
        since_ms: 0,
        retry_at_ms: 2500,
        reason: "no master answers at 127.0.0.1:6455 (is `rowmill master` running there?)".into(),
    };
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(connection)),
        500,
    );
    model
}

fn version_mismatch(mismatch: ProtocolMismatch) -> Model {
    let mut model = live(Tab::Jobs);
    let connection = Connection::VersionMismatch {
        mismatch,
        retry_at_ms: 28_000,
    };
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(connection)),
        25_300,
    );
    model
}

fn version(text: &str) -> ProtocolMismatch {
    ProtocolMismatch::Version(text.into())
}

fn without_workers(world: &mut Snapshot) {
    world.jobs[0].no_workers = true;
    world.jobs[0].rows_per_s = 0.0;
    world.jobs[0].eta_ms = None;
    for worker in &mut world.workers {
        worker.state = WorkerState::Lost.into();
    }
}

fn broker_in(world: &mut Snapshot, state: BrokerState, detail: &str) {
    let broker = world
        .master
        .get_or_insert_default()
        .broker
        .get_or_insert_default();
    broker.state = state.into();
    broker.detail = detail.into();
}

#[test]
fn too_small() {
    let model = live(Tab::Jobs);
    let screens: String = [(39, 10), (40, 7), (12, 3), (1, 1)]
        .map(|size| {
            format!(
                "[{} x {}]\n{}",
                size.0,
                size.1,
                plain_text(&render(&model, size))
            )
        })
        .concat();
    insta::assert_snapshot!("too_small", screens);
}

#[test]
fn no_size_and_no_state_breaks_the_drawing() {
    let models = vec![
        live(Tab::Jobs),
        live(Tab::Job),
        live(Tab::Rows),
        live(Tab::Workers),
        with_dead(live(Tab::Dead)),
        live(Tab::Broker),
        live(Tab::Log),
        changed(Tab::Job, of_a_schema),
        changed(Tab::Job, of_a_command),
    ];
    let mut models: Vec<Model> = models.into_iter().flat_map(|m| [cut_off(m)]).collect();
    models.extend([
        version_mismatch(version("x")),
        unreachable(),
        live(Tab::Job),
        live(Tab::Rows),
        asked(with_dead(live(Tab::Dead)), &[Action::ReplayDead]),
    ]);
    for mut model in models {
        model.help = true;
        for columns in (1..140).step_by(7) {
            for lines in 1..40 {
                render(&model, (columns, lines));
            }
        }
    }
}

/// Stale data is drawn without colour and bold.
#[test]
fn stale_data_is_grey() {
    let buffer = render(&cut_off(live(Tab::Jobs)), (80, 24));
    for y in 2..22 {
        for x in 0..80 {
            let cell = &buffer[(x, y)];
            assert_eq!(cell.fg, Color::Reset, "at {x}, {y}");
            assert!(!cell.modifier.contains(Modifier::BOLD), "at {x}, {y}");
        }
    }
}

#[test]
fn without_colour_no_cell_has_one() {
    let mut model = live(Tab::Jobs);
    model.theme = Theme::new(Charset::Utf8, false);
    for tab in Tab::ALL {
        model.tab = tab;
        let buffer = render(&model, (120, 36));
        assert!(
            buffer
                .content()
                .iter()
                .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
    }
}

#[test]
fn ascii_screens_are_ascii() {
    for tab in Tab::ALL {
        let model = live_in(tab, Charset::Ascii);
        let text = plain_text(&render(&model, (120, 36)));
        assert!(text.is_ascii(), "{text}");
    }
}

/// Changing numbers do not move the columns of any line.
#[test]
fn columns_do_not_move_while_numbers_change() {
    let heads = |ms: u64| {
        let mut model = empty(Tab::Jobs, Charset::Utf8);
        update(
            &mut model,
            Msg::Network(NetworkEvent::Connection(Connection::Connected)),
            0,
        );
        update(
            &mut model,
            network_event("", world::snapshot(ms, ""), ms),
            ms,
        );
        Tab::ALL.map(|tab| {
            model.tab = tab;
            let text = plain_text(&render(&model, (120, 36)));
            text.lines().nth(2).unwrap_or_default().to_owned()
        })
    };
    let (early, late) = (heads(1000), heads(40_000));
    assert_eq!((&early[0], &early[3]), (&late[0], &late[3]));
}

/// 10,000 hostile cells on a terminal emulator: each line of the screen is as drawn, and no control
/// character reaches the terminal.
#[test]
fn hostile_cells_stay_in_their_place() {
    let size = (120, 36);
    for batch in 0..20 {
        let model = changed(Tab::Rows, |world| hostile_rows(world, batch));
        let text = plain_text(&render(&model, size));
        for line in text.lines() {
            assert!(cli::text::width(line) <= 120, "{line:?}");
            assert!(
                matches!(cli::text::visible(line), std::borrow::Cow::Borrowed(_)),
                "{line:?}"
            );
        }
        let shown = on_a_terminal(&model, size);
        let drawn: Vec<&str> = text.lines().collect();
        assert_eq!(shown, drawn);
    }
}

fn hostile_rows(world: &mut Snapshot, batch: usize) {
    let nasty = [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\u{202e}evil",
        "a\u{301}\u{301}\u{301}\u{301}\u{301}",
        "👩‍👩‍👧‍👦",
        "東京都港区",
        "\u{9b}31m",
        "\r\n\t\x08",
        "\u{200b}\u{feff}",
        "ｗｉｄｅ",
        "\0",
        "❤\u{fe0f}",
    ];
    let cell = |i: usize| {
        let of = |by: usize| nasty[i / by % nasty.len()];
        format!("{}{}{}", of(1), of(12), of(144))
    };
    let rows = world.rows.get_or_insert_default();
    rows.columns = (0..10).map(|i| cell(batch + i)).collect();
    rows.rows = (0..50)
        .map(|r| SampleRow {
            record: r as u64,
            cells: (0..10).map(|c| cell(batch * 500 + r * 10 + c)).collect(),
        })
        .collect();
}

/// The lines that a terminal shows after the model is drawn on it.
fn on_a_terminal(model: &Model, (columns, lines): (u16, u16)) -> Vec<String> {
    let out = Written::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, columns, lines));
    let backend = CrosstermBackend::new(out.clone());
    let mut terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
    terminal.draw(|frame| view(model, frame)).unwrap();
    let [high, wide] = [lines, columns].map(|n| NonZero::new(n).unwrap());
    let mut emulator = vt100::Parser::new(high, wide, 0);
    emulator.process(&out.0.borrow());
    let rows = emulator.screen().rows(0, columns);
    rows.map(|row| row.trim_end().to_owned()).collect()
}

/// Collects the bytes written to a terminal.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A click selects the list item under it.
#[test]
fn a_click_finds_the_list_item_on_its_line() {
    let mut model = live(Tab::Jobs);
    model.size = (80, 24);
    let text = plain_text(&render(&model, model.size));
    let line = |what: &str| text.lines().position(|line| line.contains(what)).unwrap() as u16;
    let at = list_index_at(&model, line("sensors.csv")).unwrap();
    assert_eq!(model.jobs()[at].name, "sensors.csv");
    assert_eq!(list_index_at(&model, 0), None);
    assert_eq!(list_index_at(&model, 23), None);
}

/// A list of the maximum length is drawn at the cost of its visible lines. Prints the time per frame.
#[test]
fn long_lists_are_drawn_at_the_cost_of_visible_lines() {
    let mut model = changed(Tab::Jobs, |world| {
        let job = world.jobs[0].clone();
        world.jobs = (0..100u64)
            .map(|n| Job {
                job_id: format!("{n:08}-c000-7a1b-9c2d-000000000001"),
                opened_unix_ms: job.opened_unix_ms - n,
                ..job.clone()
            })
            .collect();
        let worker = world.workers[0].clone();
        world.workers = (0..1000u32)
            .map(|n| {
                let mut worker = worker.clone();
                let beat = worker.heartbeat.get_or_insert_default();
                beat.pid = n;
                beat.worker_id = format!("{n:08}-b000-7d00-8000-000000000001");
                worker
            })
            .collect();
    });
    let wide = changed(Tab::Job, |world| {
        let Some(report::Kind::Profile(profile)) = world
            .report
            .as_mut()
            .and_then(|report| report.kind.as_mut())
        else {
            panic!("no profile");
        };
        let column = profile.columns[0].clone();
        profile.columns = vec![column; 500];
    });
    for tab in [Tab::Jobs, Tab::Workers] {
        model.tab = tab;
        drawn_often(&model);
    }
    model.tab = Tab::Workers;
    let text = plain_text(&render(&model, (200, 60)));
    assert!(text.contains("of 1,000"), "{text}");
    drawn_often(&wide);
    assert!(plain_text(&render(&wide, (200, 60))).contains("of 500"));
}

fn drawn_often(model: &Model) {
    let start = std::time::Instant::now();
    for _ in 0..100 {
        render(model, (200, 60));
    }
    println!("{:?}: {:?} a frame", model.tab, start.elapsed() / 100);
}
