//! The event loop, on paused time and without a terminal.

use cli::text::Charset;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proto::v1::WatchEvent;
use proto::v1::watch_event::Change;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::connection::Connection;
use crate::fake::world;
use crate::tab::Tab;

/// Counts the frames drawn, and keeps the texts copied.
#[derive(Default)]
struct Counter {
    paints: usize,
    copied: Vec<String>,
}

impl Renderer for Counter {
    fn render(&mut self, _: &Model) -> io::Result<()> {
        self.paints += 1;
        Ok(())
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        self.copied.push(text.to_owned());
        Ok(())
    }
}

/// The test's ends of the loop's channels.
struct Ends {
    keys: mpsc::UnboundedSender<io::Result<Event>>,
    network_events: mpsc::Sender<NetworkEvent>,
    control_receiver: watch::Receiver<FeedControl>,
    requests: mpsc::Receiver<Request>,
    shutdown: CancellationToken,
}

fn dashboard() -> (Dashboard, UnboundedReceiverStream<io::Result<Event>>, Ends) {
    let clock = Clock::start();
    let theme = Theme::new(Charset::Utf8, true);
    let (control, control_receiver) = watch::channel(FeedControl::default());
    let (sender, network_events) = mpsc::channel(NETWORK_QUEUE_LEN);
    let (requests, asked) = mpsc::channel(REQUEST_QUEUE_LEN);
    let (keys, input) = mpsc::unbounded_channel();
    let shutdown = CancellationToken::new();
    let dashboard = Dashboard {
        model: Model::new(theme, "here", Tab::Jobs, clock.now_ms()),
        clock,
        control,
        network_events,
        tasks: JoinSet::new(),
        requests,
        _request_tasks: JoinSet::new(),
        files: JoinSet::new(),
        shutdown: shutdown.clone(),
    };
    let ends = Ends {
        keys,
        network_events: sender,
        control_receiver,
        requests: asked,
        shutdown,
    };
    (dashboard, UnboundedReceiverStream::new(input), ends)
}

fn key(c: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

fn snapshot() -> NetworkEvent {
    NetworkEvent::Event {
        job_id: String::new(),
        event: Box::new(WatchEvent {
            sequence: 0,
            sent_unix_ms: world::BEGAN,
            change: Some(Change::Snapshot(world::snapshot(0, ""))),
        }),
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_network_events_is_drawn_at_most_thirty_times_a_second() {
    let (mut dashboard, input, ends) = dashboard();
    let flood = tokio::spawn(async move {
        for _ in 0..1000 {
            ends.network_events.send(snapshot()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        ends.shutdown.cancel();
        ends
    });
    let mut canvas = Counter::default();
    dashboard.run(input, &mut canvas).await.unwrap();
    drop(flood.await.unwrap());
    assert!(
        (20..=31).contains(&canvas.paints),
        "{} paints",
        canvas.paints
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_handled_before_network_events() {
    let (mut dashboard, input, ends) = dashboard();
    for _ in 0..NETWORK_QUEUE_LEN {
        ends.network_events.try_send(snapshot()).unwrap();
    }
    ends.keys.send(Ok(key('4'))).unwrap();
    ends.keys.send(Ok(key('q'))).unwrap();
    dashboard.run(input, &mut Counter::default()).await.unwrap();
    assert_eq!(dashboard.model.tab, Tab::Workers);
    assert_eq!(
        dashboard.network_events.len(),
        NETWORK_QUEUE_LEN,
        "it handled network events first"
    );
}

#[tokio::test(start_paused = true)]
async fn without_events_it_redraws_once_a_second() {
    let (mut dashboard, input, ends) = dashboard();
    let mut canvas = Counter::default();
    let stop = ends.shutdown.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        stop.cancel();
    });
    dashboard.run(input, &mut canvas).await.unwrap();
    assert!(
        (10..=13).contains(&canvas.paints),
        "{} paints",
        canvas.paints
    );
    drop(ends);
}

#[tokio::test(start_paused = true)]
async fn effects_reach_the_network_and_the_clipboard() {
    let (mut dashboard, input, mut ends) = dashboard();
    let mut canvas = Counter::default();
    let script = async {
        ends.network_events
            .send(NetworkEvent::Connection(Connection::Connected))
            .await
            .unwrap();
        ends.network_events.send(snapshot()).await.unwrap();
        // The keys must come after both events were handled.
        while ends.network_events.capacity() < NETWORK_QUEUE_LEN {
            tokio::task::yield_now().await;
        }
        ends.keys.send(Ok(key('2'))).unwrap();
        ends.control_receiver
            .wait_for(|control| control.job_id == world::ORDERS)
            .await
            .unwrap();
        ends.keys.send(Ok(key('y'))).unwrap();
        ends.keys.send(Ok(key('q'))).unwrap();
    };
    let (ended, ()) = tokio::join!(dashboard.run(input, &mut canvas), script);
    ended.unwrap();
    assert_eq!(canvas.copied, [world::ORDERS]);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_terminal_is_closed() {
    let (mut dashboard, input, ends) = dashboard();
    drop(ends.keys);
    dashboard.run(input, &mut Counter::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_reach_the_network_and_their_responses_the_screen() {
    let (mut dashboard, input, mut ends) = dashboard();
    let script = async {
        ends.network_events
            .send(NetworkEvent::Connection(Connection::Connected))
            .await
            .unwrap();
        ends.network_events.send(snapshot()).await.unwrap();
        while ends.network_events.capacity() < NETWORK_QUEUE_LEN {
            tokio::task::yield_now().await;
        }
        ends.keys.send(Ok(key('5'))).unwrap();
        assert_eq!(ends.requests.recv().await, Some(Request::Dead));
        let answer = crate::request::Response::Failed("the master is shutting down".into());
        ends.network_events
            .send(NetworkEvent::Response(answer))
            .await
            .unwrap();
        while ends.network_events.capacity() < NETWORK_QUEUE_LEN {
            tokio::task::yield_now().await;
        }
        ends.keys.send(Ok(key('q'))).unwrap();
    };
    let mut canvas = Counter::default();
    let (ended, ()) = tokio::join!(dashboard.run(input, &mut canvas), script);
    ended.unwrap();
    let notice = dashboard.model.notice.unwrap().0;
    assert_eq!(notice, "the master is shutting down");
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let directory = tempdir();
    let name = directory.join("rowmill-jobs.csv").display().to_string();
    assert_eq!(save(&name, b"one"), Ok(name.clone()));
    let second = save(&name, b"two").unwrap();
    assert!(second.ends_with("rowmill-jobs-2.csv"), "{second}");
    assert_eq!(std::fs::read(&name).unwrap(), b"one");
    assert_eq!(std::fs::read(second).unwrap(), b"two");
    assert!(save("/no/such/directory/x.csv", b"").is_err());
    std::fs::remove_dir_all(directory).unwrap();
}

fn tempdir() -> std::path::PathBuf {
    let name = format!("rowmill-tui-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
