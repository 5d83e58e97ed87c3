//! The network task against the real service on a real socket.

use access::Target;
use cli::text::Charset;
use proto::v1::{Delta, MasterStatus, Snapshot};
use tokio::task::JoinSet;
use tonic::transport::ClientTlsConfig;

use super::*;
use crate::fake::{FakeMaster, world};
use crate::message::Msg;
use crate::model::Model;
use crate::tab::Tab;
use crate::theme::Theme;
use crate::update::update;

/// A feed, and the model that receives its events.
struct Watcher {
    model: Model,
    clock: Clock,
    control: watch::Sender<FeedControl>,
    network_events: mpsc::Receiver<NetworkEvent>,
    tasks: JoinSet<()>,
}

impl Watcher {
    fn of(address: &str) -> Self {
        let clock = Clock::start();
        let (control, control_receiver) = watch::channel(FeedControl::default());
        let (sender, network_events) = mpsc::channel(NETWORK_QUEUE_LEN);
        let feed = Feed {
            source: Source::Master(Box::new(
                Target::new(address, None, ClientTlsConfig::new()).unwrap(),
            )),
            rate_hz: 30.0,
            clock,
            control: control_receiver,
            network_events: sender,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(feed.run());
        let theme = Theme::new(Charset::Utf8, true);
        let model = Model::new(theme, address, Tab::Jobs, clock.now_ms());
        Self {
            model,
            clock,
            control,
            network_events,
            tasks,
        }
    }

    /// Applies network events until `done` is true.
    async fn until(&mut self, done: impl Fn(&Model) -> bool) {
        let waited = timeout(Duration::from_secs(240), async {
            while !done(&self.model) {
                let network_event = self.network_events.recv().await.unwrap();
                update(
                    &mut self.model,
                    Msg::Network(network_event),
                    self.clock.now_ms(),
                );
            }
        });
        assert!(waited.await.is_ok(), "the model stayed {:?}", self.model);
    }
}

fn rows(model: &Model) -> u64 {
    let job = model
        .state
        .as_ref()
        .and_then(|state| state.job(world::ORDERS));
    job.map_or(0, |job| job.rows)
}

fn rows_at(ms: u64) -> u64 {
    world::jobs(ms)[0].rows
}

#[tokio::test]
async fn it_shows_new_data_after_a_reconnect() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());

    let mut call = master.call().await;
    call.snapshot(world::snapshot(0, "")).await;
    call.delta(world::delta(3000, "")).await;
    watcher.until(|model| rows(model) == rows_at(3000)).await;

    drop(call);
    let address = master.stop().await;
    watcher
        .until(|model| matches!(model.connection, Connection::Disconnected { .. }))
        .await;
    assert_eq!(rows(&watcher.model), rows_at(3000), "the last data stays");

    let mut master = FakeMaster::start_at(address).await;
    let mut call = master.call().await;
    call.snapshot(world::snapshot(9000, "")).await;
    watcher
        .until(|model| model.is_live() && rows(model) == rows_at(9000))
        .await;
}

#[tokio::test]
async fn it_retries_until_the_master_starts() {
    let address = FakeMaster::start().await.stop().await;
    let mut watcher = Watcher::of(&address.to_string());
    watcher
        .until(|model| matches!(model.connection, Connection::Disconnected { .. }))
        .await;
    let mut master = FakeMaster::start_at(address).await;
    // The user requests a reconnect.
    watcher
        .control
        .send_modify(|control| control.reconnects += 1);
    master.call().await.snapshot(world::snapshot(0, "")).await;
    watcher.until(|model| rows(model) == rows_at(0)).await;
}

#[tokio::test]
async fn a_lost_update_causes_a_new_subscription_without_a_disconnect() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    let mut call = master.call().await;
    call.snapshot(world::snapshot(0, "")).await;
    call.delta(world::delta(1000, "")).await;
    call.skip();
    call.delta(world::delta(2000, "")).await;
    let mut again = master.call().await;
    call.closed().await;
    again.snapshot(world::snapshot(3000, "")).await;
    watcher
        .until(|model| {
            assert!(!matches!(model.connection, Connection::Disconnected { .. }));
            assert_ne!(
                rows(model),
                rows_at(2000),
                "an update after the gap was shown"
            );
            rows(model) == rows_at(3000)
        })
        .await;
}

#[tokio::test]
async fn a_stream_that_begins_with_a_gap_is_retried_with_backoff() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    let mut call = master.call().await;
    call.skip();
    call.snapshot(world::snapshot(0, "")).await;
    watcher
        .until(|model| match &model.connection {
            Connection::Disconnected { reason, .. } => reason.contains("updates are missing"),
            _ => false,
        })
        .await;
}

#[tokio::test]
async fn another_job_is_subscribed_to_on_the_same_connection() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    let mut call = master.call().await;
    assert_eq!(call.request.job_id, "");
    call.snapshot(world::snapshot(0, "")).await;
    watcher.until(|model| rows(model) > 0).await;
    watcher
        .control
        .send_modify(|control| control.job_id = world::ORDERS.into());
    let mut call = master.call().await;
    assert_eq!(call.request.job_id, world::ORDERS);
    call.snapshot(world::snapshot(0, world::ORDERS)).await;
    watcher
        .until(|model| {
            let state = model.state.as_ref();
            state.is_some_and(|state| state.report(world::ORDERS).is_some())
        })
        .await;
}

#[tokio::test]
async fn a_job_unknown_to_the_master_is_not_requested_again() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    watcher
        .control
        .send_modify(|control| control.job_id = "gone".into());
    let call = loop {
        let call = master.call().await;
        if call.request.job_id == "gone" {
            break call;
        }
    };
    call.fail(tonic::Status::not_found("no job gone")).await;
    let mut call = master.call().await;
    assert_eq!(call.request.job_id, "");
    call.snapshot(world::snapshot(0, "")).await;
    watcher.until(|model| rows(model) == rows_at(0)).await;
    assert!(watcher.model.is_live());
}

#[tokio::test]
async fn the_reason_of_a_masters_shutdown_is_shown() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    let call = master.call().await;
    call.fail(tonic::Status::unavailable("the master is shutting down"))
        .await;
    watcher
        .until(|model| match &model.connection {
            Connection::Disconnected { reason, .. } => reason == "the master is shutting down",
            _ => false,
        })
        .await;
}

#[tokio::test]
async fn a_master_of_another_version_is_named() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    let status = MasterStatus {
        protocol: 7,
        version: "9.9.9".into(),
        ..MasterStatus::default()
    };
    let snapshot = Snapshot {
        master: Some(status),
        ..Snapshot::default()
    };
    master.call().await.snapshot(snapshot).await;
    watcher
        .until(|model| match &model.connection {
            Connection::VersionMismatch { mismatch, .. } => {
                *mismatch == ProtocolMismatch::Version("protocol 7 (rowmill 9.9.9)".into())
            }
            _ => false,
        })
        .await;
}

#[tokio::test]
async fn a_master_that_refuses_our_version_is_quoted() {
    let master = FakeMaster::start().await;
    master.refuse("the master speaks 2");
    let mut watcher = Watcher::of(&master.url());
    watcher
        .until(|model| match &model.connection {
            Connection::VersionMismatch { mismatch, .. } => {
                *mismatch == ProtocolMismatch::Refusal("the master speaks 2".into())
            }
            _ => false,
        })
        .await;
}

#[tokio::test]
async fn it_ends_when_the_receiver_is_dropped() {
    let mut master = FakeMaster::start().await;
    let mut watcher = Watcher::of(&master.url());
    master.call().await.delta(Delta::default()).await;
    drop(watcher.network_events);
    watcher.tasks.join_next().await.unwrap().unwrap();
}

#[test]
fn pauses_grow_and_are_capped() {
    let pauses: Vec<Duration> = backoff().take(100).collect();
    assert_eq!(pauses.len(), 100, "the backoff never ends");
    assert!(pauses[0] < Duration::from_millis(501));
    assert!(pauses.iter().all(|&pause| pause <= Duration::from_secs(8)));
    assert!(
        pauses[50..]
            .iter()
            .all(|&pause| pause >= Duration::from_secs(4))
    );
}
