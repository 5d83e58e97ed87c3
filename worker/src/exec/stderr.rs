//! The last that a command says on stderr, read as it comes so that it never has to wait for us.

use std::io::Read;
use std::process::ChildStderr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// How much is kept.
const KEPT_BYTES: usize = 16 << 10;
/// How long the last words of a command are waited for when it is gone.
const EOF_WAIT: Duration = Duration::from_secs(2);

/// Comes when all is read that a command said.
#[derive(Debug)]
pub(super) struct StderrEof(mpsc::Receiver<()>);

impl StderrEof {
    /// Waits for it, but not for ever: a process that escaped from its group may keep the pipe.
    pub(super) fn wait(&self) {
        if self.0.recv_timeout(EOF_WAIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::debug!("a command's stderr stays open behind its end");
        }
    }
}

/// What was said so far, but for what is too long ago.
#[derive(Debug, Clone, Default)]
pub(super) struct StderrTail(Arc<Mutex<Vec<u8>>>);

impl StderrTail {
    /// Reads on a thread of its own, to the end.
    pub(super) fn read_in_background(&self, stderr: Option<ChildStderr>) -> StderrEof {
        // Nothing is ever sent: the end is that the other side hangs up.
        let (said, stderr_eof) = mpsc::sync_channel(0);
        if let Some(stderr) = stderr {
            let tail = self.clone();
            std::thread::spawn(move || {
                tail.read(stderr);
                drop(said);
            });
        }
        StderrEof(stderr_eof)
    }

    fn read(&self, mut stderr: ChildStderr) {
        let mut piece = [0; 8 << 10];
        // A pipe that fails has nothing more to say, as one that ends.
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

    /// Forgets what was said: it was about another chunk.
    pub(super) fn clear(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }

    /// What is kept, as text of at most so many bytes, from a character's start.
    pub(super) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept).into_owned();
        // What is no UTF-8 takes more room as text than it took.
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
