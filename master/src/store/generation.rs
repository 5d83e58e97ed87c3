//! The database's id and its number of committed transactions, stored in the database and in the file `generation`
//! beside the spill files, so that an older copy of the database is detected.
//!
//! Invariant: the file's number is never greater than the database's number on disk. The file is written after the
//! commit and not synced, so it costs no wait. A crash can leave it behind, never ahead. If it is ahead when a store is
//! opened, commits are lost: the WAL was deleted or truncated, or an older copy was restored. It is created and synced
//! before the first spill file. So spill files without it, beside a new database, mean that the database is lost.

use std::fmt;
use std::str::FromStr;

/// A database at one of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Random, created with the database.
    pub(super) id: String,
    /// The number of committed transactions.
    pub(super) number: u64,
}

/// The file's content. It always has the same length, so it is overwritten in place. It has the number twice, so that a
/// torn write is detected.
impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, number } = self;
        writeln!(f, "{id} {number:020} {number:020}")
    }
}

impl FromStr for Generation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const TORN: &str = "it is torn, or not written by a master";
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [id, number, again] = words[..] else {
            return Err(TORN);
        };
        if number != again || id.is_empty() {
            return Err(TORN);
        }
        Ok(Self {
            id: id.to_owned(),
            number: number.parse().map_err(|_| TORN)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_and_a_torn_one_is_none() {
        let generation = Generation {
            id: "5f".repeat(16),
            number: 1234,
        };
        let text = generation.to_string();
        assert_eq!(text.parse(), Ok(generation.clone()));
        let later = Generation {
            number: u64::MAX,
            ..generation
        };
        assert_eq!(later.to_string().len(), text.len());
        let torn = later.to_string()[..50].to_owned() + &text[50..];
        for bad in ["", "x", "x 1", "x 1 2", &torn] {
            assert!(bad.parse::<Generation>().is_err(), "{bad:?}");
        }
    }
}
