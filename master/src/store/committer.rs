//! Commits the store's transactions: counts them in the database, and records the count beside the spill files.

use rusqlite::{Connection, Transaction, params};

use super::age_clock::AgeClock;
use super::disk::Disk;
use super::generation::Generation;

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
        spill: &mut impl Disk,
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
        if let Err(error) = spill.record_generation(&self.generation) {
            // The file stays behind. That raises no false alarm, but detects less.
            tracing::debug!(%error, "the generation is not recorded");
        }
        Ok(())
    }
}
