//! A client's position in a job's rows, and the token by which it resumes there.

use std::fmt;

use tonic::Status;

/// The position after the last sent bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// In input order.
    Ordered {
        /// The next chunk.
        seq: u64,
        /// How many bytes of its rows were sent.
        sent_bytes: u64,
        /// How many dead chunks before it were skipped.
        dead_passed: u64,
    },
    /// In commit order.
    Unordered {
        /// The next result.
        commit_index: u64,
        /// How many bytes of its rows were sent.
        sent_bytes: u64,
    },
}

impl Cursor {
    /// Parses the token of a request. An empty token is the start.
    ///
    /// # Errors
    ///
    /// If the token is invalid, or is for the other order.
    pub(crate) fn parse(token: &str, unordered: bool) -> Result<Self, Status> {
        let invalid =
            || Status::invalid_argument("that token is invalid for an output in this order");
        if token.is_empty() {
            return Ok(Self::start(unordered));
        }
        let numbers: Option<Vec<u64>> = token.get(1..).and_then(|numbers| {
            let numbers = numbers.split('.').map(str::parse);
            numbers.collect::<Result<_, _>>().ok()
        });
        match (token.get(..1), unordered, numbers.as_deref()) {
            (Some("o"), false, Some(&[seq, sent_bytes, dead_passed])) => Ok(Self::Ordered {
                seq,
                sent_bytes,
                dead_passed,
            }),
            (Some("u"), true, Some(&[commit_index, sent_bytes])) => Ok(Self::Unordered {
                commit_index,
                sent_bytes,
            }),
            _ => Err(invalid()),
        }
    }

    fn start(unordered: bool) -> Self {
        let (seq, commit_index, sent_bytes, dead_passed) = (0, 0, 0, 0);
        if unordered {
            Self::Unordered {
                commit_index,
                sent_bytes,
            }
        } else {
            Self::Ordered {
                seq,
                sent_bytes,
                dead_passed,
            }
        }
    }

    /// How many bytes of the next chunk's rows were sent.
    pub(crate) fn sent_bytes(self) -> u64 {
        match self {
            Self::Ordered { sent_bytes, .. } | Self::Unordered { sent_bytes, .. } => sent_bytes,
        }
    }

    /// The position after `bytes` more of the next chunk's rows.
    pub(crate) fn after_bytes(self, bytes: u64) -> Self {
        match self {
            Self::Ordered {
                seq,
                sent_bytes,
                dead_passed,
            } => Self::Ordered {
                seq,
                sent_bytes: sent_bytes + bytes,
                dead_passed,
            },
            Self::Unordered {
                commit_index,
                sent_bytes,
            } => Self::Unordered {
                commit_index,
                sent_bytes: sent_bytes + bytes,
            },
        }
    }

    /// The position after the next chunk or result.
    pub(crate) fn after_chunk(self) -> Self {
        match self {
            Self::Ordered {
                seq, dead_passed, ..
            } => Self::Ordered {
                seq: seq + 1,
                sent_bytes: 0,
                dead_passed,
            },
            Self::Unordered { commit_index, .. } => Self::Unordered {
                commit_index: commit_index + 1,
                sent_bytes: 0,
            },
        }
    }

    /// The position after the next chunk, which is dead. Unchanged in commit order, where dead chunks have no index.
    pub(crate) fn after_dead(self) -> Self {
        match self {
            Self::Ordered {
                seq, dead_passed, ..
            } => Self::Ordered {
                seq: seq + 1,
                sent_bytes: 0,
                dead_passed: dead_passed + 1,
            },
            Self::Unordered { .. } => self,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordered {
                seq,
                sent_bytes,
                dead_passed,
            } => write!(f, "o{seq}.{sent_bytes}.{dead_passed}"),
            Self::Unordered {
                commit_index,
                sent_bytes,
            } => write!(f, "u{commit_index}.{sent_bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_where_it_came_from_and_to_nowhere_else() {
        for unordered in [false, true] {
            let start = Cursor::parse("", unordered).unwrap();
            let somewhere = start
                .after_chunk()
                .after_dead()
                .after_bytes(10)
                .after_bytes(5);
            assert_eq!(somewhere.sent_bytes(), 15);
            let token = somewhere.to_string();
            assert_eq!(Cursor::parse(&token, unordered).unwrap(), somewhere);
            assert!(Cursor::parse(&token, !unordered).is_err());
        }
        for bad in [
            "o", "o1.2", "u1", "u1.2.3", "x1.2.3", "o1.2.-3", "é1.2.3", "o1..3", "1.2.3",
        ] {
            assert!(Cursor::parse(bad, false).is_err(), "{bad}");
        }
    }
}
