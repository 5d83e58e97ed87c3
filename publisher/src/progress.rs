//! How far a publish has come, for whoever shows it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;

use crate::input::InputDescription;

/// Counters of one publish. The publisher writes them, others read.
#[derive(Debug)]
pub struct Progress {
    /// Bytes of input whose chunks the broker has.
    confirmed_bytes: AtomicU64,
    /// Records whose chunks the broker has.
    confirmed_rows: AtomicU64,
    /// Bytes of input; 0 where that is not known.
    total_bytes: AtomicU64,
    /// Whether another process could go on with it.
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
    /// Bytes of input and records whose chunks the broker has.
    pub fn confirmed(&self) -> (u64, u64) {
        (
            self.confirmed_bytes.load(Relaxed),
            self.confirmed_rows.load(Relaxed),
        )
    }

    /// Bytes of input. `None`: not known, as of a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        Some(self.total_bytes.load(Relaxed)).filter(|&bytes| bytes > 0)
    }

    /// Why nothing moves, while nothing moves.
    pub fn waiting(&self) -> Option<String> {
        self.waiting.borrow().clone()
    }

    /// Whether the publish could be gone on with, should it end here.
    pub fn is_resumable(&self) -> bool {
        self.resumable.load(Relaxed)
    }

    /// How the input is written. `None`: it was not looked at yet.
    pub fn description(&self) -> Option<&InputDescription> {
        self.description.get()
    }

    /// The input was looked at.
    pub(crate) fn describe(&self, description: InputDescription) {
        // It is looked at once.
        drop(self.description.set(description));
    }

    pub(crate) fn set_resumable(&self, resumable: bool) {
        self.resumable.store(resumable, Relaxed);
    }

    /// So much was confirmed to an earlier process.
    pub(crate) fn set_confirmed(&self, bytes: u64, rows: u64) {
        self.confirmed_bytes.store(bytes, Relaxed);
        self.confirmed_rows.store(rows, Relaxed);
    }

    /// Waits until the broker has the job's opening.
    pub async fn opened(&self) {
        // The sender lives as long as `self`, so this ends with the opening.
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

    /// Something moved.
    pub(crate) fn clear_waiting(&self) {
        self.waiting
            .send_if_modified(|waiting| waiting.take().is_some());
    }

    /// Nothing moves, because of `reason`; the log knows already.
    pub(crate) fn set_waiting(&self, reason: &str) {
        self.waiting.send_replace(Some(reason.to_owned()));
    }

    /// Nothing moves, because of `reason`; the log says it once.
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
