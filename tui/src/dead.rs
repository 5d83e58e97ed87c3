//! The list of dead chunks of all jobs, and when to request it again: the stream carries only their
//! number.

use cli::text::{Charset, MAX_TEXT_WIDTH, brief};
use proto::v1::{DeadChunkInfo, DeadState, GetDeadResponse};

use crate::request::Request;

/// Interval between requests while chunks are being replayed.
const REPLAYING_EVERY_MS: u64 = 1000;

/// Job id and sequence number of a chunk.
pub(crate) type ChunkKey = (String, u64);

/// The list, and the details of the selected chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeadList {
    chunks: Vec<DeadChunkInfo>,
    /// `None` selects the first, also after the list changes.
    pub(crate) selected: Option<ChunkKey>,
    detail: Option<ChunkDetail>,
    /// Number of dead chunks and time when the list was requested. `None` if it must be requested.
    requested_list: Option<(u64, u64)>,
    /// Whether a list has been received.
    pub(crate) is_known: bool,
    requested_detail: Option<ChunkKey>,
}

/// One dead chunk with its first rows.
#[derive(Debug, Clone)]
pub(crate) struct ChunkDetail {
    key: ChunkKey,
    pub(crate) stderr: Vec<String>,
    /// The header and the first lines of the body.
    pub(crate) lines: Vec<String>,
}

/// Maximum number of lines kept, of stderr and of the body.
const MAX_LINES: usize = 40;

impl DeadList {
    pub(crate) fn chunks(&self) -> &[DeadChunkInfo] {
        &self.chunks
    }

    /// The request due at `now_ms`, if there are `total` dead chunks and `selected` is the selected one.
    pub(crate) fn next_request(
        &mut self,
        total: u64,
        selected: Option<ChunkKey>,
        now_ms: u64,
    ) -> Option<Request> {
        // `total` does not count chunks that are being replayed; they will be done, or dead again.
        let mut chunks = self.chunks.iter();
        let is_replaying = chunks.any(|chunk| chunk.state() == DeadState::Replaying);
        let is_old = |at_ms: u64| is_replaying && now_ms >= at_ms + REPLAYING_EVERY_MS;
        let is_known = |(requested_list, at_ms)| requested_list == total && !is_old(at_ms);
        if !self.requested_list.is_some_and(is_known) {
            self.requested_list = Some((total, now_ms));
            self.requested_detail = None;
            return Some(Request::Dead);
        }
        if selected.is_none() || selected == self.requested_detail {
            return None;
        }
        let (job_id, seq) = selected.clone()?;
        self.requested_detail = selected;
        Some(Request::Chunk { job_id, seq })
    }

    /// Makes the next call of `next_request` request the list again.
    pub(crate) fn invalidate(&mut self) {
        self.requested_list = None;
    }

    pub(crate) fn set(&mut self, mut chunks: Vec<DeadChunkInfo>, charset: Charset) {
        for chunk in &mut chunks {
            for text in [&mut chunk.reason, &mut chunk.job_id, &mut chunk.worker_id] {
                *text = brief(text, MAX_TEXT_WIDTH, charset).into_owned();
            }
        }
        self.chunks = chunks;
        self.is_known = true;
    }

    pub(crate) fn set_detail(&mut self, response: &GetDeadResponse, charset: Charset) {
        let Some(dead) = &response.dead else { return };
        let clean = |text: &str| brief(text, MAX_TEXT_WIDTH, charset).into_owned();
        let body = String::from_utf8_lossy(&response.body);
        let header = response.columns.join(",");
        let lines = std::iter::once(header.as_str()).chain(body.lines());
        let stderr: Vec<&str> = dead.stderr.lines().collect();
        let last = stderr.len().saturating_sub(MAX_LINES);
        self.detail = Some(ChunkDetail {
            key: (dead.job_id.clone(), dead.seq),
            stderr: stderr[last..].iter().map(|line| clean(line)).collect(),
            lines: lines.take(MAX_LINES).map(clean).collect(),
        });
    }

    /// The details of `key`. `None` if those of another chunk were received last.
    pub(crate) fn detail(&self, key: &ChunkKey) -> Option<&ChunkDetail> {
        self.detail.as_ref().filter(|detail| detail.key == *key)
    }
}

/// The key of `chunk`.
pub(crate) fn key_of(chunk: &DeadChunkInfo) -> ChunkKey {
    (chunk.job_id.clone(), chunk.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_requested_when_the_number_changes_and_a_chunk_when_it_is_selected() {
        let mut dead = DeadList::default();
        let key = || Some(("j".to_owned(), 7));
        assert_eq!(dead.next_request(1, key(), 0), Some(Request::Dead));
        let detail = Request::Chunk {
            job_id: "j".to_owned(),
            seq: 7,
        };
        assert_eq!(dead.next_request(1, key(), 0), Some(detail.clone()));
        assert_eq!(dead.next_request(1, key(), 0), None);
        assert_eq!(dead.next_request(0, None, 0), Some(Request::Dead));
        assert_eq!(dead.next_request(0, None, 0), None);
        let replayed = DeadChunkInfo {
            state: DeadState::Replaying.into(),
            ..DeadChunkInfo::default()
        };
        dead.set(vec![replayed], Charset::Utf8);
        assert_eq!(dead.next_request(0, None, REPLAYING_EVERY_MS - 1), None);
        assert_eq!(
            dead.next_request(0, None, REPLAYING_EVERY_MS),
            Some(Request::Dead)
        );
        dead.invalidate();
        assert_eq!(dead.next_request(0, key(), 0), Some(Request::Dead));
        assert_eq!(dead.next_request(0, key(), 0), Some(detail));
    }

    #[test]
    fn stderr_is_sanitized_and_only_its_end_is_kept() {
        let stderr: Vec<String> = (0..100).map(|n| format!("\u{1b}[2J{n}\n")).collect();
        let stderr = stderr.concat();
        let response = GetDeadResponse {
            dead: Some(DeadChunkInfo {
                job_id: "j".into(),
                stderr,
                ..DeadChunkInfo::default()
            }),
            columns: vec!["a".into(), "b".into()],
            body: b"1,\x07\n\xff,2\n".to_vec(),
            body_bytes: 8,
        };
        let mut dead = DeadList::default();
        dead.set_detail(&response, Charset::Utf8);
        let detail = dead.detail(&("j".to_owned(), 0)).unwrap();
        assert_eq!(
            (detail.stderr.len(), detail.stderr[39].as_str()),
            (MAX_LINES, "␛[2J99")
        );
        assert_eq!(detail.lines, ["a,b", "1,␇", "\u{fffd},2"]);
    }
}
