//! A broker that dies, restarts, and runs out of memory during sessions. The test runs its own RabbitMQ node, since it
//! disturbs the broker.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy.toml allows it in test functions, not in their helpers

#[path = "conformance/test_broker.rs"]
#[allow(dead_code)] // the conformance suite uses the rest
mod test_broker;

use std::path::PathBuf;
use std::time::Duration;

use broker::{Backoff, BrokerError, Confirm, Queue, Session};
use tempfile::TempDir;
use test_broker::{TestBroker, chunk, ctl, next, publish, scripts_broker};

/// A node that is stopped at the end of the test.
struct Node {
    directory: TempDir,
    uri: String,
}

impl Node {
    /// scripts/test stops the nodes in this directory if this process is killed.
    fn start() -> Self {
        let place =
            std::env::var_os("ROWMILL_TEST_DIR").map_or_else(std::env::temp_dir, Into::into);
        let directory = TempDir::new_in(place).unwrap();
        let uri = start(&directory);
        Self { directory, uri }
    }

    fn path(&self) -> &str {
        self.directory.path().to_str().unwrap()
    }
}

fn start(directory: &TempDir) -> String {
    let said = scripts_broker(&["start", directory.path().to_str().unwrap()]);
    said.trim().strip_prefix("AMQP_URL=").unwrap().to_owned()
}

impl Drop for Node {
    fn drop(&mut self) {
        scripts_broker(&["stop", self.path()]);
    }
}

/// Waits until the node's register of quorum queues, `data/NODE/quorum/NODE/names.dets`, has that queue on disk.
/// RabbitMQ writes it every half second; a node that is killed before then restarts without the queue.
async fn has_registered(node: &Node, queue: &str) {
    let entries = |directory: PathBuf| {
        let entries = std::fs::read_dir(directory).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    };
    let is_registered = || {
        let nodes = entries(node.directory.path().join("data"));
        let quorum = nodes.flat_map(|node| entries(node.join("quorum")));
        let mut registers = quorum.filter_map(|node| std::fs::read(node.join("names.dets")).ok());
        registers.any(|register| String::from_utf8_lossy(&register).contains(queue))
    };
    while !is_registered() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn session_when_available(test_broker: &TestBroker) -> Session {
    let mut backoff = Backoff::new();
    loop {
        match test_broker.broker.connect("own node").await {
            Ok(session) => return session,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_is_noticed_and_has_kept_confirmed_messages() {
    let node = Node::start();
    let test_broker = TestBroker::rabbit_at(&node.uri);
    let session = test_broker.session().await;
    for id in ["a", "b"] {
        publish(&session, Queue::Tasks, id).await;
    }
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    let (_, a) = next(&mut consumer).await;
    has_registered(&node, &format!("{}.v2.tasks", test_broker.namespace)).await;

    scripts_broker(&["kill", node.path()]);
    let lost = session.lost().await;
    assert!(lost.is_retryable(), "{lost}");
    // Publishing and consuming have separate connections, and one may notice before the other.
    assert!(consumer.next().await.unwrap_err().is_retryable());
    assert!(a.receipt.ack().await.unwrap_err().is_retryable());
    let error = session
        .publish(Queue::Tasks, &chunk("c", "x"))
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let error = test_broker.broker.connect("too early").await.unwrap_err();
    assert!(
        matches!(error, BrokerError::Unreachable { .. }),
        "{error:?}"
    );

    assert_eq!(
        start(&node.directory),
        node.uri,
        "the node has the same address"
    );
    let session = session_when_available(&test_broker).await;
    let mut consumer = session.consume(Queue::Tasks, 2).await.unwrap();
    // In either order: the unsettled messages return when the queue notices that its consumer is gone.
    let mut kept = Vec::new();
    for _ in 0..2 {
        let (id, delivery) = next(&mut consumer).await;
        delivery.receipt.ack().await.unwrap();
        kept.push(id);
    }
    kept.sort();
    assert_eq!(kept, ["a", "b"]);

    // An orderly stop of the broker closes the session too.
    scripts_broker(&["stop", node.path()]);
    let lost = session.lost().await;
    assert!(lost.is_retryable(), "{lost}");
    assert!(consumer.next().await.unwrap_err().is_retryable());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_publisher_gets_the_reason_and_waits_while_others_consume() {
    let node = Node::start();
    let test_broker = TestBroker::rabbit_at(&node.uri);
    let session = test_broker.session().await;
    publish(&session, Queue::Tasks, "before").await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    assert_eq!(session.blocked(), None);

    ctl(
        node.directory.path(),
        &["-q", "set_vm_memory_high_watermark", "0.000001"],
    );
    let late = chunk("late", "x");
    let mut publishing = std::pin::pin!(session.publish(Queue::Tasks, &late));
    let mut blocked = session.watch_blocked();
    let reason = tokio::select! {
        early = &mut publishing => panic!("not blocked: {early:?}"),
        reason = blocked.wait_for(Option::is_some) => reason.unwrap().clone().unwrap(),
    };
    assert!(reason.contains("memory"), "{reason}");
    // Consuming continues on its own connection; telemetry is dropped, not queued.
    let (id, delivery) = next(&mut consumer).await;
    assert_eq!(id, "before");
    delivery.receipt.ack().await.unwrap();
    let hint = session
        .publish(Queue::Telemetry, &chunk("hint", "x"))
        .await
        .unwrap();
    assert_eq!(hint, Confirm::Nacked);
    let still = tokio::time::timeout(Duration::from_millis(500), &mut publishing).await;
    assert!(still.is_err(), "not blocked: {still:?}");

    ctl(
        node.directory.path(),
        &["-q", "set_vm_memory_high_watermark", "0.4"],
    );
    assert_eq!(publishing.await.unwrap(), Confirm::Acked);
    assert_eq!(session.blocked(), None);
    let (id, delivery) = next(&mut consumer).await;
    assert_eq!(id, "late");
    delivery.receipt.ack().await.unwrap();
    session.close().await;
}
