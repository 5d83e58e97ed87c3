//! The contents of single cells: their kind, their value as an exact number, their hash. Shared by `sniff`, `profile`
//! and `validate`.

pub(crate) mod address;
pub(crate) mod big_decimal;
pub(crate) mod format;
pub(crate) mod fraction;
pub(crate) mod hash;
pub(crate) mod kind;
pub(crate) mod long_decimal;
pub(crate) mod number;
pub(crate) mod prefix;
mod swar;

pub(crate) use address::{is_email, is_url};
pub(crate) use format::is_uuid;
pub(crate) use kind::CellKind;

/// The kind of a cell that is not empty.
pub(crate) fn kind_of(cell: &[u8]) -> CellKind {
    number::kind(cell).unwrap_or_else(|| kind::text_kind(cell))
}
