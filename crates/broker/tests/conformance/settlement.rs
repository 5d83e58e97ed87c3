//! Settlement and redelivery of messages.

use broker::{Death, Delivery, Queue};

use crate::test_broker::{TestBroker, is_quiet, next, publish};

pub(crate) async fn unacked_messages_are_redelivered_when_the_session_is_closed(
    test_broker: TestBroker,
) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    publish(&first, Queue::Tasks, "a").await;
    let mut consumer = first.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    let mut other = second.consume(Queue::Tasks, 1).await.unwrap();
    assert!(is_quiet(&mut other).await);

    first.close().await;
    let (id, again) = next(&mut other).await;
    assert_eq!(id, "a");
    assert_eq!((again.redelivered, again.delivery_count), (true, 1));
    again.receipt.ack().await.unwrap();
    drop((consumer, delivery));
    second.close().await;
}

pub(crate) async fn unacked_messages_are_redelivered_when_everything_is_dropped(
    test_broker: TestBroker,
) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    for id in ["a", "b", "c"] {
        publish(&first, Queue::Tasks, id).await;
    }
    let mut consumer = first.consume(Queue::Tasks, 2).await.unwrap();
    let (_, a) = next(&mut consumer).await;
    let (_, b) = next(&mut consumer).await;
    a.receipt.ack().await.unwrap();
    // The broker does not confirm an ack. The prefetch admits the third message once the broker has the ack.
    let (_, c) = next(&mut consumer).await;
    drop((b, c, consumer, first));

    let mut other = second.consume(Queue::Tasks, 10).await.unwrap();
    let (b, delivery_b) = next(&mut other).await;
    let (c, delivery_c) = next(&mut other).await;
    assert_eq!(
        (b.as_str(), c.as_str()),
        ("b", "c"),
        "in their original order"
    );
    assert!(delivery_b.redelivered && delivery_c.redelivered);
    delivery_b.receipt.ack().await.unwrap();
    delivery_c.receipt.ack().await.unwrap();
    second.close().await;
}

pub(crate) async fn acked_messages_are_gone(test_broker: TestBroker) {
    let (first, second) = (test_broker.session().await, test_broker.session().await);
    publish(&first, Queue::Tasks, "a").await;
    let mut consumer = first.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    delivery.receipt.ack().await.unwrap();
    first.close().await;
    let mut other = second.consume(Queue::Tasks, 1).await.unwrap();
    assert!(is_quiet(&mut other).await);
    second.close().await;
}

pub(crate) async fn requeued_messages_are_redelivered(test_broker: TestBroker) {
    let session = test_broker.session().await;
    publish(&session, Queue::Tasks, "a").await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    delivery.receipt.requeue().await.unwrap();
    let (id, again) = next(&mut consumer).await;
    assert_eq!((id.as_str(), again.redelivered), ("a", true));
    again.receipt.ack().await.unwrap();
    session.close().await;
}

pub(crate) async fn rejected_messages_are_dead(test_broker: TestBroker) {
    let session = test_broker.session().await;
    publish(&session, Queue::Tasks, "a").await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    delivery.receipt.reject().await.unwrap();

    let mut dead = session.consume(Queue::Dead, 1).await.unwrap();
    let (id, body) = next(&mut dead).await;
    assert_eq!(id, "a");
    let death = body.death.unwrap();
    assert_eq!((death.reason.as_str(), death.count), ("rejected", 1));
    assert!(death.queue.ends_with("tasks"), "{death:?}");
    body.receipt.ack().await.unwrap();
    assert!(is_quiet(&mut consumer).await);
    session.close().await;
}

pub(crate) async fn a_message_that_kills_its_consumers_is_dead_in_the_end(test_broker: TestBroker) {
    let watcher = test_broker.session().await;
    let mut dead = watcher.consume(Queue::Dead, 1).await.unwrap();
    publish(&watcher, Queue::Tasks, "poison").await;
    let mut deaths = 0;
    let limit = Queue::Tasks.delivery_limit();
    // Most deliveries happen in one session, which is faster than one session for each.
    let victim = test_broker.session().await;
    let mut consumer = victim.consume(Queue::Tasks, 1).await.unwrap();
    while deaths < limit - 3 {
        let (_, body) = next(&mut consumer).await;
        assert_eq!(body.delivery_count, deaths);
        deaths += 1;
        // The last return is caused by the end of the session: a requeued message would be redelivered to it at once.
        if deaths < limit - 3 {
            body.receipt.requeue().await.unwrap();
        }
    }
    drop(consumer);
    victim.close().await;
    let body = loop {
        let victim = test_broker.session().await;
        let mut consumer = victim.consume(Queue::Tasks, 1).await.unwrap();
        tokio::select! {
            taken = next(&mut consumer) => {
                assert_eq!(taken.1.delivery_count, deaths);
                deaths += 1;
                assert!(deaths <= limit + 1, "redelivered after {deaths} deaths");
                // Like a killed worker: nothing is settled.
                drop((taken, consumer, victim));
            }
            (id, body) = next(&mut dead) => {
                assert_eq!(id, "poison");
                victim.close().await;
                break body;
            }
        }
    };
    assert_eq!(
        deaths,
        limit + 1,
        "the first delivery, and as many redeliveries as the limit"
    );
    let Some(Death { reason, .. }) = body.death else {
        panic!("the dead letter has no reason");
    };
    assert_eq!(reason, "delivery_limit");
    body.receipt.ack().await.unwrap();
    watcher.close().await;
}

pub(crate) async fn take_one_takes_one_message_and_it_is_redelivered_if_unsettled(
    test_broker: TestBroker,
) {
    let lane = "gpu".parse().unwrap();
    for lane in [None, Some(lane)] {
        let queue = Queue::Retry(lane);
        let first = test_broker.session().await;
        assert!(first.take_one(queue).await.unwrap().is_none());
        for id in ["a", "b"] {
            publish(&first, queue, id).await;
        }
        let id = |delivery: &Delivery| delivery.message.as_ref().unwrap().message_id.clone();
        let a = first.take_one(queue).await.unwrap().unwrap();
        assert_eq!(
            (id(&a).as_str(), a.redelivered, a.delivery_count),
            ("a", false, 0)
        );
        let b = first.take_one(queue).await.unwrap().unwrap();
        assert_eq!(id(&b), "b");
        assert!(first.take_one(queue).await.unwrap().is_none());
        b.receipt.ack().await.unwrap();
        // The broker does not confirm an ack. The next response on its channel shows that the broker has it.
        assert!(first.take_one(queue).await.unwrap().is_none());
        // Like a killed worker.
        drop((a, first));
        let second = test_broker.session().await;
        let again = loop {
            // The broker notices the end of a connection with a delay.
            if let Some(again) = second.take_one(queue).await.unwrap() {
                break again;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((id(&again).as_str(), again.redelivered), ("a", true));
        assert_eq!(again.delivery_count, 1);
        again.receipt.ack().await.unwrap();
        // For a while RabbitMQ counts a client that took a message as a consumer.
        assert_eq!(second.depth(queue).await.unwrap().ready, 0);
        second.close().await;
    }
}

pub(crate) async fn a_receipt_of_a_closed_session_fails(test_broker: TestBroker) {
    let session = test_broker.session().await;
    publish(&session, Queue::Tasks, "a").await;
    let mut consumer = session.consume(Queue::Tasks, 1).await.unwrap();
    let (_, delivery) = next(&mut consumer).await;
    session.close().await;
    assert!(session.lost().await.is_retryable());
    assert!(delivery.receipt.ack().await.unwrap_err().is_retryable());
    assert!(consumer.next().await.is_err());
    assert!(session.depth(Queue::Tasks).await.is_err());
    assert!(session.consume(Queue::Tasks, 1).await.is_err());
}

pub(crate) async fn a_cancelled_consumer_requeues_and_its_receipts_stay_valid(
    test_broker: TestBroker,
) {
    let session = test_broker.session().await;
    for id in ["a", "b", "c"] {
        publish(&session, Queue::Tasks, id).await;
    }
    let mut consumer = session.consume(Queue::Tasks, 3).await.unwrap();
    let (_, a) = next(&mut consumer).await;
    consumer.cancel().await.unwrap();

    let mut other = session.consume(Queue::Tasks, 3).await.unwrap();
    let (b, delivery_b) = next(&mut other).await;
    let (c, delivery_c) = next(&mut other).await;
    assert_eq!((b.as_str(), c.as_str()), ("b", "c"));
    for delivery in [a, delivery_b, delivery_c] {
        delivery.receipt.ack().await.unwrap();
    }
    assert!(is_quiet(&mut other).await);
    session.close().await;
}
