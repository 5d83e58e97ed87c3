//! Transport of messages from a publisher to consumers.

use broker::{Confirm, Queue, Session};
use futures_util::future::join_all;
use proto::v1::{ChunkResult, Control, DeadChunk, Heartbeat, JobOpen, JobSeal, SampleRow};
use proto::{Envelope, JobId, Payload};

use crate::test_broker::{TestBroker, chunk, is_quiet, next, publish};

fn payloads() -> Vec<Payload> {
    let job_id = || "job".to_owned();
    vec![
        Payload::Open(JobOpen {
            job_id: job_id(),
            name: "orders, with ünïcode.csv".into(),
            source_bytes: Some(0),
            opened_unix_ms: proto::unix_ms(),
            ..Default::default()
        }),
        chunk("", "a,\"b\nc\"\r\n\0\u{ff}").payload.as_ref().clone(),
        Payload::Seal(JobSeal {
            job_id: job_id(),
            chunks: 1000,
            sealed_unix_ms: proto::unix_ms(),
            ..Default::default()
        }),
        Payload::Result(ChunkResult {
            job_id: job_id(),
            sample: vec![SampleRow {
                record: 1,
                cells: vec![String::new(), "x".into()],
            }],
            ..Default::default()
        }),
        Payload::Dead(DeadChunk {
            reason: "it hurt".into(),
            ..Default::default()
        }),
        Payload::Heartbeat(Heartbeat::default()),
    ]
}

pub(crate) async fn every_kind_of_message_arrives_as_it_was_sent(test_broker: TestBroker) {
    let session = test_broker.session().await;
    let mut consumer = session.consume(Queue::Results, 10).await.unwrap();
    for (number, payload) in payloads().into_iter().enumerate() {
        let mut sent = Envelope::new(number, "the job", payload);
        sent.attempts = number as u32;
        let confirm = session.publish(Queue::Results, &sent).await.unwrap();
        assert_eq!(confirm, Confirm::Acked);

        let delivery = consumer.next().await.unwrap();
        let got = delivery.message.unwrap();
        assert_eq!(got.payload, sent.payload);
        assert_eq!(got.message_id, sent.message_id);
        assert_eq!(got.correlation_id, sent.correlation_id);
        assert_eq!(got.made_unix_ms, sent.made_unix_ms);
        assert_eq!(got.attempts, sent.attempts);
        assert_eq!((delivery.redelivered, delivery.delivery_count), (false, 0));
        assert_eq!(delivery.death, None);
        delivery.receipt.ack().await.unwrap();
    }
    session.close().await;
}

pub(crate) async fn large_bodies_arrive_whole(test_broker: TestBroker) {
    let session = test_broker.session().await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    for mib in [1, 4] {
        let body: Vec<u8> = (0..mib << 20).map(|at: u32| (at % 251) as u8).collect();
        let sent = chunk("large", body);
        let confirm = session.publish(Queue::Tasks, &sent).await.unwrap();
        assert_eq!(confirm, Confirm::Acked);
        let (_, delivery) = next(&mut consumer).await;
        assert!(
            delivery.message.unwrap().payload == sent.payload,
            "{mib} MiB differ"
        );
        delivery.receipt.ack().await.unwrap();
    }
    session.close().await;
}

pub(crate) async fn many_at_once_are_each_confirmed(test_broker: TestBroker) {
    let session = test_broker.session().await;
    let mut consumer = session.consume(Queue::Tasks, 7).await.unwrap();
    let ids: Vec<String> = (0..300).map(|n| format!("{n:03}")).collect();
    let publishing = join_all(ids.iter().map(|id| publish(&session, Queue::Tasks, id)));
    let consuming = async {
        let mut got = Vec::new();
        while got.len() < ids.len() {
            let (id, delivery) = next(&mut consumer).await;
            delivery.receipt.ack().await.unwrap();
            got.push(id);
        }
        got
    };
    let (_, mut got) = tokio::join!(publishing, consuming);
    got.sort();
    assert_eq!(got, ids);
    session.close().await;
}

pub(crate) async fn telemetry_reaches_only_listeners(test_broker: TestBroker) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    let heartbeat = Envelope::new("beat", "", Payload::Heartbeat(Heartbeat::default()));
    // No listener yet, which is not an error.
    first.publish(Queue::Telemetry, &heartbeat).await.unwrap();
    let mut one = first.consume(Queue::Telemetry, 2).await.unwrap();
    let mut two = second.consume(Queue::Telemetry, 2).await.unwrap();
    // More than the prefetch: telemetry needs no acks.
    for _ in 0..5 {
        let confirm = first.publish(Queue::Telemetry, &heartbeat).await.unwrap();
        assert_eq!(confirm, Confirm::Acked);
    }
    for consumer in [&mut one, &mut two] {
        for _ in 0..5 {
            let (id, delivery) = next(consumer).await;
            assert_eq!(id, "beat");
            drop(delivery);
        }
        assert!(is_quiet(consumer).await);
    }
    assert_eq!(first.depth(Queue::Telemetry).await.unwrap().ready, 0);
    first.close().await;
    second.close().await;
}

pub(crate) async fn control_reaches_every_listener_and_is_not_telemetry(test_broker: TestBroker) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    let control = Control {
        cancelled: vec![JobId::new().to_string()],
        paused: vec![JobId::new().to_string()],
        shares: Vec::new(),
    };
    let sent = Envelope::new("control", "", Payload::Control(control));
    // No listener yet, which is not an error.
    first.publish(Queue::Control, &sent).await.unwrap();
    let mut one = first.consume(Queue::Control, 2).await.unwrap();
    let mut two = second.consume(Queue::Control, 2).await.unwrap();
    let mut other = second.consume(Queue::Telemetry, 2).await.unwrap();
    first.publish(Queue::Control, &sent).await.unwrap();
    for consumer in [&mut one, &mut two] {
        let (_, delivery) = next(consumer).await;
        assert_eq!(delivery.message.unwrap().payload, sent.payload);
        assert!(is_quiet(consumer).await);
    }
    assert!(is_quiet(&mut other).await);
    first.close().await;
    second.close().await;
}

/// Waits until the queue has the expected messages and consumers. RabbitMQ reports 0 for both if the queue does not
/// answer within a quarter of a second.
async fn becomes(session: &Session, expected: (u64, u64)) {
    loop {
        let depth = session.depth(Queue::Tasks).await.unwrap();
        if (depth.ready, depth.consumers) == expected {
            return;
        }
        assert_eq!((depth.ready, depth.consumers), (0, 0));
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn depth_counts_waiting_messages(test_broker: TestBroker) {
    let session = test_broker.session().await;
    assert_eq!(session.depth(Queue::Tasks).await.unwrap().ready, 0);
    for id in ["a", "b", "c"] {
        publish(&session, Queue::Tasks, id).await;
    }
    becomes(&session, (3, 0)).await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    becomes(&session, (2, 1)).await;
    delivery.receipt.ack().await.unwrap();
    session.close().await;
}
