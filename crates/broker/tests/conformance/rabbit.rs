//! Faults that only a broker on the network can have: unreachable, refusing, with other queue arguments; and
//! interoperation with other programs.

use broker::{BrokerError, Confirm, Queue};
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::test_broker::{TestBroker, amqp_url, chunk, next, publish};

/// An address without a listener. A port that was found free might be taken by another test.
const CLOSED: &str = "127.0.0.1:1";

/// A channel that does not use the crate under test.
async fn independent_channel() -> (Connection, Channel) {
    let connection = Connection::connect(&amqp_url(), ConnectionProperties::default()).await;
    let connection = connection.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn connect_error(uri: &str) -> BrokerError {
    let connected = TestBroker::rabbit_at(uri).broker.connect("test").await;
    connected.expect_err("it was let in")
}

/// `AMQP_URL` with other credentials or another virtual host.
fn url_with(credentials: &str, vhost: &str) -> String {
    let url = amqp_url();
    let (_, hosts) = url.rsplit_once('@').unwrap();
    let hosts = hosts.split('/').next().unwrap();
    format!("amqp://{credentials}@{hosts}/{vhost}")
}

#[tokio::test]
async fn a_closed_port_is_named_and_may_open_later() {
    let address = CLOSED;
    let error = connect_error(&format!("amqp://u:s3cret@{address}/%2f")).await;
    assert!(
        matches!(error, BrokerError::Unreachable { .. }),
        "{error:?}"
    );
    assert!(error.is_retryable());
    let text = error.to_string();
    assert!(text.contains(address) && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_silent_peer_is_given_up_and_its_socket_closed() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("amqp://{}", silent.local_addr().unwrap());
    let attempt = tokio::spawn(async move { connect_error(&uri).await });
    let (mut peer, _) = silent.accept().await.unwrap();
    let mut heard = Vec::new();
    // The socket is not left open.
    peer.read_to_end(&mut heard).await.unwrap();
    assert!(heard.starts_with(b"AMQP"));
    let error = attempt.await.unwrap();
    assert!(matches!(error, BrokerError::TimedOut { .. }), "{error:?}");
    assert!(error.is_retryable());
}

/// A proxy to the broker that can fall silent: it stays connected and forwards nothing.
async fn silent_proxy(is_silent: watch::Receiver<bool>) -> String {
    let url = amqp_url();
    let (credentials, rest) = url.rsplit_once('@').unwrap();
    let (broker, vhost) = rest.split_once('/').unwrap();
    let broker = broker.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&broker).await.unwrap();
            let (near, far) = (near.into_split(), far.into_split());
            tokio::spawn(forward(near.0, far.1, is_silent.clone()));
            tokio::spawn(forward(far.0, near.1, is_silent.clone()));
        }
    });
    // A heartbeat of four seconds, so that the test takes eight seconds and not twenty. In a shorter one a busy machine
    // may lose the connection before the proxy falls silent.
    format!("{credentials}@{address}/{vhost}?heartbeat=4")
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_silent: watch::Receiver<bool>,
) {
    tokio::select! {
        _ = tokio::io::copy(&mut from, &mut to) => return,
        _ = is_silent.wait_for(|silent| *silent) => {}
    }
    // Connected for as long as the test holds the other end of the channel.
    while is_silent.changed().await.is_ok() {}
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_lost() {
    let test = async |test_broker: TestBroker| {
        let (is_silent, watched) = watch::channel(false);
        let session = test_broker.by(&silent_proxy(watched).await).session().await;
        let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
        publish(&session, Queue::Tasks, "a").await;
        let (_, delivery) = next(&mut consumer).await;

        is_silent.send(true).unwrap();
        let unheard = chunk("b", "x");
        let (lost, sent, taken) = tokio::join!(
            session.lost(),
            session.publish(Queue::Tasks, &unheard),
            consumer.next(),
        );
        assert!(lost.is_retryable(), "{lost}");
        assert!(sent.unwrap_err().is_retryable());
        assert!(taken.unwrap_err().is_retryable());
        assert!(delivery.receipt.ack().await.unwrap_err().is_retryable());
        // A close does not wait for an unresponsive peer either.
        session.close().await;
        drop(is_silent);
    };
    TestBroker::rabbit().run(test).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_permanently() {
    let error = connect_error(&url_with("guest:s3cret", "%2f")).await;
    assert!(
        matches!(error, BrokerError::Credentials { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_missing_virtual_host_is_named() {
    let error = connect_error(&url_with("guest:guest", "nowhere")).await;
    assert!(
        matches!(error, BrokerError::VirtualHost { .. }),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn the_second_node_is_tried_when_the_first_is_down() {
    let url = amqp_url().replacen('@', &format!("@{CLOSED},"), 1);
    let test_broker = TestBroker::rabbit_at(&url);
    test_broker
        .run(|test_broker| async move {
            publish(&test_broker.session().await, Queue::Tasks, "a").await;
        })
        .await;
}

#[tokio::test]
async fn a_queue_of_the_same_name_with_other_arguments_is_not_used() {
    let test = async |test_broker: TestBroker| {
        let (_connection, channel) = independent_channel().await;
        let name = format!("{}.v2.tasks", test_broker.namespace);
        let options = QueueDeclareOptions::default();
        let declared = channel.queue_declare(name.clone().into(), options, FieldTable::default());
        declared.await.unwrap();
        let error = test_broker.broker.connect("test").await.unwrap_err();
        assert!(matches!(error, BrokerError::Topology { .. }), "{error:?}");
        assert!(!error.is_retryable());
        assert!(error.to_string().contains(&name), "{error}");
    };
    TestBroker::rabbit().run(test).await;
}

#[tokio::test]
async fn unroutable_messages_are_returned() {
    let test = async |test_broker: TestBroker| {
        let session = test_broker.session().await;
        publish(&session, Queue::Tasks, "a").await;
        let (_connection, channel) = independent_channel().await;
        let name = format!("{}.v2.tasks", test_broker.namespace);
        let unbound = channel.queue_unbind(
            name.clone().into(),
            name.into(),
            "tasks".into(),
            FieldTable::default(),
        );
        unbound.await.unwrap();
        let lost = chunk("b", "x");
        let confirm = session.publish(Queue::Tasks, &lost).await.unwrap();
        assert_eq!(confirm, Confirm::Returned);
        // A new session binds it again.
        publish(&test_broker.session().await, Queue::Tasks, "b").await;
        publish(&session, Queue::Tasks, "c").await;
        session.close().await;
    };
    TestBroker::rabbit().run(test).await;
}

#[tokio::test]
async fn other_programs_see_the_message_properties() {
    let test = async |test_broker: TestBroker| {
        let session = test_broker.session().await;
        let sent = chunk("the id", "a,b\n");
        session.publish(Queue::Tasks, &sent).await.unwrap();
        let (_connection, channel) = independent_channel().await;
        let name = format!("{}.v2.tasks", test_broker.namespace);
        let got = channel.basic_get(name.into(), BasicGetOptions::default());
        let got = got.await.unwrap().unwrap();
        let properties = &got.properties;
        let text =
            |property: &Option<lapin::types::ShortString>| property.as_ref().unwrap().to_string();
        assert_eq!(text(properties.content_type()), "application/x-protobuf");
        assert_eq!(text(properties.kind()), "rowmill.v1.Chunk");
        assert_eq!(text(properties.message_id()), "the id");
        assert_eq!(text(properties.correlation_id()), "job");
        let app = format!("rowmill/{} protocol/{}", proto::VERSION, proto::PROTOCOL);
        assert_eq!(text(properties.app_id()), app);
        assert_eq!(*properties.timestamp(), Some(sent.made_unix_ms / 1000));
        assert_eq!(*properties.delivery_mode(), Some(2));
        assert_eq!(got.data, sent.payload.encode());
        got.ack(BasicAckOptions::default()).await.unwrap();
        session.close().await;
    };
    TestBroker::rabbit().run(test).await;
}

#[tokio::test]
async fn foreign_messages_come_with_their_bytes() {
    let test = async |test_broker: TestBroker| {
        let session = test_broker.session().await;
        let (_connection, channel) = independent_channel().await;
        for kind in ["rowmill.v1.Chunk", "somebody.Else"] {
            let properties = BasicProperties::default().with_type(kind.into());
            let name = format!("{}.v2.tasks", test_broker.namespace);
            let options = BasicPublishOptions::default();
            let bytes = b"\xff\xff";
            let sent =
                channel.basic_publish(name.into(), "tasks".into(), options, bytes, properties);
            sent.await.unwrap();
        }
        let mut consumer = session.consume(Queue::Tasks, 2).await.unwrap();
        for kind in ["rowmill.v1.Chunk", "somebody.Else"] {
            let delivery = consumer.next().await.unwrap();
            let unreadable = delivery.message.unwrap_err();
            assert_eq!(unreadable.kind, kind);
            assert_eq!(unreadable.bytes.as_ref(), b"\xff\xff");
            delivery.receipt.ack().await.unwrap();
        }
        session.close().await;
    };
    TestBroker::rabbit().run(test).await;
}

#[tokio::test]
async fn a_consumer_whose_queue_is_deleted_ends() {
    let test = async |test_broker: TestBroker| {
        let session = test_broker.session().await;
        let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
        let (_connection, channel) = independent_channel().await;
        let name = format!("{}.v2.tasks", test_broker.namespace);
        let deleted = channel.queue_delete(name.into(), QueueDeleteOptions::default());
        deleted.await.unwrap();
        assert!(consumer.next().await.unwrap_err().is_retryable());
        session.close().await;
    };
    TestBroker::rabbit().run(test).await;
}
