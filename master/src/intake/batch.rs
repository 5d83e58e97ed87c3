//! A batch of messages to be committed: enforces the order of commit and acknowledgement, without I/O. The intake and
//! the simulation share it.
//!
//! Invariant: a receipt is returned only after everything in its batch is committed.

use crate::message::JobMessage;
use crate::message::UnreadableMessage;

/// The most messages of one commit. At most twice as many are in memory; each result may carry megabytes of rows.
/// Larger batches would hardly make the wait for the disk per message shorter.
pub const BATCH: usize = 64;

/// Messages that are committed together, with the receipts of type `R` that acknowledge them.
#[derive(Debug)]
pub struct Batch<R> {
    messages: Vec<JobMessage>,
    unreadable: Vec<UnreadableMessage>,
    receipts: Vec<R>,
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Self {
            messages: Vec::new(),
            unreadable: Vec::new(),
            receipts: Vec::new(),
        }
    }
}

impl<R> Batch<R> {
    /// Adds the contents of a delivery. An unreadable message is stored for people to inspect and acknowledged;
    /// otherwise the broker would redeliver it for ever.
    pub fn add(&mut self, read: Result<Vec<JobMessage>, UnreadableMessage>, receipt: R) {
        match read {
            Ok(messages) => self.messages.extend(messages),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
        self.receipts.push(receipt);
    }

    /// The number of deliveries in the batch.
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether the batch is empty.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// Has `store` write everything to disk, and returns the receipts to acknowledge. An error drops the receipts: the
    /// session must end, so that everything is redelivered.
    ///
    /// # Errors
    ///
    /// If `store` fails.
    pub async fn commit<E, F>(
        self,
        store: impl FnOnce(Vec<JobMessage>, Vec<UnreadableMessage>) -> F,
    ) -> Result<Vec<R>, E>
    where
        F: Future<Output = Result<(), E>>,
    {
        if !self.is_empty() {
            store(self.messages, self.unreadable).await?;
        }
        Ok(self.receipts)
    }
}
