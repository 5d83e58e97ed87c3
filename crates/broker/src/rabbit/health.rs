//! The state of a session's connections: whether the broker blocks publishing, and whether a connection failed. The
//! connections write it; sessions read it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::BrokerError;

#[derive(Debug)]
pub(super) struct Health {
    blocked: watch::Sender<Option<String>>,
    lost: watch::Sender<Option<BrokerError>>,
}

impl Health {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            blocked: watch::Sender::new(None),
            lost: watch::Sender::new(None),
        })
    }

    pub(super) fn set_blocked(&self, reason: Option<String>) {
        self.blocked.send_replace(reason);
    }

    pub(super) fn watch_blocked(&self) -> watch::Receiver<Option<String>> {
        self.blocked.subscribe()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.borrow().is_some()
    }

    /// Marks the session as over. Keeps the first reason, since later errors follow from it.
    pub(super) fn lose(&self, error: BrokerError) {
        self.set_blocked(None);
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                *lost = Some(error);
            }
            first
        });
    }

    /// Fails with the reason if the session is over.
    pub(super) fn check(&self) -> Result<(), BrokerError> {
        self.lost.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until the session is over, and returns the reason. `None` only if the sender is gone.
    pub(super) async fn lost(&self) -> Option<BrokerError> {
        let mut lost = self.lost.subscribe();
        let reason = lost.wait_for(Option::is_some).await.ok()?;
        reason.clone()
    }
}
