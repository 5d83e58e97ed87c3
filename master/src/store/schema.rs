//! The database's tables, and the migrations from older schemas. `docs/store.md` describes each column, and what a
//! migration must do.

use rusqlite::Connection;

use super::error::StoreError;

/// Each entry migrates the database by one version. `user_version` is the number of applied entries.
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
    "
-- Where the rows of a chunk lie in the job's file of them, and an Output without its body; NULL where
-- none came. `place` numbers a job's results in the order of their commits, from 0.
ALTER TABLE result ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN rows_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN rows_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN output BLOB;
CREATE UNIQUE INDEX result_place ON result (job, place) WHERE output IS NOT NULL;
ALTER TABLE job ADD COLUMN output_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN output_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN expired_unix_ms INTEGER;
ALTER TABLE job ADD COLUMN expired_reason TEXT NOT NULL DEFAULT '';
",
    "
-- Of results whose rows have keys that may come once in a job: how many bytes the keys take in the job's
-- file of rows, behind the rows; whether it was looked which of them came before; which rows are left
-- out for that, as a list of varints; and where the rejects lie that came of it. Others are settled.
ALTER TABLE result ADD COLUMN keys_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN settled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE result ADD COLUMN left_out BLOB;
ALTER TABLE result ADD COLUMN again_offset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE result ADD COLUMN again_bytes INTEGER NOT NULL DEFAULT 0;
CREATE INDEX result_unsettled ON result (job, seq) WHERE settled = 0;
-- Every chunk before this one is settled, or was passed over because it is dead.
ALTER TABLE job ADD COLUMN frontier INTEGER NOT NULL DEFAULT 0;
",
    "
-- What of the job is gone or broken, for a person; empty: nothing. When it finished by the store's age
-- clock; NULL: before there was one.
ALTER TABLE job ADD COLUMN damage TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN finished_age_ms INTEGER;
-- One row: which database this is, how many transactions were committed to it, and the age clock and the
-- system's clock at the last of them; see the modules `generation` and `clock`.
CREATE TABLE store (
  id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  age_ms INTEGER NOT NULL,
  noted_unix_ms INTEGER NOT NULL
);
INSERT INTO store VALUES (lower(hex(randomblob(16))), 0, 0, 0);
",
    "
-- Messages that cannot be used, as they came, for people to look at; numbers are never used again.
CREATE TABLE unreadable (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  received_unix_ms INTEGER NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  body_bytes INTEGER NOT NULL,
  type TEXT NOT NULL,
  content_type TEXT NOT NULL,
  message_id TEXT NOT NULL,
  correlation_id TEXT NOT NULL,
  app_id TEXT NOT NULL,
  queue TEXT NOT NULL,
  reason TEXT NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX unreadable_body_bytes ON unreadable (body_bytes, type, message_id);
",
    "
-- Results of commands that came before it was known which header the job's rows have, each a
-- ChunkResult; see the module `headers`.
CREATE TABLE waiting (
  job INTEGER NOT NULL REFERENCES job (key),
  seq INTEGER NOT NULL,
  result BLOB NOT NULL,
  PRIMARY KEY (job, seq)
);
",
    "
-- Messages that cannot be used and that somebody deleted.
ALTER TABLE store ADD COLUMN unreadable_dropped INTEGER NOT NULL DEFAULT 0;
",
];

/// Migrates the database to the newest schema.
///
/// # Errors
///
/// If a newer rowmill wrote it, or the database fails.
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
    use std::collections::{BTreeMap, BTreeSet};

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
            for table in [
                "piece",
                "result WHERE output IS NOT NULL",
                "job WHERE output_rows > 0",
                "result WHERE settled = 0",
                "job WHERE frontier > 0",
                "job WHERE damage <> ''",
                "store WHERE generation > 0",
                "unreadable",
                "waiting",
                "store WHERE unreadable_dropped > 0",
            ] {
                let count = format!("SELECT count(*) FROM {table}");
                let count = connection.query_row(&count, [], |row| row.get(0));
                assert_eq!(count, Ok(0), "{table} from {version}");
            }
        }
    }

    /// The columns that the page describes, table by table.
    fn described() -> BTreeMap<String, BTreeSet<String>> {
        let page = include_str!("../../../docs/store.md");
        let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
        let mut table = None;
        for line in page.lines() {
            if line.starts_with('#') {
                let name = line
                    .strip_prefix("### `")
                    .and_then(|rest| rest.split_once('`'));
                table = name.map(|(name, _)| tables.entry(name.to_owned()).or_default());
            } else if let (Some(table), Some(row)) = (&mut table, line.strip_prefix("| `")) {
                let columns = row.split(" |").next().unwrap_or_default();
                table.extend(
                    columns
                        .split(", ")
                        .map(|name| name.trim_matches('`').to_owned()),
                );
            }
        }
        tables
    }

    #[test]
    fn the_page_describes_each_column() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let mut columns = connection
            .prepare(
                "SELECT t.name, c.name FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
            )
            .unwrap();
        let rows = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
        for row in rows.unwrap() {
            let (table, column): (String, String) = row.unwrap();
            tables.entry(table).or_default().insert(column);
        }
        assert_eq!(described(), tables);
    }
}
