//! Messages that cannot be used, stored as received. The oldest are deleted to make room for new ones.

use proto::v1;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::disk::Disk;
use super::error::StoreError;
use super::parts::Store;
use crate::message::UnreadableMessage;

/// The most messages, and the most bytes of their bodies. The largest message has 16 MiB.
const MAX_MESSAGES: i64 = 1000;
const MAX_BYTES: i64 = 64 << 20;

/// A stored message, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// 1, 2, … in order of arrival.
    pub number: u64,
    /// When it was received last.
    pub received_unix_ms: u64,
    /// How often the same message was received.
    pub times: u64,
    /// The length of its body in bytes.
    pub body_bytes: u64,
    /// The message. Its body is empty here.
    pub message: UnreadableMessage,
}

/// All stored messages.
#[derive(Debug)]
pub(crate) struct UnreadableList {
    /// Newest first.
    pub(crate) rows: Vec<UnreadableRow>,
    /// How many older ones were deleted to make room.
    pub(crate) forgotten: u64,
}

const COLUMNS: &str = "number, received_unix_ms, times, body_bytes, type, content_type, message_id, \
                       correlation_id, app_id, queue, reason";

impl<D: Disk> Store<D> {
    /// Commits messages received at `now_ms`. For a message that is stored already, its count is increased.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn store_unreadable(
        &mut self,
        messages: &[UnreadableMessage],
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for message in messages {
            insert(&transaction, message, now_ms)?;
        }
        evict_oldest(&transaction)?;
        transaction.commit()?;
        Ok(())
    }

    /// How many are stored.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub fn unreadable_total(&self) -> Result<u64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT count(*) FROM unreadable")?;
        Ok(statement.query_row([], |row| row.get::<_, i64>(0))? as u64)
    }

    pub(crate) fn unreadable(&self) -> Result<UnreadableList, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM unreadable ORDER BY number DESC"
        ))?;
        let rows = statement.query_map([], read)?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let numbered: Option<i64> = self
            .connection
            .query_row(
                "SELECT seq FROM sqlite_sequence WHERE name = 'unreadable'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        let dropped: i64 =
            self.connection
                .query_row("SELECT unreadable_dropped FROM store", [], |row| row.get(0))?;
        let gone = (numbered.unwrap_or(0) as u64).saturating_sub(rows.len() as u64);
        Ok(UnreadableList {
            forgotten: gone.saturating_sub(dropped as u64),
            rows,
        })
    }

    /// Deletes the messages with these numbers, or all if none is given. Returns how many were deleted.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub(crate) fn drop_unreadable(&mut self, numbers: &[u64]) -> Result<u64, StoreError> {
        let transaction = self.connection.transaction()?;
        let mut dropped = 0;
        if numbers.is_empty() {
            dropped = transaction.execute("DELETE FROM unreadable", [])?;
        }
        for number in numbers {
            dropped += transaction
                .prepare_cached("DELETE FROM unreadable WHERE number = ?")?
                .execute([*number as i64])?;
        }
        transaction.execute(
            "UPDATE store SET unreadable_dropped = unreadable_dropped + ?",
            [dropped as i64],
        )?;
        self.committer.commit(transaction, &mut self.spill)?;
        Ok(dropped as u64)
    }

    /// A message with at most `most_bytes` of its body. `None` if it is not stored.
    pub(crate) fn unreadable_message(
        &self,
        number: u64,
        most_bytes: usize,
    ) -> Result<Option<(UnreadableRow, Vec<u8>)>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, substr(body, 1, ?2) FROM unreadable WHERE number = ?1"
        ))?;
        let found = statement.query_row(params![number as i64, most_bytes as i64], |row| {
            Ok((read(row)?, row.get(11)?))
        });
        Ok(found.optional()?)
    }
}

fn insert(
    transaction: &Transaction<'_>,
    message: &UnreadableMessage,
    now_ms: u64,
) -> Result<(), StoreError> {
    let body: &[u8] = &message.body;
    let repeated = transaction
        .prepare_cached(
            "UPDATE unreadable SET times = times + 1, received_unix_ms = ?1 \
             WHERE body_bytes = ?2 AND type = ?3 AND message_id = ?4 AND content_type = ?5 AND body = ?6",
        )?
        .execute(params![
            now_ms as i64,
            body.len() as i64,
            message.kind,
            message.message_id,
            message.content_type,
            body,
        ])?;
    if repeated > 0 {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO unreadable (received_unix_ms, body_bytes, type, content_type, message_id, \
             correlation_id, app_id, queue, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            now_ms as i64,
            body.len() as i64,
            message.kind,
            message.content_type,
            message.message_id,
            message.correlation_id,
            message.app_id,
            message.queue,
            message.reason,
            body,
        ])?;
    Ok(())
}

fn evict_oldest(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut statement = transaction
        .prepare_cached("SELECT count(*), coalesce(sum(body_bytes), 0) FROM unreadable")?;
    loop {
        let (count, bytes): (i64, i64) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count <= 1 || count <= MAX_MESSAGES && bytes <= MAX_BYTES {
            return Ok(());
        }
        transaction.execute(
            "DELETE FROM unreadable WHERE number = (SELECT min(number) FROM unreadable)",
            [],
        )?;
    }
}

fn read(row: &Row<'_>) -> Result<UnreadableRow, rusqlite::Error> {
    let number = |at| row.get::<_, i64>(at).map(|number| number as u64);
    Ok(UnreadableRow {
        number: number(0)?,
        received_unix_ms: number(1)?,
        times: number(2)?,
        body_bytes: number(3)?,
        message: UnreadableMessage {
            kind: row.get(4)?,
            content_type: row.get(5)?,
            message_id: row.get(6)?,
            correlation_id: row.get(7)?,
            app_id: row.get(8)?,
            queue: row.get(9)?,
            reason: row.get(10)?,
            ..UnreadableMessage::default()
        },
    })
}

impl From<UnreadableRow> for v1::UnreadableMessage {
    fn from(row: UnreadableRow) -> Self {
        let UnreadableMessage {
            kind,
            content_type,
            message_id,
            correlation_id,
            app_id,
            queue,
            reason,
            ..
        } = row.message;
        Self {
            number: row.number,
            r#type: kind,
            content_type,
            message_id,
            correlation_id,
            app_id,
            queue,
            reason,
            received_unix_ms: row.received_unix_ms,
            body_bytes: row.body_bytes,
            times: row.times,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::StoreLocation;
    use super::*;

    fn message(id: u64, bytes: usize) -> UnreadableMessage {
        UnreadableMessage {
            message_id: id.to_string(),
            reason: "unknown message type \"x\"".into(),
            body: vec![b'x'; bytes].into(),
            ..UnreadableMessage::default()
        }
    }

    #[test]
    fn the_newest_are_kept_within_their_number_and_their_bytes_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Directory(dir.path().into());
        let mut store = Store::open(&location).unwrap();
        let many: Vec<_> = (0..MAX_MESSAGES as u64 + 50)
            .map(|id| message(id, 3))
            .collect();
        store.store_unreadable(&many, 7).unwrap();
        let list = store.unreadable().unwrap();
        assert_eq!((list.rows.len() as i64, list.forgotten), (MAX_MESSAGES, 50));
        assert_eq!(list.rows[0].message.message_id, "1049");
        // Each message takes a quarter of the space.
        for id in 0..6 {
            store.store_unreadable(&[message(id, 16 << 20)], 8).unwrap();
        }
        drop(store);
        let store = Store::open(&location).unwrap();
        let list = store.unreadable().unwrap();
        let ids: Vec<&str> = list
            .rows
            .iter()
            .map(|row| row.message.message_id.as_str())
            .collect();
        assert_eq!(ids, ["5", "4", "3", "2"]);
        assert_eq!(list.forgotten, MAX_MESSAGES as u64 + 52);
        let (row, body) = store
            .unreadable_message(list.rows[0].number, 10)
            .unwrap()
            .unwrap();
        assert_eq!((row.body_bytes, body), (16 << 20, vec![b'x'; 10]));
        assert!(store.unreadable_message(1, 10).unwrap().is_none());
    }

    #[test]
    fn dropped_messages_are_not_counted_as_deleted_to_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let location = StoreLocation::Directory(dir.path().into());
        let mut store = Store::open(&location).unwrap();
        let many: Vec<_> = (0..MAX_MESSAGES as u64 + 7)
            .map(|id| message(id, 3))
            .collect();
        store.store_unreadable(&many, 7).unwrap();
        assert_eq!(store.drop_unreadable(&[1, 8, 9, 5000]).unwrap(), 2);
        drop(store);
        let mut store = Store::open(&location).unwrap();
        assert_eq!(store.losses(), [""; 0]);
        let list = store.unreadable().unwrap();
        assert_eq!(
            (list.rows.len() as i64, list.forgotten),
            (MAX_MESSAGES - 2, 7)
        );
        assert_eq!(store.drop_unreadable(&[]).unwrap(), MAX_MESSAGES as u64 - 2);
        assert_eq!(store.drop_unreadable(&[]).unwrap(), 0);
        assert_eq!(store.unreadable().unwrap().forgotten, 7);
        // Numbers are never reused.
        store.store_unreadable(&[message(1, 3)], 7).unwrap();
        assert_eq!(
            store.unreadable().unwrap().rows[0].number,
            MAX_MESSAGES as u64 + 8
        );
    }

    #[test]
    fn a_redelivered_message_is_stored_once() {
        let spill = tempfile::tempdir().unwrap();
        let location = StoreLocation::Memory {
            spill: spill.path().into(),
        };
        let mut store = Store::open(&location).unwrap();
        store.store_unreadable(&[message(1, 3)], 7).unwrap();
        store
            .store_unreadable(&[message(1, 3), message(2, 3)], 9)
            .unwrap();
        // With another content type, it is another message.
        let json = UnreadableMessage {
            content_type: "application/json".into(),
            ..message(2, 3)
        };
        store.store_unreadable(&[json], 10).unwrap();
        let list = store.unreadable().unwrap();
        let reported: Vec<_> = list
            .rows
            .iter()
            .map(|row| (row.number, row.times, row.received_unix_ms))
            .collect();
        assert_eq!(reported, [(3, 1, 10), (2, 1, 9), (1, 2, 9)]);
    }
}
