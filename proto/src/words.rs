//! What values of an enum are called, wherever people read them: screens, tables, JSON.

use crate::v1::ColumnType;

/// What a column's type is called.
pub fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Unspecified => "unknown",
        ColumnType::Empty => "empty",
        ColumnType::Integer => "integer",
        ColumnType::Decimal => "decimal",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
        ColumnType::Datetime => "datetime",
        ColumnType::Time => "time",
        ColumnType::Uuid => "uuid",
        ColumnType::Email => "email",
        ColumnType::Url => "url",
        ColumnType::Text => "text",
    }
}
