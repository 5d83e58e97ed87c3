//! The contents of single cells: their kind, their value as an exact number, their hash. `sniff`, `profile` and
//! `validate` share them.

pub(crate) mod address;
pub(crate) mod big_decimal;
pub(crate) mod exact;
pub(crate) mod hash;
pub(crate) mod kind;
pub(crate) mod long_decimal;
pub(crate) mod number;
pub(crate) mod shape;
pub(crate) mod start;
mod word;

pub(crate) use address::{is_email, is_url};
pub(crate) use kind::Kind;
pub(crate) use shape::is_uuid;

/// The kind of a cell with bytes.
pub(crate) fn kind_of(cell: &[u8]) -> Kind {
    number::kind(cell).unwrap_or_else(|| kind::of_text(cell))
}
