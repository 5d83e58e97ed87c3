//! The dead chunks of all jobs as the master listed them last, and when to ask again: the stream
//! says how many there are, not which.

use proto::v1::{DeadChunkInfo, DeadState, GetDeadResponse};

use crate::errand::Errand;
use crate::text::{Charset, LONGEST, brief};

/// How often it is asked how far replayed chunks are.
const REPLAYING_EVERY_MS: u64 = 1000;

/// Which chunk of which job.
pub(crate) type ChunkKey = (String, u64);

/// The list, and what is known of the chosen one.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeadList {
    chunks: Vec<DeadChunkInfo>,
    /// Absent: the first, whatever that is.
    pub(crate) picked: Option<ChunkKey>,
    whole: Option<Whole>,
    /// How many there were when the list was asked for, and when. Absent: it is to be asked for.
    asked: Option<(u64, u64)>,
    /// Whether an answer has come.
    pub(crate) is_known: bool,
    asked_whole: Option<ChunkKey>,
}

/// One dead chunk with its first rows.
#[derive(Debug, Clone)]
pub(crate) struct Whole {
    key: ChunkKey,
    pub(crate) stderr: Vec<String>,
    /// The header, and the first lines of the body, as they are.
    pub(crate) lines: Vec<String>,
}

/// Lines of stderr and of the body that are kept.
const LINES: usize = 40;

impl DeadList {
    pub(crate) fn chunks(&self) -> &[DeadChunkInfo] {
        &self.chunks
    }

    /// What is to be asked at `now_ms`, where there are `total` dead chunks and `picked` is looked at.
    pub(crate) fn due(
        &mut self,
        total: u64,
        picked: Option<ChunkKey>,
        now_ms: u64,
    ) -> Option<Errand> {
        // What is replayed is not among them, and will be done, or dead again.
        let mut chunks = self.chunks.iter();
        let is_replaying = chunks.any(|chunk| chunk.state() == DeadState::Replaying);
        let is_old = |at_ms: u64| is_replaying && now_ms >= at_ms + REPLAYING_EVERY_MS;
        let is_known = |(asked, at_ms)| asked == total && !is_old(at_ms);
        if !self.asked.is_some_and(is_known) {
            self.asked = Some((total, now_ms));
            self.asked_whole = None;
            return Some(Errand::Dead);
        }
        if picked.is_none() || picked == self.asked_whole {
            return None;
        }
        let (job_id, seq) = picked.clone()?;
        self.asked_whole = picked;
        Some(Errand::Chunk { job_id, seq })
    }

    /// The list is to be asked for anew.
    pub(crate) fn forget(&mut self) {
        self.asked = None;
    }

    pub(crate) fn set(&mut self, mut chunks: Vec<DeadChunkInfo>, charset: Charset) {
        for chunk in &mut chunks {
            for text in [&mut chunk.reason, &mut chunk.job_id, &mut chunk.worker_id] {
                *text = brief(text, LONGEST, charset).into_owned();
            }
        }
        self.chunks = chunks;
        self.is_known = true;
    }

    pub(crate) fn set_whole(&mut self, response: &GetDeadResponse, charset: Charset) {
        let Some(dead) = &response.dead else { return };
        let clean = |text: &str| brief(text, LONGEST, charset).into_owned();
        let body = String::from_utf8_lossy(&response.body);
        let header = response.columns.join(",");
        let lines = std::iter::once(header.as_str()).chain(body.lines());
        let said: Vec<&str> = dead.stderr.lines().collect();
        let last = said.len().saturating_sub(LINES);
        self.whole = Some(Whole {
            key: (dead.job_id.clone(), dead.seq),
            stderr: said[last..].iter().map(|line| clean(line)).collect(),
            lines: lines.take(LINES).map(clean).collect(),
        });
    }

    /// What is known of one, where that is what came last.
    pub(crate) fn whole(&self, key: &ChunkKey) -> Option<&Whole> {
        self.whole.as_ref().filter(|whole| whole.key == *key)
    }
}

/// Which chunk that is.
pub(crate) fn key_of(chunk: &DeadChunkInfo) -> ChunkKey {
    (chunk.job_id.clone(), chunk.seq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_asked_for_when_their_number_changes_and_a_chunk_when_it_is_looked_at() {
        let mut dead = DeadList::default();
        let key = || Some(("j".to_owned(), 7));
        assert_eq!(dead.due(1, key(), 0), Some(Errand::Dead));
        let whole = Errand::Chunk {
            job_id: "j".to_owned(),
            seq: 7,
        };
        assert_eq!(dead.due(1, key(), 0), Some(whole.clone()));
        assert_eq!(dead.due(1, key(), 0), None);
        assert_eq!(dead.due(0, None, 0), Some(Errand::Dead));
        assert_eq!(dead.due(0, None, 0), None);
        let replayed = DeadChunkInfo {
            state: DeadState::Replaying.into(),
            ..DeadChunkInfo::default()
        };
        dead.set(vec![replayed], Charset::Utf8);
        assert_eq!(dead.due(0, None, REPLAYING_EVERY_MS - 1), None);
        assert_eq!(dead.due(0, None, REPLAYING_EVERY_MS), Some(Errand::Dead));
        dead.forget();
        assert_eq!(dead.due(0, key(), 0), Some(Errand::Dead));
        assert_eq!(dead.due(0, key(), 0), Some(whole));
    }

    #[test]
    fn what_a_command_said_is_harmless_and_only_its_end_is_kept() {
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
        dead.set_whole(&response, Charset::Utf8);
        let whole = dead.whole(&("j".to_owned(), 0)).unwrap();
        assert_eq!(
            (whole.stderr.len(), whole.stderr[39].as_str()),
            (LINES, "␛[2J99")
        );
        assert_eq!(whole.lines, ["a,b", "1,␇", "\u{fffd},2"]);
    }
}
