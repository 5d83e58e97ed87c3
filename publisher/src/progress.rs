//! The progress of a publish, for the code that displays it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use input::InputDescription;
use tokio::sync::watch;

/// The counters of one publish. The publisher writes them; others read them.
#[derive(Debug)]
pub struct Progress {
    /// Bytes of input in confirmed chunks.
    confirmed_bytes: AtomicU64,
    /// Records in confirmed chunks.
    confirmed_rows: AtomicU64,
    /// Bytes of input; 0 if unknown.
    total_bytes: AtomicU64,
    /// Whether another process could resume the publish.
    resumable: AtomicBool,
    description: OnceLock<InputDescription>,
    opened: watch::Sender<bool>,
    waiting: watch::Sender<Option<String>>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            confirmed_bytes: AtomicU64::new(0),
            confirmed_rows: AtomicU64::new(0),
            total_bytes: AtomicU64::new(0),
            resumable: AtomicBool::new(false),
            description: OnceLock::new(),
            opened: watch::Sender::new(false),
            waiting: watch::Sender::new(None),
        }
    }
}

impl Progress {
    /// Bytes of input and records in confirmed chunks.
    pub fn confirmed(&self) -> (u64, u64) {
        (
            self.confirmed_bytes.load(Relaxed),
            self.confirmed_rows.load(Relaxed),
        )
    }

    /// Bytes of input. `None` if unknown, as for a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        Some(self.total_bytes.load(Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// The reason why the publish is waiting. `None` if it is not waiting.
    pub fn waiting(&self) -> Option<String> {
        self.waiting.borrow().clone()
    }

    /// Whether another process could resume the publish if it ended now.
    pub fn is_resumable(&self) -> bool {
        self.resumable.load(Relaxed)
    }

    /// How the input is written. `None` before its start is read.
    pub fn description(&self) -> Option<&InputDescription> {
        self.description.get()
    }

    /// Stores the description of the input.
    pub(crate) fn describe(&self, description: InputDescription) {
        // It is set only once.
        drop(self.description.set(description));
    }

    pub(crate) fn set_resumable(&self, resumable: bool) {
        self.resumable.store(resumable, Relaxed);
    }

    /// Sets the bytes and rows that an earlier process had confirmed.
    pub(crate) fn set_confirmed(&self, bytes: u64, rows: u64) {
        self.confirmed_bytes.store(bytes, Relaxed);
        self.confirmed_rows.store(rows, Relaxed);
    }

    /// Waits until the broker has confirmed the job's opening.
    pub async fn opened(&self) {
        // The sender lives as long as `self`, so this returns only after the opening.
        drop(self.opened.subscribe().wait_for(|opened| *opened).await);
    }

    pub(crate) fn set_total(&self, bytes: Option<u64>) {
        self.total_bytes.store(bytes.unwrap_or(0), Relaxed);
    }

    pub(crate) fn confirm_open(&self) {
        self.opened.send_replace(true);
    }

    pub(crate) fn confirm_chunk(&self, bytes: u64, rows: u64) {
        self.confirmed_bytes.fetch_add(bytes, Relaxed);
        self.confirmed_rows.fetch_add(rows, Relaxed);
    }

    /// The publish is no longer waiting.
    pub(crate) fn clear_waiting(&self) {
        self.waiting
            .send_if_modified(|waiting| waiting.take().is_some());
    }

    /// Sets the reason for waiting without logging it.
    pub(crate) fn set_waiting(&self, reason: &str) {
        self.waiting.send_replace(Some(reason.to_owned()));
    }

    /// Sets the reason for waiting, and logs it once.
    pub(crate) fn wait(&self, reason: &str, pause: Duration) {
        self.waiting.send_if_modified(|waiting| {
            let is_new = waiting.as_deref() != Some(reason);
            if is_new {
                tracing::warn!(wait_ms = pause.as_millis() as u64, "{reason}; waiting");
                *waiting = Some(reason.to_owned());
            }
            is_new
        });
    }
}
