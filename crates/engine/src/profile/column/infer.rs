//! The type of a column: the one that most of its cells with bytes fit, if at least 95 % do, else
//! text. Integers fit decimal, and dates fit datetime; of types that fit equally well, the narrower is
//! taken.

use proto::v1::ColumnType;

use super::basics::Basics;
use crate::cells::kind::Kind;

/// The share of cells that must fit a type.
const FIT: f64 = 0.95;

/// The type of a column, and the share of its cells with bytes that fit.
pub(crate) fn infer(column: &Basics) -> (ColumnType, f64) {
    let filled = column.filled();
    if filled == 0 {
        return (ColumnType::Empty, 1.0);
    }
    let count = |kind| column.kind(kind);
    // Narrower types first: of equals, the first is taken.
    let types = [
        (ColumnType::Integer, count(Kind::Integer)),
        (
            ColumnType::Decimal,
            count(Kind::Integer).saturating_add(count(Kind::Decimal)),
        ),
        (ColumnType::Boolean, count(Kind::Boolean)),
        (ColumnType::Date, count(Kind::Date)),
        (
            ColumnType::Datetime,
            count(Kind::Date).saturating_add(count(Kind::DateTime)),
        ),
        (ColumnType::Time, count(Kind::Time)),
        (ColumnType::Uuid, count(Kind::Uuid)),
        (ColumnType::Email, count(Kind::Email)),
        (ColumnType::Url, count(Kind::Url)),
    ];
    let mut best = types[0];
    for other in types {
        if other.1 > best.1 {
            best = other;
        }
    }
    let fit = best.1 as f64 / filled as f64;
    if fit >= FIT {
        (best.0, fit)
    } else {
        (ColumnType::Text, 1.0)
    }
}
