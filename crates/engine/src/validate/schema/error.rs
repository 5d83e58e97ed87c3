//! Why a schema cannot be used.

/// The maximum size of a schema.
pub const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is too long.
    #[error("the schema has {bytes} bytes, and at most {MAX_SCHEMA_BYTES} are read")]
    Long {
        /// Its size.
        bytes: usize,
    },
    /// It is not JSON.
    #[error("the schema is not JSON: {0}")]
    Json(String),
    /// A part of it is wrong or not supported.
    #[error("{place}: {reason}")]
    Wrong {
        /// The part of the schema.
        place: String,
        /// The reason, for users.
        reason: String,
    },
    /// It does not fit the columns of the data.
    #[error("the schema does not fit the data: {0}")]
    Columns(String),
}

pub(crate) fn wrong(place: &str, reason: &str) -> SchemaError {
    let (place, reason) = (place.to_owned(), reason.to_owned());
    SchemaError::Wrong { place, reason }
}
