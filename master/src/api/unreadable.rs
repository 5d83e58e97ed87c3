//! Requests about messages that were set aside because they cannot be used: list, show, drop.

use proto::v1::{GetUnreadableResponse, ListUnreadableResponse};
use tonic::Status;

use crate::response_size::{PAGE_BYTES, count_fitting};
use crate::state::state_actor::StateActor;

/// How many bytes of a body are shown.
const BODY_SHOWN: usize = 64 << 10;

impl StateActor {
    pub(crate) fn list_unreadable(&self) -> Result<ListUnreadableResponse, Status> {
        let list = self.store.unreadable()?;
        let mut messages: Vec<_> = list.rows.into_iter().map(Into::into).collect();
        messages.truncate(count_fitting(&messages, PAGE_BYTES));
        Ok(ListUnreadableResponse {
            messages,
            forgotten: list.forgotten,
        })
    }

    pub(crate) fn get_unreadable(&self, number: u64) -> Result<GetUnreadableResponse, Status> {
        let message = self.store.unreadable_message(number, BODY_SHOWN);
        let (row, body) = message?.ok_or_else(|| {
            Status::not_found(format!(
                "there is no message {number} that was set aside; `rowmill dead list` has those that are kept"
            ))
        })?;
        Ok(GetUnreadableResponse {
            message: Some(row.into()),
            body,
        })
    }

    /// Deletes these messages, or all if no number is given. Returns how many were deleted.
    pub(crate) fn drop_unreadable(&mut self, numbers: &[u64]) -> Result<u64, Status> {
        let dropped = self.store.drop_unreadable(numbers)?;
        if dropped == 0 {
            return Err(Status::failed_precondition(
                "there is no such message that was set aside; `rowmill dead list` has those that are kept",
            ));
        }
        let left = self.store.unreadable_total();
        self.live.set_unreadable(left?);
        self.overview = None;
        Ok(dropped)
    }
}
