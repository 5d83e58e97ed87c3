//! A channel whose close is awaited before its connection closes.

use std::ops::Deref;

use lapin::Channel;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Starts to close the channel when it is dropped. lapin does that too, but it aborts a connection that is closed while
/// such a channel is still closing, and then the broker logs a warning.
#[derive(Debug)]
pub(super) struct OwnedChannel {
    channel: Channel,
    closings: ChannelClosings,
}

/// The channels of one connection that are closing.
#[derive(Debug, Clone)]
pub(super) struct ChannelClosings {
    tasks: TaskTracker,
    /// Receipts may be dropped outside the runtime.
    runtime: Handle,
}

impl ChannelClosings {
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) fn new() -> Self {
        Self {
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
        }
    }

    pub(super) fn own(&self, channel: Channel) -> OwnedChannel {
        OwnedChannel {
            channel,
            closings: self.clone(),
        }
    }

    /// Waits until no channel is closing.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Deref for OwnedChannel {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Drop for OwnedChannel {
    fn drop(&mut self) {
        // A refusal has closed the channel already.
        if !self.channel.status().connected() {
            return;
        }
        let channel = self.channel.clone();
        let close = async move {
            // It fails only if the channel or the connection is closed already.
            drop(channel.close(200, "OK".into()).await);
        };
        self.closings.tasks.spawn_on(close, &self.closings.runtime);
    }
}
