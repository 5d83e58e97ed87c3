//! Messages in, model out.

use cli::text::Charset;
use proto::v1::watch_event::Change;
use proto::v1::{Snapshot, WatchEvent};

use super::*;
use crate::connection::Connection;
use crate::fake::world;
use crate::theme::Theme;

fn event(job_id: &str, snapshot: Snapshot, ms: u64) -> Msg {
    Msg::Network(NetworkEvent::Event {
        job_id: job_id.into(),
        event: Box::new(WatchEvent {
            sequence: 0,
            sent_unix_ms: world::BEGAN + ms,
            change: Some(Change::Snapshot(snapshot)),
        }),
    })
}

/// A model that has received the first snapshot.
fn live() -> Model {
    let mut model = Model::new(Theme::new(Charset::Utf8, true), "here", Tab::Jobs, 0);
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(Connection::Connected)),
        0,
    );
    update(&mut model, event("", world::snapshot(0, ""), 0), 0);
    model
}

fn press(model: &mut Model, actions: &[Action]) -> Effect {
    let mut last = Effect::None;
    for &action in actions {
        let now_ms = model.now_ms;
        last = update(model, Msg::Action(action), now_ms);
    }
    last
}

fn selected(model: &Model) -> String {
    model.selected_job().unwrap().name.clone()
}

#[test]
fn the_newest_job_is_selected_until_another_one_is() {
    let mut model = live();
    assert_eq!(selected(&model), "orders.csv");
    press(&mut model, &[Action::MoveDown(1)]);
    assert_eq!(selected(&model), "-");

    let mut newer = world::snapshot(0, "");
    newer.jobs[0].job_id = "0199c82d-0000-7a1b-9c2d-000000000001".into();
    newer.jobs[0].name = "newer.csv".into();
    newer.jobs[0].opened_unix_ms += 60_000;
    update(&mut model, event("", newer, 0), 0);
    assert_eq!(selected(&model), "-", "a choice stays");
    press(&mut model, &[Action::First]);
    assert_eq!(selected(&model), "newer.csv");
}

#[test]
fn the_selection_stays_in_the_list() {
    let mut model = live();
    press(&mut model, &[Action::Last, Action::MoveDown(5)]);
    assert_eq!(
        model.selected_job().unwrap().opened_unix_ms,
        world::BEGAN - 1_600_000
    );
    press(&mut model, &[Action::Page(-1), Action::MoveDown(-5)]);
    assert_eq!(selected(&model), "orders.csv");
}

#[test]
fn opening_a_job_subscribes_to_it_and_leaving_unsubscribes() {
    let mut model = live();
    let effect = press(&mut model, &[Action::Open]);
    assert_eq!(effect, Effect::Watch(world::ORDERS.into()));
    assert_eq!(model.tab, Tab::Job);
    assert_eq!(
        press(&mut model, &[Action::ToggleHelp, Action::ToggleHelp]),
        Effect::None
    );
    assert_eq!(
        press(&mut model, &[Action::Back]),
        Effect::Watch(String::new())
    );
}

#[test]
fn the_job_tab_switches_to_the_next_job() {
    let mut model = live();
    press(&mut model, &[Action::ShowTab(Tab::Job)]);
    let effect = press(&mut model, &[Action::MoveRight(1)]);
    let id = model.selected_job().unwrap().job_id.clone();
    assert_eq!(effect, Effect::Watch(id));
    press(&mut model, &[Action::MoveRight(-1)]);
    assert_eq!(selected(&model), "orders.csv");
}

#[test]
fn rows_are_held_while_paused_and_resume_after() {
    let mut model = live();
    press(
        &mut model,
        &[Action::ShowTab(Tab::Rows), Action::ToggleHold],
    );
    let frozen = model.rows().unwrap().rows_total;
    update(&mut model, event("", world::snapshot(9000, ""), 9000), 9000);
    assert_eq!(model.rows().unwrap().rows_total, frozen);
    press(&mut model, &[Action::ToggleHold]);
    assert!(model.rows().unwrap().rows_total > frozen);
}

#[test]
fn scrolling_back_holds_rows_and_scrolling_forward_resumes_them() {
    let mut model = live();
    press(
        &mut model,
        &[Action::ShowTab(Tab::Rows), Action::MoveDown(-3)],
    );
    assert!(model.rows_view.frozen().is_some());
    assert_eq!(model.rows_view.back, 3);
    press(&mut model, &[Action::MoveDown(2)]);
    assert!(model.rows_view.frozen().is_some());
    press(&mut model, &[Action::MoveDown(5)]);
    assert!(model.rows_view.frozen().is_none());
}

#[test]
fn rows_can_be_limited_to_the_selected_job() {
    let mut model = live();
    press(&mut model, &[Action::ShowTab(Tab::Rows)]);
    let effect = press(&mut model, &[Action::ToggleSelectedOnly]);
    assert_eq!(effect, Effect::Watch(world::ORDERS.into()));
    assert_eq!(
        press(&mut model, &[Action::ToggleSelectedOnly]),
        Effect::Watch(String::new())
    );
}

#[test]
fn columns_scroll_within_what_is_there() {
    let mut model = live();
    press(
        &mut model,
        &[Action::ShowTab(Tab::Rows), Action::MoveRight(99)],
    );
    assert_eq!(model.rows_view.column, 9);
    press(&mut model, &[Action::MoveRight(-100)]);
    assert_eq!(model.rows_view.column, 0);
}

#[test]
fn a_worker_stays_selected_by_its_id() {
    let mut model = live();
    press(
        &mut model,
        &[Action::ShowTab(Tab::Workers), Action::MoveDown(3)],
    );
    let selected_host = |model: &Model| {
        let (_, worker) = model.selected_worker().unwrap();
        worker.heartbeat.as_ref().unwrap().host.clone()
    };
    assert_eq!(selected_host(&model), "web1");
    let mut fewer = world::snapshot(0, "");
    fewer.workers.remove(0);
    update(&mut model, event("", fewer, 0), 0);
    assert_eq!(selected_host(&model), "web1");
}

#[test]
fn jobs_are_sorted_by_the_selected_order() {
    let mut model = live();
    press(&mut model, &[Action::Sort]);
    let names: Vec<&str> = model.jobs().iter().map(|job| job.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    press(&mut model, &[Action::Sort; 4]);
    assert_eq!(model.jobs()[0].name, "orders.csv");
}

#[test]
fn a_filter_narrows_the_list_and_the_selection() {
    let mut model = live();
    press(
        &mut model,
        &[
            Action::StartFilter,
            Action::TypeChar('S'),
            Action::TypeChar('e'),
            Action::TypeChar('x'),
            Action::DeleteChar,
        ],
    );
    let names: Vec<&str> = model.jobs().iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["sensors.csv"]);
    assert_eq!(selected(&model), "sensors.csv");
    press(&mut model, &[Action::ApplyFilter, Action::ClearFilter]);
    assert_eq!(model.jobs().len(), 5);
    assert_eq!(selected(&model), "orders.csv");
}

#[test]
fn the_masters_clock_stops_while_disconnected() {
    let mut model = live();
    update(&mut model, Msg::Tick, 5000);
    assert_eq!(model.master_now_ms(), world::BEGAN + 5000);
    let connection = Connection::Disconnected {
        since_ms: 5000,
        retry_at_ms: 6000,
        reason: "gone".into(),
    };
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(connection)),
        5000,
    );
    update(&mut model, Msg::Tick, 65_000);
    assert_eq!(model.master_now_ms(), world::BEGAN);
    assert_eq!(model.age_ms(), 65_000);
}

#[test]
fn reconnect_works_only_while_disconnected() {
    let mut model = live();
    assert_eq!(press(&mut model, &[Action::Reconnect]), Effect::None);
    let connection = Connection::Disconnected {
        since_ms: 0,
        retry_at_ms: 6000,
        reason: "gone".into(),
    };
    update(
        &mut model,
        Msg::Network(NetworkEvent::Connection(connection)),
        0,
    );
    assert_eq!(press(&mut model, &[Action::Reconnect]), Effect::Reconnect);
}

#[test]
fn copying_shows_a_notice_for_a_while() {
    let mut model = live();
    assert_eq!(
        press(&mut model, &[Action::Copy]),
        Effect::Copy(world::ORDERS.into())
    );
    assert!(model.notice.is_some());
    update(&mut model, Msg::Tick, 2000);
    assert!(model.notice.is_some());
    update(&mut model, Msg::Tick, 3000);
    assert!(model.notice.is_none());
}

#[test]
fn keys_do_nothing_without_data() {
    for tab in Tab::ALL {
        let mut model = Model::new(Theme::new(Charset::Utf8, true), "here", tab, 0);
        let asks = [
            Action::MoveDown(1),
            Action::MoveDown(-1),
            Action::Page(1),
            Action::Page(-1),
            Action::First,
            Action::Last,
            Action::MoveRight(1),
            Action::MoveRight(-1),
            Action::Open,
            Action::Sort,
            Action::ToggleHold,
            Action::ToggleHold,
            Action::ToggleSelectedOnly,
            Action::Copy,
            Action::ToggleHelp,
            Action::StepTab(1),
            Action::StepTab(-1),
            Action::Back,
        ];
        press(&mut model, &asks);
    }
}

#[test]
fn an_irreversible_command_needs_confirmation() {
    let mut model = live();
    assert_eq!(press(&mut model, &[Action::CancelJob]), Effect::None);
    assert!(model.question.as_ref().unwrap().text.contains("orders.csv"));
    assert_eq!(press(&mut model, &[Action::No]), Effect::None);
    assert_eq!(model.question, None);
    let job_id = world::ORDERS.to_owned();
    assert_eq!(
        press(&mut model, &[Action::CancelJob, Action::Yes]),
        Effect::Request(Request::Command(Command::Cancel { job_id }))
    );
    assert_eq!(
        press(&mut model, &[Action::Yes]),
        Effect::None,
        "asked once"
    );
}

#[test]
fn pausing_needs_no_confirmation_and_the_same_key_resumes() {
    let mut model = live();
    let job_id = || world::ORDERS.to_owned();
    assert_eq!(
        press(&mut model, &[Action::PauseJob]),
        Effect::Request(Request::Command(Command::Pause { job_id: job_id() }))
    );
    let mut paused = world::snapshot(0, "");
    paused.jobs[0].state = JobState::Paused.into();
    update(&mut model, event("", paused, 0), 0);
    assert_eq!(
        press(&mut model, &[Action::PauseJob]),
        Effect::Request(Request::Command(Command::Resume { job_id: job_id() }))
    );
}

#[test]
fn an_inapplicable_command_shows_a_notice_and_no_question() {
    let mut model = live();
    // The third job is done, and none of its chunks is dead.
    press(&mut model, &[Action::MoveDown(2), Action::CancelJob]);
    assert_eq!(model.question, None);
    assert_eq!(model.notice.as_ref().unwrap().0, "this job is finished");
    press(&mut model, &[Action::ReplayDead]);
    assert_eq!(
        model.notice.as_ref().unwrap().0,
        "no chunk of this job is dead"
    );
}

#[test]
fn a_held_view_does_not_change_and_shows_the_current_state_after() {
    let mut model = live();
    let rows = |model: &Model| model.selected_job().unwrap().rows;
    let before = rows(&model);
    press(&mut model, &[Action::ToggleHold]);
    update(
        &mut model,
        event("", world::snapshot(20_000, ""), 20_000),
        20_000,
    );
    assert_eq!(rows(&model), before);
    press(&mut model, &[Action::ToggleHold]);
    assert!(rows(&model) > before);
}

#[test]
fn dead_chunks_are_requested_when_their_tab_is_shown() {
    let mut model = live();
    assert_eq!(
        press(&mut model, &[Action::ShowTab(Tab::Dead)]),
        Effect::Request(Request::Dead)
    );
    let chunk = proto::v1::DeadChunkInfo {
        job_id: world::ORDERS.to_owned(),
        seq: 7,
        ..Default::default()
    };
    let answer = Msg::Network(NetworkEvent::Response(Response::Dead(vec![chunk])));
    let (job_id, seqs) = (world::ORDERS.to_owned(), vec![7]);
    assert_eq!(
        update(&mut model, answer, 0),
        Effect::Request(Request::Chunk {
            job_id: job_id.clone(),
            seq: 7
        })
    );
    assert_eq!(
        press(&mut model, &[Action::ReplayDead, Action::Yes]),
        Effect::Request(Request::Command(Command::Replay { job_id, seqs }))
    );
    // A command invalidates the list.
    let done = Msg::Network(NetworkEvent::Response(Response::Done(
        "1 chunk sent again".to_owned(),
    )));
    assert_eq!(update(&mut model, done, 0), Effect::Request(Request::Dead));
    assert_eq!(model.notice.as_ref().unwrap().0, "1 chunk sent again");
    press(&mut model, &[Action::Open]);
    assert_eq!(
        (model.tab, selected(&model)),
        (Tab::Job, "orders.csv".to_owned())
    );
}

#[test]
fn the_table_on_the_screen_is_exported_whole() {
    let mut model = live();
    let Effect::Save { name, bytes } = press(&mut model, &[Action::Export]) else {
        panic!("nothing is saved");
    };
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(name, "rowmill-jobs.csv");
    assert_eq!(text.lines().count(), 1 + model.jobs().len());
    assert!(text.starts_with("job_id,name,") && text.contains(",orders.csv,profile,running,"));
    for tab in [Tab::Rows, Tab::Workers, Tab::Log] {
        let effect = press(&mut model, &[Action::ShowTab(tab), Action::Export]);
        assert!(matches!(effect, Effect::Save { .. }), "{tab:?}");
    }
    press(&mut model, &[Action::ShowTab(Tab::Broker), Action::Export]);
    assert_eq!(model.notice.as_ref().unwrap().0, "there is no table here");
}

#[test]
fn columns_are_hidden_and_shown_again() {
    let mut model = live();
    let shown = |model: &Model| {
        model
            .rows_view
            .shown(model.rows_view.column, 5)
            .collect::<Vec<_>>()
    };
    press(
        &mut model,
        &[
            Action::ShowTab(Tab::Rows),
            Action::HideColumn,
            Action::MoveRight(1),
            Action::HideColumn,
        ],
    );
    assert_eq!(shown(&model), [3, 4]);
    press(&mut model, &[Action::MoveRight(-1)]);
    assert_eq!(shown(&model), [1, 3, 4]);
    press(&mut model, &[Action::ShowAllColumns, Action::MoveRight(-9)]);
    assert_eq!(shown(&model), [0, 1, 2, 3, 4]);
}
