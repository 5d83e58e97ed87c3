//! What every broker must do: one suite, run against the one in this process and against RabbitMQ.
//! `rabbit` beside it has what only a broker on the network can do wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)] // clippy.toml allows it in test functions, not in their helpers

mod bench;
mod carrying;
mod limits;
mod rabbit;
mod settling;

use bench::Bench;

/// Makes two tests of each function: `memory::NAME` and `rabbitmq::NAME`.
macro_rules! both {
    ($($module:ident :: $name:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::Bench::memory().run(super::$module::$name).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $name() {
                super::Bench::rabbit().run(super::$module::$name).await;
            })*
        }
    };
}

both! {
    carrying::every_kind_of_message_arrives_as_it_was_sent,
    carrying::large_bodies_arrive_whole,
    carrying::many_at_once_are_each_confirmed,
    carrying::telemetry_reaches_every_listener_and_nobody_else,
    carrying::control_reaches_every_listener_and_is_not_telemetry,
    carrying::depth_counts_what_waits,
    settling::what_was_not_acked_comes_again_when_the_session_is_closed,
    settling::what_was_not_acked_comes_again_when_everything_is_dropped,
    settling::what_was_acked_is_gone,
    settling::requeued_comes_again,
    settling::rejected_is_dead,
    settling::what_kills_its_consumers_is_dead_in_the_end,
    settling::one_is_taken_at_a_time_and_comes_again_if_it_is_not_settled,
    settling::a_receipt_of_a_closed_session_says_so,
    settling::a_cancelled_consumer_gives_back_and_its_receipts_stay_good,
    limits::a_full_queue_refuses_and_accepts_again,
    limits::prefetch_is_the_most_in_hand,
    limits::results_go_to_one_consumer_at_a_time,
    limits::a_next_that_is_dropped_loses_nothing,
}
