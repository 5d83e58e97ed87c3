//! The conformance suite for brokers: the same tests run against the in-process broker and against RabbitMQ. `rabbit`
//! contains tests of faults that only a broker on the network can have.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy.toml allows it in test functions, not in their helpers

mod limits;
mod rabbit;
mod settlement;
mod test_broker;
mod transport;

use test_broker::TestBroker;

/// Makes two tests of each function: `memory::NAME` and `rabbitmq::NAME`.
macro_rules! both {
    ($($module:ident :: $name:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::TestBroker::memory().run(super::$module::$name).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $name() {
                super::TestBroker::rabbit().run(super::$module::$name).await;
            })*
        }
    };
}

both! {
    transport::every_kind_of_message_arrives_as_it_was_sent,
    transport::large_bodies_arrive_whole,
    transport::many_at_once_are_each_confirmed,
    transport::telemetry_reaches_only_listeners,
    transport::control_reaches_every_listener_and_is_not_telemetry,
    transport::depth_counts_waiting_messages,
    settlement::unacked_messages_are_redelivered_when_the_session_is_closed,
    settlement::unacked_messages_are_redelivered_when_everything_is_dropped,
    settlement::acked_messages_are_gone,
    settlement::requeued_messages_are_redelivered,
    settlement::rejected_messages_are_dead,
    settlement::a_message_that_kills_its_consumers_is_dead_in_the_end,
    settlement::take_one_takes_one_message_and_it_is_redelivered_if_unsettled,
    settlement::a_receipt_of_a_closed_session_fails,
    settlement::a_cancelled_consumer_requeues_and_its_receipts_stay_valid,
    limits::a_full_queue_refuses_and_accepts_again,
    limits::prefetch_limits_the_unsettled_messages,
    limits::results_go_to_one_consumer_at_a_time,
    limits::a_next_that_is_dropped_loses_nothing,
}
