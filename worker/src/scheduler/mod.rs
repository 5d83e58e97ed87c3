//! The worker's scheduler, as a state machine without I/O, clock or threads: it decides what happens to each chunk in
//! flight. The session driver feeds it real events, the simulation simulated ones. It also keeps the driver's data of
//! each delivery, so that there is one table of deliveries: an action that settles a delivery returns its data.
//!
//! Pass every [`Event`] in the order in which it happened, and execute every returned [`Action`] in order. An action
//! that takes time ends in an event: [`Action::Run`] in [`Event::AttemptEnded`], [`Action::Publish`] in
//! [`Event::Published`], [`Action::Wait`] in [`Event::Waited`]. A ticket ends with [`Action::Ack`] or
//! [`Action::Requeue`]. The time is set by [`Scheduler::advance_clock`]; only chunks of jobs with a rate depend on it.
//!
//! # How attempts are counted
//!
//! The broker's own counters differ between its versions, and a redelivered message comes back unchanged, so neither
//! can count attempts. They are counted in the header `rowmill-attempts` of the chunk's message
//! ([`proto::Envelope::attempts`]), by the worker that survived the attempt:
//!
//! - After an error that was caught, the attempt is retried here after a backoff, under the same delivery.
//! - An attempt that crashed (it hung, or its process died) is not retried under the same delivery, because the broker
//!   limits how long a delivery may be held. The chunk is republished with one attempt more, and the old message is
//!   acknowledged only after the broker has confirmed the new one. A crash in between leaves two messages of one chunk;
//!   the master counts one result.
//! - A chunk that asks for a command that this worker does not allow is not attempted: after a pause it is republished
//!   with the same number of attempts, so that another worker gets it and no broker counts it.
//! - A chunk that was running when the broker revoked it, because it was held for too long or its consumer was
//!   cancelled, is counted when it is delivered here again, whether or not the broker marks it as redelivered: RabbitMQ
//!   4.3 does not count such a return, so without this it would be retried forever.
//! - A worker that died could not count anything. A chunk that was returned once is run in a child process, where it
//!   cannot harm other chunks, unless it kills the worker on purpose.
//! - A chunk that was returned more often may have killed its workers, or may only have been prefetched behind a chunk
//!   that did: the broker counts a return of either. It is moved to the retry queue each time, with nothing counted. A
//!   worker takes one chunk at a time from there, only while it runs nothing else, starts it at once, and starts
//!   nothing beside it. So a chunk that is redelivered from the retry queue had been started, and only that chunk can
//!   have killed the worker: it is put back there with one attempt more in its header, or is dead if that was its last.
//!   This needs two facts from the broker: the queue of the message and whether it was redelivered, not how often.

mod action;
mod attempt;
mod dedup_cache;
mod delivery;
mod event;
mod in_flight;
mod publish;
mod rate_limit;
mod retry;
mod session_end;
mod state;

pub use action::{Action, Disposition, Isolation};
pub use attempt::ATTEMPTS;
pub use event::{AttemptEnd, ChunkInfo, Event, JobDirectives, Ticket};
pub use state::{Scheduler, SchedulerConfig};

impl<T> Scheduler<T> {
    /// Handles an event and returns the resulting actions. An event for an unknown ticket has no effect: it belongs to
    /// a session that is over.
    pub fn handle(&mut self, event: Event<T>) -> Vec<Action<T>> {
        match event {
            Event::Delivered(ticket, info, data) => self.on_delivered(ticket, info, data),
            Event::AttemptEnded(ticket, end) => self.on_attempt_ended(ticket, end),
            Event::Published(ticket, confirm) => self.on_published(ticket, confirm),
            Event::Waited(ticket) => self.on_waited(ticket),
            Event::RetryWaiting(waits) => self.retry.set_waiting(waits, self.now),
            Event::RetryEmpty => self.on_retry_empty(),
            Event::Draining => self.drain(),
            Event::SessionLost => self.on_session_lost(),
            Event::DeliveriesRevoked => {
                self.remember_revoked();
                self.on_session_lost();
            }
        }
        self.fill_slots();
        self.take_actions()
    }
}

#[cfg(test)]
mod tests;
