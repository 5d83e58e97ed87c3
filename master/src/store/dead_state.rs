//! The states of chunks in the table `dead`, for Rust and for SQL.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// The SQL condition for [`DeadState::is_counted`].
pub(super) const IS_COUNTED: &str = "state IN (0, 2)";

/// The state of a chunk in the table: the column `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum DeadState {
    /// Counted as dead; it can be replayed.
    Dead = 0,
    /// Published again; not counted.
    Replaying = 1,
    /// Counted as dead; its body was deleted.
    Dropped = 2,
    /// Its job is or was paused; not counted.
    Parked = 3,
    /// Its job has no chunk of that number; not counted, cannot be replayed.
    SetAside = 4,
}

impl DeadState {
    /// Whether it is included in the job's count of dead chunks.
    pub(super) fn is_counted(self) -> bool {
        matches!(self, Self::Dead | Self::Dropped)
    }
}

impl ToSql for DeadState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for DeadState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(|column| match column {
            1 => Self::Replaying,
            2 => Self::Dropped,
            3 => Self::Parked,
            4 => Self::SetAside,
            _ => Self::Dead,
        })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn sql_counts_the_same_states_and_reads_each_back() {
        let connection = Connection::open_in_memory().unwrap();
        let select = format!("SELECT state, {IS_COUNTED} FROM (SELECT ? AS state)");
        for state in [
            DeadState::Dead,
            DeadState::Replaying,
            DeadState::Dropped,
            DeadState::Parked,
            DeadState::SetAside,
        ] {
            let row = connection.query_row(&select, [state], |row| Ok((row.get(0)?, row.get(1)?)));
            assert_eq!(row, Ok((state, state.is_counted())));
        }
    }
}
