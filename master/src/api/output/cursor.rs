//! Where a reader of a job's rows is, and how it says so to go on from there.

use std::fmt;

use tonic::Status;

/// Behind what was sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// In input order.
    Ordered {
        /// The next chunk.
        seq: u64,
        /// How many bytes of its rows were sent.
        skip: u64,
        /// Chunks before it that were passed over because they were dead.
        passed: u64,
    },
    /// In the order of commits.
    Unordered {
        /// The next result.
        place: u64,
        /// How many bytes of its rows were sent.
        skip: u64,
    },
}

impl Cursor {
    /// Where a request begins: at its token, or at the start.
    ///
    /// # Errors
    ///
    /// When the token is none of ours, or one of the other order.
    pub(crate) fn read(token: &str, unordered: bool) -> Result<Self, Status> {
        let none = || Status::invalid_argument("that token is of no output in this order");
        if token.is_empty() {
            return Ok(Self::start(unordered));
        }
        let numbers: Option<Vec<u64>> = token.get(1..).and_then(|numbers| {
            let numbers = numbers.split('.').map(str::parse);
            numbers.collect::<Result<_, _>>().ok()
        });
        match (token.get(..1), unordered, numbers.as_deref()) {
            (Some("o"), false, Some(&[seq, skip, passed])) => {
                Ok(Self::Ordered { seq, skip, passed })
            }
            (Some("u"), true, Some(&[place, skip])) => Ok(Self::Unordered { place, skip }),
            _ => Err(none()),
        }
    }

    fn start(unordered: bool) -> Self {
        let (seq, place, skip, passed) = (0, 0, 0, 0);
        if unordered {
            Self::Unordered { place, skip }
        } else {
            Self::Ordered { seq, skip, passed }
        }
    }

    /// How much of the next chunk's rows was sent.
    pub(crate) fn skip(self) -> u64 {
        match self {
            Self::Ordered { skip, .. } | Self::Unordered { skip, .. } => skip,
        }
    }

    /// Behind some more of the next chunk's rows.
    pub(crate) fn within(self, bytes: u64) -> Self {
        match self {
            Self::Ordered { seq, skip, passed } => Self::Ordered {
                seq,
                skip: skip + bytes,
                passed,
            },
            Self::Unordered { place, skip } => Self::Unordered {
                place,
                skip: skip + bytes,
            },
        }
    }

    /// Behind the next chunk, or result.
    pub(crate) fn behind(self) -> Self {
        match self {
            Self::Ordered { seq, passed, .. } => Self::Ordered {
                seq: seq + 1,
                skip: 0,
                passed,
            },
            Self::Unordered { place, .. } => Self::Unordered {
                place: place + 1,
                skip: 0,
            },
        }
    }

    /// Behind the next chunk, which is dead. Without order there is no place that it has.
    pub(crate) fn passing(self) -> Self {
        match self {
            Self::Ordered { seq, passed, .. } => Self::Ordered {
                seq: seq + 1,
                skip: 0,
                passed: passed + 1,
            },
            Self::Unordered { .. } => self,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ordered { seq, skip, passed } => write!(f, "o{seq}.{skip}.{passed}"),
            Self::Unordered { place, skip } => write!(f, "u{place}.{skip}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_where_it_came_from_and_to_nowhere_else() {
        for unordered in [false, true] {
            let start = Cursor::read("", unordered).unwrap();
            let somewhere = start.behind().passing().within(10).within(5);
            assert_eq!(somewhere.skip(), 15);
            let token = somewhere.to_string();
            assert_eq!(Cursor::read(&token, unordered).unwrap(), somewhere);
            assert!(Cursor::read(&token, !unordered).is_err());
        }
        for bad in [
            "o", "o1.2", "u1", "u1.2.3", "x1.2.3", "o1.2.-3", "é1.2.3", "o1..3", "1.2.3",
        ] {
            assert!(Cursor::read(bad, false).is_err(), "{bad}");
        }
    }
}
