//! Messages in, model out.

use proto::v1::watch_event::Change;
use proto::v1::{Snapshot, WatchEvent};

use super::*;
use crate::fake::world;
use crate::message::Link;
use crate::text::Charset;
use crate::theme::Theme;

fn event(job_id: &str, snapshot: Snapshot, ms: u64) -> Msg {
    Msg::News(News::Event {
        job_id: job_id.into(),
        event: Box::new(WatchEvent {
            sequence: 0,
            sent_unix_ms: world::BEGAN + ms,
            change: Some(Change::Snapshot(snapshot)),
        }),
    })
}

/// A model that has heard of the world.
fn live() -> Model {
    let mut model = Model::new(Theme::new(Charset::Utf8, true), "here", Tab::Jobs, 0);
    update(&mut model, Msg::News(News::Link(Link::Connected)), 0);
    update(&mut model, event("", world::snapshot(0, ""), 0), 0);
    model
}

fn press(model: &mut Model, asks: &[Ask]) -> Effect {
    let mut last = Effect::None;
    for &ask in asks {
        let now_ms = model.now_ms;
        last = update(model, Msg::Ask(ask), now_ms);
    }
    last
}

fn picked(model: &Model) -> String {
    model.picked_job().unwrap().name.clone()
}

#[test]
fn the_newest_job_is_chosen_until_another_one_is() {
    let mut model = live();
    assert_eq!(picked(&model), "orders.csv");
    press(&mut model, &[Ask::Down(1)]);
    assert_eq!(picked(&model), "-");

    let mut newer = world::snapshot(0, "");
    newer.jobs[0].job_id = "0199c82d-0000-7a1b-9c2d-000000000001".into();
    newer.jobs[0].name = "newer.csv".into();
    newer.jobs[0].opened_unix_ms += 60_000;
    update(&mut model, event("", newer, 0), 0);
    assert_eq!(picked(&model), "-", "a choice stays");
    press(&mut model, &[Ask::First]);
    assert_eq!(picked(&model), "newer.csv");
}

#[test]
fn the_choice_stays_in_the_list() {
    let mut model = live();
    press(&mut model, &[Ask::Last, Ask::Down(5)]);
    assert_eq!(
        model.picked_job().unwrap().opened_unix_ms,
        world::BEGAN - 1_600_000
    );
    press(&mut model, &[Ask::Page(-1), Ask::Down(-5)]);
    assert_eq!(picked(&model), "orders.csv");
}

#[test]
fn opening_a_job_asks_for_its_profile_and_leaving_stops_that() {
    let mut model = live();
    let effect = press(&mut model, &[Ask::Open]);
    assert_eq!(effect, Effect::Watch(world::ORDERS.into()));
    assert_eq!(model.tab, Tab::Job);
    assert_eq!(press(&mut model, &[Ask::Help, Ask::Help]), Effect::None);
    assert_eq!(
        press(&mut model, &[Ask::Back]),
        Effect::Watch(String::new())
    );
}

#[test]
fn the_job_tab_turns_over_to_the_next_job() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Job)]);
    let effect = press(&mut model, &[Ask::Right(1)]);
    let id = model.picked_job().unwrap().job_id.clone();
    assert_eq!(effect, Effect::Watch(id));
    press(&mut model, &[Ask::Right(-1)]);
    assert_eq!(picked(&model), "orders.csv");
}

#[test]
fn rows_stand_still_while_paused_and_go_on_after() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Rows), Ask::Pause]);
    let held = model.rows().unwrap().rows_total;
    update(&mut model, event("", world::snapshot(9000, ""), 9000), 9000);
    assert_eq!(model.rows().unwrap().rows_total, held);
    press(&mut model, &[Ask::Pause]);
    assert!(model.rows().unwrap().rows_total > held);
}

#[test]
fn looking_back_pauses_and_coming_back_goes_on() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Rows), Ask::Down(-3)]);
    assert!(model.sheet.held().is_some());
    assert_eq!(model.sheet.back, 3);
    press(&mut model, &[Ask::Down(2)]);
    assert!(model.sheet.held().is_some());
    press(&mut model, &[Ask::Down(5)]);
    assert!(model.sheet.held().is_none());
}

#[test]
fn rows_can_be_those_of_the_chosen_job_only() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Rows)]);
    let effect = press(&mut model, &[Ask::Follow]);
    assert_eq!(effect, Effect::Watch(world::ORDERS.into()));
    assert_eq!(
        press(&mut model, &[Ask::Follow]),
        Effect::Watch(String::new())
    );
}

#[test]
fn columns_scroll_within_what_is_there() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Rows), Ask::Right(99)]);
    assert_eq!(model.sheet.column, 9);
    press(&mut model, &[Ask::Right(-100)]);
    assert_eq!(model.sheet.column, 0);
}

#[test]
fn a_worker_stays_chosen_by_its_id() {
    let mut model = live();
    press(&mut model, &[Ask::Show(Tab::Workers), Ask::Down(3)]);
    let chosen = |model: &Model| {
        let (_, worker) = model.picked_worker().unwrap();
        worker.heartbeat.as_ref().unwrap().host.clone()
    };
    assert_eq!(chosen(&model), "web1");
    let mut fewer = world::snapshot(0, "");
    fewer.workers.remove(0);
    update(&mut model, event("", fewer, 0), 0);
    assert_eq!(chosen(&model), "web1");
}

#[test]
fn jobs_are_sorted_as_asked() {
    let mut model = live();
    press(&mut model, &[Ask::Sort]);
    let names: Vec<&str> = model.jobs().iter().map(|job| job.name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    press(&mut model, &[Ask::Sort; 4]);
    assert_eq!(model.jobs()[0].name, "orders.csv");
}

#[test]
fn a_filter_narrows_the_list_and_the_choice() {
    let mut model = live();
    press(
        &mut model,
        &[
            Ask::Filter,
            Ask::Type('S'),
            Ask::Type('e'),
            Ask::Type('x'),
            Ask::Erase,
        ],
    );
    let names: Vec<&str> = model.jobs().iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["sensors.csv"]);
    assert_eq!(picked(&model), "sensors.csv");
    press(&mut model, &[Ask::Keep, Ask::Clear]);
    assert_eq!(model.jobs().len(), 5);
    assert_eq!(picked(&model), "orders.csv");
}

#[test]
fn time_stands_still_while_the_master_cannot_be_heard() {
    let mut model = live();
    update(&mut model, Msg::Tick, 5000);
    assert_eq!(model.master_now_ms(), world::BEGAN + 5000);
    let link = Link::Disconnected {
        since_ms: 5000,
        retry_at_ms: 6000,
        reason: "gone".into(),
    };
    update(&mut model, Msg::News(News::Link(link)), 5000);
    update(&mut model, Msg::Tick, 65_000);
    assert_eq!(model.master_now_ms(), world::BEGAN);
    assert_eq!(model.age_ms(), 65_000);
}

#[test]
fn reconnecting_is_asked_for_only_while_cut_off() {
    let mut model = live();
    assert_eq!(press(&mut model, &[Ask::Reconnect]), Effect::None);
    let link = Link::Disconnected {
        since_ms: 0,
        retry_at_ms: 6000,
        reason: "gone".into(),
    };
    update(&mut model, Msg::News(News::Link(link)), 0);
    assert_eq!(press(&mut model, &[Ask::Reconnect]), Effect::Reconnect);
}

#[test]
fn copying_says_so_for_a_while() {
    let mut model = live();
    assert_eq!(
        press(&mut model, &[Ask::Copy]),
        Effect::Copy(world::ORDERS.into())
    );
    assert!(model.notice.is_some());
    update(&mut model, Msg::Tick, 2000);
    assert!(model.notice.is_some());
    update(&mut model, Msg::Tick, 3000);
    assert!(model.notice.is_none());
}

#[test]
fn keys_do_no_harm_where_nothing_is_there() {
    for tab in Tab::ALL {
        let mut model = Model::new(Theme::new(Charset::Utf8, true), "here", tab, 0);
        let asks = [
            Ask::Down(1),
            Ask::Down(-1),
            Ask::Page(1),
            Ask::Page(-1),
            Ask::First,
            Ask::Last,
            Ask::Right(1),
            Ask::Right(-1),
            Ask::Open,
            Ask::Sort,
            Ask::Pause,
            Ask::Pause,
            Ask::Follow,
            Ask::Copy,
            Ask::Help,
            Ask::Turn(1),
            Ask::Turn(-1),
            Ask::Back,
        ];
        press(&mut model, &asks);
    }
}
