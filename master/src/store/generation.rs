//! The database's id and its number of committed transactions, stored in the database and in the file `generation`
//! beside the spill files, so that an older copy of the database is detected.
//!
//! Invariant: the file's number is never greater than the database's number on disk. The file is written after the
//! commit and not synced, so it costs no wait. A crash can leave it behind, never ahead. If it is ahead when a store is
//! opened, commits are lost: the WAL was deleted or truncated, or an older copy was restored. It is created and synced
//! before the first spill file. So spill files without it, beside a new database, mean that the database is lost.

use std::fmt;
use std::str::FromStr;

use rusqlite::{Connection, Transaction, params};

use super::age_clock::AgeClock;
use super::disk::Disk;

/// A database at one of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation {
    /// Random, created with the database.
    pub(super) id: String,
    /// The number of committed transactions.
    pub(super) number: u64,
}

/// Commits transactions, and counts them.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) generation: Generation,
    pub(super) age: AgeClock,
}

impl Committer {
    /// Reads the table `store`. Also returns how many milliseconds since the last commit the age clock ignores.
    pub(super) fn read(connection: &Connection) -> Result<(Self, u64), rusqlite::Error> {
        connection.query_row(
            "SELECT id, generation, age_ms, noted_unix_ms FROM store",
            [],
            |row| {
                let generation = Generation {
                    id: row.get(0)?,
                    number: row.get::<_, i64>(1)? as u64,
                };
                let (age_ms, noted_unix_ms): (i64, i64) = (row.get(2)?, row.get(3)?);
                let (age, ignored_ms) =
                    AgeClock::resume(age_ms as u64, noted_unix_ms as u64, proto::unix_ms());
                Ok((Self { generation, age }, ignored_ms))
            },
        )
    }

    /// Commits a transaction of the store.
    pub(super) fn commit(
        &mut self,
        transaction: Transaction<'_>,
        spill: &mut Disk,
    ) -> Result<(), rusqlite::Error> {
        let next = self.generation.number + 1;
        transaction
            .prepare_cached("UPDATE store SET generation = ?, age_ms = ?, noted_unix_ms = ?")?
            .execute(params![
                next as i64,
                self.age.now_ms() as i64,
                proto::unix_ms() as i64
            ])?;
        transaction.commit()?;
        self.generation.number = next;
        if let Err(error) = spill.note(&self.generation) {
            // The file stays behind. That raises no false alarm, but detects less.
            tracing::debug!(%error, "the generation is not recorded");
        }
        Ok(())
    }
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
