//! Reads a command's stderr continuously, so that the command never blocks on it, and keeps the end.

use std::io::Read;
use std::process::ChildStderr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Bytes that are kept.
const KEPT_BYTES: usize = 16 << 10;
/// How long to wait for the end of stderr after the command has ended.
const EOF_WAIT: Duration = Duration::from_secs(2);

/// Signals that stderr was read to its end.
#[derive(Debug)]
pub(super) struct StderrEof(mpsc::Receiver<()>);

impl StderrEof {
    /// Waits for the end, with a timeout: a process that escaped from its group may keep the pipe open.
    pub(super) fn wait(&self) {
        if self.0.recv_timeout(EOF_WAIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::debug!("a command's stderr is still open after its end");
        }
    }
}

/// The last bytes of stderr so far.
#[derive(Debug, Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    /// Reads to the end on a thread of its own.
    pub(super) fn read_in_background(&self, stderr: Option<ChildStderr>) -> StderrEof {
        // Nothing is sent: the dropped sender is the signal.
        let (sender, stderr_eof) = mpsc::sync_channel(0);
        if let Some(stderr) = stderr {
            let tail = self.clone();
            std::thread::spawn(move || {
                tail.read(stderr);
                drop(sender);
            });
        }
        StderrEof(stderr_eof)
    }

    fn read(&self, mut stderr: ChildStderr) {
        let mut piece = [0; 8 << 10];
        // A read error ends the loop like the end of file.
        while let Ok(read @ 1..) = stderr.read(&mut piece) {
            self.add(&piece[..read]);
        }
    }

    fn add(&self, piece: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(piece);
        let surplus = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..surplus);
    }

    /// Discards the bytes, which belong to an earlier chunk.
    pub(super) fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }

    /// The kept bytes as text, limited to the same number of bytes, from a character boundary.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept).into_owned();
        // Invalid UTF-8 takes more bytes as text.
        let surplus = text.len().saturating_sub(KEPT_BYTES);
        text[text.ceil_char_boundary(surplus)..].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_never_more_than_is_carried() {
        let tail = StderrTail::default();
        tail.add(&vec![b'a'; 20 << 10]);
        tail.add(b"the end");
        assert_eq!(tail.text().len(), KEPT_BYTES);
        assert!(tail.text().ends_with("aathe end"));
        tail.add(&vec![0xff; KEPT_BYTES]);
        assert!(tail.text().len() <= KEPT_BYTES);
        tail.clear();
        assert_eq!(tail.text(), "");
    }
}
