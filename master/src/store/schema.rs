//! The database's tables, and how an older one becomes today's.

use rusqlite::Connection;

use super::StoreError;

/// Each entry takes the database one version up; `user_version` says how many were taken.
const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE job (
  key INTEGER PRIMARY KEY,
  job_id TEXT NOT NULL UNIQUE,
  heard_unix_ms INTEGER NOT NULL,
  finished_unix_ms INTEGER,
  open BLOB,
  seal BLOB,
  partial BLOB,
  chunks_done INTEGER NOT NULL DEFAULT 0,
  chunks_dead INTEGER NOT NULL DEFAULT 0,
  rows INTEGER NOT NULL DEFAULT 0,
  rejects INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  duplicates INTEGER NOT NULL DEFAULT 0,
  spilled INTEGER NOT NULL DEFAULT 0
);
-- The unique key that makes counting twice impossible, and where the chunk's rejects lie.
CREATE TABLE result (
  job INTEGER NOT NULL REFERENCES job (key),
  seq INTEGER NOT NULL,
  worker_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  spill_offset INTEGER NOT NULL,
  spill_bytes INTEGER NOT NULL,
  PRIMARY KEY (job, seq)
) WITHOUT ROWID;
CREATE TABLE dead (
  job INTEGER NOT NULL REFERENCES job (key),
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL,
  worker_id TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  first_line INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  died_unix_ms INTEGER NOT NULL,
  chunk BLOB NOT NULL,
  PRIMARY KEY (job, seq)
);
",
    "
ALTER TABLE dead ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN control INTEGER NOT NULL DEFAULT 0;
",
    "
ALTER TABLE job ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;
-- What was merged into a job since its column `partial` was written; see the module `merged`.
CREATE TABLE piece (
  key INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES job (key),
  partial BLOB NOT NULL
);
CREATE INDEX piece_job ON piece (job);
",
    "
ALTER TABLE dead ADD COLUMN stderr TEXT NOT NULL DEFAULT '';
",
];

/// Brings the database to the newest schema.
///
/// # Errors
///
/// When a newer rowmill wrote it, or the database refuses.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for version in found..known {
        let transaction = connection.transaction()?;
        transaction.execute_batch(MIGRATIONS[version as usize])?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_every_older_schema_opens() {
        for version in 0..MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            for migration in &MIGRATIONS[..version] {
                connection.execute_batch(migration).unwrap();
            }
            connection
                .pragma_update(None, "user_version", version as i64)
                .unwrap();
            migrate(&mut connection).unwrap();
            let pieces = "SELECT count(*) FROM piece";
            let pieces = connection.query_row(pieces, [], |row| row.get(0));
            assert_eq!(pieces, Ok(0), "from {version}");
        }
    }
}
