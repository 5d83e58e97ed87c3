//! Finds the first bad record, for a publish that stops at it.

use engine::Dialect;
use engine::check::Check;
use engine::records::Records;
use engine::split::{Piece, line_ends};
use proto::v1::Reject;

/// The bad records that stop a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopAt {
    /// None: bad records are left out and counted.
    #[default]
    Nothing,
    /// The first record with too few or too many fields.
    Ragged,
    /// The first bad record of any kind.
    AnyBad,
}

/// Characters of a bad record that are shown.
const MAX_SHOWN_CHARS: usize = 200;

/// Checks the pieces of one file.
#[derive(Debug)]
pub(crate) struct StrictCheck {
    stop_at: StopAt,
    dialect: Dialect,
    file: String,
}

impl StrictCheck {
    pub(crate) fn new(stop_at: StopAt, dialect: Dialect, file: &str) -> Self {
        Self {
            stop_at,
            dialect,
            file: file.to_owned(),
        }
    }

    /// Describes the first bad record of `piece`, of a file with `columns` columns. `replaced` is the position in the
    /// text of the first malformed sequence that was replaced.
    pub(crate) fn first_bad(
        &self,
        piece: &Piece,
        columns: usize,
        replaced: Option<u64>,
    ) -> Option<String> {
        let check = Check {
            dialect: &self.dialect,
            columns,
            file: &self.file,
            wants_utf8: self.stop_at == StopAt::AnyBad,
        };
        let bad = match self.stop_at {
            StopAt::Nothing => return None,
            StopAt::Ragged => check.first_bad(&Piece {
                rejects: Vec::new(),
                ..piece.clone()
            }),
            StopAt::AnyBad => {
                let replaced = replaced.and_then(|byte| self.replaced(piece, byte));
                let bad = check.first_bad(piece).into_iter().chain(replaced);
                bad.min_by_key(|bad| bad.byte)
            }
        };
        bad.map(|bad| self.reason(&bad))
    }

    /// The record that contains a replaced sequence, if it is in `piece`.
    fn replaced(&self, piece: &Piece, byte: u64) -> Option<Reject> {
        let at = byte.checked_sub(piece.first_byte)? as usize;
        let mut records = Records::new(&self.dialect, &piece.body);
        while let Some(record) = records.read() {
            let (start, end) = (record.start(), record.end());
            if at < end {
                return Some(Reject {
                    line: piece.first_line + line_ends(&piece.body[..start]),
                    byte: piece.first_byte + start as u64,
                    reason: "bytes that are malformed in its encoding (shown as U+FFFD)".to_owned(),
                    raw: piece.body[start..end].to_vec(),
                    ..Reject::default()
                });
            }
        }
        None
    }

    fn reason(&self, bad: &Reject) -> String {
        let text = String::from_utf8_lossy(&bad.raw);
        let shown: String = text.trim_end().chars().take(MAX_SHOWN_CHARS).collect();
        format!(
            "{}, line {} (byte {}): {}: {shown:?}",
            self.file, bad.line, bad.byte, bad.reason
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(body: &'static str) -> Piece {
        Piece {
            body: body.into(),
            rows: 0,
            first_record: 0,
            first_line: 2,
            first_byte: 4,
            rejects: Vec::new(),
        }
    }

    #[test]
    fn the_first_bad_record_is_described_with_its_position_and_text() {
        let strict = |stop_at| StrictCheck::new(stop_at, Dialect::default(), "a.csv");
        let piece = piece("1,\u{fffd}\n2\n");
        assert_eq!(strict(StopAt::Nothing).first_bad(&piece, 2, Some(6)), None);
        assert_eq!(
            strict(StopAt::Ragged)
                .first_bad(&piece, 2, Some(6))
                .unwrap(),
            "a.csv, line 3 (byte 10): 1 field where the header has 2: \"2\""
        );
        let reason = strict(StopAt::AnyBad)
            .first_bad(&piece, 2, Some(6))
            .unwrap();
        assert!(
            reason.starts_with("a.csv, line 2 (byte 4): bytes that are malformed"),
            "{reason}"
        );
        let reason = strict(StopAt::AnyBad)
            .first_bad(&piece, 2, Some(99))
            .unwrap();
        assert!(reason.contains("line 3"), "{reason}");
    }
}
