//! Why a schema cannot be used.

/// A schema is at most so long.
pub const MAX_SCHEMA_BYTES: usize = 1 << 20;

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is too long.
    #[error("the schema has {bytes} bytes, and at most {MAX_SCHEMA_BYTES} are read")]
    Long {
        /// How long it is.
        bytes: usize,
    },
    /// It is no JSON.
    #[error("the schema is no JSON: {0}")]
    Json(String),
    /// It says something that is wrong, or that is not known here.
    #[error("{place}: {reason}")]
    Wrong {
        /// Where in the schema.
        place: String,
        /// What is wrong, for a person.
        reason: String,
    },
    /// It is of other columns than the data has.
    #[error("the schema does not fit the data: {0}")]
    Columns(String),
}

pub(crate) fn wrong(place: &str, reason: &str) -> SchemaError {
    let (place, reason) = (place.to_owned(), reason.to_owned());
    SchemaError::Wrong { place, reason }
}
