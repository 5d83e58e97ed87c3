//! Decisions that follow from the broker's confirm of a disposition.

use broker::Confirm;

use super::action::{Action, Disposition};
use super::event::{ChunkInfo, Ticket};
use super::in_flight::ChunkState;
use super::state::Scheduler;

impl<T> Scheduler<T> {
    pub(super) fn on_published(&mut self, ticket: Ticket, confirm: Confirm) {
        let Some(entry) = self.in_flight.get(&ticket) else {
            return;
        };
        let ChunkState::Publishing(disposition) = entry.state else {
            return;
        };
        let (info, attempts) = (entry.info, entry.attempt);
        let is_again = matches!(disposition, Disposition::Republish { .. });
        match confirm {
            Confirm::Acked => self.on_stored(ticket, info, disposition),
            // A chunk that waits for its rate must not be requeued at the head, where it would be redelivered at once
            // and counted, so it goes to the master, which sends it when there is room.
            Confirm::Nacked if is_again && info.cost.is_some() => {
                self.publish(ticket, Disposition::Parked { attempts });
            }
            // Only consumers of the tasks queue make room there, and all of them might be waiting for room with no free
            // slot. The retry queue is never full; and a requeued chunk would lose the attempt that was just counted.
            Confirm::Nacked if is_again && attempts > info.attempts => {
                self.publish(ticket, Disposition::RetryQueue { attempts });
            }
            // Nothing was attempted, so nothing has to be counted.
            Confirm::Nacked if is_again => self.requeue(ticket),
            Confirm::Nacked => {
                self.set_state(ticket, ChunkState::AwaitingResend(disposition));
                self.actions.push(Action::Wait(ticket));
            }
            // The new session declares the missing queue.
            Confirm::Returned => self.actions.push(Action::NewSession),
        }
    }

    fn on_stored(&mut self, ticket: Ticket, info: ChunkInfo, disposition: Disposition) {
        let key = info.message_key();
        // A dead chunk is not remembered: a replayed chunk has the same key.
        if disposition == Disposition::Result {
            self.dedup_cache.insert(key);
        }
        // The count is in the message that replaces it.
        self.revoked.retain(|other| *other != key);
        // A chunk that was only put back is left for other workers.
        if let Disposition::RetryQueue { attempts } = disposition
            && (!info.is_retry || attempts > info.attempts)
        {
            self.retry.set_waiting(true, self.now);
        }
        self.ack(ticket);
    }
}
