//! Prefetch, single active consumers, and full queues.

use std::time::Duration;

use broker::{Backoff, Confirm, Queue};
use futures_util::FutureExt;

use crate::test_broker::{TestBroker, chunk, is_quiet, next, publish};

pub(crate) async fn a_full_queue_refuses_and_accepts_again(test_broker: TestBroker) {
    let session = test_broker.session().await;
    if !test_broker.refuse_beyond(Queue::Tasks, 3) {
        return;
    }
    // RabbitMQ notices a full queue with a delay of a few messages.
    let mut accepted = 0;
    while session
        .publish(Queue::Tasks, &chunk("x", "x"))
        .await
        .unwrap()
        == Confirm::Acked
    {
        accepted += 1;
        assert!(accepted < 100, "the queue is never full");
    }
    assert!(accepted >= 3, "refused after {accepted}");

    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    for _ in 0..accepted {
        next(&mut consumer).await.1.receipt.ack().await.unwrap();
    }
    let late = chunk("late", "x");
    let mut backoff = Backoff::new();
    while session.publish(Queue::Tasks, &late).await.unwrap() != Confirm::Acked {
        tokio::time::sleep(backoff.next()).await;
    }
    let (id, delivery) = next(&mut consumer).await;
    assert_eq!(id, "late");
    delivery.receipt.ack().await.unwrap();
    session.close().await;
}

pub(crate) async fn prefetch_limits_the_unsettled_messages(test_broker: TestBroker) {
    let session = test_broker.session().await;
    for id in ["a", "b", "c", "d"] {
        publish(&session, Queue::Tasks, id).await;
    }
    let mut consumer = session.consume(Queue::Tasks, 2).await.unwrap();
    let (_, a) = next(&mut consumer).await;
    let (_, b) = next(&mut consumer).await;
    assert!(is_quiet(&mut consumer).await);
    // Messages beyond the prefetch are there for other consumers.
    let mut other = session.consume(Queue::Tasks, 1).await.unwrap();
    let (c, delivery_c) = next(&mut other).await;
    assert_eq!(c, "c");
    a.receipt.ack().await.unwrap();
    let (d, delivery_d) = next(&mut consumer).await;
    assert_eq!(d, "d");
    for delivery in [b, delivery_c, delivery_d] {
        delivery.receipt.ack().await.unwrap();
    }
    session.close().await;
}

pub(crate) async fn results_go_to_one_consumer_at_a_time(test_broker: TestBroker) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    let mut active = first.consume(Queue::Results, 10).await.unwrap();
    let mut standby = second.consume(Queue::Results, 10).await.unwrap();
    for id in ["a", "b", "c"] {
        publish(&second, Queue::Results, id).await;
    }
    let (_, a) = next(&mut active).await;
    a.receipt.ack().await.unwrap();
    let (_, b) = next(&mut active).await;
    assert!(is_quiet(&mut standby).await);

    first.close().await;
    let (id, again) = next(&mut standby).await;
    assert_eq!((id.as_str(), again.redelivered), ("b", true));
    again.receipt.ack().await.unwrap();
    let (id, c) = next(&mut standby).await;
    assert_eq!(id, "c");
    c.receipt.ack().await.unwrap();
    drop(b);
    second.close().await;
}

pub(crate) async fn a_next_that_is_dropped_loses_nothing(test_broker: TestBroker) {
    let session = test_broker.session().await;
    let mut consumer = session.consume(Queue::Tasks, 4).await.unwrap();
    let ids: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let mut got = Vec::new();
    for id in &ids {
        publish(&session, Queue::Tasks, id).await;
        // Polled once and dropped; polled for a moment and dropped.
        if let Some(delivery) = consumer.next().now_or_never() {
            got.push(settle(delivery.unwrap()).await);
        }
        let moment = tokio::time::timeout(Duration::from_micros(200), consumer.next());
        if let Ok(delivery) = moment.await {
            got.push(settle(delivery.unwrap()).await);
        }
    }
    while got.len() < ids.len() {
        got.push(settle(consumer.next().await.unwrap()).await);
    }
    assert_eq!(got, ids);
    session.close().await;
}

async fn settle(delivery: broker::Delivery) -> String {
    delivery.receipt.ack().await.unwrap();
    delivery.message.unwrap().message_id
}
