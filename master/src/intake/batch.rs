//! A batch of messages on its way to disk: the order of its commit and its acknowledgements, without
//! I/O. The intake and the simulation send their messages through the same one.
//!
//! Its invariant: a receipt comes out only after the commit of everything that came in with it.

use crate::intake::job_message::JobMessage;
use crate::intake::unreadable::UnreadableMessage;

/// The most messages of one commit. Twice as many are in memory at the most, and results may have
/// rows in them, megabytes of them each; beyond so many, a commit's wait for the disk is shared by
/// enough.
pub const BATCH: usize = 64;

/// Messages that are committed together, with the receipts (of whatever kind) that settle them.
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
    /// Takes in what a message says. What can never be used has no effect but that it is kept for people to
    /// look at; left with the broker it would come back for ever.
    pub fn add(&mut self, read: Result<Vec<JobMessage>, UnreadableMessage>, receipt: R) {
        match read {
            Ok(messages) => self.messages.extend(messages),
            Err(unreadable) => self.unreadable.push(unreadable),
        }
        self.receipts.push(receipt);
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// Has `keep` put everything on disk, and gives the receipts to acknowledge. They are gone with
    /// an error: the session must end, so that everything comes again.
    ///
    /// # Errors
    ///
    /// What `keep` says.
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
